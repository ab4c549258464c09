package sts

import (
	"fmt"
	"net/http"
	"time"
)

// The bounds of what an answer's Date is believed. The first two are the AWS SDKs' (aws-sdk-go-v2 v1.48). A
// clock that is years off cannot make a TLS connection to AWS in the first place, so a Date that says so comes
// from something else.
const (
	skewThreshold = 4 * time.Minute
	maxRoundTrip  = 15 * time.Minute
	maxSkew       = 366 * 24 * time.Hour
)

// ClockSkew is how far the service's clock is ahead of this machine's, as the Date of a refused answer told it;
// negative if it is behind. Requests are signed at the service's time. It is 0 until a request was refused in
// a way that a wrong clock can cause and the clocks differed by more than 4 minutes.
func (c *Client) ClockSkew() time.Duration { return time.Duration(c.skew.Load()) }

// observeSkew compares the Date of an answer with this machine's time. It reports false for a Date that says
// nothing about now: one that is missing, that a cache kept, that took too long to come, or is absurd.
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
	return skew, skew.Abs() <= maxSkew
}

// clockCode says that a wrong clock can be why STS refused. Some services say AccessDenied.
func clockCode(code string) bool {
	return signatureCode(code) || code == "AccessDenied" || code == "AccessDeniedException"
}

// signatureCode says that STS did not accept the signature or its time.
func signatureCode(code string) bool {
	switch code {
	case "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "RequestTimeTooSkewed", "RequestExpired":
		return true
	}
	return false
}

// learnSkew draws its conclusions from a refusal of a request that was signed with the offset used. It reports
// how far off the service's time the request was signed, if that can be why.
func (c *Client) learnSkew(e *Error, observed, used time.Duration) (off time.Duration, wrong bool) {
	if !clockCode(e.Code) {
		return 0, false
	}
	off = observed - used
	if off.Abs() > skewThreshold {
		if observed.Abs() <= skewThreshold {
			observed = 0 // the clock has been put right since
		}
		c.skew.Store(int64(observed))
		return off, true
	}
	if used != 0 && signatureCode(e.Code) {
		// The offset did not help: the Date may be a proxy's, and then it would spoil every later call.
		c.skew.CompareAndSwap(int64(used), 0)
	}
	return 0, false
}

// skewError tells a person what a signature's time was wrong by.
func skewError(err error, off time.Duration) error {
	direction := "before"
	if off < 0 {
		direction = "after"
	}
	return fmt.Errorf("%w; it was signed %s %s the service's time", err, off.Abs().Round(time.Second), direction)
}
