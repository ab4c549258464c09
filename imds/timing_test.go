package imds_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

// Silence at the first contact is an absent service after exactly a second, after one token call; the error
// says so for a while without asking again.
func TestFirstContactSilent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name            string
		timeout, within time.Duration
	}{
		{"default", 0, time.Second},
		{"longer", 3 * time.Second, 3 * time.Second},
		{"shorter", 200 * time.Millisecond, 200 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var puts atomic.Int32
				client := &imds.Client{AnswerTimeout: tt.timeout, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPut {
						puts.Add(1)
					}
					return silent(r)
				})}
				start := time.Now()
				_, err := client.RoleCredentials(t.Context())
				require.ErrorIs(t, err, imds.ErrUnreachable)
				require.NotErrorIs(t, err, imds.ErrHopLimit)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, tt.within, time.Since(start))
				require.EqualValues(t, 1, puts.Load())
				require.ErrorContains(t, err, "PUT http://169.254.169.254/latest/api/token: no metadata service answers: "+
					fmt.Sprintf("no complete answer within %v", tt.within))

				// Remembered for 5 seconds, and no longer.
				start = time.Now()
				time.Sleep(5*time.Second - 1)
				_, again := client.Region(t.Context())
				require.Equal(t, err, again)
				require.Equal(t, 5*time.Second-1, time.Since(start))
				require.EqualValues(t, 1, puts.Load())
				time.Sleep(time.Nanosecond)
				_, err = client.Region(t.Context())
				require.ErrorIs(t, err, imds.ErrUnreachable)
				require.EqualValues(t, 2, puts.Load())
			})
		})
	}
}

// After a silence the service may come up after all.
func TestSilenceIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		var up atomic.Bool
		client := &imds.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if up.Load() {
				return f.direct(0)(r)
			}
			return silent(r)
		})}
		_, err := client.Region(t.Context())
		require.ErrorIs(t, err, imds.ErrUnreachable)
		up.Store(true)
		time.Sleep(5 * time.Second)
		_, err = client.Region(t.Context())
		require.NoError(t, err)
	})
}

func TestFirstContactRefused(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))},
		{"refused, bare", syscall.ECONNREFUSED},
		{"no route", dial(syscall.EHOSTUNREACH)},
		{"no network", fmt.Errorf("x: %w", syscall.ENETUNREACH)},
		{"not permitted", dial(syscall.EPERM)},
		{"no such host", dial(&net.DNSError{Err: "no such host", IsNotFound: true})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				client := &imds.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					tries++
					return nil, tt.err
				})}
				start := time.Now()
				_, err := client.RoleCredentials(t.Context())
				require.ErrorIs(t, err, imds.ErrUnreachable)
				require.ErrorContains(t, err, tt.err.Error())
				require.Equal(t, 1, tries)
				require.Zero(t, time.Since(start))

				// It costs nothing, so it is not remembered.
				_, err = client.RoleCredentials(t.Context())
				require.ErrorIs(t, err, imds.ErrUnreachable)
				require.Equal(t, 2, tries)
			})
		})
	}
}

// Refused on a real port.
func TestFirstContactRefusedForReal(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	client := imds.Client{Endpoint: "http://" + listener.Addr().String()}
	_, err = client.RoleCredentials(t.Context())
	require.ErrorIs(t, err, imds.ErrUnreachable)
	require.ErrorContains(t, err, listener.Addr().String())
}

// A connection that is made and then broken is somebody: retried, and no absent service.
func TestFirstContactBroken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		tries, broken := 0, 2
		client := &imds.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if tries++; tries <= broken {
				return nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
			}
			return f.direct(0)(r)
		})}
		_, err := client.Region(t.Context())
		require.NoError(t, err)

		client = &imds.Client{Transport: client.Transport}
		tries, broken = 0, 100
		_, err = client.Region(t.Context())
		requireFailure(t, err, 0, "(after 3 attempts)", "connection reset")
	})
}

// All attempts of a first contact share its second.
func TestFirstContactBrokenThenSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int32
		client := &imds.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet || puts.Add(1) > 1 {
				return silent(r)
			}
			time.Sleep(400 * time.Millisecond)
			return nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
		})}
		start := time.Now()
		_, err := client.Region(t.Context())
		require.ErrorIs(t, err, imds.ErrUnreachable)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// What no rule knows is passed on as it is, at once: a test's transport that forbids a request, for instance.
func TestFirstContactUnknownError(t *testing.T) {
	t.Parallel()
	forbidden := errors.New("no network in this test")
	client := &imds.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, forbidden })}
	_, err := client.Region(t.Context())
	requireFailure(t, err, 0)
	require.ErrorIs(t, err, forbidden)
}

// A service that is there and slow is waited for.
func TestSlowService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		client := &imds.Client{Transport: f.direct(700 * time.Millisecond)}
		start := time.Now()
		creds, err := client.RoleCredentials(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ASIAEXAMPLE00000001", creds.AccessKeyID)
		require.Equal(t, 2100*time.Millisecond, time.Since(start))
	})
}

