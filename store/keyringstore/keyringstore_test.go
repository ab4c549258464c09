package keyringstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/keyring"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/safefile"
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

// TestAwayForMany: with a keyring that is away nobody's fetch is of use to another process, so none waits for it.
func TestAwayForMany(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, begun := &contract.Source{}, time.Now()
		var all sync.WaitGroup
		for range 20 {
			n := newNoted(t, &fake{get: func() (keyring.Item, error) { return keyring.Item{}, errors.New("no service") }}, dir)
			all.Go(func() {
				_, err := n.Through(t.Context(), roleKey("a"), good, func(ctx context.Context) (aws.Credentials, error) {
					time.Sleep(time.Minute)
					return s.Fetch(ctx)
				})
				require.NoError(t, err)
			})
		}
		all.Wait()
		require.Less(t, time.Since(begun), 2*time.Minute, "they queued up")
		require.EqualValues(t, 20, s.Calls.Load())
	})
}

// hanging is a keyring that can be made to hang.
type hanging struct {
	keyring.Keyring
	mu   sync.Mutex
	hang chan struct{} // until it is closed
	uses int
}

func (h *hanging) use() {
	h.mu.Lock()
	h.uses++
	hang := h.hang
	h.mu.Unlock()
	if hang != nil {
		<-hang
	}
}

func (h *hanging) Get(key string) (keyring.Item, error) { h.use(); return h.Keyring.Get(key) }
func (h *hanging) Set(i keyring.Item) error             { h.use(); return h.Keyring.Set(i) }

// set makes it hang, or not any more, and returns how often it has been used.
func (h *hanging) set(hang bool) (uses int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hang != nil {
		close(h.hang)
		h.hang = nil
	}
	if hang {
		h.hang = make(chan struct{})
	}
	return h.uses
}

// TestHangs: a keyring that hangs is waited for once, for a minute in all, and not so long that a renewal in the
// background fails, which has a minute itself. When it has answered it is used again.
func TestHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ring := &hanging{Keyring: keyring.NewArrayKeyring(nil)}
		n, s := newNoted(t, ring, dir), &contract.Source{}
		through := func(role string, limit, wait time.Duration) string {
			t.Helper()
			ctx, begun := t.Context(), time.Now()
			if limit != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, limit)
				defer cancel()
			}
			c, err := n.Through(ctx, roleKey(role), good, s.Fetch)
			require.NoError(t, err)
			require.Equal(t, wait, time.Since(begun))
			return c.AccessKeyID
		}
		require.Equal(t, nth(1), through("a", 0, 0))
		require.Equal(t, nth(1), through("a", 0, 0))
		uses := ring.set(true)
		require.Equal(t, nth(2), through("a", time.Minute, 30*time.Second))
		require.Equal(t, []string{"keyring: the keyring did not answer within 30s: credentials are fetched without it"}, n.lines)
		require.Equal(t, nth(3), through("a", 0, 30*time.Second), "a minute since it began to hang")
		for i := range 3 {
			require.Equal(t, nth(4+3*i), through("a", 0, 0))
			require.Equal(t, nth(5+3*i), through("b", 0, 0))
			require.Equal(t, nth(6+3*i), through("a", time.Minute, 0))
		}
		require.Len(t, n.lines, 1, "that is noted once")
		require.Equal(t, uses+1, ring.set(false))
		synctest.Wait()
		require.Equal(t, []string{"keyring: the keyring answers again"}, n.lines[1:])
		require.Equal(t, nth(1), through("a", 0, 0), "which is kept")
		require.Equal(t, nth(13), through("b", 0, 0))
		require.Equal(t, nth(13), through("b", 0, 0))

		ring.set(true)
		require.Equal(t, nth(14), through("c", 0, time.Minute))
		ring.set(false)
		synctest.Wait()
		require.Len(t, n.lines, 4, "%q", n.lines)
	})
}

