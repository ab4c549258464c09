package refresh

import (
	"math"
	"math/rand/v2"
	"time"
)

// How early a value is renewed, and what a failed renewal costs. The windows shrink with the value's lifetime,
// so that a short-lived value is not renewed without pause. Numbers: the AWS SDKs' common ones of 2026.
const (
	advisoryWindow  = 5 * time.Minute // before the expiry: renewed in the background, nobody waits
	advisoryShare   = 2               // at most 1/2 of the lifetime
	jitterShare     = 20              // the renewal begins later by at most 1/20 of the lifetime or half the window
	mandatoryWindow = time.Minute     // before the expiry: callers wait for the renewal
	mandatoryShare  = 10              // at most 1/10 of the lifetime
	retryMin        = 5 * time.Minute // a failed renewal is tried again after a random time, sooner if little is left
	retryMax        = 10 * time.Minute
	retryFloor      = time.Second
	askAgain        = time.Second // how long another cache may keep a value that is being renewed
)

const never = math.MaxInt64

// Held is a value and the plan for it. It is immutable: a change of plan is a new Held.
//
// The times are of the wall clock, in Unix nanoseconds, because a lifetime goes on while a machine is suspended
// and the monotonic clock stands. Renewals come by either clock, so that a wall clock that is set back does not
// put them off; see reached. A value has expired when the wall clock says so.
type Held[T any] struct {
	Value T

	since   time.Time // when the plan was made, with its monotonic reading
	wall    int64     // the same by the wall clock
	early   int64     // from here on it is to be renewed for callers that asked for an early renewal
	next    int64     // until here it is served without a further thought; then it is renewed in the background
	must    int64     // from here on callers wait for the renewal
	expires int64     // from here on it is not served

	rejected bool // a service refused it: the next caller waits for another
}

// need is what is to be done before a value is served.
type need int

const (
	nothing   need = iota
	advisory       // renew it in the background, and serve it
	mandatory      // renew it, and serve it only if that fails or is slow
	value          // there is none to serve
)

// hold plans for a value that took so long to fetch. An expired one, which the source's clock or ours got
// wrong, is served, and another is fetched after the pause.
func hold[T any](v T, expires time.Time, now time.Time, took, pause time.Duration) *Held[T] {
	h := &Held[T]{Value: v, since: now, wall: now.UnixNano(), expires: unixNano(expires)}
	if h.expires == never {
		h.early, h.next, h.must = never, never, never
		return h
	}
	life := h.expires - h.wall
	if life <= 0 {
		h.next = h.wall + int64(pause)
		h.early, h.must = h.next, h.next
		return h
	}
	window := min(int64(advisoryWindow), life/advisoryShare)
	h.must = h.expires - min(int64(mandatoryWindow), life/mandatoryShare)
	h.early = h.expires - window
	h.next = h.early + rand.Int64N(min(window/2, life/jitterShare)+1) // a fleet that began together spreads
	// A renewal that takes twice as long as the last one is still to end before anybody waits for it.
	soon := max(h.must-2*int64(took), h.wall+life/4)
	h.early, h.next = min(h.early, soon), min(h.next, soon)
	return h
}

// afterFailure plans for the same value after a renewal that failed: a random time away, or about half of what
// is left if that is sooner.
func (h *Held[T]) afterFailure(now time.Time) *Held[T] {
	wall := now.UnixNano()
	left := h.expires - wall
	again := wall + max(int64(retryFloor), min(spread(retryMin, retryMax), left/3+rand.Int64N(left/3+1)))
	again = min(again, h.expires)
	return &Held[T]{Value: h.Value, since: now, wall: wall, expires: h.expires,
		early: again, next: again, must: max(h.must, again)}
}

// outlives plans for a value that stays in service though its renewal failed, and though it may have expired:
// it is tried again in the background, first when it expires, then after random times, and nobody waits.
func outlives[T any](v T, expires, now time.Time) *Held[T] {
	wall := now.UnixNano()
	next := spread(retryMin, retryMax)
	if left := unixNano(expires) - wall; left > 0 {
		next = min(next, max(left, int64(retryFloor)))
	}
	next += wall
	end := next + int64(retryMax) // unless nobody asks for so long
	return &Held[T]{Value: v, since: now, wall: wall, early: next, next: next, must: end, expires: end}
}

// renewing is h while it is renewed in the background: until callers have to wait, they have nothing to do.
func (h *Held[T]) renewing() *Held[T] {
	r := *h
	r.next = r.must
	return &r
}

func (h *Held[T]) reject() *Held[T] {
	r := *h
	r.rejected, r.early, r.next = true, 0, 0
	return &r
}

// need returns what is to be done about h, which may be nil.
func (h *Held[T]) need(now time.Time, early bool) need {
	switch {
	case h == nil:
		return value
	case !h.rejected && !h.reached(h.next, now) && !(early && h.reached(h.early, now)):
		return nothing
	case h.expired(now):
		return value
	case h.rejected || early || h.reached(h.must, now):
		return mandatory
	default:
		return advisory
	}
}

// reached reports whether t has come by the wall clock, or would have, had nobody set that back.
func (h *Held[T]) reached(t int64, now time.Time) bool {
	return now.UnixNano() >= t || int64(now.Sub(h.since)) >= t-h.wall
}

func (h *Held[T]) expired(now time.Time) bool { return now.UnixNano() >= h.expires }

// Until returns how long another cache may keep the value without hiding its renewal. The zero time means that
// it never expires.
func (h *Held[T]) Until() time.Time {
	now := time.Now()
	switch {
	case h.early == never:
		return time.Time{}
	case h.reached(h.early, now): // or rejected
		return now.Add(askAgain)
	default:
		return time.Unix(0, h.next)
	}
}

// pause is a time of waiting that grows with each use. It is over as soon as either clock says so: a wall clock
// that is set back must not make it an hour, nor a suspended machine's monotonic clock a night.
type pause struct {
	begun  time.Time // with its monotonic reading
	wall   int64     // the same by the wall clock
	length time.Duration
	count  int
}

func (p *pause) grow(now time.Time, first, limit time.Duration) {
	p.count++
	d := min(limit, first<<min(p.count-1, 20))
	*p = pause{begun: now, wall: now.UnixNano(), length: time.Duration(spread(d/2, d)), count: p.count}
}

func (p *pause) over(now time.Time) bool { return p.since(now) >= p.length }

// since is the time since the pause began, by the clock that has gone further.
func (p *pause) since(now time.Time) time.Duration {
	return max(now.Sub(p.begun), time.Duration(now.UnixNano()-p.wall))
}

// spread is a random time of at least low and less than high.
func spread(low, high time.Duration) int64 {
	return int64(low) + rand.Int64N(int64(high-low))
}

// unixNano is t.UnixNano, where that is defined. The zero time, and one of the 23rd century, are never.
func unixNano(t time.Time) int64 {
	switch s := t.Unix(); {
	case t.IsZero(), s >= never/int64(time.Second):
		return never
	case s < 0:
		return 0
	}
	return t.UnixNano()
}
