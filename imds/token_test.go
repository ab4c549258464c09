package imds_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

const instanceID = "/latest/meta-data/instance-id"

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	f := instance()
	client := serve(t, f)
	body, err := client.Get(t.Context(), instanceID)
	require.NoError(t, err)
	require.Equal(t, "i-0abc", string(body))
	require.Equal(t, []string{"PUT " + tokenPath, "GET " + instanceID}, f.requests())

	// The service refuses what has come through a proxy, and tells it by X-Forwarded-For.
	put, get := f.headers[0], f.headers[1]
	for _, h := range []http.Header{put, get} {
		h.Del("User-Agent")
	}
	put.Del("Content-Length")
	require.Empty(t, cmp.Diff(http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"21600"}}, put))
	require.Empty(t, cmp.Diff(http.Header{"X-Aws-Ec2-Metadata-Token": {"token-1"}}, get))
}

// One token serves many requests, and many callers at once make one token call.
func TestTokenIsShared(t *testing.T) {
	t.Parallel()
	f := instance()
	client := serve(t, f)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 3 {
				_, err := client.RoleCredentials(t.Context())
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, count(f.requests(), "PUT "+tokenPath))
}

// The token is renewed 2 minutes before its end, or a tenth of its life if that is less. The life is what the
// answer says, or what was asked for.
func TestTokenRenewal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ttl  string
		good time.Duration
	}{
		{"", 6*time.Hour - 2*time.Minute},
		{"21600", 6*time.Hour - 2*time.Minute},
		{"300", 270 * time.Second},
		{"60", 54 * time.Second},
		{"soon", 6*time.Hour - 2*time.Minute},
		{"-5", 6*time.Hour - 2*time.Minute},
		{"999999", 6*time.Hour - 2*time.Minute},
		{"0", 0},
	} {
		t.Run("ttl "+tt.ttl, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := instance()
				f.ttl = tt.ttl
				client := &imds.Client{Transport: f.direct(0)}
				get := func() {
					t.Helper()
					_, err := client.Get(t.Context(), instanceID)
					require.NoError(t, err)
				}
				get()
				if tt.good > 0 {
					time.Sleep(tt.good - time.Nanosecond)
					get()
					require.Equal(t, 1, f.tokens)
				}
				time.Sleep(time.Nanosecond)
				get()
				require.Equal(t, 2, f.tokens)
			})
		})
	}
}

// A token that the service refuses is replaced once, and the request made again.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	f := instance()
	client := serve(t, f)
	_, err := client.Get(t.Context(), instanceID)
	require.NoError(t, err)

	f.set(func(f *fake) { f.tokens = 41; f.log = nil }) // the service has forgotten the token
	_, err = client.Get(t.Context(), instanceID)
	require.NoError(t, err)
	want := []string{"GET " + instanceID, "PUT " + tokenPath, "GET " + instanceID}
	require.Equal(t, want, f.requests())

	// If it refuses the new one as well, that is the answer.
	f.set(func(f *fake) {
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusUnauthorized)
			}
			return r.Method == http.MethodGet
		}
	})
	_, err = client.Get(t.Context(), instanceID)
	requireFailure(t, err, 401, "answered 401 Unauthorized")
	require.Equal(t, want, f.requests())
}

// Many callers whose token is refused at once agree on one new token.
func TestRefusedTokenConcurrently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		client := &imds.Client{Transport: f.direct(100 * time.Millisecond)}
		_, err := client.Get(t.Context(), instanceID)
		require.NoError(t, err)
		f.set(func(f *fake) { f.tokens = 41 })
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := client.Get(t.Context(), instanceID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 42, f.tokens)
	})
}

// A refusal that arrives late is of the old token, and does not cost the new one.
func TestLateRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		f.paths["/late"] = "late"
		client := &imds.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := f.direct(0)(r)
			if r.URL.Path == "/late" {
				err = pause(r.Context(), 500*time.Millisecond)
			}
			return resp, err
		})}
		_, err := client.Get(t.Context(), instanceID)
		require.NoError(t, err)
		f.set(func(f *fake) { f.tokens = 41 })
		for _, path := range []string{"/late", instanceID} {
			go func() {
				if _, err := client.Get(t.Context(), path); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		require.Equal(t, 42, f.tokens)
		require.Equal(t, 2, count(f.requests(), "GET /late"))
	})
}

// IMDSv1 is spoken after a token call that is answered 403, 404 or 405, and after nothing else.
func TestFallbackToV1(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status   int
		v1       bool
		attempts int
	}{
		{403, true, 1}, {404, true, 1}, {405, true, 1},
		{400, false, 1}, {401, false, 1}, {302, false, 1}, {204, false, 1}, {501, false, 1},
		{500, false, 3}, {503, false, 3}, {429, false, 3},
	} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := instance()
				f.tokenStatus = tt.status
				client := &imds.Client{Transport: f.direct(0)}
				body, err := client.Get(t.Context(), instanceID)
				if !tt.v1 {
					requireFailure(t, err, tt.status, tokenPath, http.StatusText(tt.status))
					log := f.requests()
					require.Equal(t, tt.attempts, count(log, "PUT "+tokenPath))
					require.Len(t, log, tt.attempts, "nothing but token calls")
					return
				}
				require.NoError(t, err)
				require.Equal(t, "i-0abc", string(body))

				// It is remembered, and the request has no token.
				_, err = client.Get(t.Context(), instanceID)
				require.NoError(t, err)
				require.Equal(t, []string{"PUT " + tokenPath, "GET " + instanceID, "GET " + instanceID}, f.requests())
				require.NotContains(t, f.headers[1], "X-Aws-Ec2-Metadata-Token")

				// Until the service wants tokens.
				f.tokenStatus = 0
				_, err = client.Get(t.Context(), instanceID)
				require.NoError(t, err)
				require.Equal(t, []string{"GET " + instanceID, "PUT " + tokenPath, "GET " + instanceID}, f.requests())
			})
		})
		if !tt.v1 {
			continue
		}
		t.Run("disabled: "+http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			f := instance()
			f.tokenStatus = tt.status
			client := &imds.Client{Transport: f.direct(0), DisableV1: true}
			_, err := client.Get(t.Context(), instanceID)
			requireFailure(t, err, tt.status, "IMDSv1 is disabled", tokenPath)
			require.Equal(t, []string{"PUT " + tokenPath}, f.requests())
		})
	}
}

