package providers_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAsNobody runs again, as a user without rights, the tests for which root's eyes are too good.
func TestAsNobody(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("this is not root, so the tests ran in earnest")
	}
	dir, err := os.MkdirTemp("", "nobody") // t.TempDir is closed to others
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o777))
	binary := filepath.Join(dir, "providers.test")
	copyProgram(t, binary)

	cmd := exec.Command(binary, "-test.v", "-test.run", "^TestSharedFilesOnDisk$")
	cmd.Dir = dir
	cmd.Env = []string{"TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	for _, name := range []string{"unreadable", "in_another_user's_home"} {
		require.Contains(t, string(out), "--- PASS: TestSharedFilesOnDisk/"+name)
	}
}

func copyProgram(t *testing.T, to string) {
	in, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}
