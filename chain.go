// Package credchain finds AWS credentials the way every AWS SDK does: it walks a chain of providers in a
// fixed order and uses the first that is configured. It never hands out another identity than the one that
// was configured, and it can always say why it chose these credentials.
//
// A [Chain] is an [aws.CredentialsProvider], so it fits wherever the SDK takes one:
//
//	cfg.Credentials = providers.Default(providers.Config{})
//
// # Absent means next; present means final
//
// A provider that has nothing to try returns an error that wraps [ErrNotConfigured], and the walk goes on.
// Any other error ends it: a source that is configured and fails must not be replaced by another identity.
//
// # Nobody waits for a renewal, and nothing is hammered
//
// A chain caches, and calls are what drives it: there is no goroutine but that of a renewal under way.
//
//   - Expiring credentials are renewed in the background from 5 minutes before their expiry, at a moment that
//     chance spreads, so that a fleet that began together does not renew together. From 1 minute before the
//     expiry callers wait for the renewal, but no longer than 5 seconds. For credentials that live for less
//     than 10 minutes both windows shrink: to a half and a tenth of the lifetime.
//   - A renewal that fails costs nothing as long as the credentials are valid. It is tried again after 5 to 10
//     minutes, sooner if less is left. One in the background ends after a minute.
//   - A walk that fails is remembered: for up to a second at first, up to 30 seconds if it goes on failing, and
//     never more than 5 seconds if only nothing was configured. All callers get its error until then.
//     [Chain.Invalidate] makes the chain forget it.
//   - Expiry is a matter of the wall clock, so that a suspended machine does not wake up with credentials that
//     have expired and look good. A wall clock that is set back puts no renewal off.
//   - A second cache around the chain, as config.WithCredentialsProvider makes one, does not hide the renewals:
//     [aws.CredentialsCache] is told to ask again when one is due. Only the caches know of that; everybody
//     else gets the expiry as the source gave it.
//
// # Which package has what
//
// This package knows no provider. Package providers has one for each source and the documented orders;
// package awstest has fakes of the services for tests.
package credchain

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/refresh"
	"github.com/credchain/credchain/internal/walk"
)

// Provider is one link of a chain. Every provider of aws-sdk-go-v2 is one, and so is a [Chain].
//
// Retrieve must return an error that wraps [ErrNotConfigured] if, and only if, there is nothing for this
// provider to try. It must end when its context does, and be safe for concurrent use. No error may hold a
// secret.
//
// A provider may also implement [Detector] and [Prober], for a better report, and have these methods:
//
//   - Name() string, by which reports call it.
//   - HandleFailToRefresh, as [aws.HandleFailRefreshCredentialsCacheStrategy] has it, if its credentials outlive
//     an outage of their source ("static stability"). It is called with the provider's own error when their
//     renewal has failed, or has brought credentials that have expired. The credentials that it returns, those
//     that it was given as a rule, stay in service until a later renewal succeeds, even past their expiry, which
//     it may move if that is over. Renewals are tried in the background every 5 to 10 minutes, and nobody waits.
//     An error changes nothing.
//   - Reject(aws.Credentials) or Invalidate(), if it keeps credentials itself: see [Chain.Reject] and
//     [Chain.Invalidate].
type Provider = aws.CredentialsProvider

// ErrNotConfigured says that a provider has nothing to try: no variable, no profile, no service that
// answers. It is the only error that lets a walk go on to the next provider.
var ErrNotConfigured = errors.New("not configured")

// Chain asks its providers in order and uses the first that is configured.
//
// A chain caches: concurrent callers share one walk, which no single caller's context can end, and
// credentials are renewed before they expire. Renewals go to the provider that was chosen first, so that
// the identity of a running program never changes; [Chain.Invalidate] chooses anew. Credentials without
// an expiry are kept until then, or until [Chain.Reject].
//
// The zero Chain has no providers and finds nothing. A Chain must not be copied, nor its fields changed,
// after first use.
type Chain struct {
	// Providers are asked in this order.
	Providers []Provider

	// OnResolve, if not nil, is told of every walk that chooses a provider, or fails to.
	OnResolve func(context.Context, Event)

	// OnRenew, if not nil, is told of every time that the provider was asked again.
	OnRenew func(context.Context, Event)

	held refresh.Value[found]
}

// found is what a walk brings back: the credentials and the place in the chain of who gave them.
type found struct {
	credentials aws.Credentials
	winner      int
}

// New returns a chain of the given providers, to be asked in this order.
func New(providers ...Provider) *Chain {
	return &Chain{Providers: providers}
}

// Retrieve returns the credentials of the first provider that is configured, from memory where they are
// still good. It fails with an [*Error] if a provider fails or none is configured, and with ctx's error if
// ctx ends first. Credentials that are still valid are returned even if their renewal fails or is slow.
func (c *Chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	h, early := c.held.Fresh()
	if h == nil || early && walk.Started(ctx) {
		// A link of another chain, which renews early itself, must not give it what is about to be renewed.
		by := refresh.Caller{Early: walk.Started(ctx), Background: walk.InBackground(ctx)}
		var err error
		if h, err = c.held.Get(walk.WithEnd(ctx), by, c.fetch); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				err = fmt.Errorf("credchain: no credentials yet: %w", err)
			}
			return aws.Credentials{}, err
		}
	}
	if h.Value.credentials.CanExpire && fromSDKCache(ctx) {
		return untilRenewal(h), nil
	}
	return h.Value.credentials, nil
}

