package safefile_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/safefile"
)

// TestMain makes this program a writer, if a test started it as one: SAFEFILE_WRITER has the kind of writer and
// the file.
func TestMain(m *testing.M) {
	kind, name, found := strings.Cut(os.Getenv("SAFEFILE_WRITER"), ":")
	if !found {
		os.Exit(m.Run())
	}
	for first := true; ; first = false {
		if kind == "limited" {
			signal.Ignore(syscall.SIGXFSZ)
			limit := syscall.Rlimit{Cur: 8192, Max: 8192}
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
				fmt.Println("setrlimit:", err)
				os.Exit(1)
			}
		}
		if kind == "trusts" {
			data, err := safefile.ReadTrusted(name)
			fmt.Printf("%s %v\n", data, err)
			os.Exit(0)
		}
		err := safefile.Update(context.Background(), name, true, func(old []byte) ([]byte, error) {
			if kind == "once" {
				fmt.Print("edit was called; ")
			}
			return countUp(old)
		})
		switch {
		case err != nil:
			fmt.Println(err)
			os.Exit(1)
		case kind != "endless":
			os.Exit(0)
		case first:
			fmt.Println("started")
		}
	}
}

func writer(kind, name string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"SAFEFILE_WRITER=" + kind + ":" + name}
	return cmd
}

// TestKilled kills a process that writes a file, at any point, 200 times. The file is always one that somebody
// wrote, and never goes back; the next process is not locked out.
func TestKilled(t *testing.T) {
	t.Parallel()
	for lane := range 4 {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			name := filepath.Join(dir, "file")
			last := 0
			for range 50 {
				last = killWriter(t, name, last)
			}
			require.NoError(t, safefile.Update(t.Context(), name, true, countUp))
			requireAlone(t, dir, "file")
		})
	}
}

// killWriter starts a writer, kills it after its first update, and returns the page that is there then.
func killWriter(t *testing.T, name string, last int) int {
	cmd := writer("endless", name)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said, readErr := bufio.NewReader(out).ReadString('\n')
	time.Sleep(rand.N(5 * time.Millisecond)) // no time that counts, but whichever point the writer is at
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // "killed"
	require.NoError(t, readErr)
	require.Equal(t, "started\n", said)

	text, err := safefile.Read(name)
	require.NoError(t, err)
	n, err := number(text)
	require.NoError(t, err)
	require.Greater(t, n, last, "an update was taken back")
	return n
}

// TestWriteFails: a file system that takes no more, here a limit on the size of files, costs nothing but the update.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(name, page(1), 0o600))
	out, err := writer("limited", name).CombinedOutput()
	require.Error(t, err)
	require.Regexp(t, "^"+name+` cannot be updated: write \S+: file too large\n$`, string(out))
	requireText(t, name, string(page(1)))
	requireAlone(t, dir, "file")
}

// TestFullDisk is TestWriteFails on a disk that is full in earnest.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	name, old := filepath.Join(disk, "file"), filepath.Join(t.TempDir(), "old")
	require.NoError(t, os.WriteFile(old, page(1), 0o600))
	binary, err := os.Executable()
	require.NoError(t, err)
	script := fmt.Sprintf(`mount -t tmpfs -o size=56k none %[1]s || { echo no tmpfs; exit 0; }
cp %[2]s %[1]s/file && head -c 1000000 /dev/zero >%[1]s/full 2>/dev/null; %[3]s; cmp %[2]s %[1]s/file; ls -A %[1]s`, disk, old, binary)
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "SAFEFILE_WRITER=full:"+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 || strings.Contains(string(out), "no tmpfs") {
		t.Skipf("no disk can be made here: %v %s", err, out)
	}
	require.Contains(t, string(out), name+" cannot be updated: write ")
	require.Contains(t, string(out), "no space left on device\nfile\nfull\n", "the file, or what is beside it, is not as it was")
}

// asNobody returns what starts a writer without rights, and a directory that it can read.
func asNobody(t *testing.T) (start func(kind, name string) *exec.Cmd, dir string) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become nobody")
	}
	dir, err := os.MkdirTemp("", "nobody") // t.TempDir is closed to others
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	binary := filepath.Join(dir, "writer")
	self, err := os.Executable()
	require.NoError(t, err)
	// Another process copies: what this one has open for writing, any child that starts meanwhile has open as well, and
	// a file that is open for writing cannot be run ("text file busy").
	require.NoError(t, exec.Command("cp", self, binary).Run())
	require.NoError(t, os.Chmod(binary, 0o755))
	return func(kind, name string) *exec.Cmd {
		cmd := writer(kind, name)
		cmd.Path = binary
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return cmd
	}, dir
}

// TestAsNobody: what only a user without rights is refused.
func TestAsNobody(t *testing.T) {
	t.Parallel()
	start, dir := asNobody(t)
	for _, tt := range []struct {
		name      string
		dir, file os.FileMode
		want      string
	}{
		{"read-only directory", 0o755, 0o666, `cannot be updated: open \S+/file\.lock: permission denied`},
		{"unreadable file", 0o777, 0o600, `cannot be updated: open \S+/file: permission denied`},
		{"another user's file", 0o777, 0o666, `cannot be updated: it belongs to another user \(user ID 0\)`},
	} {
		at := filepath.Join(dir, strings.Fields(tt.name)[0])
		name := filepath.Join(at, "file")
		require.NoError(t, os.Mkdir(at, 0o755))
		write(t, name, string(page(1)), tt.file)
		require.NoError(t, os.Chmod(at, tt.dir))
		out, err := start("once", name).CombinedOutput()
		require.IsType(t, (*exec.ExitError)(nil), err, "%s: %v", tt.name, err)
		require.Regexp(t, "^"+name+" "+tt.want+"\n$", string(out))
		requireText(t, name, string(page(1)))
		requireAlone(t, at, "file")
	}
}

// TestTrustedOwners: a user believes what root wrote, and nobody else.
func TestTrustedOwners(t *testing.T) {
	t.Parallel()
	start, dir := asNobody(t)
	for owner, want := range map[int]string{
		65534: "text <nil>",
		0:     "text <nil>",
		1234:  " NAME cannot be trusted: it belongs to another user (user ID 1234)",
	} {
		name := filepath.Join(dir, fmt.Sprint(owner))
		write(t, name, "text", 0o644)
		require.NoError(t, os.Chown(name, owner, 0))
		out, err := start("trusts", name).CombinedOutput()
		require.NoError(t, err)
		require.Equal(t, strings.ReplaceAll(want, "NAME", name)+"\n", string(out))
	}
}
