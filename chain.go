// Package credchain finds AWS credentials the way every AWS SDK does: it walks a chain of providers in a
// fixed order and uses the first that is configured. It never hands out another identity than the one that
// was configured, and it can always say why it chose these credentials.
//
// A [Chain] is an [aws.CredentialsProvider], so it fits wherever the SDK takes one:
//
//	cfg.Credentials = providers.Default(providers.Config{})
//
// Set the field of aws.Config like this. config.WithCredentialsProvider wraps what it is given in a second
// cache, which hides the early renewal of this one.
//
// # Absent means next; present means final
//
// A provider that has nothing to try returns an error that wraps [ErrNotConfigured], and the walk goes on.
// Any other error ends it: a source that is configured and fails must not be replaced by another identity.
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
// A provider may also implement [Detector] and [Prober], for a better report, and have a method
// Name() string, by which reports call it.
type Provider = aws.CredentialsProvider

// ErrNotConfigured says that a provider has nothing to try: no variable, no profile, no service that
// answers. It is the only error that lets a walk go on to the next provider.
var ErrNotConfigured = errors.New("not configured")

// Chain asks its providers in order and uses the first that is configured.
//
// A chain caches: concurrent callers share one walk, which no single caller's context can end, and
// credentials are renewed before they expire. Renewals go to the provider that was chosen first, so that
// the identity of a running program never changes; [Chain.Invalidate] chooses anew. Credentials without
// an expiry are kept until then.
//
// The zero Chain has no providers and finds nothing. A Chain must not be copied, nor its fields changed,
// after first use.
type Chain struct {
	// Providers are asked in this order.
	Providers []Provider

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
	if f := c.held.Fresh(); f != nil {
		return f.credentials, nil
	}
	f, err := c.held.Get(ctx, c.fetch)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			err = fmt.Errorf("credchain: no credentials yet: %w", err)
		}
		return aws.Credentials{}, err
	}
	return f.credentials, nil
}

// Invalidate drops the credentials in memory and the choice of their provider: the next Retrieve walks the
// whole chain again.
func (c *Chain) Invalidate() { c.held.Forget() }

// fetch walks the chain, or asks the winner of the walk before again.
func (c *Chain) fetch(ctx context.Context, prev *found) (found, time.Time, error) {
	ctx = walk.Start(ctx)
	first, last := 0, len(c.Providers)
	if prev != nil {
		first, last = prev.winner, prev.winner+1
	}
	type outcome struct {
		err     error
		elapsed time.Duration
	}
	asked := make([]outcome, 0, 16) // on the stack: a walk that succeeds reports nothing
	start := time.Now()
	for i := first; i < last; i++ {
		creds, err := ask(ctx, c.Providers[i])
		if err == nil {
			var expires time.Time
			if creds.CanExpire {
				expires = creds.Expires
			}
			return found{creds, i}, expires, nil
		}
		now := time.Now()
		asked = append(asked, outcome{err, now.Sub(start)})
		start = now
		if !errors.Is(err, ErrNotConfigured) {
			break
		}
	}
	attempts := make([]Attempt, len(asked))
	for i, o := range asked {
		if prev != nil && errors.Is(o.err, ErrNotConfigured) {
			// Nothing else was asked, so this does not say that nothing is configured.
			o.err = fmt.Errorf("it gave the credentials before, and now there is nothing: %s", reason(o.err))
		}
		attempts[i] = attempt(nameOf(c.Providers[first+i]), o.err, o.elapsed)
	}
	return found{}, time.Time{}, &Error{Trace: Trace{Attempts: attempts}}
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
