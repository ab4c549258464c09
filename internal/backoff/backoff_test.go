package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/backoff"
)

// status is an error with an HTTP status, as a client of a service returns it.
type status int

func (s status) Error() string       { return fmt.Sprintf("answered %d", int(s)) }
func (s status) HTTPStatusCode() int { return int(s) }

// script returns an operation that meets these errors in turn, the last one for ever, and notes the fake
// time of each attempt since the start.
func script(errs ...error) (op func(context.Context) error, at *[]time.Duration) {
	start := time.Now()
	at = new([]time.Duration)
	return func(context.Context) error {
		n := min(len(*at), len(errs)-1)
		*at = append(*at, time.Since(start))
		return errs[n]
	}, at
}

func TestDoAttempts(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		policy backoff.Policy
		errs   []error
		want   string // the error, "" for success
		is     error
		tries  int
	}{
		{"success at once", backoff.Policy{}, []error{nil}, "", nil, 1},
		{"unknown error is final", backoff.Policy{}, []error{boom}, "boom", boom, 1},
		{"success at the third attempt", backoff.Policy{}, []error{status(500), status(503), nil}, "", nil, 3},
		{"three attempts and no more", backoff.Policy{}, []error{status(500)},
			"answered 500 (after 3 attempts)", status(500), 3},
		{"final after a retry", backoff.Policy{}, []error{status(500), status(404)},
			"answered 404 (after 2 attempts)", status(404), 2},
		{"one attempt", backoff.Policy{MaxAttempts: 1}, []error{status(500)}, "answered 500", status(500), 1},
		{"seven attempts", backoff.Policy{MaxAttempts: 7}, []error{status(502)},
			"answered 502 (after 7 attempts)", status(502), 7},
		{"negative is the default", backoff.Policy{MaxAttempts: -1}, []error{status(504)},
			"answered 504 (after 3 attempts)", status(504), 3},
		{"permanent wins over the status", backoff.Policy{}, []error{backoff.Permanent(status(500))},
			"answered 500", status(500), 1},
		{"permanent inside a wrapper", backoff.Policy{}, []error{fmt.Errorf("get: %w", backoff.Permanent(status(500)))},
			"get: answered 500", status(500), 1},
		{"a hint does not make an error worth a retry", backoff.Policy{}, []error{backoff.After(time.Second, boom)},
			"boom", boom, 1},
		{"own classifier", backoff.Policy{Classify: func(error) backoff.Class { return backoff.Transient }},
			[]error{boom, boom, nil}, "", nil, 3},
		{"permanent wins over the own classifier", backoff.Policy{
			Classify: func(error) backoff.Class { return backoff.Transient }},
			[]error{backoff.Permanent(boom)}, "boom", boom, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				op, at := script(tt.errs...)
				err := tt.policy.Do(t.Context(), op)
				require.Len(t, *at, tt.tries)
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tt.want)
				require.ErrorIs(t, err, tt.is)
			})
		})
	}
}

// The mark is not part of the error that a caller sees: one attempt's error comes back as it is.
func TestMarksAreTakenOff(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, marked := range []error{backoff.Permanent(boom), backoff.After(1, boom),
		backoff.Permanent(backoff.After(1, boom))} {
		err := backoff.Policy{}.Do(t.Context(), func(context.Context) error { return marked })
		require.Same(t, boom, err)
		require.EqualError(t, marked, "boom")
	}
	require.NoError(t, backoff.Permanent(nil))
	require.NoError(t, backoff.After(1, nil))
}

// Each delay is spread evenly over [0, min(base * 2^(n-1), max)].
func TestFullJitter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		policy backoff.Policy
		err    error
		caps   []time.Duration
	}{
		{"standard", backoff.Policy{MaxAttempts: 5}, status(500),
			[]time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}},
		{"throttled", backoff.Policy{MaxAttempts: 8}, status(429),
			[]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
				20 * time.Second, 20 * time.Second}},
		{"own numbers", backoff.Policy{MaxAttempts: 4, Base: 3 * time.Second, Max: 4 * time.Second}, status(500),
			[]time.Duration{3 * time.Second, 4 * time.Second, 4 * time.Second}},
		{"own throttle base", backoff.Policy{MaxAttempts: 2, ThrottleBase: time.Minute}, status(429),
			[]time.Duration{20 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const runs = 300
				least := make([]time.Duration, len(tt.caps))
				most := make([]time.Duration, len(tt.caps))
				for run := range runs {
					op, at := script(tt.err)
					require.Error(t, tt.policy.Do(t.Context(), op))
					require.Len(t, *at, len(tt.caps)+1)
					for i, limit := range tt.caps {
						d := (*at)[i+1] - (*at)[i]
						require.LessOrEqual(t, d, limit, "delay %d", i+1)
						if run == 0 || d < least[i] {
							least[i] = d
						}
						most[i] = max(most[i], d)
					}
				}
				for i, limit := range tt.caps {
					require.Less(t, least[i], limit/5, "delay %d is never short", i+1)
					require.Greater(t, most[i], limit*4/5, "delay %d is never long", i+1)
				}
			})
		})
	}
}

