// Package patience is how long a store waits for a lock that another holds.
package patience

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	most  = 2 * time.Minute        // with one who holds a lock: a person may be typing a code, or have stopped the process
	least = 100 * time.Millisecond // once that is spent, for one who lets go just now
	share = 2                      // of the time that a caller has, half is spent on waiting; the rest is for what is done without

	maxLocks = 1000 // that are remembered; then all is forgotten
)

type endKey struct{}

// Detach returns a context with the values of ctx that does not end with it, but knows what time its caller has.
func Detach(ctx context.Context) context.Context {
	detached := context.WithoutCancel(ctx)
	if end, ok := ctx.Deadline(); ok {
		detached = context.WithValue(detached, endKey{}, end)
	}
	return detached
}

// Share returns how much of a limit can be spent on waiting, with the time that the caller has: the one whose context
// ctx is, or was detached from. If that time is over, and ctx has not ended, others wait, and all of it can.
func Share(ctx context.Context, limit time.Duration) time.Duration {
	end, ok := ctx.Deadline()
	if first, has := ctx.Value(endKey{}).(time.Time); has && (!ok || first.Before(end)) {
		end, ok = first, true
	}
	if left := time.Until(end); ok && left > 0 {
		return min(limit, max(least, left/share))
	}
	return limit
}

// Patience is what has been waited in vain for each lock. Together that is at most two minutes, until somebody gets
// the lock: one who never lets go costs no more. The zero Patience is ready. It must not be copied.
type Patience struct {
	mu    sync.Mutex
	spent map[string]time.Duration
}

// Wait returns the context with which to wait for a lock. It ends with ctx, or when there is no more patience; its
// cause says so. done must be called when the waiting is over, and told whether the lock was got.
func (p *Patience) Wait(ctx context.Context, lock string) (waiting context.Context, done func(got bool)) {
	begun := time.Now()
	p.mu.Lock()
	spent := p.spent[lock]
	p.mu.Unlock()
	left := Share(ctx, max(most-spent, least))
	why := fmt.Errorf("the lock was held for %v", min(most, spent+left).Round(least))
	waiting, cancel := context.WithTimeoutCause(ctx, left, why)
	return waiting, func(got bool) {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		if got {
			delete(p.spent, lock)
			return
		}
		spent, known := p.spent[lock]
		if p.spent == nil || !known && len(p.spent) >= maxLocks {
			p.spent = map[string]time.Duration{}
		}
		p.spent[lock] = min(most, spent+time.Since(begun))
	}
}
