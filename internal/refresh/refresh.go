// Package refresh keeps one value that expires: fetched once for all who ask at the same time, renewed before
// it ends, and served as long as it is valid when a renewal fails.
//
// There is no goroutine but the one of a fetch under way, and no timer but its limit: callers drive everything,
// and a Value that nobody asks does nothing.
package refresh

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	backgroundLimit = time.Minute     // a fetch for which nobody waits
	foregroundLimit = 5 * time.Minute // any other: a person may have to type a code
	grace           = time.Second     // for a fetch to notice that its context has ended
	patience        = 5 * time.Second // how long a renewal may hold up callers whose value is valid

	failureFirst = time.Second // a failed fetch is remembered, longer each time
	failureLimit = 30 * time.Second
	absentLimit  = 5 * time.Second // the same if it only found nothing

	rejectFirst = 30 * time.Second // between fetches because of a rejection
	rejectLimit = 10 * time.Minute
)

// Fetch brings a new value. prev is the value that is to be renewed, nil at first. Its context is detached from
// the callers': it ends when none of them waits any more, or after a limit. background says that nobody waits.
type Fetch[T any] func(ctx context.Context, prev *T, background bool) Outcome[T]

// Outcome is what a Fetch brings.
type Outcome[T any] struct {
	Value   T
	Expires time.Time // zero: never
	Err     error

	Absent   bool   // Err says only that there is nothing to fetch: it is remembered more briefly
	Outlives bool   // Err notwithstanding, Value stays in service, even past Expires, and Err is told to nobody
	After    func() // called when all is settled, before those who wait are told; may use the Value again
}

// Caller says who asks.
type Caller struct {
	Early      bool // it renews something itself: it would rather wait than get what is about to be renewed
	Background bool // nobody waits for what it does
}

// Value is one expiring value. The zero Value is empty and ready; it must not be copied.
type Value[T any] struct {
	current atomic.Pointer[Held[T]]

	mu        sync.Mutex // guards what follows and every flight; never held during a fetch
	flight    *flight[T] // the fetch under way, nil if none
	failure   error      // of the last fetch, given out until the pause is over
	failed    pause
	rejection pause
}

// flight is one fetch and those who wait for it.
type flight[T any] struct {
	begun      time.Time
	background bool
	cancel     context.CancelFunc
	done       chan struct{} // closed at the end; nil as long as nobody waits in another goroutine
	limit      *time.Timer   // abandons it
	waiters    int           // when the last one leaves, nobody needs the answer
	left       bool          // that has happened

	ended bool
	held  *Held[T] // the outcome: this,
	err   error    // or why not
}

var (
	errAborted = errors.New("the fetch was aborted") // by runtime.Goexit
	errHangs   = errors.New("whoever was asked hangs, and ignores the end of its context")
)

// Fresh returns the value if there is nothing to be done about it yet, else nil; and whether there is for a Caller
// that is Early. What it points to must not be changed. This is the path of nearly every call: it allocates nothing
// and takes no lock.
func (v *Value[T]) Fresh() (h *Held[T], early bool) {
	h = v.current.Load()
	if h == nil || h.early == never {
		return h, false
	}
	now := time.Now()
	if !h.reached(h.early, now) {
		return h, false
	}
	if h.reached(h.next, now) {
		return nil, false
	}
	return h, true
}

