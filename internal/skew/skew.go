// Package skew learns how far a service's clock is from this machine's, from the answers that refuse a signature.
package skew

import (
	"net/http"
	"sync/atomic"
	"time"
)

// The bounds of what an answer's Date is believed. The first two are the AWS SDKs' (aws-sdk-go-v2 v1.48). A
// clock that is years off cannot make a TLS connection to AWS in the first place, so a Date that says so comes
// from something else.
const (
	threshold    = 4 * time.Minute
	maxRoundTrip = 15 * time.Minute
	maxSkew      = 366 * 24 * time.Hour
)

// Observe compares the Date of an answer with this machine's time: how far the service is ahead. It reports false for
// a Date that says nothing about now: one that is missing, that a cache kept, that took too long to come, or is absurd.
func Observe(h http.Header, sent, received time.Time) (time.Duration, bool) {
	// Without the monotonic clock, which stands still while a machine sleeps.
	sent, received = sent.Round(0), received.Round(0)
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || len(h.Values("Age")) > 0 {
		return 0, false
	}
	if took := received.Sub(sent); took < 0 || took > maxRoundTrip {
		return 0, false
	}
	ahead := date.Sub(received)
	return ahead, ahead.Abs() <= maxSkew
}

// Offset is what has been learned about a service's clock. The zero Offset is none. It is safe for concurrent use, and
// must not be copied.
type Offset struct{ ahead atomic.Int64 }

// Get returns how far the service is ahead of this machine; requests are to be signed at its time.
func (o *Offset) Get() time.Duration { return time.Duration(o.ahead.Load()) }

// Learn draws its conclusions from a refusal with this code, of a request that was signed with the offset used. It
// reports how far off the service's time the request was signed, if that can be why.
func (o *Offset) Learn(code string, observed, used time.Duration) (off time.Duration, wrong bool) {
	if !suspicious(code) {
		return 0, false
	}
	return o.learn(signature(code), observed, used)
}

// LearnNameless is Learn for a refusal that has no code, as the answer to a HEAD request.
func (o *Offset) LearnNameless(observed, used time.Duration) (off time.Duration, wrong bool) {
	return o.learn(false, observed, used)
}

func (o *Offset) learn(signature bool, observed, used time.Duration) (off time.Duration, wrong bool) {
	off = observed - used
	if off.Abs() > threshold {
		if observed.Abs() <= threshold {
			observed = 0 // the clock has been put right since
		}
		o.ahead.Store(int64(observed))
		return off, true
	}
	if used != 0 && signature {
		// The offset did not help: the Date may be a proxy's, and then it would spoil every later call.
		o.ahead.CompareAndSwap(int64(used), 0)
	}
	return 0, false
}

// suspicious reports whether a wrong clock can be why a service refused with this code. Some say AccessDenied.
func suspicious(code string) bool {
	return signature(code) || code == "AccessDenied" || code == "AccessDeniedException"
}

// signature reports that a service did not accept the signature or its time.
func signature(code string) bool {
	switch code {
	case "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "RequestTimeTooSkewed", "RequestExpired":
		return true
	}
	return false
}
