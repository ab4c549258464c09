package walk

import (
	"context"
	"time"
)

type endKey struct{}

// WithEnd returns a context that remembers until when its caller waits, also where it is detached: by a fetch that goes on
// without the caller, and has no use for what comes too late for it.
func WithEnd(ctx context.Context) context.Context {
	end, ok := ctx.Deadline()
	if !ok || !time.Now().Before(end) {
		return ctx
	}
	if first, ok := End(ctx); ok && first.Before(end) {
		return ctx // it remembers already
	}
	return context.WithValue(ctx, endKey{}, end)
}

// End returns the earliest time at which ctx ends, or a caller that it remembers has gone. What is over is over: others
// wait then.
func End(ctx context.Context) (end time.Time, ok bool) {
	remembered, _ := ctx.Value(endKey{}).(time.Time)
	own, _ := ctx.Deadline()
	now := time.Now()
	for _, t := range [...]time.Time{remembered, own} {
		if t.After(now) && (!ok || t.Before(end)) {
			end, ok = t, true
		}
	}
	return end, ok
}
