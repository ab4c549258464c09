package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/safefile"
	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/contract"
)

// noted is a FileStore with what it noted.
type noted struct {
	store.FileStore
	mu    sync.Mutex
	lines []string
}

func newNoted(dir string) *noted {
	n := &noted{}
	n.Dir, n.Note = dir, func(line string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.lines = append(n.lines, line)
	}
	return n
}

func (n *noted) id(t *testing.T, role string, s *contract.Source) string {
	t.Helper()
	c, err := n.Through(t.Context(), roleKey(role), good, s.Fetch)
	require.NoError(t, err)
	return c.AccessKeyID
}

// path is the file of a role.
func path(dir, role string) string {
	return filepath.Join(dir, "credchain-"+roleKey(role).String()+".json")
}

func TestFormat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // midnight, 2000-01-01
		n, s := newNoted(t.TempDir()), &contract.Source{}
		n.id(t, "a", s)
		data, err := os.ReadFile(path(n.Dir, "a"))
		require.NoError(t, err)
		require.Equal(t, `{"Credentials":{"AccessKeyId":"ASIAEXAMPLE00001","SecretAccessKey":"Canary7-secret","SessionToken":"Canary7-token",`+
			`"Expiration":"2000-01-01T01:00:00UTC","AccountId":"123456789012"},"Credchain":{"Version":1,"Key":"`+roleKey("a").String()+
			`","Source":"sts.AssumeRole"}}`+"\n", string(data))
		require.Empty(t, n.lines)
	})
}

// TestIgnored has what is found in place of an entry.
func TestIgnored(t *testing.T) {
	t.Parallel()
	const creds = `"Credentials":{"AccessKeyId":"ASIAOTHER","SecretAccessKey":"Canary7","SessionToken":"Canary7","Expiration":"2099-01-01T00:00:00UTC"}`
	ours := func(rest string) string { return `{` + creds + `,"Credchain":{` + rest + `}}` }
	key := roleKey("a").String()
	for name, tt := range map[string]struct{ data, note string }{
		"empty":       {"", "it is not the JSON of an entry"},
		"torn":        {`{"Credentials":{"AccessKeyId":"Canary7`, "it is not the JSON of an entry"},
		"no object":   {`["Canary7"]`, "it is not the JSON of an entry"},
		"wrong type":  {`{"Credentials":"Canary7"}`, "it is not the JSON of an entry"},
		"null":        {"null", "it was not written by this library"},
		"the CLI's":   {`{` + creds + `}`, "it was not written by this library"},
		"the future":  {ours(`"Version":2,"Key":"` + key + `"`), "it has version 2, and this release reads none after 1"},
		"no version":  {ours(`"Key":"` + key + `"`), "it has no version"},
		"another key": {ours(`"Version":1,"Key":"Canary7"`), "it belongs to another key"},
		"no secret":   {strings.Replace(ours(`"Version":1,"Key":"`+key+`"`), "SecretAccessKey", "Secret", 1), "its SecretAccessKey is missing, or has a blank or a control character"},
		"a blank":     {strings.Replace(ours(`"Version":1,"Key":"`+key+`"`), "ASIAOTHER", "ASIA\\nX-Canary7:", 1), "its AccessKeyId is missing, or has a blank or a control character"},
		"no time":     {strings.Replace(ours(`"Version":1,"Key":"`+key+`"`), "2099", "Canary7", 1), "its Expiration is not a time such as 2006-01-02T15:04:05UTC"},
		"large":       {`{"x":"` + strings.Repeat("x", 1<<20) + `"}`, "it is longer than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, s := newNoted(t.TempDir()), &contract.Source{}
			require.NoError(t, os.WriteFile(path(n.Dir, "a"), []byte(tt.data), 0o600))
			require.Equal(t, "ASIAEXAMPLE00001", n.id(t, "a", s))
			require.Equal(t, []string{path(n.Dir, "a") + " is ignored: " + tt.note}, n.lines)
			require.Equal(t, "ASIAEXAMPLE00001", n.id(t, "a", s), "it is replaced")
		})
	}
	t.Run("what else a later release of this format adds is read", func(t *testing.T) {
		t.Parallel()
		n := newNoted(t.TempDir())
		require.NoError(t, os.WriteFile(path(n.Dir, "a"), []byte(ours(`"Version":1,"More":{},"Key":"`+key+`"`)), 0o600))
		require.Equal(t, "ASIAOTHER", n.id(t, "a", &contract.Source{}))
	})
	t.Run("others may write it", func(t *testing.T) {
		t.Parallel()
		n := newNoted(t.TempDir())
		theirs := []byte(ours(`"Version":1,"Key":"` + key + `"`))
		require.NoError(t, os.WriteFile(path(n.Dir, "a"), theirs, 0o600))
		require.NoError(t, os.Chmod(path(n.Dir, "a"), 0o602))
		down := errors.New("down")
		for range 2 {
			_, err := n.Through(t.Context(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, down })
			require.ErrorIs(t, err, down, "a failed fetch makes it no better")
		}
		c, err := n.Through(t.Context(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAFOREVER", SecretAccessKey: "s"}, nil
		})
		require.NoError(t, err)
		require.Equal(t, "AKIAFOREVER", c.AccessKeyID, "neither does one that brings what is not kept")
		data, err := os.ReadFile(path(n.Dir, "a"))
		require.NoError(t, err)
		require.Equal(t, string(theirs), string(data))
		require.Equal(t, "ASIAEXAMPLE00001", n.id(t, "a", &contract.Source{}))
		require.Equal(t, slices.Repeat([]string{path(n.Dir, "a") + " cannot be trusted: others than its owner may write it"}, 4), n.lines)
		require.Equal(t, "ASIAEXAMPLE00001", n.id(t, "a", &contract.Source{}), "it is replaced")
	})
}

