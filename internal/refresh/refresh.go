// Package refresh keeps one value that expires: fetched once for all who ask at the same time, renewed
// before it ends, and served as long as it is valid when a renewal fails.
package refresh

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// How early a value is renewed, and what a failed renewal costs.
// Both windows shrink with the value's lifetime, so that a short-lived value is not renewed without pause.
const (
	advisoryWindow  = 5 * time.Minute // renewed in the background; nobody waits
	mandatoryWindow = time.Minute     // renewed while callers wait
	advisoryShare   = 2               // at most 1/2 of the lifetime
	mandatoryShare  = 10              // at most 1/10 of the lifetime
	retryMin        = 5 * time.Minute // a failed renewal is tried again after a random time
	retryMax        = 10 * time.Minute
	retryFloor      = time.Second // however little is left
	renewalLimit    = time.Minute // one renewal in the background
	expiredPause    = time.Second // between fetches from a source that answers with expired values
)

// Fetch brings a new value and the time it expires; the zero time means never. prev is the value that is
// to be renewed, nil at first. Its context is detached from the callers': it ends when none of them waits
// any more.
type Fetch[T any] func(ctx context.Context, prev *T) (T, time.Time, error)

// Value is one expiring value. The zero Value is empty and ready; it must not be copied.
type Value[T any] struct {
	current atomic.Pointer[entry[T]]

	mu     sync.Mutex
	flight *flight[T] // the fetch under way, nil if none
}

// entry is immutable; a change of plan is a new entry.
type entry[T any] struct {
	value   T
	expires int64 // wall clock, Unix nanoseconds, or never
	must    int64 // from here on callers wait for the renewal
	next    int64 // until here the value is served without a further thought
}

const never = math.MaxInt64

// flight is one fetch and those who wait for it.
type flight[T any] struct {
	cancel  context.CancelFunc
	done    chan struct{} // closed at the end; nil as long as nobody waits in another goroutine
	waiters int           // guarded, like done, by Value.mu; the last one to leave cancels the flight

	value T // valid once done is closed
	err   error
}

// errAborted is what the waiters of a fetch get that ended without returning (runtime.Goexit).
var errAborted = errors.New("the fetch was aborted")

// Fresh returns the value if there is nothing to be done about it yet, else nil. What it points to must not
// be changed. This is the path of nearly every call, so it allocates nothing.
func (v *Value[T]) Fresh() *T {
	if e := v.current.Load(); e != nil && (e.next == never || wall() < e.next) {
		return &e.value
	}
	return nil
}

// Get returns the value, fetching it first if need be. It fails only if there is no valid value: with the
// fetch's error, or with ctx's if ctx ends before the fetch does.
func (v *Value[T]) Get(ctx context.Context, fetch Fetch[T]) (T, error) {
	if value := v.Fresh(); value != nil {
		return *value, nil
	}
	return v.get(ctx, fetch)
}

// Forget drops the value. A fetch under way still answers those who wait for it, and is not kept.
func (v *Value[T]) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current.Store(nil)
	v.flight = nil
}

func (v *Value[T]) get(ctx context.Context, fetch Fetch[T]) (T, error) {
	v.mu.Lock()
	e, valid := v.current.Load(), false
	if e != nil {
		now := wall()
		valid = now < e.expires
		if now >= e.next && now < e.must && v.flight == nil {
			v.launch(ctx, e, fetch, true)
		}
		if now < e.must {
			v.mu.Unlock()
			return e.value, nil
		}
	}
	f := v.flight
	if f == nil {
		if ctx.Done() == nil && !valid { // a caller that cannot leave may as well do the work
			f = v.newFlight(func() {})
			f.waiters++
			v.mu.Unlock()
			v.run(ctx, f, e, fetch)
			return v.result(f, e)
		}
		f = v.launch(ctx, e, fetch, valid)
	}
	f.waiters++
	if f.done == nil {
		f.done = make(chan struct{})
	}
	done := f.done
	v.mu.Unlock()

	select {
	case <-done:
		return v.result(f, e)
	case <-ctx.Done():
		v.leave(f)
		if e != nil && wall() < e.expires {
			return e.value, nil
		}
		var none T
		return none, ctx.Err()
	}
}

// result is what a waiter of f gets: the new value, or the old one as long as it is valid.
func (v *Value[T]) result(f *flight[T], old *entry[T]) (T, error) {
	if f.err != nil && old != nil && wall() < old.expires {
		return old.value, nil
	}
	return f.value, f.err
}

func (v *Value[T]) newFlight(cancel context.CancelFunc) *flight[T] {
	f := &flight[T]{cancel: cancel, err: errAborted}
	v.flight = f
	return f
}

// launch starts a fetch that no single caller can end. One that renews a valid value goes on even if nobody
// waits for it, so that its failure is noted and impatient callers do not start one after the other; a limit
// ends it.
func (v *Value[T]) launch(ctx context.Context, old *entry[T], fetch Fetch[T], renewal bool) *flight[T] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := v.newFlight(cancel)
	if renewal {
		f.waiters++ // itself
		ctx, f.cancel = context.WithTimeout(ctx, renewalLimit)
	}
	go func() {
		defer cancel()
		v.run(ctx, f, old, fetch)
	}()
	return f
}

func (v *Value[T]) run(ctx context.Context, f *flight[T], old *entry[T], fetch Fetch[T]) {
	var expires time.Time
	defer func() { // even if fetch never returns
		v.mu.Lock()
		if v.flight == f { // else it was forgotten meanwhile
			v.flight = nil
			if f.err == nil {
				v.current.Store(newEntry(f.value, expires))
			} else if old != nil {
				v.current.Store(old.afterFailure())
			}
		}
		v.mu.Unlock()
		f.cancel()
		if f.done != nil { // nobody joins any more
			close(f.done)
		}
	}()
	var prev *T
	if old != nil {
		prev = &old.value
	}
	f.value, expires, f.err = fetch(ctx, prev)
}

// leave takes one waiter from f. When nobody is left, nobody needs the answer.
func (v *Value[T]) leave(f *flight[T]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.waiters--; f.waiters > 0 {
		return
	}
	f.cancel()
	if v.flight == f {
		v.flight = nil // the next caller starts afresh
	}
}

func newEntry[T any](value T, expires time.Time) *entry[T] {
	if expires.IsZero() {
		return &entry[T]{value: value, expires: never, must: never, next: never}
	}
	now, end := wall(), expires.UnixNano()
	life := end - now
	if life <= 0 {
		pause := now + int64(expiredPause)
		return &entry[T]{value: value, expires: end, must: pause, next: pause}
	}
	return &entry[T]{
		value:   value,
		expires: end,
		must:    end - min(int64(mandatoryWindow), life/mandatoryShare),
		next:    end - min(int64(advisoryWindow), life/advisoryShare),
	}
}

// afterFailure is the same value with a later next try: a random time away, or half of what is left to
// serve if that is sooner. The value is never served past its own expiry.
func (e *entry[T]) afterFailure() *entry[T] {
	now := wall()
	left := e.expires - now
	if left <= 0 {
		return e
	}
	wait := int64(retryMin) + rand.Int64N(int64(retryMax-retryMin))
	again := min(now+max(int64(retryFloor), min(wait, left/2)), e.expires)
	return &entry[T]{value: e.value, expires: e.expires, must: max(e.must, again), next: again}
}

// wall is the wall clock without its monotonic reading: a suspended machine's credentials go on expiring.
func wall() int64 { return time.Now().UnixNano() }