func TestManyAttemptsDoNotOverflow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		op, at := script(status(500))
		require.Error(t, backoff.Policy{MaxAttempts: 100}.Do(t.Context(), op))
		for i := 1; i < len(*at); i++ {
			require.LessOrEqual(t, (*at)[i]-(*at)[i-1], 20*time.Second)
			require.GreaterOrEqual(t, (*at)[i], (*at)[i-1])
		}
		require.Greater(t, (*at)[99], 60*time.Second)
	})
}

// The server's hint lengthens a delay to the hint, never shortens it, and never adds more than 5 s.
func TestServerHint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		hint        time.Duration
		base        time.Duration
		least, most time.Duration
	}{
		{"honoured", 2 * time.Second, 0, 2 * time.Second, 2 * time.Second},
		{"no more than 5 s more", time.Hour, 0, 5 * time.Second, 5*time.Second + 50*time.Millisecond},
		{"never shortens", 0, 20 * time.Second, 1, 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				op, at := script(fmt.Errorf("call: %w", backoff.After(tt.hint, status(503))), nil)
				require.NoError(t, backoff.Policy{Base: tt.base}.Do(t.Context(), op))
				require.Len(t, *at, 2)
				require.GreaterOrEqual(t, (*at)[1], tt.least)
				require.LessOrEqual(t, (*at)[1], tt.most)
			})
		})
	}
}

func TestRetryAfterHeader(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"1500": 1500 * time.Millisecond, "0": 0, "": -1, "-1": -1, "1.5": -1, "soon": -1, "+2": -1,
		"99999999999999999999": -1, "9999999999999999": -1,
	} {
		h := http.Header{}
		h.Set("x-amz-retry-after", value)
		d, ok := backoff.RetryAfter(h)
		require.Equal(t, want >= 0, ok, "%q", value)
		require.Equal(t, max(want, 0), d, "%q", value)
	}
	// The header everyone else uses is in seconds, and AWS SDKs ignore it.
	_, ok := backoff.RetryAfter(http.Header{"Retry-After": {"1"}})
	require.False(t, ok)
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	stop := errors.New("the user pressed stop")

	t.Run("before the first attempt", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		err := backoff.Policy{}.Do(ctx, func(context.Context) error {
			t.Error("op must not run")
			return nil
		})
		require.ErrorIs(t, err, stop)
	})

	t.Run("during a delay", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(stop) })
			op, at := script(backoff.After(3*time.Second, status(500)))
			err := backoff.Policy{}.Do(ctx, op)
			require.ErrorIs(t, err, stop)
			require.ErrorIs(t, err, status(500))
			require.EqualError(t, err, "answered 500; the user pressed stop")
			require.Len(t, *at, 1)
		})
	})

	t.Run("during the first attempt", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		tries := 0
		err := backoff.Policy{}.Do(ctx, func(ctx context.Context) error {
			tries++
			cancel()
			return ctx.Err()
		})
		require.Equal(t, context.Canceled, err)
		require.Equal(t, 1, tries)
	})

	t.Run("during the second attempt: the first's failure stays visible", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			tries := 0
			err := backoff.Policy{}.Do(ctx, func(ctx context.Context) error {
				if tries++; tries == 1 {
					return status(503)
				}
				cancel()
				return fmt.Errorf("get: %w", ctx.Err())
			})
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, status(503))
			require.EqualError(t, err, "answered 503 (after 2 attempts); context canceled")
		})
	})

	t.Run("a retryable error after the end is not retried", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		tries := 0
		err := backoff.Policy{}.Do(ctx, func(context.Context) error {
			tries++
			cancel()
			return status(503)
		})
		require.Equal(t, 1, tries)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, status(503))
	})
}

// A delay that would end after the deadline is not slept: the caller gets its time back.
func TestDeadlineBeforeTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		var quota backoff.Quota
		op, at := script(backoff.After(2*time.Second, status(500)))
		start := time.Now()
		err := backoff.Policy{MaxAttempts: 9, Quota: &quota}.Do(ctx, op)
		require.Equal(t, 2*time.Second, time.Since(start), "one delay fits, the second does not")
		require.Len(t, *at, 2)
		require.ErrorIs(t, err, status(500))
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "answered 500 (after 2 attempts); no time for another attempt before the deadline")
	})
}

// An attempt's own deadline is worth a retry, the caller's is not.
func TestAttemptDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		err := backoff.Policy{}.Do(t.Context(), func(ctx context.Context) error {
			tries++
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3, tries)
	})
}
