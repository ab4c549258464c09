package store_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// onDisk runs a shell script in which cache is a disk of its own, and worker a process that needs a role. It returns
// what the script wrote, and how often STS was asked.
func onDisk(t *testing.T, script string) (out string, fetched int) {
	t.Helper()
	dir := t.TempDir()
	cache := filepath.Join(dir, "cache")
	require.NoError(t, os.Mkdir(cache, 0o700))
	binary, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `mount -t tmpfs -o size=64k none "$cache" || { echo no tmpfs; exit 0; }`+"\n"+script)
	cmd.Env = append(os.Environ(), "STORE_WORKER=works:"+dir, "cache="+cache, "worker="+binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	said, err := cmd.CombinedOutput()
	if err != nil && len(said) == 0 || strings.Contains(string(said), "no tmpfs") {
		t.Skipf("no disk can be made here: %v %s", err, said)
	}
	require.NoError(t, err, "%s", said)
	return strings.ReplaceAll(string(said), path(cache, "a"), "ENTRY"), fetches(t, dir)
}

// TestFullDisk: a full disk costs a fetch each time, never the credentials, and nothing stays on it.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	out, fetched := onDisk(t, `head -c 1000000 /dev/zero >"$cache/full" 2>/dev/null
"$worker"; "$worker"; ls -A "$cache"; rm "$cache/full"; "$worker"; "$worker"`)
	const failed = `ENTRY cannot be updated: write \S+: no space left on device` + "\n"
	const got = "ASIAEXAMPLE00001\n"
	require.Regexp(t, "^"+failed+got+failed+got+"full\n"+got+got+"$", out)
	require.Equal(t, 3, fetched, "two for want of space, and one that is kept")
}

// TestReadOnlyHome: a home that takes nothing costs a fetch each time; what is in it is used.
func TestReadOnlyHome(t *testing.T) {
	t.Parallel()
	const remount = `mount -o remount,%s "$cache" || { echo no tmpfs; exit 0; }` + "\n"
	out, fetched := onDisk(t, fmt.Sprintf(remount, "ro")+`"$worker"; "$worker"`+"\n"+fmt.Sprintf(remount, "rw")+
		`"$worker"`+"\n"+fmt.Sprintf(remount, "ro")+`"$worker"; "$worker"`)
	const failed = `ENTRY cannot be updated: open ENTRY\.lock: read-only file system` + "\n"
	const got = "ASIAEXAMPLE00001\n"
	require.Regexp(t, "^"+failed+got+failed+got+got+got+got+"$", out)
	require.Equal(t, 3, fetched)
}
