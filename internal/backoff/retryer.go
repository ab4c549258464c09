package backoff

import "time"

// The parts of Do, for whoever has the loop: the SDK's retryer, which the SDK drives.

// Delay is the jittered pause after the nth failed attempt, counted from 1, without the service's hint.
func (p Policy) Delay(n int, class Class) time.Duration { return p.delay(max(n, 1), class) }

// Attempts is MaxAttempts with its default.
func (p Policy) Attempts() int {
	if p.MaxAttempts <= 0 {
		return defaultAttempts
	}
	return p.MaxAttempts
}

// Judge says what an error means, the marks of Permanent included.
func (p Policy) Judge(err error) Class {
	class, _, _ := p.judge(err)
	return class
}

// Take removes from the quota what a retry after an error of this class costs. It reports false if there is not so much.
func (q *Quota) Take(class Class) (cost int64, ok bool) {
	cost = retryCost
	if class == Throttle {
		cost = throttleCost
	}
	return cost, q.take(cost)
}

// Give puts back what Take removed, once the retry has succeeded, or 1 for a first attempt that has.
func (q *Quota) Give(cost int64) { q.give(cost) }
