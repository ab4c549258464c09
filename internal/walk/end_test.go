package walk_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/walk"
)

func TestEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		within := func(ctx context.Context, d time.Duration) context.Context {
			ctx, cancel := context.WithTimeout(ctx, d)
			t.Cleanup(cancel)
			return ctx
		}
		detached := func(ctx context.Context) context.Context { return context.WithoutCancel(walk.WithEnd(ctx)) }
		left := func(ctx context.Context) time.Duration {
			end, ok := walk.End(ctx)
			if !ok {
				return 0
			}
			return time.Until(end)
		}
		const s = time.Second
		ten := within(t.Context(), 10*s)
		for name, tt := range map[string]struct {
			ctx   context.Context
			now   time.Duration
			later time.Duration // after 11 seconds
		}{
			"no end":                     {t.Context(), 0, 0},
			"its own":                    {within(t.Context(), 20*s), 20 * s, 9 * s},
			"its caller's":               {detached(ten), 10 * s, 0},
			"its caller's caller's":      {detached(detached(ten)), 10 * s, 0},
			"the caller's is earlier":    {within(detached(ten), 20*s), 10 * s, 9 * s},
			"the caller's is later":      {within(detached(within(t.Context(), 30*s)), 20*s), 20 * s, 9 * s},
			"the first caller's of two":  {detached(within(detached(ten), 60*s)), 10 * s, 0},
			"the second caller's of two": {detached(within(detached(within(t.Context(), 60*s)), 20*s)), 20 * s, 9 * s},
			"nobody waits":               {within(walk.Background(detached(ten)), 60*s), 60 * s, 49 * s},
		} {
			require.Equal(t, tt.now, left(tt.ctx), name)
			defer func() { require.Equal(t, tt.later, left(tt.ctx), name) }()
		}
		over := within(t.Context(), s)
		time.Sleep(11 * s)
		require.Equal(t, over, walk.WithEnd(over))
	})
}
