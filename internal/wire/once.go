package wire

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Once carries requests that must not be performed twice, below a transport that retries. What leaves open whether the
// request was performed becomes a [*Sent], which is retried by nobody: a connection that broke, and an answer of 500 or more.
// An answer of 4xx refuses, so nothing was performed, and it passes; so does one of success, unread.
type Once struct {
	Base http.RoundTripper

	// Throttled reports that an answer of 500 or more says that there were too many requests: nothing was performed.
	Throttled func(*Response) bool
}

// Sent is what a request met that left and may have been performed. It hides the error that is in it from whoever looks for
// a reason to retry.
type Sent struct {
	Request  *http.Request // as it was sent
	Response *Response     // nil if there is none
	Err      error         // of the connection, or of reading the answer; nil if that is whole
}

func (s *Sent) Error() string {
	switch {
	case s.Err == nil:
		return fmt.Sprintf("HTTP status %d", s.Response.StatusCode)
	case s.Response != nil:
		return fmt.Sprintf("HTTP status %d: %v", s.Response.StatusCode, s.Err)
	}
	return s.Err.Error()
}

// RoundTrip sends r once.
func (o *Once) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := RoundTrip(o.Base, r)
	switch {
	case err != nil && NeverLeft(err):
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
	if resp.StatusCode >= http.StatusInternalServerError && !o.Throttled(answer) {
		return nil, &Sent{Request: r, Response: answer}
	}
	again := *resp
	again.Body = io.NopCloser(bytes.NewReader(answer.Body))
	return &again, nil
}

// NeverLeft reports that there was no connection to send the request over.
func NeverLeft(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial" || errors.As(err, &certificate) || errors.As(err, &plain)
}
