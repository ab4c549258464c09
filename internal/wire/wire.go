// Package wire does one HTTP exchange with a credential service: bounded in size, never redirected, and
// past every proxy where the address is this machine's own or link-local.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// MaxBody is the size of the largest document that Do reads.
const MaxBody = 1 << 20

// TooLargeError is for a body of more bytes than it says.
type TooLargeError int64

func (e TooLargeError) Error() string {
	return fmt.Sprintf("the answer is longer than %d bytes", int64(e))
}

// Response is an answer, read to its end.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte
}

// Do sends r and reads the whole answer. A redirect is an error: no credential service redirects, and the
// request's tokens must not follow one.
func Do(rt http.RoundTripper, r *http.Request) (*Response, error) {
	resp, err := RoundTrip(rt, r)
	if err != nil {
		return nil, err
	}
	return Read(resp)
}

// Read reads a whole answer, and closes it. A redirect is an error, as with Do.
func Read(resp *http.Response) (*Response, error) {
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return nil, &RedirectError{StatusCode: resp.StatusCode, Host: locationHost(resp)}
	}
	body, err := ReadBody(resp, MaxBody)
	if err != nil {
		return nil, err
	}
	return &Response{resp.StatusCode, resp.Header, body}, nil
}

// RoundTrip sends r past any http.Client, so that no redirect is followed. Its errors do not quote the answer.
func RoundTrip(rt http.RoundTripper, r *http.Request) (*http.Response, error) {
	resp, err := rt.RoundTrip(r)
	if err != nil {
		return nil, withoutAnswer(err)
	}
	return resp, nil
}

// ReadBody reads a body of at most limit bytes. A longer one is a TooLargeError; one that ends before its
// announced length is an error as well.
func ReadBody(resp *http.Response, limit int64) ([]byte, error) {
	if n := resp.ContentLength; n > 0 { // most answers: one allocation
		if n > limit {
			return nil, TooLargeError(limit)
		}
		body := make([]byte, n)
		_, err := io.ReadFull(resp.Body, body)
		return body, cutShort(err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, TooLargeError(limit)
	}
	return body, cutShort(err)
}

func cutShort(err error) error {
	var known net.Error
	switch {
	case err == nil:
		return nil
	case err == io.EOF: // not a byte of what was announced
		err = io.ErrUnexpectedEOF
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled), errors.As(err, &known):
	default: // a malformed chunk or trailer, which the error would quote
		return ErrNotHTTP
	}
	return fmt.Errorf("the answer is cut short: %w", err)
}

// ErrNotHTTP is for an answer that is none.
var ErrNotHTTP = errors.New("the answer is not HTTP")

// ErrHeaderTooLong is for an answer whose header does not end.
var ErrHeaderTooLong = errors.New("the answer's header is longer than 64 KiB")

// withoutAnswer replaces an error of net/http that quotes what the service sent, which could be a secret. Those
// errors have no type of their own, but a common beginning.
func withoutAnswer(err error) error {
	text := err.Error()
	var known net.Error
	switch {
	case !strings.Contains(text, "transport connection broken"), errors.As(err, &known),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case strings.Contains(text, "headers exceeded"):
		return ErrHeaderTooLong
	}
	return ErrNotHTTP
}

// RedirectError is for an answer that points elsewhere.
type RedirectError struct {
	StatusCode int
	Host       string // where to; the rest of the address could hold a secret
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("the service redirects to %q (HTTP %d), which is not followed", e.Host, e.StatusCode)
}

// HTTPStatusCode returns the status of the answer.
func (e *RedirectError) HTTPStatusCode() int { return e.StatusCode }

func locationHost(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return ""
	}
	return u.Host
}

// NewTransport returns a transport that gives up connecting after the given time. It keeps idle connections
// only for a moment, since credentials are fetched rarely, and it speaks HTTP/1.1 alone: setting HTTP/2 up costs a
// short call more than it brings. A proxy from the environment is used for none but public addresses.
func NewTransport(connect time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            (&net.Dialer{Timeout: connect}).DialContext,
		TLSHandshakeTimeout:    connect + 4*time.Second,
		DisableCompression:     true, // what is bounded is what is read
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func proxy(r *http.Request) (*url.URL, error) {
	if Near(r.URL.Hostname()) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

// Near reports whether host is this machine or a link-local address, literally: a name that has to be looked
// up is near only if it is localhost.
func Near(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip == eksPodIdentity6 || ip == imds6
}

// Unique local addresses that AWS gives to services of the host.
var (
	eksPodIdentity6 = netip.MustParseAddr("fd00:ec2::23")
	imds6           = netip.MustParseAddr("fd00:ec2::254")
)
