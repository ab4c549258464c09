package imds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/credchain/credchain/internal/backoff"
)

const (
	tokenPath   = "/latest/api/token"
	tokenTTL    = 21600 // seconds; the most that the service allows
	maxToken    = 16 << 10
	renewBefore = 2 * time.Minute
	absentFor   = 5 * time.Second

	// The names in the form that http.Header keeps them.
	tokenHeader    = "X-Aws-Ec2-Metadata-Token"
	tokenTTLHeader = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// session is an IMDSv2 session token and when to get a new one.
type session struct {
	token string
	renew time.Time
}

// flight is a token call that any number of callers wait for.
type flight struct {
	done  chan struct{} // closed when the fields below are set
	token string
	err   error
}

// token returns the session token for a request, "" for IMDSv1. All callers share one token call; it runs on its
// own, so a caller that gives up takes nothing away from the others and leaves no false trace in the client.
func (c *Client) token(ctx context.Context) (string, error) {
	c.mu.Lock()
	now := time.Now().Round(0) // the wall clock: the token ages while the machine sleeps
	switch {
	case c.v1:
		c.mu.Unlock()
		return "", nil
	case c.session.token != "" && now.Before(c.session.renew):
		defer c.mu.Unlock()
		return c.session.token, nil
	case c.absent != nil && now.Before(c.absentTill):
		defer c.mu.Unlock()
		return "", c.absent
	}
	f := c.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		c.flight = f
		go c.fly(context.WithoutCancel(ctx), f)
	}
	c.mu.Unlock()
	var over <-chan time.Time
	if l, ok := ctx.(limited); ok {
		timer := time.NewTimer(time.Until(l.end))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-over:
		return "", errors.New("the time for the whole operation is over")
	}
}

// refuse forgets a token that the service has refused; "" stands for a request without one. What another
// caller has learned since then stays.
func (c *Client) refuse(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token == "" {
		c.v1 = false
	} else if c.session.token == token {
		c.session = session{}
	}
}

// fly makes the token call and settles what all requests after it go by.
func (c *Client) fly(ctx context.Context, f *flight) {
	ctx = c.limit(ctx)
	asked := time.Now().Round(0)
	token, ttl, err := c.fetchToken(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	f.token, f.err = token, err
	c.flight = nil
	c.session, c.absent = session{}, nil
	switch silence := noAnswer(0); {
	case err == nil:
		c.v1 = token == ""
		c.session = session{token, asked.Add(ttl - min(renewBefore, ttl/10))}
	case errors.Is(err, ErrHopLimit), errors.Is(err, ErrUnreachable) && errors.As(err, &silence):
		c.absent, c.absentTill = err, time.Now().Round(0).Add(absentFor)
	}
	close(f.done)
}

// fetchToken makes the token call. A token of "" means that the service knows none, and IMDSv1 may be spoken.
func (c *Client) fetchToken(ctx context.Context) (token string, ttl time.Duration, err error) {
	header := http.Header{tokenTTLHeader: {strconv.Itoa(tokenTTL)}}
	firstContact := time.Now().Add(c.answerTimeout()) // its end, for all its attempts together
	err = c.policy().Do(ctx, func(ctx context.Context) error {
		timeout, first := c.answerTimeout(), !c.contacted.Load()
		var answered func() bool
		if first {
			timeout = time.Until(firstContact)
			answered = c.probe(ctx, timeout)
		}
		a, err := c.exchange(ctx, http.MethodPut, tokenPath, header, maxToken, timeout)
		probed := first && answered()
		switch {
		case err != nil && first && !c.contacted.Load():
			return c.noContact(err, probed)
		case err != nil:
			return err
		}
		switch a.status {
		case http.StatusOK:
			token, ttl = parseToken(a.body), parseTTL(a.header)
			if token == "" {
				return c.failure(http.MethodPut, tokenPath, a.status, errors.New("the answer is not a session token"))
			}
			return nil
		case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
			if !c.DisableV1 {
				return nil
			}
			return c.failure(http.MethodPut, tokenPath, a.status,
				fmt.Errorf("%w; there is no session token to be had, and IMDSv1 is disabled", statusError(a.status)))
		}
		return c.failure(http.MethodPut, tokenPath, a.status, statusError(a.status))
	})
	return token, ttl, err
}

// noContact judges the failure of a first contact: err is an *Error without a status. Refusal and silence mean
// that nobody is there, and asking again would only take time. A connection that was made and then broke is
// somebody, so it is retried as usual.
func (c *Client) noContact(err error, probed bool) error {
	cause := errors.Unwrap(err)
	var dial *net.OpError
	silent, refused := false, errors.As(err, &dial) && dial.Op == "dial"
	for _, e := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		refused = refused || errors.Is(err, e)
	}
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		refused = refused && !errors.Is(err, e) // this process could not ask, which says nothing about the service
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		silent = true
		cause = noAnswer(c.answerTimeout())
	}
	switch {
	case silent && probed:
		err = c.failure(http.MethodPut, tokenPath, 0, ErrHopLimit)
	case silent || refused:
		err = c.failure(http.MethodPut, tokenPath, 0, fmt.Errorf("%w: %w", ErrUnreachable, cause))
	default:
		return err
	}
	return backoff.Permanent(err)
}

// probe finds out whether the service is there although the token call stays silent: at half time it sends a
// GET beside it. It stops with ctx, or when answered is called, which tells whether the GET was answered.
//
// The GET carries a token that cannot be valid. So the service answers 401, and nobody has spoken IMDSv1.
func (c *Client) probe(ctx context.Context, timeout time.Duration) (answered func() bool) {
	ctx, cancel := context.WithCancel(ctx)
	var yes atomic.Bool
	timer := time.AfterFunc(timeout/2, func() {
		u := c.url("/latest/meta-data/")
		req := (&http.Request{
			Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{tokenHeader: {"none"}},
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}).WithContext(ctx)
		if resp, err := c.transport.RoundTrip(req); err == nil {
			yes.Store(true)
			resp.Body.Close()
		}
	})
	return func() bool {
		timer.Stop()
		cancel()
		return yes.Load()
	}
}

// parseToken returns the session token in a body, or "" if it cannot be one: a token is sent in a header, and
// a web page that some proxy put there is no token.
func parseToken(body []byte) string {
	token := bytes.TrimSpace(body)
	if !isVisible(token) || looksLikeHTML(token) {
		return ""
	}
	return string(token)
}

// parseTTL reads how long the service means a token to live; if it does not say, it is what was asked for.
func parseTTL(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get(tokenTTLHeader))
	if err != nil || n < 0 || n > tokenTTL {
		n = tokenTTL
	}
	return time.Duration(n) * time.Second
}
