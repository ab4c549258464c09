package backoff

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Permanent marks err as one that Do must not retry, whatever its class. Do takes the mark off again. Of a
// nil error it returns nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

// After attaches to err a server's hint when to come back: Do lengthens its own delay up to d, though by no
// more than 5 s. It does not make err worth a retry. Do takes the hint off again. Of a nil error it returns
// nil.
func After(d time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &after{err, d}
}

// Hinted is After with the hint that a refusing answer's header gives, if it gives one; see RetryAfter.
func Hinted(h http.Header, err error) error {
	if hint, ok := RetryAfter(h); ok {
		return After(hint, err)
	}
	return err
}

type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

type after struct {
	err   error
	delay time.Duration
}

func (a *after) Error() string { return a.err.Error() }
func (a *after) Unwrap() error { return a.err }

// unmark removes the marks that op put around its error.
func unmark(err error) error {
	for {
		switch m := err.(type) {
		case *permanent:
			err = m.err
		case *after:
			err = m.err
		default:
			return err
		}
	}
}

// failure is the last attempt's error with the story around it.
type failure struct {
	last     error
	attempts int
	note     string // why no further attempt was made, if that is not plain
	cause    error  // why the context ended, if it did
}

func (f *failure) Error() string {
	s := f.last.Error()
	if f.attempts > 1 {
		s = fmt.Sprintf("%s (after %d attempts)", s, f.attempts)
	}
	if f.note != "" {
		s += "; " + f.note
	}
	if f.cause != nil {
		s += "; " + f.cause.Error()
	}
	return s
}

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.last}
	}
	return []error{f.last, f.cause}
}

// counted is the error after n attempts, and why there is no other, if there is a reason to tell.
func counted(err error, n int, note string) error {
	if n == 1 && note == "" {
		return err
	}
	return &failure{last: err, attempts: n, note: note}
}

// ended is the error when the context ended. An attempt that the end cut short has nothing to tell but that,
// so the failure before it, if there was one, is the cause worth seeing.
func ended(cause, err, previous error, n int) error {
	cut := errors.Is(err, cause) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case cut && previous == nil && errors.Is(err, cause):
		return err
	case cut && previous != nil:
		return &failure{last: previous, attempts: n, cause: cause}
	}
	return &failure{last: err, attempts: n, cause: cause}
}
