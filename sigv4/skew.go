package sigv4

import (
	"net/http"
	"time"
)

// The bounds of what an answer's Date is believed; package sts has the same. The first two are the AWS SDKs'
// (aws-sdk-go-v2 v1.48). A clock that is years off cannot make a TLS connection to AWS in the first place, so a Date that
// says so comes from something else.
const (
	skewThreshold = 4 * time.Minute
	maxRoundTrip  = 15 * time.Minute
	maxClockSkew  = 366 * 24 * time.Hour
)

// ClockSkew is how far the services' clock is ahead of this machine's, as the Date of a refused answer told it; negative if
// it is behind. Requests are signed at the services' time. It is 0 until a request was refused in a way that a wrong clock
// can cause and the clocks differed by more than 4 minutes.
func (t *Transport) ClockSkew() time.Duration { return time.Duration(t.skew.Load()) }

// observeSkew compares the Date of an answer with this machine's time. It reports false for a Date that says nothing about
// now: one that is missing, that a cache kept, that took too long to come, or is absurd.
func observeSkew(h http.Header, sent, received time.Time) (time.Duration, bool) {
	// Without the monotonic clock, which stands still while a machine sleeps.
	sent, received = sent.Round(0), received.Round(0)
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || len(h.Values("Age")) > 0 {
		return 0, false
	}
	if took := received.Sub(sent); took < 0 || took > maxRoundTrip {
		return 0, false
	}
	skew := date.Sub(received)
	return skew, skew.Abs() <= maxClockSkew
}

// signatureCode says that a service did not accept the signature or its time.
func signatureCode(code string) bool {
	switch code {
	case "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "RequestTimeTooSkewed", "RequestExpired":
		return true
	}
	return false
}

// clockCode says that a wrong clock can be why a service refused. Some say AccessDenied, and the answer to a HEAD has no code.
func clockCode(f *refused) bool {
	return signatureCode(f.code) || f.code == "AccessDenied" || f.code == "AccessDeniedException" ||
		f.code == "" && f.status == http.StatusForbidden
}

// learnSkew draws its conclusions from a refusal of a request that was signed with the offset used. It reports whether the
// time of the signature can be why.
func (t *Transport) learnSkew(f *refused, observed, used time.Duration) bool {
	if !clockCode(f) {
		return false
	}
	if (observed - used).Abs() > skewThreshold {
		if observed.Abs() <= skewThreshold {
			observed = 0 // the clock has been put right since
		}
		t.skew.Store(int64(observed))
		return true
	}
	if used != 0 && signatureCode(f.code) {
		// The offset did not help: the Date may be a proxy's, and then it would spoil every later call.
		t.skew.CompareAndSwap(int64(used), 0)
	}
	return false
}
