// Package retry is this module's retry policy for calls of other kinds: of an AWS SDK client, or of anything that can fail.
//
//	var policy retry.Policy
//	cfg.Retryer = policy.Retryer        // for the SDK's clients
//	err := policy.Do(ctx, call)         // for any function
//
// The numbers are those of the AWS SDKs' standard mode, version 2.1, as aws-sdk-go-v2 v1.48 has them: three attempts, the
// first included; before the nth retry a pause of rand * min(base * 2^(n-1), 20 s), where base is 50 ms, and 1 s after
// throttling; and a quota of 500 tokens that a retry takes 14 from, 5 after throttling, and gives back if it succeeds. With
// the quota used up, calls are tried once: a service that is down is not hammered.
package retry

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/backoff"
)

// Policy retries calls. Its zero value is ready. Share one among all calls to a service, since it holds the quota. It is
// safe for concurrent use; it must not be copied, nor its fields changed, after first use.
type Policy struct {
	// MaxAttempts is how often a call is tried, the first attempt included. 0 means 3; 1 means no retry.
	MaxAttempts int

	// Classify says what an error means. Nil means the function [Classify]. An error of [Permanent] never reaches it.
	Classify func(error) Class

	quota backoff.Quota
}

// Class says what an error means for a retry.
type Class string

// The classes of an error.
const (
	// Final is for an error that another attempt would meet again.
	Final Class = "final"
	// Transient is for an error that may be gone at the next attempt.
	Transient Class = "transient"
	// Throttling is for a service's wish for fewer requests: the pauses are longer.
	Throttling Class = "throttling"
)

// Classify sorts an error as the AWS SDKs do: by its error code (a method ErrorCode() string in its tree, as smithy's
// APIError has), by its HTTP status (HTTPStatusCode() int), and by what went wrong on the network. What nothing is known of
// is [Final], and so is nil.
func Classify(err error) Class { return classOf(backoff.Policy{}.Judge(err)) }

// Permanent marks err as one that is not retried, whatever its class. [Policy.Do] takes the mark off again. Of nil it
// returns nil.
func Permanent(err error) error { return backoff.Permanent(err) }

// After attaches to err the service's hint when to come back. [Policy.Do] lengthens its pause up to d, though by no more
// than 5 s; it does not make err worth a retry. Of nil it returns nil.
func After(d time.Duration, err error) error { return backoff.After(d, err) }

// Do runs op until it succeeds, until an error is not worth a retry, or until attempts, time or quota are used up. It runs
// op at least once, unless ctx has already ended.
//
// The error is the last attempt's, for errors.Is and errors.As, with the number of attempts in its text, and with the reason
// if a retry was wanted and not made: the quota is used up, or ctx has a deadline before the end of the pause. If ctx ends,
// the error matches context.Cause(ctx) and the last failure seen before.
func (p *Policy) Do(ctx context.Context, op func(context.Context) error) error {
	return p.policy().Do(ctx, op)
}

func (p *Policy) policy() backoff.Policy {
	b := backoff.Policy{MaxAttempts: p.MaxAttempts, Quota: &p.quota}
	if p.Classify != nil {
		b.Classify = func(err error) backoff.Class {
			switch p.Classify(err) {
			case Transient:
				return backoff.Transient
			case Throttling:
				return backoff.Throttle
			}
			return backoff.Final
		}
	}
	return b
}

func classOf(c backoff.Class) Class {
	switch c {
	case backoff.Transient:
		return Transient
	case backoff.Throttle:
		return Throttling
	}
	return Final
}

// Retryer returns the policy as a retryer of the SDK's. As a method value it fits [aws.Config]: cfg.Retryer =
// policy.Retryer. All clients of that configuration share the quota. The SDK itself reads a service's hint when to come
// back, corrects the clock, and asks for a retry of what an operation's model calls retryable.
func (p *Policy) Retryer() aws.Retryer { return &retryer{p} }

type retryer struct{ policy *Policy }

// ErrQuota says that a retry was wanted, and the quota is used up.
var ErrQuota = errors.New("client-side retry quota is used up")

// IsErrorRetryable believes what the SDK says itself: of a trait in the service's model, or of a clock that it has just
// corrected.
func (r *retryer) IsErrorRetryable(err error) bool {
	var says interface{ RetryableError() bool }
	if !errors.Is(err, context.Canceled) && errors.As(err, &says) {
		return says.RetryableError()
	}
	return r.policy.policy().Judge(err) != backoff.Final
}

func (r *retryer) MaxAttempts() int { return r.policy.policy().Attempts() }

// RetryDelay is the pause after the given attempt, which is counted from 1.
func (r *retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	p := r.policy.policy()
	return p.Delay(attempt, p.Judge(err)), nil
}

// GetRetryToken takes from the quota. What it returns gives it back if the retry succeeds.
func (r *retryer) GetRetryToken(ctx context.Context, err error) (release func(error) error, _ error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	cost, ok := r.policy.quota.Take(r.policy.policy().Judge(err))
	if !ok {
		return nil, ErrQuota
	}
	return r.giveBack(cost), nil
}

// GetInitialToken takes nothing: only a first attempt that succeeds puts something in.
func (r *retryer) GetInitialToken() (release func(error) error) { return r.giveBack(1) }

// GetAttemptToken is GetInitialToken of the SDK's newer interface.
func (r *retryer) GetAttemptToken(context.Context) (func(error) error, error) {
	return r.GetInitialToken(), nil
}

func (r *retryer) giveBack(cost int64) func(error) error {
	return func(err error) error {
		if err == nil {
			r.policy.quota.Give(cost)
		}
		return nil
	}
}
