package credchain

import (
	"context"
	"time"

	"github.com/credchain/credchain/internal/refresh"
)

// Event is what [Chain.OnResolve] and [Chain.OnRenew] are told. It holds no secret, so it may be logged.
//
// They are called once for each walk or renewal, by the goroutine that did it, before the callers that wait for it get
// their answer: a slow one holds these up. They may use the chain, and may be called concurrently. Their context has the
// values of a caller's, that of a trace for instance: examples/opentelemetry makes spans. What the chain serves from
// memory, and Explain, is no event.
type Event struct {
	Provider   string        // the link that gave the credentials or failed; "" if nothing is configured
	Err        error         // why there are no new credentials, an [*Error]; nil if there are
	Expires    time.Time     // of the credentials now in service; zero if there are none, or they do not expire
	Elapsed    time.Duration // how long the links took
	Background bool          // nobody waited for it
	Outlived   bool          // the provider keeps the credentials in service although it could not renew them
	Trace      Trace         // the links that were asked, and the new credentials
}

func (c *Chain) event(first int, steps []step, prev *found, background bool, o *refresh.Outcome[found]) Event {
	e := Event{Err: o.Err, Background: background, Outlived: o.Outlives}
	e.Trace.Attempts = c.attempts(first, steps, prev != nil)
	for _, a := range e.Trace.Attempts {
		e.Elapsed += a.Elapsed
		if a.Status == Used || a.Status == Failed {
			e.Provider = a.Provider
		}
	}
	now := o.Value.credentials
	switch {
	case o.Err == nil:
		shown := Redact(now)
		e.Trace.Credentials, e.Trace.Warnings = &shown, oddities(now)
	case prev != nil && !o.Outlives && !expired(prev.credentials):
		now = prev.credentials
	}
	if now.CanExpire {
		e.Expires = now.Expires
	}
	return e
}

// tell calls a hook, whose panic is nobody's business here.
func tell(ctx context.Context, hook func(context.Context, Event), e Event) {
	var ignored error
	defer contain(&ignored)
	hook(ctx, e)
}
