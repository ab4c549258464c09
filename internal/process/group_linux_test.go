package process

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAwaitDoesNotReap: the number of a program stays its own until the group has been killed.
func TestAwaitDoesNotReap(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "program:", "fail", "3")
	require.NoError(t, cmd.Start())
	g := newGroup(cmd.Process)
	g.await()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	require.NoError(t, err)
	_, state, _ := strings.Cut(string(stat), ") ")
	require.Equal(t, "Z", state[:1])
	ended, err := g.reap()
	require.NoError(t, err)
	require.Equal(t, 3, ended.ExitCode())
}