// Get returns the value, fetching it first if need be. It fails only if there is no valid value: with the
// fetch's error, that of a fetch shortly before, or with ctx's if ctx ends before the fetch does.
func (v *Value[T]) Get(ctx context.Context, by Caller, fetch Fetch[T]) (*Held[T], error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for {
		h, now := v.current.Load(), time.Now()
		need := h.need(now, by.Early)
		f := v.flight
		switch {
		case need == nothing:
			return h, nil
		case need == advisory:
			if f == nil {
				v.launch(ctx, h, fetch, true, true)
				v.current.Store(h.renewing())
			}
			return h, nil
		case need == mandatory && f != nil && now.Sub(f.begun) >= patience:
			return h, nil
		case need == value && ctx.Err() != nil:
			return nil, ctx.Err()
		case need == value && f == nil && v.failure != nil && !v.failed.over(now):
			return nil, v.failure
		}

		if f == nil && need == value && ctx.Done() == nil { // a caller that cannot leave may as well do the work
			f = v.newFlight(now, by.Background)
			v.runHere(ctx, f, h, fetch)
		} else {
			if f == nil {
				f = v.launch(ctx, h, fetch, by.Background, need == mandatory)
			}
			// Meanwhile the value may have been forgotten, or a machine have slept.
			if v.wait(ctx, f, h, need) && v.flight == f && !h.expired(time.Now()) {
				return h, nil
			}
		}

		switch h = v.current.Load(); {
		case f.ended && f.err == nil:
			return f.held, nil
		case f.ended && h != nil && !h.expired(time.Now()): // the renewal failed
			return h, nil
		case f.ended && (f.left || f.background && !by.Background):
			// It failed for want of somebody who waits, and now somebody does: once more.
		case f.ended:
			return nil, f.err
		case ctx.Err() != nil:
			if h != nil && !h.expired(time.Now()) {
				return h, nil
			}
			return nil, ctx.Err()
		}
	}
}

// Forget drops the value, and what is remembered of failures. A fetch under way still answers those who wait
// for it, and is not kept.
func (v *Value[T]) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current.Store(nil)
	v.flight = nil
	v.failure, v.failed, v.rejection = nil, pause{}, pause{}
}

// Reject says that the value is no good if it is the one that is held: the next caller waits for another.
// Before that happens it calls told, so that whoever brings the value can be told first. Rejections that follow
// one another count only after pauses that grow.
func (v *Value[T]) Reject(is func(*T) bool, told func(*T)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts := func() (*Held[T], bool) {
		h := v.current.Load()
		return h, h != nil && !h.rejected && is(&h.Value) && v.rejection.over(time.Now())
	}
	h, ok := counts()
	if !ok {
		return
	}
	func() {
		v.mu.Unlock()
		defer v.mu.Lock()
		told(&h.Value)
	}()
	if h, ok = counts(); !ok { // meanwhile another caller did it, or the value was renewed
		return
	}
	now := time.Now()
	if v.rejection.since(now) > 2*rejectLimit {
		v.rejection = pause{} // the last time was long ago
	}
	v.rejection.grow(now, rejectFirst, rejectLimit)
	v.current.Store(h.reject())
}

func (v *Value[T]) newFlight(now time.Time, background bool) *flight[T] {
	f := &flight[T]{begun: now, background: background, waiters: 1}
	v.flight = f
	return f
}

// launch starts a fetch that no single caller can end. One that renews a valid value goes on even if nobody
// waits for it, so that its failure is noted and impatient callers do not start one after the other.
func (v *Value[T]) launch(ctx context.Context, old *Held[T], fetch Fetch[T], background, renewal bool) *flight[T] {
	f := v.newFlight(time.Now(), background)
	limit := foregroundLimit
	if background {
		limit = backgroundLimit
	}
	ctx, f.cancel = context.WithTimeout(context.WithoutCancel(ctx), limit)
	f.limit = time.AfterFunc(limit+grace, func() { v.abandon(f) })
	if !renewal {
		f.waiters = 0
	}
	go func() {
		defer f.cancel()
		v.run(ctx, f, old, fetch)
	}()
	return f
}

// runHere is run in the goroutine of a caller. It gives v.mu up meanwhile.
func (v *Value[T]) runHere(ctx context.Context, f *flight[T], old *Held[T], fetch Fetch[T]) {
	v.mu.Unlock()
	defer v.mu.Lock()
	d := &deadline{Context: ctx, end: time.Now().Add(foregroundLimit)}
	defer d.stop()
	v.run(d, f, old, fetch)
}

