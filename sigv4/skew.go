package sigv4

import (
	"net/http"
	"time"
)

// ClockSkew is how far the services' clock is ahead of this machine's, as the Date of a refused answer told it; negative if
// it is behind. Requests are signed at the services' time. It is 0 until a request was refused in a way that a wrong clock
// can cause and the clocks differed by more than 4 minutes.
func (t *Transport) ClockSkew() time.Duration { return t.skew.Get() }

// learnSkew reports whether the time of a refused request's signature can be why. The answer to a HEAD has no code.
func (t *Transport) learnSkew(f *refused, observed, used time.Duration) (wrong bool) {
	if f.code == "" && f.status == http.StatusForbidden {
		_, wrong = t.skew.LearnNameless(observed, used)
		return wrong
	}
	_, wrong = t.skew.Learn(f.code, observed, used)
	return wrong
}
