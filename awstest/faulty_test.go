package awstest_test

import (
	"context"
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

// hello is a handler with an answer of eleven bytes.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-From", "hello")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "hello world"+string(body))
})

func faulty(faults ...awstest.Fault) http.RoundTripper {
	return awstest.Transport(map[string]http.Handler{"fake.example": awstest.Faulty(hello, faults...)})
}

// get returns the status, the body as far as it came, and the error of the request or of the body.
func get(ctx context.Context, rt http.RoundTripper, method, url string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(""))
	if err != nil {
		return 0, "", err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestFaultyChoosesRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		faults []awstest.Fault
		ask    string // method and path of the requests
		want   string // statuses; 202 is the handler's
	}{
		{"none", nil, "GET /a, GET /a", "202 202"},
		{"always", []awstest.Fault{{Status: 500}}, "GET /a, PUT /b", "500 500"},
		{"once", []awstest.Fault{{Status: 500, Times: 1}}, "GET /a, GET /a", "500 202"},
		{"the second", []awstest.Fault{{Status: 500, Times: 1, Skip: 1}}, "GET /a, GET /a, GET /a", "202 500 202"},
		{"from the third on", []awstest.Fault{{Status: 500, Skip: 2}}, "GET /a, GET /a, GET /a, GET /a", "202 202 500 500"},
		{"by path", []awstest.Fault{{Status: 500, Path: "/a/"}}, "GET /a, GET /a/b, GET /b", "202 500 202"},
		{"by method", []awstest.Fault{{Status: 500, Method: "PUT"}}, "GET /a, PUT /a", "202 500"},
		{"only what matches counts", []awstest.Fault{{Status: 500, Path: "/a", Skip: 1}}, "GET /a, GET /b, GET /a", "202 202 500"},
		{"a script", []awstest.Fault{{Status: 500, Times: 2}, {Status: 503, Times: 1}}, "GET /a, GET /a, GET /a, GET /a", "500 500 503 202"},
		{"the first counts alone", []awstest.Fault{{Status: 500, Times: 1}, {Status: 503, Skip: 1, Times: 1}},
			"GET /a, GET /a, GET /a, GET /a", "500 202 503 202"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rt := faulty(tt.faults...)
			var got []string
			for line := range strings.SplitSeq(tt.ask, ", ") {
				method, path, _ := strings.Cut(line, " ")
				a := ask(t, rt, method, "http://fake.example"+path)
				got = append(got, map[int]string{202: "202", 500: "500", 503: "503"}[a.status])
			}
			require.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

func TestFaultyAnswers(t *testing.T) {
	t.Parallel()
	got := ask(t, faulty(awstest.Fault{Status: 503, Body: "down", Header: http.Header{"x-amz-retry-after": {"1500"}}}),
		"GET", "http://fake.example/")
	require.Equal(t, 503, got.status)
	require.Equal(t, "down", got.body)
	require.Equal(t, "1500", got.header.Get("X-Amz-Retry-After"))
	require.Empty(t, got.header.Get("X-From"))

	got = ask(t, faulty(awstest.Fault{Redirect: "http://elsewhere.example/"}), "GET", "http://fake.example/")
	require.Equal(t, 302, got.status)
	require.Equal(t, "http://elsewhere.example/", got.header.Get("Location"))
	got = ask(t, faulty(awstest.Fault{Redirect: "/x", Status: 307}), "GET", "http://fake.example/")
	require.Equal(t, 307, got.status)
	require.Equal(t, "/x", got.header.Get("Location"))

	got = ask(t, faulty(awstest.Fault{Huge: 100_000}), "GET", "http://fake.example/")
	require.Equal(t, 200, got.status)
	require.Equal(t, strings.Repeat(" ", 100_000), got.body)
}

// Over a real connection and over one in memory, a client sees the same.
func TestFaultyConnections(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault awstest.Fault
		check func(t *testing.T, status int, body string, err error)
	}{
		{"reset", awstest.Fault{Reset: true}, func(t *testing.T, _ int, _ string, err error) {
			require.ErrorIs(t, err, syscall.ECONNRESET)
		}},
		{"truncate", awstest.Fault{Truncate: 5}, func(t *testing.T, status int, body string, err error) {
			require.Equal(t, 202, status)
			require.Equal(t, "hello", body)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}},
		{"truncate beyond the end", awstest.Fault{Truncate: 500}, func(t *testing.T, _ int, body string, err error) {
			require.Equal(t, "hello worl", body)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}},
		{"delay", awstest.Fault{Delay: time.Microsecond}, func(t *testing.T, status int, body string, err error) {
			require.NoError(t, err)
			require.Equal(t, "hello world", body)
			require.Equal(t, 202, status)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			t.Run("in memory", func(t *testing.T) {
				t.Parallel()
				status, body, err := get(t.Context(), faulty(tt.fault), "GET", "http://fake.example/")
				tt.check(t, status, body, err)
			})
			t.Run("on loopback", func(t *testing.T) {
				t.Parallel()
				url := awstest.Serve(t, awstest.Faulty(hello, tt.fault))
				status, body, err := get(t.Context(), new(http.Transport), "GET", url)
				tt.check(t, status, body, err)
			})
		})
	}
}

func TestFaultyTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault awstest.Fault
		limit time.Duration
		want  time.Duration
		err   error
		body  string
	}{
		{"delay", awstest.Fault{Delay: 2 * time.Second}, time.Minute, 2 * time.Second, nil, "hello world"},
		{"delay longer than the client waits", awstest.Fault{Delay: time.Hour}, time.Second, time.Second, context.DeadlineExceeded, ""},
		{"delayed status", awstest.Fault{Delay: time.Second, Status: 500, Body: "x"}, time.Minute, time.Second, nil, "x"},
		{"no answer", awstest.Fault{Drop: true}, time.Minute, time.Minute, context.DeadlineExceeded, ""},
		{"half an answer", awstest.Fault{Drop: true, Truncate: 5}, time.Minute, time.Minute, context.DeadlineExceeded, "hello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				start := time.Now()
				_, body, err := get(ctx, faulty(tt.fault), "GET", "http://fake.example/")
				require.ErrorIs(t, err, tt.err)
				require.Equal(t, tt.body, body)
				require.Equal(t, tt.want, time.Since(start))
			})
		})
	}
}

