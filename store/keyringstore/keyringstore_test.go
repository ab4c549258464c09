package keyringstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/keyring"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/contract"
	"github.com/credchain/credchain/store/keyringstore"
)

func roleKey(role string) store.Key {
	return store.Key{Operation: "AssumeRole", Caller: "profile dev", Service: "eu-central-1", RoleARN: "arn:aws:iam::123456789012:role/" + role}
}

func item(role string) string { return "credchain-" + roleKey(role).String() }

func good(aws.Credentials) bool { return true }

func nth(n int) string { return fmt.Sprintf("ASIAEXAMPLE%05d", n) }

// fileRing is a keyring in a directory.
func fileRing(dir string) (keyring.Keyring, error) {
	return keyring.Open(keyring.Config{AllowedBackends: []keyring.BackendType{keyring.FileBackend}, FileDir: dir,
		FilePasswordFunc: keyring.FixedStringPrompt("password")})
}

// noted is a Store with what it noted.
type noted struct {
	*keyringstore.Store
	mu    sync.Mutex
	lines []string
}

func newNoted(t *testing.T, ring keyring.Keyring, lockDir string) *noted {
	n := &noted{}
	var err error
	n.Store, err = keyringstore.New(keyringstore.Config{Ring: ring, LockDir: lockDir, Note: func(line string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.lines = append(n.lines, line)
	}})
	require.NoError(t, err)
	return n
}

func (n *noted) id(t *testing.T, s *contract.Source) string {
	t.Helper()
	c, err := n.Through(t.Context(), roleKey("a"), good, s.Fetch)
	require.NoError(t, err)
	return c.AccessKeyID
}

func through(s store.Store) contract.Through {
	return func(ctx context.Context, role string, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
		return s.Through(ctx, roleKey(role), good, fetch)
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		contract.Run(t, func(t *testing.T) contract.Through {
			ring, err := fileRing(t.TempDir())
			require.NoError(t, err)
			return through(newNoted(t, ring, t.TempDir()))
		}, synctest.Wait)
	})
}

// TestShared: two stores on one keyring are as good as two processes. Nothing is in the clear on the disk.
func TestShared(t *testing.T) {
	t.Parallel()
	dir, locks, s := t.TempDir(), t.TempDir(), &contract.Source{}
	for range 2 {
		ring, err := fileRing(dir)
		require.NoError(t, err)
		n := newNoted(t, ring, locks)
		require.Equal(t, nth(1), n.id(t, s))
		require.Empty(t, n.lines)
	}
	data, err := os.ReadFile(filepath.Join(dir, item("a")))
	require.NoError(t, err)
	require.NotContains(t, string(data), contract.Canary)
	left, err := os.ReadDir(locks)
	require.NoError(t, err)
	require.Empty(t, left)
}

// fake is a keyring with a will of its own.
type fake struct {
	keyring.Keyring
	get      func() (keyring.Item, error)
	set      error
	modified map[string]time.Time
	removed  []string
}

func (f *fake) Get(string) (keyring.Item, error) { return f.get() }
func (f *fake) Set(keyring.Item) error           { return f.set }
func (f *fake) Remove(key string) error          { f.removed = append(f.removed, key); return nil }

func (f *fake) Keys() (keys []string, err error) {
	for k := range f.modified {
		keys = append(keys, k)
	}
	return keys, nil
}

func (f *fake) GetMetadata(key string) (keyring.Metadata, error) {
	return keyring.Metadata{ModificationTime: f.modified[key]}, nil
}