// Invalidate drops the credentials in memory, the choice of their provider, and what is remembered of
// failures: the next Retrieve walks the whole chain again. Links that have a method Invalidate() are told.
func (c *Chain) Invalidate() {
	for _, p := range c.Providers { // first, or a walk meanwhile would bring back what they keep
		invalidate(p)
	}
	c.held.Forget()
}

// fetch walks the chain, or asks the winner of the walk before again.
func (c *Chain) fetch(caller context.Context, prev *found, background bool) (o refresh.Outcome[found]) {
	ctx, hook := walk.Start(caller), c.OnResolve
	first, last := 0, len(c.Providers)
	if prev != nil {
		first, last, hook = prev.winner, prev.winner+1, c.OnRenew
	}
	if background {
		ctx = walk.Background(ctx)
	}
	steps := make([]step, 0, 16) // on the stack: a walk that succeeds reports nothing
	start := time.Now()
	done := false
	for i := first; i < last && !done; i++ {
		creds, err := ask(ctx, c.Providers[i])
		if err == nil && prev != nil && expired(creds) && (!expired(prev.credentials) || outliver(c.Providers[i]) != nil) {
			err = errExpired // what is held is better
		}
		if err == nil {
			o.Value, o.Expires = found{creds, i}, expiry(creds)
		}
		if err != nil || hook != nil {
			now := time.Now()
			steps = append(steps, step{err, now.Sub(start)})
			start = now
		}
		done = !errors.Is(err, ErrNotConfigured)
	}
	if !o.Value.credentials.HasKeys() {
		e := &Error{Trace: Trace{Attempts: c.attempts(first, steps, prev != nil)}}
		o.Err, o.Absent = e, !done && prev == nil
		if prev != nil {
			c.outlive(ctx, prev, steps[0].err, &o)
		}
	}
	if hook != nil {
		event := c.event(first, steps, prev, background, &o)
		o.After = func() { tell(caller, hook, event) }
	}
	return o
}

// step is what became of one link.
type step struct {
	err     error
	elapsed time.Duration
}

func (c *Chain) attempts(first int, steps []step, renewal bool) []Attempt {
	attempts := make([]Attempt, len(steps))
	for i, s := range steps {
		name := nameOf(c.Providers[first+i])
		if s.err == nil {
			attempts[i] = Attempt{Provider: name, Status: Used, Elapsed: s.elapsed}
			continue
		}
		if renewal && errors.Is(s.err, ErrNotConfigured) {
			// Nothing else was asked, so this does not say that nothing is configured.
			s.err = fmt.Errorf("it gave the credentials before, and now there is nothing: %s", reason(s.err))
		}
		attempts[i] = attempt(name, s.err, s.elapsed)
	}
	return attempts
}

// expiry is when c expires, the zero time if never.
func expiry(c aws.Credentials) time.Time {
	switch {
	case !c.CanExpire:
		return time.Time{}
	case c.Expires.IsZero(): // whoever says that they expire, and not when, is asked again soon
		return time.Unix(0, 0)
	}
	return c.Expires
}

// expired judges by the wall clock alone: the monotonic one stands while a machine is suspended.
func expired(c aws.Credentials) bool {
	return c.CanExpire && !c.Expires.Round(0).After(time.Now().Round(0))
}

// errPanic replaces the value of a panic, which could hold a secret.
var errPanic = errors.New("the provider panicked")

// ask calls p and turns what must not reach the caller into an error: a panic, and credentials that are
// none, which would lead to anonymous requests.
func ask(ctx context.Context, p Provider) (creds aws.Credentials, err error) {
	defer contain(&err)
	creds, err = p.Retrieve(ctx)
	if err == nil && !creds.HasKeys() {
		err = errors.New("the provider answered with empty credentials")
	}
	return creds, err
}

// contain makes the panic of a deferring function its error.
func contain(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w with a value of type %T", errPanic, v)
	}
}

// Named returns p under the name by which reports call it.
func Named(name string, p Provider) Provider { return &named{p, name} }

type named struct {
	Provider
	name string
}

func (n *named) Name() string { return n.name }

// bare returns what Named wrapped, where the optional interfaces are to be looked for.
func bare(p Provider) Provider {
	for {
		n, ok := p.(*named)
		if !ok {
			return p
		}
		p = n.Provider
	}
}

func nameOf(p Provider) string {
	if n, ok := p.(interface{ Name() string }); ok {
		return n.Name()
	}
	t := reflect.TypeOf(p)
	if t == nil {
		return "nil"
	}
	return strings.TrimPrefix(t.String(), "*")
}
