// Package patience is how long a store waits for a lock that another holds.
package patience

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/credchain/credchain/internal/walk"
)

const (
	most  = 2 * time.Minute        // with one who holds a lock: a person may be typing a code, or have stopped the process
	least = 100 * time.Millisecond // once that is spent, for one who lets go just now
	share = 2                      // of the time that a caller has, half is spent on waiting; the rest is for what is done without

	maxLocks = 1000             // that are remembered; then all is forgotten
	lapse    = 10 * time.Minute // after which what was waited counts no more: somebody else may have had the lock since
)

// Share returns how much of a limit can be spent on waiting: half of the time that the caller has, if it has an end. See
// walk.End.
func Share(ctx context.Context, limit time.Duration) time.Duration {
	if end, ok := walk.End(ctx); ok {
		return min(limit, max(least, time.Until(end)/share))
	}
	return limit
}

// Patience is what has been waited in vain for each lock. Together that is at most two minutes, until somebody gets
// the lock, or nobody has waited for ten minutes: one who never lets go costs little more. The zero Patience is ready. It
// must not be copied.
type Patience struct {
	mu    sync.Mutex
	spent map[string]waited
}

type waited struct {
	time time.Duration
	last time.Time
}

// of returns what has been waited for a lock. The caller has p.mu.
func (p *Patience) of(lock string) time.Duration {
	if w, ok := p.spent[lock]; ok && time.Since(w.last) < lapse {
		return w.time
	}
	return 0
}

// Wait returns the context with which to wait for a lock. It ends with ctx, or when there is no more patience; its
// cause says so. done must be called when the waiting is over, and told whether the lock was got.
func (p *Patience) Wait(ctx context.Context, lock string) (waiting context.Context, done func(got bool)) {
	begun := time.Now()
	p.mu.Lock()
	spent := p.of(lock)
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
		spent := p.of(lock)
		if _, known := p.spent[lock]; p.spent == nil || !known && len(p.spent) >= maxLocks {
			p.spent = map[string]waited{}
		}
		p.spent[lock] = waited{min(most, spent+time.Since(begun)), time.Now()}
	}
}