// TestSetHangs: credentials are not held back for longer than that either.
func TestSetHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ring := &hanging{Keyring: keyring.NewArrayKeyring(nil)}
		n := newNoted(t, ring, dir)
		begun := time.Now()
		fetch := func(ctx context.Context) (aws.Credentials, error) {
			ring.set(true)
			return (&contract.Source{}).Fetch(ctx)
		}
		for range 2 {
			c, err := n.Through(t.Context(), roleKey("a"), good, fetch)
			require.NoError(t, err)
			require.Equal(t, nth(1), c.AccessKeyID)
			require.Equal(t, time.Minute, time.Since(begun))
			require.Equal(t, []string{"keyring: the keyring did not answer within 1m0s: the credentials are not kept"}, n.lines)
			fetch = (&contract.Source{}).Fetch
		}
		ring.set(false)
	})
}

// TestFirstLookFails: where nothing could be seen before the lock was got, what is there then is not new.
func TestFirstLookFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fails int // of the looks
		good  bool
		want  string
	}{"refused": {1, false, nth(2)}, "good": {1, true, nth(1)}, "seen": {0, false, nth(2)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner, looks := keyring.NewArrayKeyring(nil), 0
			ring := &fake{Keyring: inner}
			s, locks := &contract.Source{}, t.TempDir()
			require.Equal(t, nth(1), newNoted(t, inner, locks).id(t, s))
			ring.get = func() (keyring.Item, error) {
				if looks++; looks <= tt.fails {
					return keyring.Item{}, errors.New("busy")
				}
				return inner.Get(item("a"))
			}
			c, err := newNoted(t, ring, locks).Through(t.Context(), roleKey("a"), func(aws.Credentials) bool { return tt.good }, s.Fetch)
			require.NoError(t, err)
			require.Equal(t, tt.want, c.AccessKeyID)
		})
	}
}

// TestStoppedHolder: a process that holds the lock and never goes on costs two minutes, once, and no renewal in the
// background, which has a minute.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n, s := newNoted(t, keyring.NewArrayKeyring(nil), dir), &contract.Source{}
		release := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			_ = safefile.Update(context.Background(), filepath.Join(dir, roleKey("a").String()), true, func([]byte) ([]byte, error) {
				<-release
				return nil, nil
			})
		})
		synctest.Wait()
		for i, want := range []time.Duration{30 * time.Second, 90 * time.Second, 100 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), []time.Duration{time.Minute, time.Hour, time.Minute}[i])
			begun := time.Now()
			c, err := n.Through(ctx, roleKey("a"), func(aws.Credentials) bool { return false }, s.Fetch)
			cancel()
			require.NoError(t, err)
			require.Equal(t, nth(i+1), c.AccessKeyID)
			require.InDelta(t, want, time.Since(begun), float64(20*time.Millisecond))
		}
		require.Len(t, n.lines, 3)
		require.Contains(t, n.lines[1], "the lock was held for 2m0s")
		close(release)
		all.Wait()
	})
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

// TestMain makes this program a worker, if a test started it as one: KEYRINGSTORE_WORKER has the kind of worker and a
// directory.
func TestMain(m *testing.M) {
	kind, dir, found := strings.Cut(os.Getenv("KEYRINGSTORE_WORKER"), ":")
	if !found {
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
		if kind == "hangs" {
			fmt.Println("fetching")
			select {}
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
	herd(t, 30, dir)
	require.Equal(t, "AssumeRole\n", asked(t, dir))
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
	all.Go(func() { herd(t, 5, dir) })
	require.NoError(t, holder.Process.Kill())
	_ = holder.Wait() // "killed"
	all.Wait()
	require.Equal(t, "AssumeRole\nAssumeRole\n", asked(t, dir), "the killed one's and another")
}

func worker(t *testing.T, kind, dir string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(binary)
	cmd.Env = []string{"KEYRINGSTORE_WORKER=" + kind + ":" + dir}
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
			if err != nil || string(out) != nth(1)+"<nil>" {
				t.Errorf("a worker: %v %s", err, out)
			}
		})
	}
	all.Wait()
}

// asked is what STS has seen.
func asked(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "sts"))
	require.NoError(t, err)
	return string(data)
}
