package sigv4

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// Limiter makes requests wait. The Limiter of golang.org/x/time/rate is one, and so is a [Pace].
type Limiter interface {
	// Wait returns when a request may be sent, or with an error when it must not be: because ctx has ended, or its deadline
	// comes first.
	Wait(ctx context.Context) error
}

// observer is what a Limiter may be as well: it is told how requests fare.
type observer interface {
	Observe(sent time.Time, throttled bool)
}

// The numbers of a Pace. The curve and its scale are those of the AWS SDKs' adaptive retry mode, and so is the lowest rate.
// That mode slows down to 70 % of what was sent at every throttling answer; a Pace knows what was taken, and comes closer.
const (
	paceBeta  = 0.9 // of what the service took
	paceBlind = 0.7 // of what was sent, if it took nothing
	paceScale = 0.4
	paceLeast = 0.5 // requests a second
	paceSlice = 500 * time.Millisecond
)

// ErrNoTime says that a request would have had to wait for longer than its context lasts.
var ErrNoTime = errors.New("the wait is longer than the context's deadline allows")

// Pace is a [Limiter]: a token bucket of so many requests a second. When a service throttles it slows down, to 90 % of what
// the service took lately, and it recovers along a cubic curve: fast at first, slowly around the rate that was too much, then
// faster again, up to PerSecond. A [Transport] tells it what requests meet. The zero value does not limit until a service
// throttles. A Pace is safe for concurrent use; it must not be copied, nor its fields changed, after first use.
//
// Callers are served in the order in which they come. It has no goroutine.
type Pace struct {
	// PerSecond is the most requests that are sent in a second in the long run. 0 means no limit of its own.
	PerSecond float64

	// Burst is how many requests may be sent at once after a pause. 0 means 1.
	Burst int

	mu      sync.Mutex
	rate    float64       // requests a second now; 0 is PerSecond
	tokens  float64       // that are there
	at      time.Time     // when tokens was right; zero before the first request
	waiting int           // callers
	turn    chan struct{} // is full while the first of them waits for a token
	changed chan struct{} // is closed when the rate has changed

	slice time.Time // when the count began
	count int       // requests that were taken since
	taken float64   // requests a second that were taken lately

	most float64   // the rate at the last slow-down
	slow time.Time // and when that was; zero if there was none, or it is over
}

// Wait waits for this caller's turn.
func (p *Pace) Wait(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.mu.Lock()
	p.advance(time.Now())
	rate := p.current()
	if p.waiting == 0 && (rate == 0 || p.tokens >= 1) {
		p.tokens--
		p.mu.Unlock()
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok && rate > 0 {
		if wait := seconds((float64(p.waiting) + 1 - p.tokens) / rate); time.Now().Add(wait).After(deadline) {
			p.mu.Unlock()
			return ErrNoTime
		}
	}
	p.waiting++
	if p.turn == nil {
		p.turn, p.changed = make(chan struct{}, 1), make(chan struct{})
	}
	p.mu.Unlock()

	err := p.queue(ctx)
	p.mu.Lock()
	p.waiting--
	p.mu.Unlock()
	return err
}

// queue waits until those before have gone, and then for a token.
func (p *Pace) queue(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}: // whoever waits longest gets it
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		p.mu.Lock()
		p.advance(time.Now())
		rate := p.current()
		if rate == 0 || p.tokens >= 1 {
			p.tokens--
			p.mu.Unlock()
			return nil
		}
		wait, changed := seconds((1-p.tokens)/rate), p.changed
		p.mu.Unlock()
		timer := time.NewTimer(max(wait, 1))
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// seconds is a duration, rounded up.
func seconds(s float64) time.Duration { return time.Duration(math.Ceil(s * float64(time.Second))) }

// current is the rate that holds, 0 for none.
func (p *Pace) current() float64 {
	if p.rate > 0 {
		return p.rate
	}
	return p.PerSecond
}

// advance brings everything up to now.
func (p *Pace) advance(now time.Time) {
	most := float64(max(p.Burst, 1))
	switch rate := p.current(); {
	case p.at.IsZero() || rate == 0:
		p.tokens, p.at = most, now
	case now.After(p.at):
		p.tokens, p.at = min(p.tokens+now.Sub(p.at).Seconds()*rate, most), now
	}
	p.recover(now)
}

// recover lets the rate grow with the time since the last slow-down.
func (p *Pace) recover(now time.Time) {
	if p.slow.IsZero() {
		return
	}
	window := math.Cbrt(p.most * (1 - paceBeta) / paceScale)
	since := now.Sub(p.slow).Seconds()
	grown := paceScale*math.Pow(since-window, 3) + p.most
	if since > window { // a rate that nobody uses says nothing
		grown = min(grown, max(p.most, 2*p.taking(now)))
	}
	p.rate = max(grown, paceBeta*p.most, paceLeast)
	if p.PerSecond > 0 && p.rate >= p.PerSecond {
		p.rate, p.slow = 0, time.Time{}
	}
}

// taking is the rate at which requests were taken lately.
func (p *Pace) taking(now time.Time) float64 {
	took := now.Sub(p.slice)
	if took < paceSlice && p.taken > 0 {
		return p.taken
	}
	return float64(p.count) / max(took, paceSlice).Seconds()
}

// Observe tells what a request that was sent at this time met. Only a throttling answer slows down, and of those to requests
// that were on their way at a slow-down none causes another.
func (p *Pace) Observe(sent time.Time, throttled bool) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.measure(now, throttled)
	if !throttled || !sent.After(p.slow) || now.Sub(p.slow) < paceSlice {
		return
	}
	p.advance(now)
	taken, at := p.taking(now), p.current()
	switch {
	case taken == 0 && at > 0:
		p.most = paceBlind * at
	case at > 0:
		p.most = min(taken, at)
	default:
		p.most = taken
	}
	p.most, p.slow = max(p.most, paceLeast), now
	p.rate = max(paceBeta*p.most, paceLeast)
	p.tokens = min(p.tokens, 0)
	if p.changed != nil {
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// measure counts what is taken, in slices of half a second.
func (p *Pace) measure(now time.Time, throttled bool) {
	if p.slice.IsZero() {
		p.slice = now
	}
	if took := now.Sub(p.slice); took >= paceSlice {
		seen := float64(p.count) / took.Seconds()
		if p.taken == 0 || seen == 0 {
			p.taken = seen
		}
		p.taken = (p.taken + seen) / 2
		p.slice, p.count = now, 0
	}
	if !throttled {
		p.count++
	}
}
