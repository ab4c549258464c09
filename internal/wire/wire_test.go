package wire_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/wire"
)

func do(t *testing.T, address string) (*wire.Response, error) {
	transport := wire.NewTransport(time.Second)
	t.Cleanup(transport.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	return wire.Do(transport, r)
}

func TestDo(t *testing.T) {
	t.Parallel()
	var elsewhere int
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer target.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "body") })
	mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) {})
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "bo")
		w.(http.Flusher).Flush()
		io.WriteString(w, "dy")
	})
	mux.HandleFunc("/refused", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	mux.HandleFunc("/largest", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, wire.MaxBody)) })
	mux.HandleFunc("/larger", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, wire.MaxBody+1)) })
	mux.HandleFunc("/announced", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1073741824")
		w.Write([]byte("x"))
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+"/canary?canary", http.StatusFound)
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("x"))
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	for path, want := range map[string]string{"/ok": "body", "/empty": "", "/chunked": "body"} {
		resp, err := do(t, server.URL+path)
		require.NoError(t, err, path)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, want, string(resp.Body))
	}
	resp, err := do(t, server.URL+"/refused")
	require.NoError(t, err)
	require.Equal(t, 403, resp.StatusCode)
	resp, err = do(t, server.URL+"/largest")
	require.NoError(t, err)
	require.Len(t, resp.Body, wire.MaxBody)

	for _, path := range []string{"/larger", "/announced"} {
		_, err = do(t, server.URL+path)
		require.ErrorIs(t, err, wire.TooLargeError(wire.MaxBody))
	}
	_, err = do(t, server.URL+"/cut")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	_, err = do(t, server.URL+"/redirect")
	var redirect *wire.RedirectError
	require.ErrorAs(t, err, &redirect)
	require.Equal(t, strings.TrimPrefix(target.URL, "http://"), redirect.Host)
	require.NotContains(t, err.Error(), "canary")
	require.Zero(t, elsewhere, "a redirect was followed")
}

// TestDoDoesNotQuote: net/http's errors quote what it cannot understand.
func TestDoDoesNotQuote(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer string
		want   error
	}{
		"no HTTP":           {`{"SecretAccessKey":"canary"}`, wire.ErrNotHTTP},
		"a broken status":   {"HTTP/1.1 canary\r\n\r\n", wire.ErrNotHTTP},
		"a broken header":   {"HTTP/1.1 200 OK\r\ncanary\r\n\r\n", wire.ErrNotHTTP},
		"a broken length":   {"HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n", wire.ErrNotHTTP},
		"a broken trailer":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\nx\r\n0\r\n\"canary\" \"canary\"\r\n\r\n", wire.ErrNotHTTP},
		"a broken chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n", wire.ErrNotHTTP},
		"an unknown coding": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: canary\r\n\r\n", wire.ErrNotHTTP},
		"an endless header": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("canary", 20<<10), wire.ErrHeaderTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					http.ReadRequest(bufio.NewReader(conn))
					io.WriteString(conn, tt.answer+"\r\n\r\n")
					conn.Close()
				}
			}()
			_, err = do(t, "http://"+l.Addr().String())
			require.ErrorIs(t, err, tt.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestNear(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost", "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::23", "fd00:ec2::254"} {
		require.True(t, wire.Near(host), host)
	}
	for _, host := range []string{"", "example.com", "localhost.example.com", "10.0.0.1", "203.0.113.1", "fd00:ec2::1", "2001:db8::1"} {
		require.False(t, wire.Near(host), host)
	}
}

// TestProxyIsForFarHostsAlone runs itself in an environment with a proxy, which net/http reads once.
func TestProxyIsForFarHostsAlone(t *testing.T) {
	t.Parallel()
	if os.Getenv("HTTP_PROXY") != "http://proxy.example:3128" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestProxyIsForFarHostsAlone$")
		cmd.Env = []string{"HTTP_PROXY=http://proxy.example:3128"}
		out, err := cmd.CombinedOutput()
		require.NoErrorf(t, err, "%s", out)
		return
	}
	transport := wire.NewTransport(time.Second)
	for address, proxied := range map[string]bool{
		"http://169.254.170.2/c": false, "http://localhost/c": false, "http://[fd00:ec2::23]/c": false, "http://sts.example/": true,
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		proxy, err := transport.Proxy(&http.Request{URL: u})
		require.NoError(t, err)
		require.Equal(t, proxied, proxy != nil, address)
	}
}
