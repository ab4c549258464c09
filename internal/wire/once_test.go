package wire_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/wire"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOnce: an error that is no *Sent, and an answer, may be retried; a *Sent has nothing in it that invites to.
func TestOnce(t *testing.T) {
	t.Parallel()
	broken := iotest.ErrReader(io.ErrUnexpectedEOF)
	for name, tt := range map[string]struct {
		status int
		body   io.Reader
		err    error

		passes bool
		text   string // of the *Sent
	}{
		"success":               {status: 200, body: strings.NewReader("ok"), passes: true},
		"success, broken":       {status: 200, body: broken, passes: true},
		"a redirect":            {status: 302, body: broken, passes: true},
		"refused":               {status: 400, body: strings.NewReader("no"), passes: true},
		"refused, broken":       {status: 403, body: broken, text: "HTTP status 403: the answer is cut short: unexpected EOF"},
		"throttled":             {status: 503, body: strings.NewReader("slow"), passes: true},
		"throttled, broken":     {status: 503, body: broken, text: "HTTP status 503: the answer is cut short: unexpected EOF"},
		"an error":              {status: 500, body: strings.NewReader("x"), text: "HTTP status 500"},
		"no connection":         {err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, passes: true},
		"no such name":          {err: &net.DNSError{IsNotFound: true}, passes: true},
		"a bad certificate":     {err: &tls.CertificateVerificationError{Err: errors.New("bad")}, passes: true},
		"no TLS":                {err: tls.RecordHeaderError{Msg: "plain"}, passes: true},
		"the connection breaks": {err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}, text: "read: connection reset by peer"},
		"it ends":               {err: io.EOF, text: "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequest(http.MethodPost, "http://localhost/", nil)
			require.NoError(t, err)
			once := &wire.Once{
				Base: roundTrip(func(*http.Request) (*http.Response, error) {
					if tt.err != nil {
						return nil, tt.err
					}
					return &http.Response{StatusCode: tt.status, Body: io.NopCloser(tt.body), ContentLength: -1}, nil
				}),
				Throttled: func(r *wire.Response) bool { return string(r.Body) == "slow" },
			}
			resp, err := once.RoundTrip(r)
			var sent *wire.Sent
			switch {
			case !tt.passes:
				require.ErrorAs(t, err, &sent)
				require.EqualError(t, err, tt.text)
				require.Same(t, r, sent.Request)
				require.NoError(t, errors.Unwrap(err))
				require.Equal(t, tt.status != 0, sent.Response != nil)
			case tt.err != nil:
				require.Equal(t, tt.err, err)
			default:
				require.NoError(t, err)
				require.Equal(t, tt.status, resp.StatusCode)
				if tt.body != broken {
					text, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					require.NotEmpty(t, text)
				}
			}
		})
	}
}
