package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkretry "github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/credchain/credchain/bench/fixture"
	"github.com/credchain/credchain/retry"
	"github.com/credchain/credchain/sigv4"
)

// The storm: 200 clients, each of which calls again as soon as it has its answer and after a second's pause when its call
// failed, meet a service that takes 100 requests a second and throttles what comes beyond.
const (
	stormClients = 200
	stormRate    = 100.0
	stormBurst   = 100.0
	stormTime    = 2 * time.Minute
	stormTrip    = 20 * time.Millisecond
	stormPause   = time.Second
)

// bucket is the service.
type bucket struct {
	mu        sync.Mutex
	tokens    float64
	at        time.Time
	taken     int
	throttled int
}

func (b *bucket) take() bool {
	time.Sleep(stormTrip/2 + rand.N(stormTrip))
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*stormRate, stormBurst)
	b.at = now
	if b.tokens < 1 {
		b.throttled++
		return false
	}
	b.tokens--
	b.taken++
	return true
}

// RoundTrip makes the bucket a service for transports.
func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: 200, ProtoMajor: 1, Header: http.Header{}, Body: http.NoBody, Request: r}
	if !b.take() {
		resp.StatusCode, resp.Body = 400, io.NopCloser(strings.NewReader(`{"__type":"ThrottlingException"}`))
	}
	return resp, nil
}

func (b *bucket) call(context.Context) error {
	if b.take() {
		return nil
	}
	return throttled{}
}

// throttled is an error as the SDK's classifiers know it.
type throttled struct{}

func (throttled) Error() string     { return "Rate exceeded" }
func (throttled) ErrorCode() string { return "ThrottlingException" }

// The SDK's adaptive mode is not among them, since it does not come to an end in a bubble. Its callers sleep outside of any
// mutex, which a bubble understands; but AdaptiveMode.GetAttemptToken cuts what is missing of a token to whole nanoseconds,
// which can be none, and tries again at once. A real clock goes on meanwhile. A bubble's stands still as long as anybody
// runs, so that no token is ever added.

// calmer is a way to call a service.
type calmer struct {
	name string
	call func(b *bucket) func(context.Context) error
}

func calmers() []calmer {
	sdk := func(r aws.RetryerV2) func(*bucket) func(context.Context) error {
		return func(b *bucket) func(context.Context) error {
			return func(ctx context.Context) error { return loop(ctx, r, b.call) }
		}
	}
	transport := func(limiter func(*http.Request) sigv4.Limiter) func(*bucket) func(context.Context) error {
		return func(b *bucket) func(context.Context) error {
			creds := aws.Credentials{AccessKeyID: fixture.AccessKeyID, SecretAccessKey: fixture.SecretAccessKey}
			t := &sigv4.Transport{Base: b, Limiter: limiter,
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })}
			return func(ctx context.Context) error {
				r, err := http.NewRequestWithContext(ctx, "GET", "https://sqs.us-east-1.amazonaws.com/", nil)
				if err != nil {
					return err
				}
				resp, err := t.RoundTrip(r)
				if err == nil && resp.StatusCode != 200 {
					err = fmt.Errorf("status %d", resp.StatusCode)
				}
				return err
			}
		}
	}
	var policy retry.Policy
	return []calmer{
		{"credchain retry.Policy", func(b *bucket) func(context.Context) error {
			return func(ctx context.Context) error { return policy.Do(ctx, b.call) }
		}},
		{"credchain Transport", transport(nil)},
		{"credchain Transport, AdaptiveLimits", transport(sigv4.AdaptiveLimits())},
		{"aws-sdk-go-v2 standard", sdk(sdkretry.NewStandard())},
		{"no retry", func(b *bucket) func(context.Context) error { return b.call }},
	}
}

// loop does what the SDK's retry middleware does with a retryer.
func loop(ctx context.Context, r aws.RetryerV2, op func(context.Context) error) error {
	release := func(error) error { return nil }
	for n := 1; ; n++ {
		attempt, err := r.GetAttemptToken(ctx)
		if err != nil {
			return err
		}
		err = op(ctx)
		_ = release(err)
		_ = attempt(err)
		if err == nil || !r.IsErrorRetryable(err) || n >= r.MaxAttempts() {
			return err
		}
		var none error
		if release, none = r.GetRetryToken(ctx, err); none != nil {
			return err
		}
		delay, none := r.RetryDelay(n, err)
		if none != nil {
			return err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// storm is what came of one.
type storm struct{ goodput, attempts, failed float64 }

// wasted are the attempts for each success that were throttled.
func (s storm) wasted() float64 { return s.attempts - 1 }

func (c calmer) storm(t *testing.T) (s storm) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{tokens: stormBurst, at: time.Now()}
		call := c.call(b)
		ctx, cancel := context.WithTimeout(t.Context(), stormTime)
		defer cancel()
		var wg sync.WaitGroup
		var mu sync.Mutex
		calls, failed := 0, 0
		for range stormClients {
			wg.Go(func() {
				for ctx.Err() == nil {
					err := call(context.WithoutCancel(ctx))
					mu.Lock()
					calls++
					if err != nil {
						failed++
					}
					mu.Unlock()
					if err != nil {
						time.Sleep(stormPause)
					}
				}
			})
		}
		time.Sleep(stormTime)
		b.mu.Lock()
		s = storm{float64(b.taken) / (stormRate*stormTime.Seconds() + stormBurst), float64(b.taken+b.throttled) / float64(b.taken), 0}
		b.mu.Unlock()
		mu.Lock()
		s.failed = float64(failed) / float64(calls)
		mu.Unlock()
		wg.Wait()
	})
	return s
}

// TestThrottlingStorm reports goodput and attempts of each, in the time of a bubble: go test -run ThrottlingStorm -v.
// Goodput does not tell them apart: a service that always has somebody asking gives all that it has, however it is asked.
// What tells them apart is how many attempts are wasted on it. With the clients' pause of a second, retry.Policy and the
// SDK's standard mode waste the same, and AdaptiveLimits must waste next to nothing.
func TestThrottlingStorm(t *testing.T) {
	const sdk, adaptive = "aws-sdk-go-v2 standard", "credchain Transport, AdaptiveLimits"
	results := map[string]storm{}
	t.Logf("%-38s %9s %21s %19s %13s", "", "goodput", "attempts per success", "wasted to the SDK's", "failed calls")
	for _, c := range calmers() {
		results[c.name] = c.storm(t)
	}
	for _, c := range calmers() {
		s := results[c.name]
		t.Logf("%-38s %8.1f%% %21.2f %18.1f%% %12.1f%%", c.name, 100*s.goodput, s.attempts, 100*s.wasted()/results[sdk].wasted(), 100*s.failed)
	}
	for _, name := range []string{"credchain retry.Policy", "credchain Transport", adaptive} {
		if results[name].goodput < 0.95 {
			t.Errorf("%s: goodput %.3f of the rate", name, results[name].goodput)
		}
		if limit := 1.05 * results[sdk].wasted(); results[name].wasted() > limit {
			t.Errorf("%s: %.2f attempts wasted for each success, more than %.2f", name, results[name].wasted(), limit)
		}
	}
	if limit := results[sdk].wasted() / 10; results[adaptive].wasted() > limit {
		t.Errorf("AdaptiveLimits: %.2f attempts wasted for each success, more than a tenth of the SDK's, %.2f", results[adaptive].wasted(), limit)
	}
}
