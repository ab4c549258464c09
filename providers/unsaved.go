package providers

import (
	"sync"
	"time"
)

// unsaved keeps the sessions that were renewed and could not be written, by file: the refresh token in the file is
// worth nothing any more, and that of the session here is the only one that is still good. The zero value is empty.
type unsaved[T any] struct {
	mu   sync.Mutex
	kept map[string]unsavedSession[T]
}

type unsavedSession[T any] struct {
	session T
	expires time.Time
}

// later returns what a file holds, or the session that was to take its place.
func (u *unsaved[T]) later(file string, session T, expires time.Time) T {
	u.mu.Lock()
	defer u.mu.Unlock()
	if k, ok := u.kept[file]; ok && k.expires.After(expires) {
		return k.session
	}
	return session
}

// keep remembers a session that could not be written, until one is.
func (u *unsaved[T]) keep(file string, session T, expires time.Time, written bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if written {
		delete(u.kept, file)
		return
	}
	if u.kept == nil {
		u.kept = make(map[string]unsavedSession[T])
	}
	u.kept[file] = unsavedSession[T]{session, expires}
}
