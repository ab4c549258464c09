//go:build unix

package safefile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/safefile"
)

// remaining are the files in a directory after an update of one in it: the lock file is gone as well.
func remaining(name string) []string { return []string{name} }

func requireMode(t *testing.T, name string, want os.FileMode) {
	t.Helper()
	info, err := os.Lstat(name)
	require.NoError(t, err)
	require.Equal(t, want, info.Mode().Perm(), "mode of %s", name)
}

func TestModes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		private  bool
		was, now os.FileMode
	}{
		{false, 0, 0o600}, {true, 0, 0o600}, // not there
		{false, 0o644, 0o644}, {true, 0o644, 0o600},
		{false, 0o666, 0o666}, {true, 0o777, 0o700},
		{false, 0o600, 0o600}, {true, 0o600, 0o600},
		{false, 0o200, 0o200},
	} {
		dir := filepath.Join(t.TempDir(), "a", "b")
		name := filepath.Join(dir, "file")
		if tt.was != 0 {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			write(t, name, "one", tt.was)
		}
		if tt.was == 0o200 && os.Geteuid() != 0 {
			require.ErrorContains(t, safefile.Update(t.Context(), name, tt.private, contents("two")), name+" cannot be updated: ")
			continue
		}
		require.NoError(t, safefile.Update(t.Context(), name, tt.private, contents("two")))
		requireMode(t, name, tt.now)
		if tt.was == 0 {
			requireMode(t, dir, 0o700)
			requireMode(t, filepath.Dir(dir), 0o700)
		}
		requireAlone(t, dir, "file")
	}
}

func TestReadOnlyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	write(t, name, "one", 0o444)
	err := safefile.Update(t.Context(), name, true, func([]byte) ([]byte, error) {
		return []byte("two"), errors.New("edit was called, and has spent what is good once")
	})
	require.EqualError(t, err, name+" cannot be updated: it is read-only (mode 0444)")
	requireText(t, name, "one")
	requireMode(t, name, 0o444)
	requireAlone(t, dir, "file")
}

// TestPrivateThoughUnchanged: that nothing is to be written leaves no permissions to others.
func TestPrivateThoughUnchanged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		private bool
		edit    func([]byte) ([]byte, error)
		now     os.FileMode
	}{
		{true, contents("one"), 0o600},
		{true, func([]byte) ([]byte, error) { return nil, nil }, 0o600},
		{true, func([]byte) ([]byte, error) { return nil, errors.New("no") }, 0o664},
		{false, contents("one"), 0o664},
	} {
		name := filepath.Join(t.TempDir(), "file")
		write(t, name, "one", 0o664)
		_ = safefile.Update(t.Context(), name, tt.private, tt.edit)
		requireMode(t, name, tt.now)
		requireAlone(t, filepath.Dir(name), "file")
	}
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "one", 0o664)
	require.NoError(t, safefile.Update(t.Context(), name, true, func([]byte) ([]byte, error) { return nil, os.Remove(name) }))
	require.NoFileExists(t, name)
}

// TestLockIsALink: nobody follows it, and nobody waits for it to be something else.
func TestLockIsALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	for _, to := range []string{"nowhere", "other"} {
		write(t, filepath.Join(dir, "other"), "", 0o600)
		require.NoError(t, os.Symlink(to, name+".lock"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel) // without which a broken one never ends
		err := safefile.Update(ctx, name, true, contents("one"))
		cancel()
		require.EqualError(t, err, name+" cannot be updated: the lock file "+name+".lock is a symbolic link")
		require.NoFileExists(t, filepath.Join(dir, "nowhere"))
		require.NoError(t, os.Remove(name+".lock"))
	}
	require.NoFileExists(t, name)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.MkdirAll(at("real/deep"), 0o700))
	require.NoError(t, os.MkdirAll(at("home"), 0o700))
	link := func(to, name string) { t.Helper(); require.NoError(t, os.Symlink(to, at(name))) }
	isLink := func(name string) {
		t.Helper()
		info, err := os.Lstat(at(name))
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&os.ModeSymlink, "%s is no link any more", name)
	}

	write(t, at("real/deep/file"), "one", 0o600)
	link("deep/file", "real/second")
	link("../real/second", "home/first")
	require.NoError(t, safefile.Update(t.Context(), at("home/first"), true, contents("two")))
	requireText(t, at("real/deep/file"), "two")
	isLink("home/first")
	isLink("real/second")
	requireAlone(t, at("home"), "first")
	requireAlone(t, at("real/deep"), "file")

	// A link that leads to nothing yet, and an absolute one.
	link(at("real/new/file"), "home/dangling")
	require.NoError(t, safefile.Update(t.Context(), at("home/dangling"), true, contents("one")))
	isLink("home/dangling")
	requireText(t, at("real/new/file"), "one")
	requireMode(t, at("real/new"), 0o700)

	// ".." is that of the directory a link leads to.
	link("../real/deep", "home/dir")
	link("dir/../up", "home/up")
	require.NoError(t, safefile.Update(t.Context(), at("home/up"), true, contents("one")))
	requireText(t, at("real/up"), "one")
	require.NoError(t, safefile.Update(t.Context(), at("home")+"/dir/../up", true, contents("two")))
	requireText(t, at("real/up"), "two")

	link("loop", "home/loop")
	err := safefile.Update(t.Context(), at("home/loop"), true, contents("one"))
	require.EqualError(t, err, at("home/loop")+" cannot be updated: there are too many symbolic links in a row")

	link("../real/deep", "home/directory")
	err = safefile.Update(t.Context(), at("home/directory"), true, contents("one"))
	require.ErrorContains(t, err, at("home/directory")+", a link to ")
	require.ErrorContains(t, err, "cannot be updated: it is a directory")
}

