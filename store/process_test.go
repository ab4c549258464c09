//go:build unix

package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/contract"
)

// TestMain makes this program a worker, if a test started it as one: STORE_WORKER has the kind of worker and the
// directory. A worker prints the access key ID it gets, and writes a line into the file "sts" for every fetch.
func TestMain(m *testing.M) {
	kind, dir, found := strings.Cut(os.Getenv("STORE_WORKER"), ":")
	if !found {
		os.Exit(m.Run())
	}
	s := &store.FileStore{Dir: filepath.Join(dir, "cache"), Note: func(line string) { fmt.Fprintln(os.Stderr, line) }}
	c, err := s.Through(context.Background(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) {
		f, err := os.OpenFile(filepath.Join(dir, "sts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString("AssumeRole\n")
		}
		if err != nil {
			return aws.Credentials{}, err
		}
		if kind == "hangs" {
			fmt.Println("fetching")
			select {}
		}
		time.Sleep(100 * time.Millisecond) // as STS takes
		return (&contract.Source{}).Fetch(context.Background())
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(c.AccessKeyID)
	os.Exit(0)
}

func worker(t *testing.T, kind, dir string) *exec.Cmd {
	binary, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(binary)
	cmd.Env = []string{"STORE_WORKER=" + kind + ":" + dir}
	return cmd
}

// herd runs n workers at once.
func herd(t *testing.T, n int, dir string) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		cmd := worker(t, "works", dir)
		all.Go(func() {
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "ASIAEXAMPLE00001\n" {
				t.Errorf("a worker: %v %s", err, out)
			}
		})
	}
	all.Wait()
}

// fetches is what STS has seen.
func fetches(t *testing.T, dir string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "sts"))
	require.NoError(t, err)
	return strings.Count(string(data), "\n")
}

// TestHundredProcesses is the herd that the SDKs let through: 100 processes that need one role cost one fetch, and
// the next 100 none.
func TestHundredProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	herd(t, 100, dir)
	require.Equal(t, 1, fetches(t, dir), "first wave")
	herd(t, 100, dir)
	require.Equal(t, 1, fetches(t, dir), "second wave")

	entries, err := os.ReadDir(filepath.Join(dir, "cache"))
	require.NoError(t, err)
	require.Len(t, entries, 1, "only the entry is left")
	info, err := entries[0].Info()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	info, err = os.Stat(filepath.Join(dir, "cache"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// TestHolderKilled: when the process that fetches is killed, the others go on at once, with one fetch.
func TestHolderKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder := worker(t, "hangs", dir)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "fetching\n", said)
	var all sync.WaitGroup
	all.Go(func() { herd(t, 10, dir) })
	require.NoError(t, holder.Process.Kill())
	_ = holder.Wait() // "killed"
	all.Wait()
	require.Equal(t, 2, fetches(t, dir), "the killed one's and another")
}
