package wire_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
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
		"another's refusal":     {status: 408, body: strings.NewReader("<html>"), text: "HTTP status 408"},
		"another's throttling":  {status: 429, body: strings.NewReader("<html>"), text: "HTTP status 429"},
		"refused":               {status: 400, body: strings.NewReader("no"), passes: true},
		"refused, broken":       {status: 403, body: broken, text: "HTTP status 403: the answer is cut short: unexpected EOF"},
		"throttled":             {status: 503, body: strings.NewReader("slow"), passes: true},
		"throttled, broken":     {status: 503, body: broken, text: "HTTP status 503: the answer is cut short: unexpected EOF"},
		"an error":              {status: 500, body: strings.NewReader("x"), text: "HTTP status 500"},
		"no connection":         {err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, passes: true},
		"no such name":          {err: &net.DNSError{IsNotFound: true}, passes: true},
		"a bad certificate":     {err: &tls.CertificateVerificationError{Err: errors.New("bad")}, passes: true},
		"no TLS":                {err: tls.RecordHeaderError{Msg: "plain", Conn: &net.TCPConn{}}, passes: true},
		"TLS that breaks":       {err: tls.RecordHeaderError{Msg: "bad"}, text: "tls: bad"},
		"a proxy that is away":  {err: &net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, passes: true},
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
				Refuses: func(r *wire.Response) bool { return string(r.Body) == "no" || string(r.Body) == "slow" },
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

// TestOnceConnects to servers and proxies that fail at every stage: only what came after the connection may have arrived.
func TestOnceConnects(t *testing.T) {
	t.Parallel()
	var performed atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		performed.Add(1)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn.(*tls.Conn).NetConn(), "no record of TLS, and long enough to be read as one")
		conn.Close()
	}))
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())

	// listen answers a connection with a text, after a request if it waits for one.
	listen := func(waits bool, text string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				in := bufio.NewReader(conn)
				if waits {
					http.ReadRequest(in)
				}
				io.WriteString(conn, text)
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, in)
				conn.Close()
			}
		}()
		return l.Addr().String()
	}
	for name, tt := range map[string]struct {
		address, proxy string
		trusted, sent  bool
	}{
		"a bad record after the request": {address: server.URL, trusted: true, sent: true},
		"a certificate of nobody":        {address: server.URL},
		"no TLS":                         {address: "https://" + listen(false, "220 mail, not TLS\r\n")},
		"no answer":                      {address: "http://" + listen(true, ""), sent: true},
		"a proxy refuses":                {address: server.URL, proxy: "http://" + listen(true, "HTTP/1.1 403 Forbidden\r\n\r\n")},
		"a proxy does not answer":        {address: server.URL, proxy: "http://" + listen(true, "")},
		"a proxy without TLS":            {address: server.URL, proxy: "https://" + listen(false, "220 mail, not TLS\r\n")},
		"a proxy that is absent":         {address: server.URL, proxy: "http://127.0.0.1:1"},
		"what a proxy does not carry on": {address: "http://service.invalid/", proxy: "http://" + listen(true, ""), sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := &http.Transport{}
			t.Cleanup(base.CloseIdleConnections)
			if tt.trusted {
				base.TLSClientConfig = &tls.Config{RootCAs: pool}
			}
			if tt.proxy != "" {
				u, err := url.Parse(tt.proxy)
				require.NoError(t, err)
				base.Proxy = http.ProxyURL(u)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tt.address, strings.NewReader("a=1"))
			require.NoError(t, err)
			_, err = (&wire.Once{Base: base}).RoundTrip(r)
			require.Error(t, err)
			var sent *wire.Sent
			require.Equal(t, tt.sent, errors.As(err, &sent), "%v", err)
			if tt.trusted {
				require.EqualValues(t, 1, performed.Load())
			}
		})
	}
}
