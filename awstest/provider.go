package awstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
)

// Result is what one call of a [Provider] does: wait for Delay, or until its context ends; then panic with
// Panic, or return Err, or Credentials.
type Result struct {
	Credentials aws.Credentials
	Err         error
	Delay       time.Duration
	Panic       any
}

// NotConfigured returns the result of a provider that has nothing to try: an error with this reason that
// wraps [credchain.ErrNotConfigured].
func NotConfigured(reason string) Result {
	return Result{Err: fmt.Errorf("%s: %w", reason, credchain.ErrNotConfigured)}
}

// Provider is a link of a chain that does what its script says, call by call. It is safe for concurrent use.
type Provider struct {
	results []Result

	mu    sync.Mutex
	calls int
}

// Script returns a provider whose first call does what the first result says, and so on. The last one is
// repeated for all further calls. With no results, every call fails.
func Script(results ...Result) *Provider { return &Provider{results: results} }

// Retrieve does what the next line of the script says. It returns ctx's error if ctx ends before that.
func (p *Provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	p.mu.Lock()
	n := p.calls
	p.calls++
	p.mu.Unlock()
	if len(p.results) == 0 {
		return aws.Credentials{}, errors.New("awstest: this provider has no script")
	}
	r := p.results[min(n, len(p.results)-1)]
	if r.Delay > 0 {
		t := time.NewTimer(r.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return aws.Credentials{}, err
	}
	if r.Panic != nil {
		panic(r.Panic)
	}
	if r.Err != nil {
		return aws.Credentials{}, r.Err
	}
	return r.Credentials, nil
}

// Calls returns how often Retrieve was called.
func (p *Provider) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}
