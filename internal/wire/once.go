package wire

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// Once carries requests that must not be performed twice, below a transport that retries. What leaves open whether the
// request was performed becomes a [*Sent], which is retried by nobody: a connection that broke, and an answer of 400 or more
// that does not refuse. An answer that refuses passes; so does one below 400, unread.
type Once struct {
	Base http.RoundTripper

	// Refuses reports that an answer of 400 or more is the service's own, and says that nothing was performed. What stands
	// between, such as a proxy, can give up on a request that the service performs.
	Refuses func(*Response) bool
}

// Sent is what a request met that left and may have been performed. It hides the error that is in it from whoever looks for
// a reason to retry.
type Sent struct {
	Request  *http.Request // as it was sent
	Response *Response     // nil if there is none
	Err      error         // of the connection, or of reading the answer; nil if that is whole
}

func (s *Sent) Error() string { return s.Cause().Error() }

// Cause is what s says, as an error that hides nothing.
func (s *Sent) Cause() error {
	switch {
	case s.Err == nil:
		return fmt.Errorf("HTTP status %d", s.Response.StatusCode)
	case s.Response != nil:
		return fmt.Errorf("HTTP status %d: %w", s.Response.StatusCode, s.Err)
	}
	return s.Err
}

// RoundTrip sends r once.
func (o *Once) RoundTrip(r *http.Request) (*http.Response, error) {
	var way passage
	resp, err := RoundTrip(o.Base, way.watch(r))
	switch {
	case err != nil && (way.closed() || NeverLeft(err)):
		return nil, err
	case err != nil:
		return nil, &Sent{Request: r, Err: err}
	case resp.StatusCode < http.StatusBadRequest:
		return resp, nil
	}
	defer resp.Body.Close()
	answer := &Response{StatusCode: resp.StatusCode, Header: resp.Header}
	if answer.Body, err = ReadBody(resp, MaxBody); err != nil {
		return nil, &Sent{r, answer, err}
	}
	if !o.Refuses(answer) {
		return nil, &Sent{Request: r, Response: answer}
	}
	again := *resp
	again.Body = io.NopCloser(bytes.NewReader(answer.Body))
	return &again, nil
}

// passage is how far a request came in net/http's transport. Not every reason for which there is no connection has a type by
// which it is known: that a proxy refuses to connect is a text.
type passage struct{ sought, found atomic.Bool }

func (p *passage) watch(r *http.Request) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { p.sought.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { p.found.Store(true) },
	}))
}

// closed reports that a connection was looked for, and none found. Transports other than net/http's look for none.
func (p *passage) closed() bool { return p.sought.Load() && !p.found.Load() }

// NeverLeft reports that there was no connection to send the request over, as far as its error tells.
func NeverLeft(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &dns), errors.As(err, &certificate):
		return true
	case errors.As(err, &op):
		return op.Op == "dial" || op.Op == "proxyconnect"
	}
	// Only the error for the very first record has the connection; records later on can be bad as well.
	return errors.As(err, &record) && record.Conn != nil
}