// TestNoStore has what keeps a store from working: it costs a fetch, never the credentials.
func TestNoStore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, dir string) string
		note  string
	}{
		"a file in the place of the directory": {func(t *testing.T, dir string) string {
			require.NoError(t, os.WriteFile(dir+"/file", nil, 0o600))
			return dir + "/file"
		}, "not a directory"},
		"a directory in the place of the file": {func(t *testing.T, dir string) string {
			require.NoError(t, os.MkdirAll(path(dir, "a"), 0o700))
			return dir
		}, "it is a directory"},
		"a read-only file": {func(t *testing.T, dir string) string {
			require.NoError(t, os.WriteFile(path(dir, "a"), []byte("{}"), 0o400))
			return dir
		}, "it is read-only"},
		"a directory that is in no file system": {func(*testing.T, string) string { return "/proc/self/none" }, "/proc/self/none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, s := newNoted(tt.spoil(t, t.TempDir())), &contract.Source{}
			require.Equal(t, "ASIAEXAMPLE00001", n.id(t, "a", s))
			require.Equal(t, "ASIAEXAMPLE00002", n.id(t, "a", s))
			require.Contains(t, n.lines[len(n.lines)-1], tt.note)
			down := errors.New("down")
			_, err := n.Through(t.Context(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, down })
			require.ErrorIs(t, err, down)
		})
	}
	_, err := (&store.FileStore{}).Through(t.Context(), roleKey("a"), good, (&contract.Source{}).Fetch)
	require.EqualError(t, err, "store: FileStore.Dir is empty")
}

// TestStoppedHolderBehindAChain: nor does it cost the callers of a chain their credentials, if they have little time.
func TestStoppedHolderBehindAChain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, s := newNoted(t.TempDir()), &contract.Source{}
		release := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			_ = safefile.Update(context.Background(), path(n.Dir, "a"), true, func([]byte) ([]byte, error) {
				<-release
				return nil, nil
			})
		})
		synctest.Wait()
		chain := credchain.New(credchain.Named("role", aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			return n.Through(ctx, roleKey("a"), good, s.Fetch)
		})))
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := chain.Retrieve(ctx)
			cancel()
			require.NoError(t, err)
			chain.Invalidate()
		}
		close(release)
		all.Wait()
	})
}

