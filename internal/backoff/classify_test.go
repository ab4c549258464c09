package backoff_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/backoff"
)

// answer has a code and a status, as an error of a service.
type answer struct {
	code   string
	status int
}

func (a answer) Error() string       { return a.code }
func (a answer) ErrorCode() string   { return a.code }
func (a answer) HTTPStatusCode() int { return a.status }

func TestClassify(t *testing.T) {
	t.Parallel()
	dial := func(err error) error {
		return &url.Error{Op: "Get", URL: "http://x", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	for _, tt := range []struct {
		name string
		err  error
		want backoff.Class
	}{
		{"nil", nil, backoff.Final},
		{"unknown", errors.New("no idea"), backoff.Final},
		{"403", status(403), backoff.Final},
		{"404", status(404), backoff.Final},
		{"501", status(501), backoff.Final},
		{"500", status(500), backoff.Transient},
		{"502", status(502), backoff.Transient},
		{"503", status(503), backoff.Transient},
		{"504, wrapped", fmt.Errorf("a: %w", fmt.Errorf("b: %w", status(504))), backoff.Transient},
		{"429", status(429), backoff.Throttle},
		{"429 with an unknown code", answer{"Busy", 429}, backoff.Throttle},
		{"code over status", answer{"SlowDown", 503}, backoff.Throttle},
		{"throttled by a 400", answer{"ThrottlingException", 400}, backoff.Throttle},
		{"timeout by a 400", answer{"RequestTimeout", 400}, backoff.Transient},
		{"denied", answer{"AccessDenied", 403}, backoff.Final},
		{"unknown code, status 500", answer{"InternalFailure", 500}, backoff.Transient},
		{"smithy's error", &smithy.GenericAPIError{Code: "RequestLimitExceeded"}, backoff.Throttle},
		{"STS and its provider", &smithy.GenericAPIError{Code: "IDPCommunicationError"}, backoff.Transient},
		{"codes are exact", answer{"throttling", 400}, backoff.Final},

		{"cancelled", context.Canceled, backoff.Final},
		{"cancelled request", &url.Error{Op: "Get", URL: "http://x", Err: context.Canceled}, backoff.Final},
		{"cancelled, though a 500", errors.Join(status(500), context.Canceled), backoff.Final},
		{"an attempt's deadline", context.DeadlineExceeded, backoff.Transient},
		{"socket deadline", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, backoff.Transient},

		{"no such name", dial(&net.DNSError{Err: "no such host", IsNotFound: true}), backoff.Final},
		{"name server trouble", dial(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), backoff.Transient},
		{"name server timeout", dial(&net.DNSError{Err: "timeout", IsTimeout: true}), backoff.Transient},
		{"refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), backoff.Transient},
		{"refused, bare", syscall.ECONNREFUSED, backoff.Transient},
		{"no route", dial(syscall.EHOSTUNREACH), backoff.Transient},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, backoff.Transient},
		{"broken while writing", &net.OpError{Op: "write", Err: errors.New("odd")}, backoff.Transient},
		{"pipe", syscall.EPIPE, backoff.Transient},
		{"closed", net.ErrClosed, backoff.Transient},
		{"no answer", &url.Error{Op: "Get", URL: "http://x", Err: io.EOF}, backoff.Transient},
		{"cut short", io.ErrUnexpectedEOF, backoff.Transient},
		{"idle connection", errors.New("http: server closed idle connection"), backoff.Transient},

		{"bad scheme", &url.Error{Op: "Get", URL: "x:", Err: errors.New("unsupported protocol scheme")}, backoff.Final},
		{"TLS alert", &net.OpError{Op: "remote error", Err: tls.AlertError(40)}, backoff.Final},
		{"certificate", &url.Error{Op: "Get", Err: x509.UnknownAuthorityError{}}, backoff.Final},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, backoff.Classify(tt.err))
		})
	}
}

// The codes of the AWS SDKs' throttling list, all fourteen.
func TestThrottleCodes(t *testing.T) {
	t.Parallel()
	codes := []string{
		"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
		"TooManyRequestsException", "ProvisionedThroughputExceededException", "TransactionInProgressException",
		"RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "RequestThrottled",
		"SlowDown", "PriorRequestNotComplete", "EC2ThrottledException",
	}
	require.Len(t, codes, 14)
	for _, code := range codes {
		require.Equal(t, backoff.Throttle, backoff.Classify(answer{code, 400}), code)
	}
	require.Equal(t, backoff.Transient, backoff.Classify(answer{"RequestTimeoutException", 400}))
}

// What net/http really reports when a server breaks off, rather than what we believe it reports.
func TestClassifyRealConnections(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/hangup":
		case "/reset":
			_ = conn.(*net.TCPConn).SetLinger(0)
		case "/short":
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
		}
		_ = conn.Close()
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	fetch := func(url string) error {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
		return err
	}
	for _, path := range []string{"/hangup", "/reset", "/short"} {
		err := fetch(server.URL + path)
		require.Error(t, err, path)
		require.Equal(t, backoff.Transient, backoff.Classify(err), "%s: %v", path, err)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	err = fetch("http://" + listener.Addr().String())
	require.Error(t, err)
	require.Equal(t, backoff.Transient, backoff.Classify(err), "%v", err)
}