// TestAway has what keeps the keyring from working: it costs a fetch, never the credentials.
func TestAway(t *testing.T) {
	t.Parallel()
	nothing := func() (keyring.Item, error) { return keyring.Item{}, keyring.ErrKeyNotFound }
	for name, tt := range map[string]struct {
		ring fake
		note string
	}{
		"no service": {fake{get: func() (keyring.Item, error) {
			return keyring.Item{}, errors.New("Object does not exist at path “/”")
		}},
			"keyring: Object does not exist at path “/”: credentials are fetched without it"},
		"hangs": {fake{get: func() (keyring.Item, error) { time.Sleep(time.Hour); return nothing() }},
			"keyring: the keyring did not answer within 1m0s: credentials are fetched without it"},
		"panics": {fake{get: func() (keyring.Item, error) { panic("Canary7") }},
			"keyring: the keyring library panicked: credentials are fetched without it"},
		"too large": {fake{get: nothing, set: errors.New("The stub received bad data.")},
			"keyring: The stub received bad data.: the credentials are not kept"},
		"damaged": {fake{get: func() (keyring.Item, error) { return keyring.Item{Data: []byte("Canary7")}, nil }, set: errors.New("no")},
			"keyring: the item " + item("a") + " is ignored: it is not the JSON of an entry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				n, s := newNoted(t, &tt.ring, dir), &contract.Source{}
				require.Equal(t, nth(1), n.id(t, s))
				require.Equal(t, tt.note, n.lines[0])
				require.NotContains(t, fmt.Sprint(n.lines), "Canary7")
				require.Equal(t, nth(2), n.id(t, s))
				down := errors.New("down")
				_, err := n.Through(t.Context(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, down })
				require.ErrorIs(t, err, down)
				time.Sleep(24 * time.Hour) // what hangs ends
			})
		})
	}
	_, err := keyringstore.New(keyringstore.Config{})
	require.EqualError(t, err, "keyringstore: there is no keyring")
}

// TestNoLock: where no lock files can be, the keyring is used without.
func TestNoLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o600))
	ring, err := fileRing(t.TempDir())
	require.NoError(t, err)
	n, s := newNoted(t, ring, dir+"/file"), &contract.Source{}
	require.Equal(t, nth(1), n.id(t, s))
	require.Equal(t, nth(1), n.id(t, s))
	require.Len(t, n.lines, 1)
	require.Contains(t, n.lines[0], "not a directory")
}

// TestSweep: what nobody has renewed for two days goes, without being read.
func TestSweep(t *testing.T) {
	t.Parallel()
	reads := 0
	old := time.Now().Add(-49 * time.Hour)
	ring := &fake{get: func() (keyring.Item, error) { reads++; return keyring.Item{}, keyring.ErrKeyNotFound },
		modified: map[string]time.Time{item("old"): old, item("recent"): time.Now().Add(-47 * time.Hour), item("unknown"): {}, "credchain-mine": old, "other": old}}
	n, s := newNoted(t, ring, t.TempDir()), &contract.Source{}
	n.id(t, s)
	n.id(t, s)
	require.Equal(t, []string{item("old")}, ring.removed)
	require.Equal(t, 4, reads)
}

// TestMain makes this program a worker, if a test started it as one: KEYRINGSTORE_WORKER has a directory.
func TestMain(m *testing.M) {
	dir := os.Getenv("KEYRINGSTORE_WORKER")
	if dir == "" {
		os.Exit(m.Run())
	}
	ring, err := fileRing(filepath.Join(dir, "ring"))
	if err != nil {
		panic(err)
	}
	s, err := keyringstore.New(keyringstore.Config{Ring: ring, LockDir: filepath.Join(dir, "locks")})
	if err != nil {
		panic(err)
	}
	c, err := s.Through(context.Background(), roleKey("a"), good, func(ctx context.Context) (aws.Credentials, error) {
		f, err := os.OpenFile(filepath.Join(dir, "sts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString("AssumeRole\n")
		}
		if err != nil {
			return aws.Credentials{}, err
		}
		time.Sleep(100 * time.Millisecond) // as STS takes
		return (&contract.Source{}).Fetch(ctx)
	})
	fmt.Print(c.AccessKeyID, err)
}

// TestProcesses: 30 processes that need one role cost one fetch.
func TestProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary, err := os.Executable()
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			cmd := exec.Command(binary)
			cmd.Env = []string{"KEYRINGSTORE_WORKER=" + dir}
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != nth(1)+"<nil>" {
				t.Errorf("a worker: %v %s", err, out)
			}
		})
	}
	all.Wait()
	data, err := os.ReadFile(filepath.Join(dir, "sts"))
	require.NoError(t, err)
	require.Equal(t, "AssumeRole\n", string(data))
}
