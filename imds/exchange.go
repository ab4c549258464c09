package imds

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/credchain/credchain/internal/wire"
)

// answer is a complete answer. The body is there only if the status is 200.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (c *Client) url(path string) *url.URL {
	u := c.base
	u.Path += path
	return &u
}

// exchange makes one attempt of one request, and reads the answer up to max bytes within the given time. It uses
// the transport without an http.Client, so that no redirect is ever followed.
func (c *Client) exchange(ctx context.Context, method, path string, header http.Header, limit int64,
	timeout time.Duration) (answer, error) {
	if l, ok := ctx.(limited); ok {
		// A context derived from l would rely on l to end, which has no timer.
		ctx, timeout = l.Context, min(timeout, time.Until(l.end))
	}
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if header == nil {
		header = http.Header{}
	}
	u := c.url(path)
	req := (&http.Request{
		Method: method, URL: u, Host: u.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(attempt)

	resp, err := wire.RoundTrip(c.transport, req)
	if err == nil {
		c.contacted.Store(true)
		defer resp.Body.Close()
		a := answer{status: resp.StatusCode, header: resp.Header}
		if a.status == http.StatusOK {
			a.body, err = wire.ReadBody(resp, limit)
		} else {
			// A small rest is read so that the connection can be used again.
			_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		}
		if err == nil {
			return a, nil
		}
	}
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case attempt.Err() != nil:
		err = noAnswer(timeout.Round(time.Millisecond))
	}
	return answer{}, c.failure(method, path, status, err)
}
