package refresh_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/refresh"
)

// TestContextOfACallersFetch: the fetch that a caller does itself has a context that ends like any other, though no
// timer is set before somebody waits for it.
func TestContextOfACallersFetch(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Minute
	during := func(t *testing.T, f func(ctx context.Context)) {
		var v refresh.Value[int]
		_, err := v.Get(context.Background(), refresh.Caller{}, func(ctx context.Context, _ *int, _ bool) refresh.Outcome[int] {
			f(ctx)
			return refresh.Outcome[int]{Value: 1}
		})
		require.NoError(t, err)
	}
	for name, f := range map[string]func(t *testing.T, ctx context.Context){
		"its deadline": func(t *testing.T, ctx context.Context) {
			end, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, limit, time.Until(end))
		},
		"nobody waits": func(t *testing.T, ctx context.Context) {
			time.Sleep(limit - 1)
			require.NoError(t, ctx.Err())
			time.Sleep(time.Nanosecond)
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
			<-ctx.Done()
		},
		"somebody waits": func(t *testing.T, ctx context.Context) {
			start := time.Now()
			require.NoError(t, ctx.Err())
			require.Equal(t, ctx.Done(), ctx.Done())
			require.NoError(t, ctx.Err())
			<-ctx.Done()
			require.Equal(t, limit, time.Since(start))
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		},
		"contexts derived from it": func(t *testing.T, ctx context.Context) {
			child, cancel := context.WithTimeout(context.WithValue(ctx, key{}, "own"), time.Hour)
			defer cancel()
			end, _ := child.Deadline()
			require.Equal(t, limit, time.Until(end))
			require.Equal(t, "own", child.Value(key{}))
			other, cancelOther := context.WithCancel(ctx)
			cancelOther()
			require.ErrorIs(t, other.Err(), context.Canceled)
			require.NoError(t, ctx.Err())
			time.Sleep(limit)
			synctest.Wait()
			require.ErrorIs(t, child.Err(), context.DeadlineExceeded)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				during(t, func(ctx context.Context) { f(t, ctx) })
			})
		})
	}
}

type key struct{}

// TestContextEndsWithTheFetch, whether somebody waits for that or not, and without a goroutine or timer that stays.
func TestContextEndsWithTheFetch(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var v refresh.Value[int]
			var kept, derived context.Context
			ctx := context.WithValue(context.Background(), key{}, "the caller's")
			start := time.Now()
			_, err := v.Get(ctx, refresh.Caller{}, func(ctx context.Context, _ *int, _ bool) refresh.Outcome[int] {
				kept = ctx
				if waits {
					var cancel context.CancelFunc
					derived, cancel = context.WithCancel(ctx)
					t.Cleanup(cancel)
				}
				require.Equal(t, "the caller's", ctx.Value(key{}))
				return refresh.Outcome[int]{Value: 1}
			})
			require.NoError(t, err)
			require.ErrorIs(t, kept.Err(), context.Canceled)
			if waits {
				require.ErrorIs(t, derived.Err(), context.Canceled)
			}
			<-kept.Done()
			require.Zero(t, time.Since(start))
			require.ErrorIs(t, kept.Err(), context.Canceled)
			require.Equal(t, "the caller's", kept.Value(key{}))
		})
	}
}
