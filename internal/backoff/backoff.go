// Package backoff is the one retryer of the project. Everything that talks over a network retries with it,
// so that attempts, delays and the retry quota mean the same everywhere.
//
// The numbers are those of the AWS SDKs' "standard" retry mode, version 2.1 (aws-sdk-go-v2 from v1.48):
// three attempts counting the first, full jitter over 50 ms doubled for each retry (1 s after throttling),
// no delay over 20 s, and a client-side quota that stops a fleet from hammering a service that is down.
package backoff

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// The defaults of a Policy, and how far a server's hint may lengthen a delay.
const (
	defaultAttempts     = 3
	defaultBase         = 50 * time.Millisecond
	defaultThrottleBase = time.Second
	defaultMax          = 20 * time.Second
	hintReach           = 5 * time.Second
)

// Policy says how an operation is retried. The zero value is the AWS standard without a quota. A Policy is
// a plain value: it keeps nothing between calls except through Quota.
type Policy struct {
	// MaxAttempts counts the first attempt too. 0 means 3; 1 means no retry.
	MaxAttempts int

	// Base is the longest delay before the first retry; it doubles for each further one. 0 means 50 ms.
	Base time.Duration

	// ThrottleBase takes the place of Base after an error of class Throttle. 0 means 1 s.
	ThrottleBase time.Duration

	// Max bounds a delay before the jitter. 0 means 20 s.
	Max time.Duration

	// Quota, if set, must have room for a retry; share one among all the calls to a service.
	Quota *Quota

	// Classify says what kind of error an attempt met. Nil means the function Classify. An error marked
	// by Permanent never reaches it.
	Classify func(error) Class
}

// Do runs op until it succeeds, until an error is not worth a retry, or until attempts, time or quota are
// used up. It runs op at least once, unless ctx has already ended.
//
// The error is the last attempt's, which errors.Is and errors.As can always find in it. Its text counts the
// attempts when there was more than one, and says when a retry was wanted but not made: because the quota is
// empty, or because ctx has a deadline before the delay's end (then Do does not sleep, and the error does not
// match context.DeadlineExceeded: the deadline has not passed yet, and it is the attempt that failed). When
// ctx ends during an attempt or a delay, the error matches context.Cause(ctx) as well as the last failure
// seen before.
func (p Policy) Do(ctx context.Context, op func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	maxAttempts := p.MaxAttempts
	if maxAttempts <= 0 {
		maxAttempts = defaultAttempts
	}
	var previous error
	refund := int64(1) // what a success gives back to the quota
	for n := 1; ; n++ {
		marked := op(ctx)
		if marked == nil {
			p.Quota.give(refund)
			return nil
		}
		class, hint, hinted := p.judge(marked)
		err := unmark(marked)
		switch {
		case ctx.Err() != nil:
			return ended(context.Cause(ctx), err, previous, n)
		case class == Final || n >= maxAttempts:
			return counted(err, n, "")
		}
		wait := p.delay(n, class)
		if hinted {
			// The hint only ever lengthens the wait, and by no more than 5 s: Retry 2.1.
			wait = min(max(hint, wait), wait+hintReach)
		}
		if end, ok := ctx.Deadline(); ok && !time.Now().Add(wait).Before(end) {
			return counted(err, n, "no time for another attempt before the deadline")
		}
		cost := int64(retryCost)
		if class == Throttle {
			cost = throttleCost
		}
		if !p.Quota.take(cost) {
			return counted(err, n, "client-side retry quota is used up")
		}
		refund = cost
		if !sleep(ctx, wait) {
			return ended(context.Cause(ctx), err, nil, n)
		}
		previous = err
	}
}

// judge reads the marks of Permanent and After, and else asks the policy's classifier.
func (p Policy) judge(err error) (class Class, hint time.Duration, hinted bool) {
	var perm *permanent
	if errors.As(err, &perm) {
		return Final, 0, false
	}
	classify := p.Classify
	if classify == nil {
		classify = Classify
	}
	var a *after
	if errors.As(err, &a) {
		hint, hinted = a.delay, true
	}
	return classify(err), hint, hinted
}

// delay is the jittered delay after the nth failed attempt: rand * min(base * 2^(n-1), max). The cap comes
// before the jitter, or late retries would all fall on the same moment.
func (p Policy) delay(n int, class Class) time.Duration {
	base := orDefault(p.Base, defaultBase)
	if class == Throttle {
		base = orDefault(p.ThrottleBase, defaultThrottleBase)
	}
	limit := orDefault(p.Max, defaultMax)
	d := min(base, limit)
	for i := 1; i < n && d < limit; i++ {
		d = min(2*d, limit)
	}
	return time.Duration(rand.Float64() * float64(d))
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// sleep waits for d and reports whether it could: false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// RetryAfter reads the hint a service gives in its answer, for After: the header x-amz-retry-after, in
// milliseconds. It reports false if the header is missing or is not a whole number from 0 up.
func RetryAfter(h http.Header) (time.Duration, bool) {
	ms, err := strconv.ParseUint(h.Get("X-Amz-Retry-After"), 10, 31)
	if err != nil {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}