func (v *Value[T]) run(ctx context.Context, f *flight[T], old *Held[T], fetch Fetch[T]) {
	o := Outcome[T]{Err: errAborted}
	defer func() { // even if fetch never returns
		v.mu.Lock()
		first := v.end(f, o)
		v.mu.Unlock()
		defer func() { // even if After never returns
			if first && f.done != nil { // nobody joins any more
				close(f.done)
			}
		}()
		if o.After != nil {
			o.After()
		}
	}()
	var prev *T
	if old != nil {
		prev = &old.Value
	}
	o = fetch(ctx, prev, f.background)
}

// wait waits for the end of f or of ctx, or of the patience of a caller that has a valid value: that is over while
// half of the value's time is left, too. It reports whether it was the patience that ended. It gives v.mu up meanwhile.
func (v *Value[T]) wait(ctx context.Context, f *flight[T], h *Held[T], need need) (impatient bool) {
	f.waiters++
	if f.done == nil {
		f.done = make(chan struct{})
	}
	if f.limit == nil { // another caller does the work
		f.limit = time.AfterFunc(foregroundLimit+grace, func() { v.abandon(f) })
	}
	v.mu.Unlock()
	var slow <-chan time.Time
	if need == mandatory {
		now := time.Now()
		t := time.NewTimer(min(patience-now.Sub(f.begun), time.Duration(h.expires-now.UnixNano())/2))
		defer t.Stop()
		slow = t.C
	}
	select {
	case <-f.done:
	case <-slow:
		impatient = true
	case <-ctx.Done():
	}
	v.mu.Lock()
	if f.waiters--; f.waiters == 0 && !f.ended && !f.left {
		f.left = true
		f.cancel()
		f.limit.Reset(max(grace, v.failed.length)) // fetches that hang must not become ever more
	}
	return impatient && !f.ended
}

// abandon ends f for those who wait, though its fetch hangs.
func (v *Value[T]) abandon(f *flight[T]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.end(f, Outcome[T]{Err: errHangs}) && f.done != nil {
		close(f.done)
	}
}

// end settles what comes of f, unless that has been done, and reports whether it did.
func (v *Value[T]) end(f *flight[T], o Outcome[T]) bool {
	if f.ended {
		return false
	}
	f.ended = true
	if f.limit != nil {
		f.limit.Stop()
	}
	now := time.Now()
	kept := v.flight == f // else it was forgotten meanwhile
	if kept {
		v.flight = nil
	}
	switch old := v.current.Load(); {
	case o.Err == nil:
		f.held = v.accept(o, now, now.Sub(f.begun), kept)
	case o.Outlives:
		f.held = outlives(o.Value, o.Expires, now)
	default:
		f.err = o.Err
		switch {
		case !kept:
		case old != nil && !old.expired(now):
			v.current.Store(old.afterFailure(now))
		case f.left && o.Err == errHangs:
			v.failure = nil
			v.failed.grow(now, failureFirst, failureLimit)
		case f.background, f.left: // it says nothing about the next
		default:
			limit := failureLimit
			if o.Absent {
				limit = absentLimit
			}
			v.failure = o.Err
			v.failed.grow(now, failureFirst, limit)
		}
	}
	if kept && f.held != nil {
		v.current.Store(f.held)
	}
	return true
}

// accept plans for a new value. What has expired already counts as a failure in the length of the pauses.
func (v *Value[T]) accept(o Outcome[T], now time.Time, took time.Duration, kept bool) *Held[T] {
	failed := v.failed
	if unixNano(o.Expires) <= now.UnixNano() {
		failed.grow(now, failureFirst, failureLimit)
	} else {
		failed = pause{}
	}
	if kept {
		v.failure, v.failed = nil, failed
	}
	return hold(o.Value, o.Expires, now, took, failed.length)
}
