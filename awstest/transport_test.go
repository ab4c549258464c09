package awstest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

func TestTransportAddresses(t *testing.T) {
	t.Parallel()
	rt := awstest.Transport(map[string]http.Handler{
		"169.254.169.254": hello, "localhost:8080": hello, "Named.Example": hello, "fd00:ec2::254": hello,
		"[::1]:9000": hello, "down.example": nil, "name:443": hello,
	})
	for _, tt := range []struct{ url, want string }{
		{"http://169.254.169.254/x", ""},
		{"http://169.254.169.254:80/x", ""},
		{"https://169.254.169.254/x", ""},
		{"http://localhost:8080/", ""},
		{"https://NAMED.example/", ""},
		{"http://[fd00:ec2::254]/", ""},
		{"http://[::1]:9000/", ""},
		{"https://name/", ""},
		{"http://169.254.169.254:8080/x", "no handler for the address 169.254.169.254:8080"},
		{"http://localhost/", "no handler for the address localhost"},
		{"http://name/", "no handler for the address name"},
		{"http://[fd00:ec2::23]/", "no handler for the address [fd00:ec2::23]"},
		{"http://169.254.169.25/", "no handler for the address 169.254.169.25"},
		{"http://down.example/", "connection refused"},
	} {
		t.Run(tt.url, func(t *testing.T) {
			t.Parallel()
			status, body, err := get(t.Context(), rt, "GET", tt.url)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				require.Equal(t, strings.Contains(tt.want, "refused"), errors.Is(err, syscall.ECONNREFUSED))
				return
			}
			require.NoError(t, err)
			require.Equal(t, 202, status)
			require.Equal(t, "hello world", body)
		})
	}
}

// What a handler sees must not depend on whether there are sockets.
func TestTransportIsLikeAServer(t *testing.T) {
	t.Parallel()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		host := map[bool]string{true: "host", false: r.Host}[strings.HasPrefix(r.Host, "127.0.0.1") || r.Host == "fake.example"]
		_, _ = io.WriteString(w, strings.Join([]string{
			r.Method, r.RequestURI, r.URL.EscapedPath(), r.URL.RawQuery, host, r.Header.Get("X-Test"),
			r.Header.Get("Content-Length"), r.Header.Get("User-Agent"), string(body), r.URL.Host, r.URL.Scheme,
		}, "|"))
	})
	memory := awstest.Transport(map[string]http.Handler{"fake.example": echo})
	url := awstest.Serve(t, echo)
	for _, path := range []string{"/", "/a%2Fb/c%20d?x=1&y=a%2Bb#fragment", "/a//b/../c"} {
		for _, body := range []string{"", "a body"} {
			var got []string
			for base, rt := range map[string]http.RoundTripper{"http://fake.example": memory, url: new(http.Transport)} {
				req, err := http.NewRequestWithContext(t.Context(), "POST", base+path, strings.NewReader(body))
				require.NoError(t, err)
				req.Header["X-Test"] = []string{"  value  "}
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				seen, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, 200, resp.StatusCode)
				require.NotEmpty(t, resp.Header.Get("Date"))
				require.Equal(t, req, resp.Request)
				got = append(got, string(seen))
			}
			require.Equal(t, got[0], got[1])
			require.Contains(t, got[0], "POST|"+strings.SplitN(path, "#", 2)[0]+"|")
		}
	}
}

func TestTransportRefusesBadHeaderValues(t *testing.T) {
	t.Parallel()
	rt := awstest.Transport(map[string]http.Handler{"fake.example": hello})
	for _, value := range []string{"secret\n", "secret\r\nX-Evil: 1", "secret\x00", "secret\x7f"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://fake.example/", http.NoBody)
		require.NoError(t, err)
		req.Header["Authorization"] = []string{value}
		_, err = rt.RoundTrip(req)
		require.ErrorContains(t, err, "Authorization")
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestTransportHonoursTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// This handler does not care for its context; the client must not have to wait for it.
		deaf := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Hour) })
		rt := awstest.Transport(map[string]http.Handler{"fake.example": deaf})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err := get(ctx, rt, "GET", "http://fake.example/")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))

		_, _, err = get(ctx, rt, "GET", "http://fake.example/") // ended before it began
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		time.Sleep(time.Hour) // for the handler
	})
}

func TestTransportEndsTheHandlersContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		rt := awstest.Transport(map[string]http.Handler{"fake.example": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			<-r.Context().Done()
			close(gone)
		})})
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://fake.example/", http.NoBody)
		require.NoError(t, err)
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		<-gone // or the bubble would be in a deadlock
	})
}

func TestTransportHandlers(t *testing.T) {
	t.Parallel()
	handle := func(f http.HandlerFunc) http.RoundTripper {
		return awstest.Transport(map[string]http.Handler{"fake.example": f})
	}
	const url = "http://fake.example/"
	_, _, err := get(t.Context(), handle(func(http.ResponseWriter, *http.Request) { panic("oops") }), "GET", url)
	require.ErrorContains(t, err, "the handler panicked: oops")
	_, _, err = get(t.Context(), handle(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "GET", url)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	status, body, err := get(t.Context(), handle(func(http.ResponseWriter, *http.Request) {}), "GET", url)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Empty(t, body)
	status, body, err = get(t.Context(), faulty(), "HEAD", url)
	require.NoError(t, err)
	require.Equal(t, 202, status)
	require.Empty(t, body)
	status, _, err = get(t.Context(), handle(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
		w.Header().Set("X-Late", "1")
	}), "GET", url)
	require.NoError(t, err)
	require.Equal(t, 201, status)
}

func TestServe(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	url := awstest.Serve(r, hello)
	require.Regexp(t, `^http://127\.0\.0\.1:\d+$`, url)
	status, body, err := get(t.Context(), new(http.Transport), "GET", url)
	require.NoError(t, err)
	require.Equal(t, 202, status)
	require.Equal(t, "hello world", body)
	r.end()
	_, _, err = get(t.Context(), new(http.Transport), "GET", url)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
