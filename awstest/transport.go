package awstest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Transport returns an [http.RoundTripper] that carries requests to handlers in memory. hosts has them by host
// name or address, with the port if it is not the scheme's own: "169.254.169.254", "localhost:8080",
// "[fd00:ec2::254]". The value nil is an address where nobody listens: the connection is refused. An address
// that is not in hosts is an error that names it.
//
// Requests are written and parsed again, so that a handler sees what would have come over a wire. There are
// no sockets, so it works in a testing/synctest bubble. A request ends when its context does, whatever the
// handler does; the handler's goroutine ends when the handler returns, and its request's context ends with
// the client's, or when the client closes the body. A handler that panics with [http.ErrAbortHandler] breaks
// the connection.
func Transport(hosts map[string]http.Handler) http.RoundTripper {
	byAddress := make(map[string]http.Handler, len(hosts))
	for host, h := range hosts {
		byAddress[hostKey(host)] = h
	}
	return memory(byAddress)
}

type memory map[string]http.Handler

// hostKey writes a host with or without a port in one way: in lower case, IPv6 addresses in brackets.
func hostKey(host string) string {
	host = strings.ToLower(host)
	if strings.Count(host, ":") > 1 && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}

// find looks for the handler of u's host and says under which address.
func (m memory) find(u *url.URL) (h http.Handler, address string, ok bool) {
	name := hostKey(u.Hostname())
	standard := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	port := orElse(u.Port(), standard)
	address = name + ":" + port
	if h, ok = m[address]; ok {
		return h, address, true
	}
	if port == standard {
		h, ok = m[name]
		return h, name, ok
	}
	return nil, address, false
}

// unknownHost is the error for an address that the test did not name.
type unknownHost struct{ address string }

func (e *unknownHost) Error() string {
	return fmt.Sprintf("awstest: no handler for the address %s", e.address)
}

// RoundTrip implements http.RoundTripper.
func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	h, address, ok := m.find(r.URL)
	if !ok {
		return nil, &unknownHost{address}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if h == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	ctx, cancel := context.WithCancel(r.Context())
	received, err := overTheWire(r)
	if err != nil {
		cancel()
		return nil, err
	}
	x := newExchange(ctx, cancel)
	x.headOnly = r.Method == http.MethodHead
	go x.serve(h, received.WithContext(ctx))
	select {
	case <-x.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if x.err != nil {
		defer cancel()
		if ctx.Err() != nil { // it was the client who left
			return nil, ctx.Err()
		}
		return nil, x.err
	}
	return x.response(r), nil
}

// overTheWire returns the request as a server would read it.
func overTheWire(r *http.Request) (*http.Request, error) {
	for name, values := range r.Header {
		for _, v := range values {
			if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
				return nil, fmt.Errorf("awstest: invalid value of the header %s", name) // as net/http: without the value
			}
		}
	}
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		return nil, err
	}
	received, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil, fmt.Errorf("awstest: the request cannot be read again: %w", err)
	}
	received.RemoteAddr = "127.0.0.1:49152"
	return received, nil
}

// exchange is one request and its answer; it is the handler's ResponseWriter.
type exchange struct {
	ctx    context.Context
	cancel context.CancelFunc
	ready  chan struct{} // closed once the head of the answer, or err, is there
	err    error         // in place of an answer

	header   http.Header // the handler's, until the head is sent
	once     sync.Once   // sends the head
	status   int
	sent     http.Header
	headOnly bool // the answer has no body, whatever the handler writes

	body *io.PipeReader
	pipe *io.PipeWriter
}

func newExchange(ctx context.Context, cancel context.CancelFunc) *exchange {
	x := &exchange{ctx: ctx, cancel: cancel, ready: make(chan struct{}), header: make(http.Header)}
	x.body, x.pipe = io.Pipe()
	return x
}

func (x *exchange) serve(h http.Handler, r *http.Request) {
	stop := context.AfterFunc(x.ctx, func() { x.pipe.CloseWithError(x.ctx.Err()) })
	defer stop()
	defer func() {
		switch v := recover(); {
		case v == nil:
			x.WriteHeader(http.StatusOK)
			x.pipe.Close()
		default:
			err := error(&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)})
			if v != http.ErrAbortHandler {
				err = fmt.Errorf("awstest: the handler panicked: %v", v)
			}
			x.once.Do(func() { x.err = err; close(x.ready) })
			cut := io.ErrUnexpectedEOF
			if x.ctx.Err() != nil { // it was the client who left
				cut = x.ctx.Err()
			}
			x.pipe.CloseWithError(cut)
		}
	}()
	h.ServeHTTP(x, r)
}

func (x *exchange) Header() http.Header { return x.header }

func (x *exchange) WriteHeader(status int) {
	x.once.Do(func() {
		x.status, x.sent = status, x.header.Clone()
		if x.sent.Get("Date") == "" {
			x.sent.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		}
		close(x.ready)
	})
}

func (x *exchange) Write(p []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	if len(p) == 0 || x.headOnly {
		return len(p), nil
	}
	return x.pipe.Write(p)
}

// Flush makes the exchange an http.Flusher; it keeps nothing back.
func (x *exchange) Flush() { x.WriteHeader(http.StatusOK) }

func (x *exchange) response(r *http.Request) *http.Response {
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", x.status, http.StatusText(x.status)), StatusCode: x.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: x.sent, ContentLength: -1, Request: r,
		Body: &closing{x.body, x.cancel},
	}
	if n, err := strconv.ParseInt(x.sent.Get("Content-Length"), 10, 64); err == nil {
		resp.ContentLength = n
	}
	return resp
}

// closing ends the request's context with the body, as a closed connection would.
type closing struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (c *closing) Read(p []byte) (int, error) {
	n, err := c.PipeReader.Read(p)
	if err != nil {
		c.cancel()
	}
	return n, err
}

func (c *closing) Close() error {
	defer c.cancel()
	return c.PipeReader.Close()
}