// A dropped answer on a real connection ends when the client leaves; if it did not, the server could not
// be closed at the end of the test.
func TestFaultyDropOnLoopback(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan struct{})
	dropping := awstest.Faulty(hello, awstest.Fault{Drop: true})
	url := awstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		defer close(left)
		dropping.ServeHTTP(w, r)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader("body"))
	require.NoError(t, err)
	_, err = new(http.Transport).RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
	<-left
}

// The body that a fault had to read off the connection still reaches the handler.
func TestFaultyDelayKeepsTheBody(t *testing.T) {
	t.Parallel()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://fake.example/", strings.NewReader("!"))
	require.NoError(t, err)
	resp, err := faulty(awstest.Fault{Delay: time.Microsecond}).RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "hello world!", string(body))
}

// A body larger than any memory is made as it is read, and its making ends with the client's interest.
func TestFaultyHugeEndsWithTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		huge := awstest.Faulty(hello, awstest.Fault{Huge: 1 << 50})
		rt := awstest.Transport(map[string]http.Handler{"fake.example": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			huge.ServeHTTP(w, r)
		})})
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://fake.example/", http.NoBody)
		require.NoError(t, err)
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, int64(1<<50), resp.ContentLength)
		n, err := io.CopyN(io.Discard, resp.Body, 1<<20)
		require.NoError(t, err)
		require.Equal(t, int64(1<<20), n)
		require.NoError(t, resp.Body.Close())
		<-ended
	})
}