// TestLinksShareALock: two names of one file are one file.
func TestLinksShareALock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "real"), 0o700))
	require.NoError(t, os.Symlink("real", filepath.Join(dir, "link")))
	name, other := filepath.Join(dir, "real", "file"), filepath.Join(dir, "link", "file")
	held, let := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- safefile.Update(t.Context(), name, true, func([]byte) ([]byte, error) {
			close(held)
			<-let
			return []byte("one"), nil
		})
	}()
	<-held
	go close(let)
	require.NoError(t, safefile.Update(t.Context(), other, true, func(old []byte) ([]byte, error) {
		return append(old, " two"...), nil
	}))
	require.NoError(t, <-done)
	requireText(t, name, "one two")
}

func TestNoRegularFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(name, 0o600))
	require.EqualError(t, safefile.Update(t.Context(), name, true, contents("x")), name+" cannot be updated: it is no regular file")
	_, err := safefile.Read(name)
	require.EqualError(t, err, name+" cannot be read: it is no regular file")
	require.EqualError(t, safefile.Update(t.Context(), "/dev/null", true, contents("x")), "/dev/null cannot be updated: it is no regular file")
}

// TestLeftovers: what killed writers left is removed by the next one, and nothing else is.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	for _, n := range []string{".file.credchain-123", ".file.credchain-9", ".file.credchain-mine", ".other.credchain-1", ".file.1", "file.credchain-1"} {
		write(t, filepath.Join(dir, n), "secret", 0o600)
	}
	write(t, name+".lock", "", 0o600) // left by a killed writer too; it locks nobody out
	require.NoError(t, safefile.Update(t.Context(), name, true, func([]byte) ([]byte, error) { return nil, nil }))
	requireAlone(t, dir, ".file.1", ".file.credchain-mine", ".other.credchain-1", "file.credchain-1")
}

// TestOwner: a file that root updates for a user stays the user's.
func TestOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "one", 0o640)
	require.NoError(t, os.Chown(name, 1234, 4321))
	require.NoError(t, safefile.Update(t.Context(), name, false, contents("two")))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.EqualValues(t, 1234, info.Sys().(*syscall.Stat_t).Uid)
	require.EqualValues(t, 4321, info.Sys().(*syscall.Stat_t).Gid)
	requireMode(t, name, 0o640)
}

func TestErrorsAreTheSystems(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "", 0o600)
	err := safefile.Update(t.Context(), filepath.Join(file, "x"), true, contents("x"))
	require.True(t, errors.Is(err, syscall.ENOTDIR), err)
}

// TestReadTrusted: what others may write is not believed, though it can be read.
func TestReadTrusted(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	data, err := safefile.ReadTrusted(name)
	require.NoError(t, err)
	require.Nil(t, data)
	for mode, trusted := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o444: true, 0o755: true, 0o620: false, 0o602: false, 0o666: false, 0o666 | os.ModeSticky: false} {
		write(t, name, "one", 0o600)
		require.NoError(t, os.Chmod(name, mode))
		data, err := safefile.ReadTrusted(name)
		if trusted {
			require.NoError(t, err, mode)
			require.Equal(t, "one", string(data))
		} else {
			require.EqualError(t, err, name+" cannot be trusted: others than its owner may write it", mode)
			require.Nil(t, data)
		}
		requireText(t, name, "one")
		require.NoError(t, os.Remove(name))
	}
	if os.Geteuid() == 0 {
		write(t, name, "one", 0o600)
		require.NoError(t, os.Chown(name, 1234, 0))
		_, err := safefile.ReadTrusted(name)
		require.EqualError(t, err, name+" cannot be trusted: it belongs to another user (user ID 1234)")
		data, err := safefile.Read(name)
		require.NoError(t, err)
		require.Equal(t, "one", string(data))
	}
	_, err = safefile.ReadTrusted(t.TempDir())
	require.ErrorContains(t, err, "cannot be read: it is a directory")
}
