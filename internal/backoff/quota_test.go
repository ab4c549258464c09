package backoff_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/backoff"
)

// drain makes calls that fail until the quota stops them, and says how many retries it allowed.
func drain(t *testing.T, q *backoff.Quota, err error) (retries int) {
	t.Helper()
	p := backoff.Policy{MaxAttempts: 1 << 20, Quota: q, Base: 1, ThrottleBase: 1}
	attempts := 0
	got := p.Do(t.Context(), func(context.Context) error { attempts++; return err })
	require.ErrorContains(t, got, "client-side retry quota")
	require.ErrorIs(t, got, err)
	return attempts - 1
}

func succeed(t *testing.T, q *backoff.Quota, failures int, err error) {
	t.Helper()
	p := backoff.Policy{MaxAttempts: failures + 1, Quota: q, Base: 1, ThrottleBase: 1}
	n := 0
	require.NoError(t, p.Do(t.Context(), func(context.Context) error {
		if n++; n <= failures {
			return err
		}
		return nil
	}))
}

func TestQuota(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		prepare func(*testing.T, *backoff.Quota)
		err     error
		want    int
	}{
		{"full: 500/14", func(*testing.T, *backoff.Quota) {}, status(500), 35},
		{"full, throttled: 500/5", func(*testing.T, *backoff.Quota) {}, status(429), 100},
		{"successes do not overfill it", func(t *testing.T, q *backoff.Quota) {
			for range 100 {
				succeed(t, q, 0, nil)
			}
		}, status(500), 35},
		{"13 left: not enough", func(t *testing.T, q *backoff.Quota) {
			drain(t, q, status(500)) // leaves 10
			for range 3 {
				succeed(t, q, 0, nil)
			}
		}, status(500), 0},
		{"14 left: enough for one", func(t *testing.T, q *backoff.Quota) {
			drain(t, q, status(500))
			for range 4 {
				succeed(t, q, 0, nil)
			}
		}, status(500), 1},
		{"a retry that succeeds costs nothing", func(t *testing.T, q *backoff.Quota) {
			for range 100 {
				succeed(t, q, 1, status(500))
				succeed(t, q, 1, status(429))
			}
		}, status(500), 35},
		{"of two retries only the last is paid back", func(t *testing.T, q *backoff.Quota) {
			succeed(t, q, 2, status(500)) // 500-14: room for 34
		}, status(500), 34},
		{"others' successes and a refund do not overfill it", func(t *testing.T, q *backoff.Quota) {
			n := 0
			require.NoError(t, backoff.Policy{Quota: q, Base: 1}.Do(t.Context(), func(context.Context) error {
				if n++; n == 1 {
					return status(500)
				}
				for range 5 {
					succeed(t, q, 0, nil)
				}
				return nil
			}))
		}, status(500), 35},
		{"a failure costs what it took", func(t *testing.T, q *backoff.Quota) {
			p := backoff.Policy{MaxAttempts: 3, Quota: q, Base: 1}
			require.Error(t, p.Do(t.Context(), func(context.Context) error { return status(500) })) // 472
		}, status(500), 33},
		{"a final error costs nothing", func(t *testing.T, q *backoff.Quota) {
			p := backoff.Policy{Quota: q}
			for range 100 {
				require.Error(t, p.Do(t.Context(), func(context.Context) error { return errors.New("no") }))
			}
		}, status(500), 35},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var q backoff.Quota
				tt.prepare(t, &q)
				require.Equal(t, tt.want, drain(t, &q, tt.err))
			})
		})
	}
}

// With the quota used up a call is still tried once, and its error says why it is not tried again.
func TestQuotaUsedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q backoff.Quota
		drain(t, &q, status(500))
		op, at := script(status(503))
		err := backoff.Policy{Quota: &q}.Do(t.Context(), op)
		require.Len(t, *at, 1)
		require.EqualError(t, err, "answered 503; client-side retry quota is used up")
		var s status
		require.ErrorAs(t, err, &s)
	})
}

// Many goroutines share one bucket and take no more out of it than it holds.
func TestQuotaConcurrently(t *testing.T) {
	t.Parallel()
	var q backoff.Quota
	var mu sync.Mutex
	attempts := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_ = backoff.Policy{MaxAttempts: 1000, Quota: &q, Base: 1, Max: 1}.Do(t.Context(), func(context.Context) error {
				mu.Lock()
				attempts++
				mu.Unlock()
				return status(500)
			})
		})
	}
	wg.Wait()
	require.Equal(t, 8+35, attempts)
}
