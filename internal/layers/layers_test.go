// Package layers holds the rule about who may import whom.
package layers

import (
	"encoding/json"
	"io"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/credchain/credchain"

// rank orders the packages: imports point down, to a smaller number, and nothing imports its own rank.
func rank(pkg string) int {
	switch dir := strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/"); {
	case strings.HasPrefix(dir, "cmd/"), dir == "examples", strings.HasPrefix(dir, "examples/"):
		return 6
	case dir == "awstest":
		return 5
	case dir == "providers":
		return 4
	case dir == "", dir == "imds", dir == "sts", dir == "sso", dir == "profile", dir == "store", dir == "retry", dir == "dryrun", dir == "quotas":
		return 3
	case strings.HasPrefix(dir, "internal/"):
		return 1
	case dir == "sigv4", strings.HasPrefix(dir, "store/internal/"):
		return 2
	default:
		return 0
	}
}

// light are the packages that a service links: they may use the standard library and the SDK's core alone.
func light(pkg string) bool { return rank(pkg) >= 1 && rank(pkg) <= 4 }

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func list(t *testing.T) []listed {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "./...")
	cmd.Dir = "../.."
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var all []listed
	for d := json.NewDecoder(out); ; {
		var l listed
		err := d.Decode(&l)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		all = append(all, l)
	}
	require.NoError(t, cmd.Wait())
	return all
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	all := list(t)
	require.Greater(t, len(all), 12, "the list of packages is too short to be true")
	for _, pkg := range all {
		require.NotZerof(t, rank(pkg.ImportPath), "%s has no rank: say where it belongs", pkg.ImportPath)
		for _, imported := range pkg.Imports {
			if strings.HasPrefix(imported, module) && rank(imported) >= rank(pkg.ImportPath) {
				t.Errorf("%s must not import %s: imports point down", pkg.ImportPath, imported)
			}
			if light(pkg.ImportPath) && !allowed(imported) {
				t.Errorf("%s must not import %s: whoever uses the library would link it", pkg.ImportPath, imported)
			}
		}
	}
}

func allowed(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") || strings.HasPrefix(imported, module) ||
		strings.HasPrefix(imported, "github.com/aws/aws-sdk-go-v2/aws") || strings.HasPrefix(imported, "github.com/aws/smithy-go")
}

// TestRootIsSmall keeps the promise that a program which lists its own links pays for those alone.
func TestRootIsSmall(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, path.Join(module, "internal/refresh"))
	for _, d := range deps {
		if strings.HasPrefix(d, module+"/") && rank(d) != 1 {
			t.Errorf("the root package links %s", d)
		}
		for _, heavy := range []string{"encoding/xml", "net/http/httptest", "testing", module + "/internal/ini", "os/exec"} {
			if d == heavy {
				t.Errorf("the root package links %s", d)
			}
		}
	}
}
