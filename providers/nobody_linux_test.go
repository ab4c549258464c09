package providers_test

import (
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
	self, err := os.Executable()
	require.NoError(t, err)
	// Another process copies: see TestAsNobody of safefile.
	require.NoError(t, exec.Command("cp", self, binary).Run())
	require.NoError(t, os.Chmod(binary, 0o755))

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