// TestStoppedHolder: a process that holds the lock and never goes on is waited for, but not so long that a renewal in
// the background fails, which has a minute, and for two minutes in all. Once the lock was got all begins anew.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, s := newNoted(t.TempDir()), &contract.Source{}
		hold := func() (letGo func()) {
			release := make(chan struct{})
			var all sync.WaitGroup
			all.Go(func() {
				_ = safefile.Update(context.Background(), path(n.Dir, "a"), true, func([]byte) ([]byte, error) {
					<-release
					return nil, nil
				})
			})
			synctest.Wait()
			return func() { close(release); all.Wait() }
		}
		call := 0
		memory := &store.Memory{} // as the providers have it before the store
		waits := func(ctx context.Context, want time.Duration) {
			t.Helper()
			begun := time.Now()
			call++
			none := func(aws.Credentials) bool { return false }
			c, err := memory.Through(ctx, roleKey("a"), none, func(ctx context.Context) (aws.Credentials, error) {
				return n.Through(ctx, roleKey("a"), none, s.Fetch)
			})
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("ASIAEXAMPLE%05d", call), c.AccessKeyID)
			require.InDelta(t, want, time.Since(begun), float64(20*time.Millisecond))
		}
		background := func(want time.Duration) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			waits(ctx, want)
		}
		letGo := hold()
		background(30 * time.Second)
		require.Contains(t, n.lines[0], "another process holds the lock on "+path(n.Dir, "a")+".lock: the lock was held for 30s")
		waits(t.Context(), 90*time.Second)
		require.Contains(t, n.lines[1], "the lock was held for 2m0s")
		for range 3 {
			waits(t.Context(), 100*time.Millisecond)
			background(100 * time.Millisecond)
		}
		other, err := n.Through(t.Context(), roleKey("b"), good, (&contract.Source{}).Fetch)
		require.NoError(t, err)
		require.Equal(t, "ASIAEXAMPLE00001", other.AccessKeyID, "another role's lock is not stuck")
		letGo()
		waits(t.Context(), 0)
		letGo = hold()
		waits(t.Context(), 2*time.Minute)
		letGo()
	})
}

// TestBroughtMeanwhile has what is found when the lock is free at last. Only what is truly new is as good as what would
// be fetched, and only as long as it lasts.
func TestBroughtMeanwhile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after time.Duration // for which the entry lasts that is there at first, and then; 0: there is none
		mode          os.FileMode   // of the first one
		good          bool          // it will do
		want          string
	}{
		"new":                         {after: time.Hour, want: "ASIAAFTER"},
		"new, and expired":            {after: -time.Second, want: "ASIAEXAMPLE00001"},
		"another":                     {before: time.Hour, mode: 0o600, after: time.Hour, want: "ASIAAFTER"},
		"another, and expired":        {before: time.Hour, mode: 0o600, after: -time.Second, want: "ASIAEXAMPLE00001"},
		"not seen before":             {before: time.Hour, mode: 0o602, after: time.Hour, want: "ASIAEXAMPLE00001"},
		"not seen before, and good":   {before: time.Hour, mode: 0o602, after: time.Hour, good: true, want: "ASIAAFTER"},
		"not seen before and expired": {before: time.Hour, mode: 0o602, after: -time.Second, good: true, want: "ASIAEXAMPLE00001"},
	} {
		if tt.mode == 0o602 && runtime.GOOS == "windows" {
			continue // everything is seen
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				n, s := newNoted(dir), &contract.Source{}
				if tt.before != 0 {
					require.NoError(t, os.WriteFile(path(dir, "a"), entryUntil(time.Now().Add(tt.before), "ASIABEFORE", roleKey("a")), 0o600))
					require.NoError(t, os.Chmod(path(dir, "a"), tt.mode))
				}
				var all sync.WaitGroup
				require.NoError(t, safefile.Update(t.Context(), path(dir, "a"), true, func([]byte) ([]byte, error) {
					all.Go(func() {
						c, err := n.Through(t.Context(), roleKey("a"), func(c aws.Credentials) bool { return tt.good && c.AccessKeyID != "ASIABEFORE" }, s.Fetch)
						if err != nil || c.AccessKeyID != tt.want {
							t.Errorf("Through: %s, %v; want %s", c.AccessKeyID, err, tt.want)
						}
					})
					time.Sleep(time.Second) // it waits for the lock
					return entryUntil(time.Now().Add(tt.after), "ASIAAFTER", roleKey("a")), nil
				}))
				all.Wait()
			})
		})
	}
}