// Once the service has answered, each attempt has its second and there are three.
func TestSilentAfterContact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		var gets atomic.Int32
		client := &imds.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				return f.direct(0)(r)
			}
			gets.Add(1)
			return silent(r)
		})}
		start := time.Now()
		_, err := client.Region(t.Context())
		took := time.Since(start)
		requireFailure(t, err, 0, "no complete answer within 1s (after 3 attempts)", regionPath)
		require.EqualValues(t, 3, gets.Load())
		require.GreaterOrEqual(t, took, 3*time.Second)
		require.LessOrEqual(t, took, 3*time.Second+150*time.Millisecond)
	})
}

// The same for a token call after contact: it is not a first contact any more.
func TestSilentTokenCallAfterContact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		f.ttl = "60"
		var down atomic.Bool
		var puts, others atomic.Int32
		client := &imds.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if !down.Load() {
				return f.direct(0)(r)
			}
			if r.Method == http.MethodPut {
				puts.Add(1)
			} else {
				others.Add(1)
			}
			return silent(r)
		})}
		_, err := client.Region(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		down.Store(true)
		_, err = client.Region(t.Context())
		requireFailure(t, err, 0, "no complete answer within 1s (after 3 attempts)", tokenPath)
		require.EqualValues(t, 3, puts.Load())
		require.Zero(t, others.Load(), "no IMDSv1 after a timeout, and no probe")
	})
}

// One operation takes 5 seconds at most, however many attempts there could be; 5 times AnswerTimeout if that
// has been made longer.
func TestBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		timeout, budget time.Duration
	}{
		{0, 5 * time.Second},
		{10 * time.Millisecond, 5 * time.Second},
		{2 * time.Second, 10 * time.Second},
	} {
		for _, op := range []struct {
			name string
			call func(*imds.Client, context.Context) error
		}{
			{"Get", func(c *imds.Client, ctx context.Context) error { _, err := c.Get(ctx, instanceID); return err }},
			{"Role", func(c *imds.Client, ctx context.Context) error { _, err := c.Role(ctx); return err }},
			{"RoleCredentials", func(c *imds.Client, ctx context.Context) error { _, err := c.RoleCredentials(ctx); return err }},
			{"Region", func(c *imds.Client, ctx context.Context) error { _, err := c.Region(ctx); return err }},
			{"Document", func(c *imds.Client, ctx context.Context) error { _, err := c.Document(ctx); return err }},
		} {
			t.Run(fmt.Sprint(op.name, tt.timeout), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := instance()
					client := &imds.Client{AnswerTimeout: tt.timeout, MaxAttempts: 1000, Transport: roundTrip(
						func(r *http.Request) (*http.Response, error) {
							if r.Method == http.MethodPut {
								return f.direct(0)(r)
							}
							return silent(r)
						})}
					start := time.Now()
					err := op.call(client, t.Context())
					requireFailure(t, err, 0, "attempts)")
					require.LessOrEqual(t, time.Since(start), tt.budget)
					if tt.timeout != 10*time.Millisecond { // there the retry quota ends it sooner
						require.Greater(t, time.Since(start), tt.budget-4*time.Second)
					}
				})
			})
		}
	}
}

// An attempt that the budget cuts short says so, and is not taken for the caller's deadline.
func TestBudgetCutsAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		client := &imds.Client{MaxAttempts: 2, Transport: f.direct(900 * time.Millisecond)}
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, rolesPath) && count(f.log, "GET "+r.URL.Path) == 1 {
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
			return false
		}
		_, err := client.RoleCredentials(t.Context()) // 5 answers of 0.9 s: 4.5 s and the delays
		require.NoError(t, err)

		client = &imds.Client{MaxAttempts: 9, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				return f.direct(0)(r)
			}
			return silent(r)
		})}
		start := time.Now()
		_, err = client.Get(t.Context(), instanceID)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		requireFailure(t, err, 0, instanceID, "no complete answer within", "attempts)")
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
	})
}

// A body that never ends is bounded in time like anything else.
func TestDrippingBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		client := &imds.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				return f.direct(0)(r)
			}
			return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(drip{r.Context()})}, nil
		})}
		start := time.Now()
		_, err := client.Get(t.Context(), instanceID)
		requireFailure(t, err, 200, "no complete answer within 1s (after 3 attempts)")
		require.Less(t, time.Since(start), 4*time.Second)
	})
}

type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	if err := pause(d.ctx, 100*time.Millisecond); err != nil {
		return 0, err
	}
	p[0] = 'x'
	return 1, nil
}

// While the service restarts: errors 5xx are retried, and a later call finds it again.
func TestServerErrorsAreRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := instance()
		left := 2
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if left--; left >= 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}
		client := &imds.Client{Transport: f.direct(0)}
		_, err := client.RoleCredentials(t.Context())
		require.NoError(t, err)

		left = 2
		_, err = client.RoleCredentials(t.Context())
		require.NoError(t, err)

		left = 3
		_, err = client.RoleCredentials(t.Context())
		requireFailure(t, err, 503, "answered 503 Service Unavailable (after 3 attempts)")
		_, err = client.RoleCredentials(t.Context())
		require.NoError(t, err)

		left = 1
		_, err = (&imds.Client{Transport: f.direct(0), MaxAttempts: 1}).Region(t.Context())
		requireFailure(t, err, 503, "answered 503 Service Unavailable")
	})
}
