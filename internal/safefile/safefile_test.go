package safefile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/safefile"
)

// contents is an edit that writes text, whatever was there.
func contents(text string) func([]byte) ([]byte, error) {
	return func([]byte) ([]byte, error) { return []byte(text), nil }
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), mode))
	require.NoError(t, os.Chmod(name, mode)) // the umask does not matter
}

func requireText(t *testing.T, name, want string) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, want, string(text))
}

// requireAlone checks that a directory holds these files and nothing else.
func requireAlone(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	require.Equal(t, want, got)
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, safefile.Update(t.Context(), name, true, func(old []byte) ([]byte, error) {
		require.Nil(t, old)
		return []byte("one"), nil
	}))
	requireText(t, name, "one")
	require.NoError(t, safefile.Update(t.Context(), name, true, func(old []byte) ([]byte, error) {
		require.Equal(t, "one", string(old))
		return append(old, " two"...), nil
	}))
	requireText(t, name, "one two")
	require.NoError(t, safefile.Update(t.Context(), name, true, contents("")))
	requireText(t, name, "")
	require.NoError(t, safefile.Update(t.Context(), name, true, func(old []byte) ([]byte, error) {
		require.NotNil(t, old, "an empty file is there")
		return nil, nil
	}))
}

func TestNothingToWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	require.NoError(t, safefile.Update(t.Context(), name, true, func([]byte) ([]byte, error) { return nil, nil }))
	require.NoFileExists(t, name)
	failure := errors.New("no")
	require.Equal(t, failure, safefile.Update(t.Context(), name, true, func([]byte) ([]byte, error) { return []byte("x"), failure }))
	require.NoFileExists(t, name)

	write(t, name, "one", 0o644)
	before, err := os.Stat(name)
	require.NoError(t, err)
	for _, edit := range []func([]byte) ([]byte, error){
		contents("one"),
		func([]byte) ([]byte, error) { return nil, nil },
		func([]byte) ([]byte, error) { return []byte("two"), failure },
	} {
		if err := safefile.Update(t.Context(), name, true, edit); err != nil {
			require.Equal(t, failure, err)
		}
		after, err := os.Stat(name)
		require.NoError(t, err)
		require.True(t, os.SameFile(before, after), "the file was replaced")
	}
}

func TestEmptyFileIsMade(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, safefile.Update(t.Context(), name, true, contents("")))
	requireText(t, name, "")
}

func TestInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unused := func([]byte) ([]byte, error) { return nil, errors.New("edit was called") }
	file, sub, big := filepath.Join(dir, "file"), filepath.Join(dir, "sub"), filepath.Join(dir, "big")
	write(t, file, "one", 0o600)
	require.NoError(t, os.Mkdir(sub, 0o700))
	require.NoError(t, os.WriteFile(big, nil, 0o600))
	require.NoError(t, os.Truncate(big, 16<<20+1))

	require.EqualError(t, safefile.Update(t.Context(), sub, true, unused), sub+" cannot be updated: it is a directory")
	require.EqualError(t, safefile.Update(t.Context(), big, true, unused), big+" cannot be updated: it is larger than 16 MiB")
	below := filepath.Join(file, "x", "y")
	require.ErrorContains(t, safefile.Update(t.Context(), below, true, unused), below+" cannot be updated: ")
	requireText(t, file, "one")

	err := safefile.Update(t.Context(), file, true, func([]byte) ([]byte, error) { return make([]byte, 16<<20+1), nil })
	require.EqualError(t, err, file+" cannot be updated: it is larger than 16 MiB")
	requireText(t, file, "one")

	lock := filepath.Join(dir, "locked.lock")
	require.NoError(t, os.Mkdir(lock, 0o700))
	require.ErrorContains(t, safefile.Update(t.Context(), filepath.Join(dir, "locked"), true, unused), lock)
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	data, err := safefile.Read(name)
	require.NoError(t, err)
	require.Nil(t, data)
	write(t, name, "one", 0o600)
	data, err = safefile.Read(name)
	require.NoError(t, err)
	require.Equal(t, "one", string(data))
	_, err = safefile.Read(dir)
	require.EqualError(t, err, dir+" cannot be read: it is a directory")
}

// TestContext: whoever waits for a lock leaves when ctx ends, and says what for.
func TestContext(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	held, waiter := make(chan struct{}), make(chan error)
	done := make(chan error)
	go func() {
		done <- safefile.Update(t.Context(), name, true, func([]byte) ([]byte, error) {
			close(held)
			cancel(late)
			err := <-waiter
			if !errors.Is(err, late) {
				return nil, fmt.Errorf("the waiter ended with %w", err)
			}
			return []byte("one"), nil
		})
	}()
	<-held
	waiter <- safefile.Update(ctx, name, true, contents("two"))
	require.NoError(t, <-done)
	requireText(t, name, "one")

	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, safefile.Update(ended, name, true, contents("two")), context.Canceled)
	requireText(t, name, "one")

	// What edit brings is written even if ctx has ended meanwhile.
	ctx2, cancel2 := context.WithCancel(t.Context())
	require.NoError(t, safefile.Update(ctx2, name, true, func([]byte) ([]byte, error) {
		cancel2()
		return []byte("three"), nil
	}))
	requireText(t, name, "three")
}

func TestWaiterNamesTheLock(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, safefile.Update(t.Context(), name, true, func([]byte) ([]byte, error) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- safefile.Update(ctx, name, true, contents("two")) }()
			synctest.Wait() // until it waits for the lock
			cancel()
			err := <-done
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorContains(t, err, name+" cannot be updated: another process holds the lock on "+name+".lock: ")
			return nil, nil
		}))
	})
}

// TestWritersTakeTurns: of many goroutines none loses what another wrote, and a reader never sees a part.
func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	const writers, turns = 12, 6
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			text, err := safefile.Read(name)
			if err != nil || !whole(text) {
				t.Errorf("a reader saw %d bytes, %v", len(text), err)
				return
			}
		}
	})
	for range writers {
		writing.Go(func() {
			for range turns {
				if err := safefile.Update(t.Context(), name, false, countUp); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(text, []byte(strconv.Itoa(writers*turns)+"\n")), "updates were lost")
	requireAlone(t, dir, remaining("file")...)
}

// page is what countUp writes: big enough to need several writes, and its every line tells which one it is.
func page(n int) []byte {
	return []byte(strings.Repeat(strconv.Itoa(n)+"\n", 6_000))
}

// countUp writes the page after the one that is there.
func countUp(old []byte) ([]byte, error) {
	n, err := number(old)
	return page(n + 1), err
}

// number tells which page a text is; the empty text is page 0.
func number(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	n, err := strconv.Atoi(string(line))
	if err == nil && !bytes.Equal(text, page(n)) {
		err = fmt.Errorf("%d bytes are no page", len(text))
	}
	return n, err
}

func whole(text []byte) bool {
	_, err := number(text)
	return err == nil
}