// TestClock: credentials end by the wall clock. One that jumps is only a cache that is used less, or more.
func TestClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, s := newNoted(t.TempDir()), &contract.Source{}
		m := &store.Memory{}
		both := func() string {
			c, err := m.Through(t.Context(), roleKey("a"), good, func(ctx context.Context) (aws.Credentials, error) {
				return n.Through(ctx, roleKey("a"), good, s.Fetch)
			})
			require.NoError(t, err)
			return c.AccessKeyID
		}
		require.Equal(t, "ASIAEXAMPLE00001", both())
		time.Sleep(59 * time.Minute)
		require.Equal(t, "ASIAEXAMPLE00001", both())
		time.Sleep(time.Hour) // forward
		require.Equal(t, "ASIAEXAMPLE00002", both())

		// An hour back: what was written then has two hours.
		require.NoError(t, os.WriteFile(path(n.Dir, "a"), entryUntil(time.Now().Add(2*time.Hour), "ASIABACK", roleKey("a")), 0o600))
		time.Sleep(90 * time.Minute)
		require.Equal(t, "ASIABACK", both())
		time.Sleep(time.Hour)
		require.Equal(t, "ASIAEXAMPLE00003", both())
	})
}

func entryUntil(expires time.Time, id string, key store.Key) []byte {
	return fmt.Appendf(nil, `{"Credentials":{"AccessKeyId":%q,"SecretAccessKey":"s","SessionToken":"t","Expiration":%q},"Credchain":{"Version":1,"Key":%q}}`,
		id, expires.UTC().Format("2006-01-02T15:04:05UTC"), key.String())
}

// TestSweep: files of what has expired go, all else stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	n := newNoted(t.TempDir())
	now := time.Now()
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(n.Dir, name), data, 0o600))
	}
	write(filepath.Base(path(n.Dir, "old")), entryUntil(now.Add(-2*time.Hour), "ASIAOLD", roleKey("old")))
	stay := map[string]string{}
	for name, data := range map[string][]byte{
		filepath.Base(path("", "recent")):               entryUntil(now.Add(-30*time.Minute), "ASIARECENT", roleKey("recent")),
		filepath.Base(path("", "valid")):                entryUntil(now.Add(time.Hour), "ASIAVALID", roleKey("valid")),
		filepath.Base(path("", "other")):                entryUntil(now.Add(-2*time.Hour), "ASIAOTHER", roleKey("another")),
		"credchain-notes.json":                          entryUntil(now.Add(-2*time.Hour), "ASIANOTES", roleKey("notes")),
		"0123456789012345678901234567890123456789.json": []byte(`{"Credentials":{"Expiration":"2001-01-01T00:00:00UTC"}}`),
	} {
		write(name, data)
		stay[name] = string(data)
	}
	n.id(t, "new", &contract.Source{})
	for name, data := range stay {
		got, err := os.ReadFile(filepath.Join(n.Dir, name))
		require.NoError(t, err)
		require.Equal(t, data, string(got))
	}
	entries, err := os.ReadDir(n.Dir)
	require.NoError(t, err)
	require.Len(t, entries, len(stay)+1)
	require.NoFileExists(t, path(n.Dir, "old"))
	require.FileExists(t, path(n.Dir, "new"))
	require.Empty(t, n.lines)
}

// TestNotKept: credentials that are for ever, or are no credentials at all, are not for a file.
func TestNotKept(t *testing.T) {
	t.Parallel()
	n := newNoted(t.TempDir())
	for _, spoil := range []func(*aws.Credentials){
		func(c *aws.Credentials) { c.CanExpire = false },
		func(c *aws.Credentials) { c.SessionToken = "" },
		func(c *aws.Credentials) { c.AccessKeyID = "ASIA EXAMPLE" },
		func(c *aws.Credentials) { c.Expires = time.Time{} },
	} {
		c, err := (&contract.Source{}).Fetch(t.Context())
		require.NoError(t, err)
		spoil(&c)
		got, err := n.Through(t.Context(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) { return c, nil })
		require.NoError(t, err)
		require.Equal(t, c, got)
		require.NoFileExists(t, path(n.Dir, "a"))
	}
}
