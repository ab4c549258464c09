package patience_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/store/internal/patience"
)

// waited waits until the patience is over, or for so long, and says how long that was.
func waited(t *testing.T, p *patience.Patience, ctx context.Context, lock string, long time.Duration, got bool) (time.Duration, string) {
	t.Helper()
	begun := time.Now()
	waiting, done := p.Wait(ctx, lock)
	why := ""
	select {
	case <-waiting.Done():
		why = context.Cause(waiting).Error()
	case <-time.After(long):
	}
	done(got)
	return time.Since(begun), why
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p patience.Patience
		limited := func(limit time.Duration) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			t.Cleanup(cancel)
			return ctx
		}
		minute := limited(time.Minute)
		detached := context.WithoutCancel(walk.WithEnd(minute))
		for _, tt := range []struct {
			name string
			ctx  context.Context
			lock string
			long time.Duration
			got  bool
			want time.Duration
			why  string
		}{
			{"nearly nothing", limited(time.Millisecond), "z", time.Hour, false, time.Millisecond, "context deadline exceeded"},
			{"half of what a caller has", detached, "a", time.Hour, false, 30 * time.Second, "the lock was held for 30s"},
			{"and half of what is left", minute, "a", time.Hour, false, 15 * time.Second, "the lock was held for 45s"},
			{"a caller who leaves", t.Context(), "a", 5 * time.Second, false, 5 * time.Second, ""},
			{"the rest of two minutes", t.Context(), "a", time.Hour, false, 70 * time.Second, "the lock was held for 2m0s"},
			{"a stuck lock", t.Context(), "a", time.Hour, false, 100 * time.Millisecond, "the lock was held for 2m0s"},
			{"another lock", t.Context(), "b", time.Hour, false, 2 * time.Minute, "the lock was held for 2m0s"},
			{"one that lets go at last", t.Context(), "a", 0, true, 0, ""},
			{"and is stuck again", t.Context(), "a", time.Hour, false, 2 * time.Minute, "the lock was held for 2m0s"},
			{"a caller whose time is over", minute, "c", time.Hour, false, 0, "context deadline exceeded"},
			{"where others wait", detached, "c", time.Hour, false, 2 * time.Minute, "the lock was held for 2m0s"},
		} {
			got, why := waited(t, &p, tt.ctx, tt.lock, tt.long, tt.got)
			require.InDelta(t, tt.want, got, float64(time.Millisecond), tt.name)
			if tt.why != "" {
				require.Contains(t, why, tt.why, tt.name)
			}
		}
	})
}

// TestLongAgo: what was waited long ago counts no more, since another process may have had the lock since.
func TestLongAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p patience.Patience
		waited(t, &p, t.Context(), "a", time.Hour, false)
		time.Sleep(10*time.Minute - 1)
		got, _ := waited(t, &p, t.Context(), "a", time.Hour, false)
		require.Equal(t, 100*time.Millisecond, got)
		time.Sleep(10 * time.Minute)
		got, _ = waited(t, &p, t.Context(), "a", time.Hour, false)
		require.Equal(t, 2*time.Minute, got)
	})
}

// TestManyLocks: what is remembered is bounded.
func TestManyLocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p patience.Patience
		waited(t, &p, t.Context(), "first", time.Hour, false)
		for i := range 999 {
			waited(t, &p, t.Context(), fmt.Sprint(i), 0, false)
		}
		got, _ := waited(t, &p, t.Context(), "first", time.Hour, false)
		require.Equal(t, 100*time.Millisecond, got)
		waited(t, &p, t.Context(), "one more", 0, false)
		got, _ = waited(t, &p, t.Context(), "first", time.Hour, false)
		require.Equal(t, 2*time.Minute, got)
	})
}
