package realtest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain takes the developer's AWS settings out of the environment before anything can read them, and turns
// the metadata service off for whoever reads the environment all the same: nothing here may ever ask the
// machine's own metadata service. The tests give the library an environment of their own.
func TestMain(m *testing.M) {
	if !inNamespace() {
		for _, kv := range os.Environ() {
			if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
				os.Unsetenv(name)
			}
		}
		os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	}
	dir, err := os.MkdirTemp("", "credchain-realtest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// scratch is the directory for what the tests build and go's own cache does not keep.
var scratch string

// A program is an executable that these tests start.
type program string

const (
	metadataMock program = "ec2-metadata-mock"
	versitygw    program = "versitygw"
	ecsAgent     program = "ecsagent"
	credchainCLI program = "credchain"
)

// programs builds all of them, once. No test goes on while another one's program is being built, which takes
// every core: some tests have only so much patience.
var programs = sync.OnceValue(func() map[program]executable {
	return map[program]executable{
		metadataMock: goTool(".", metadataMock),
		versitygw:    goTool(".", versitygw),
		ecsAgent:     goTool("ecsagent", ecsAgent),
		credchainCLI: buildCommand(),
	}
})

// An executable is what came of building a program.
type executable struct {
	path string
	err  error
}

// path returns where the program is. In a namespace, which has no network to download modules with, that is
// where the test that made the namespace found it.
func (p program) path(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(p.variable()); path != "" {
		return path
	}
	built := programs()[p]
	require.NoError(t, built.err)
	return built.path
}

func (p program) variable() string {
	return "REALTEST_PROGRAM_" + strings.ToUpper(strings.ReplaceAll(string(p), "-", "_"))
}

// goTool builds a tool that dir's go.mod pins, and returns its place in go's build cache. Running it by
// "go tool" or "go run" would put the go command between us and the process that we have to stop.
func goTool(dir string, p program) executable {
	out, err := goCommand(dir, "tool", "-n", string(p))
	return executable{strings.TrimSpace(out), err}
}

// buildCommand builds cmd/credchain as its users do, with the requirements of the library's own go.mod.
func buildCommand() executable {
	path := filepath.Join(scratch, string(credchainCLI))
	_, err := goCommand("..", "build", "-o", path, "./cmd/credchain")
	return executable{path, err}
}

func goCommand(dir string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, stderr.String())
	}
	return stdout.String(), nil
}
