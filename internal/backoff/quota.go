package backoff

import "sync/atomic"

// The token bucket of Retry 2.1. A retry takes its cost out, and puts it back if it succeeds; a first
// attempt that succeeds puts one token back.
const (
	quotaSize    = 500
	retryCost    = 14
	throttleCost = 5
)

// Quota bounds the retries of everything that shares it. While a service is down every retry fails, the
// bucket runs dry after some 35 of them, and from then on each call is tried once; successes fill it again.
// The zero value is a full bucket. It is safe for concurrent use, and must not be copied after first use.
type Quota struct {
	used atomic.Int64 // counts up, so that zero is full
}

// take removes n tokens if that many are left. A nil Quota never runs dry.
func (q *Quota) take(n int64) bool {
	if q == nil {
		return true
	}
	for {
		used := q.used.Load()
		if used+n > quotaSize {
			return false
		}
		if q.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// give puts n tokens back, never more than the bucket holds.
func (q *Quota) give(n int64) {
	if q == nil {
		return
	}
	for {
		used := q.used.Load()
		if used == 0 || q.used.CompareAndSwap(used, max(used-n, 0)) {
			return
		}
	}
}