// A service that has neither tokens nor an answer without one is asked once each, not for ever.
func TestV1RefusedToo(t *testing.T) {
	t.Parallel()
	f := instance()
	f.tokenStatus = 403
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusUnauthorized)
		}
		return r.Method == http.MethodGet
	}
	client := &imds.Client{Transport: f.direct(0)}
	_, err := client.Get(t.Context(), instanceID)
	requireFailure(t, err, 401)
	require.Equal(t, []string{"PUT " + tokenPath, "GET " + instanceID, "PUT " + tokenPath, "GET " + instanceID}, f.requests())
}

func TestTokenBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, want, problem string
	}{
		{"plain", "AQAEtoken==", "AQAEtoken==", ""},
		{"outer blanks", " \tAQAEtoken==\r\n", "AQAEtoken==", ""},
		{"16 KiB", strings.Repeat("a", 16<<10), strings.Repeat("a", 16<<10), ""},
		{"more", strings.Repeat("a", 16<<10+1), "", "longer than 16384 bytes"},
		{"inner line feed", "AQAE\nX-Evil: 1", "", "not a session token"},
		{"inner NUL", "AQAE\x00token", "", "not a session token"},
		{"not ASCII", "AQAE\u00e9", "", "not a session token"},
		{"blank in it", "AQAE token", "", "not a session token"},
		{"web page", "<html></html>", "", "not a session token"},
		{"empty", "", "", "not a session token"},
		{"only blanks", " \n", "", "not a session token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					_, _ = io.WriteString(w, tt.body)
					return
				}
				got = append(got, r.Header.Get("X-aws-ec2-metadata-token"))
				_, _ = io.WriteString(w, "ok")
			}))
			_, err := client.Get(t.Context(), instanceID)
			if tt.problem != "" {
				requireFailure(t, err, 200, tt.problem, tokenPath)
				require.Empty(t, got, "no request without a token")
				require.NotContains(t, err.Error(), "AQAE")
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{tt.want}, got)
		})
	}
}

// A caller that gives up during the token call leaves it to the others, and leaves no trace: IMDSv2 goes on.
func TestOneOfTwoCallersGivesUp(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := instance()
			client := &imds.Client{Transport: f.direct(600 * time.Millisecond)}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(300*time.Millisecond, cancel)
			quits := func() {
				start := time.Now()
				_, err := client.Get(ctx, instanceID)
				require.ErrorIs(t, err, context.Canceled)
				require.NotErrorIs(t, err, imds.ErrUnreachable)
				require.Equal(t, 300*time.Millisecond, time.Since(start))
			}
			stays := func() {
				_, err := client.Get(t.Context(), instanceID)
				require.NoError(t, err)
			}
			if first {
				go quits()
				synctest.Wait()
				stays()
			} else {
				go stays()
				synctest.Wait()
				quits()
				time.Sleep(time.Minute)
			}
			log := f.requests()
			require.Equal(t, 1, count(log, "PUT "+tokenPath), "%v", log)
			require.Equal(t, 1, count(log, "GET "+instanceID))
			stays()
			require.Equal(t, []string{"GET " + instanceID}, f.requests())
		})
	}
}

// A caller's own deadline is the caller's error: not an absent service, and not remembered as one.
func TestCallersDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		client := &imds.Client{Transport: f.direct(400 * time.Millisecond)}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := client.Get(ctx, instanceID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, imds.ErrUnreachable)
		var e *imds.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "http://169.254.169.254"+instanceID, e.URL)

		_, err = client.Get(t.Context(), instanceID)
		require.NoError(t, err)
	})
}

// A delay that would outlast the caller's deadline is not slept: the caller gets its time back.
func TestCallersDeadlineBeforeARetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		f.tokenStatus = http.StatusNotFound
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusTooManyRequests)
			}
			return r.Method == http.MethodGet
		}
		early := 0
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			start := time.Now()
			_, err := (&imds.Client{Transport: f.direct(0)}).Get(ctx, instanceID)
			requireFailure(t, err, 429, "answered 429 Too Many Requests")
			if time.Since(start) < 100*time.Millisecond {
				early++
			}
			cancel()
		}
		require.Greater(t, early, 10, "most delays after throttling are longer than 100 ms")
	})
}

func TestContextAlreadyOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := &imds.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("must not be asked")
		return nil, errors.New("no")
	})}
	_, err := client.RoleCredentials(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, imds.ErrUnreachable)
}
