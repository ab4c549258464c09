package extended_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain takes the developer's AWS settings out of the environment, and turns the metadata service off for whoever
// reads the environment all the same.
func TestMain(m *testing.M) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	dir, err := os.MkdirTemp("", "credchain-extended-")
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

// A part is a program that somebody else has written, pinned by the tool line of a go.mod.
type part struct {
	name, dir string
	once      sync.Once
	at        string
	err       error
}

// Each part has a module of its own: they want versions that do not go together.
var (
	minio     = &part{name: "minio", dir: "parts/minio"}
	dex       = &part{name: "dex", dir: "parts/dex"}
	ecsLocal  = &part{name: "amazon-ecs-local-container-endpoints", dir: "parts/ecslocal"}
	versitygw = &part{name: "versitygw", dir: ".."}
)

// path builds the part if go's cache does not have it, and returns where it is. A part that cannot be downloaded or
// built skips the test that wants it, by name: that is no fault of the library's. So does one that takes longer than
// the test may; what was built by then is kept, and the next run goes on from there.
func (p *part) path(t testing.TB) string {
	t.Helper()
	p.once.Do(func() {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
			if end, limited := d.Deadline(); limited {
				var cancel context.CancelFunc
				ctx, cancel = context.WithDeadline(ctx, end.Add(-time.Minute))
				defer cancel()
			}
		}
		var out string
		out, p.err = goCommand(ctx, p.dir, "tool", "-n", p.name)
		p.at = strings.TrimSpace(out)
	})
	if p.err != nil {
		t.Skipf("skipped: there is no %s: %v", p.name, p.err)
	}
	return p.at
}

// command is cmd/credchain as its users build it. It is ours, so that it must be there.
var command = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "credchain")
	_, err := goCommand(context.Background(), "../..", "build", "-o", path, "./cmd/credchain")
	return path, err
})

func commandPath(t testing.TB) string {
	t.Helper()
	path, err := command()
	require.NoError(t, err)
	return path
}

func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // at which go stops its compilers
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("not ready in time, run the tests again or with a longer -timeout: %w", ctx.Err())
		}
		return "", fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, stderr.String())
	}
	return stdout.String(), nil
}
