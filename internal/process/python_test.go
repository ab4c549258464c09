package process_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/process"
)

// TestLikePython compares with what the AWS CLI uses: shlex.split of Python's library, and botocore's own splitter
// for Windows.
func TestLikePython(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: starts Python")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	for name, tt := range map[string]struct {
		split  func(string) ([]string, error)
		module string
		python string
	}{
		"shlex":    {process.SplitPOSIX, "shlex", "shlex.split(c)"},
		"botocore": {process.SplitWindows, "botocore.compat", "botocore.compat.compat_shell_split(c, 'win32')"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := exec.Command(python, "-c", "import "+tt.module).CombinedOutput(); err != nil {
				t.Skipf("this Python has no %s: %s", tt.module, out)
			}
			all := commands()
			in, err := json.Marshal(all)
			require.NoError(t, err)
			cmd := exec.Command(python, "-c", `
import json, sys, `+tt.module+`
def split(c):
    try:
        return `+tt.python+`
    except ValueError:
        return None
json.dump([split(c) for c in json.load(sys.stdin)], sys.stdout)`)
			cmd.Stdin = strings.NewReader(string(in))
			out, err := cmd.Output()
			require.NoError(t, err)
			var want [][]string // null where Python raises an error
			require.NoError(t, json.Unmarshal(out, &want))
			require.Len(t, want, len(all))
			refused := 0
			for i, command := range all {
				got, err := tt.split(command)
				if want[i] == nil {
					refused++
					require.Error(t, err, "%q", command)
					continue
				}
				require.NoError(t, err, "%q", command)
				require.Equal(t, want[i], append([]string{}, got...), "%q", command)
			}
			require.Greater(t, refused, 100)
			require.Greater(t, len(all)-refused, 100)
		})
	}
}
