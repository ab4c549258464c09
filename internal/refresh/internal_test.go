package refresh

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// jump moves the wall clock by d without the monotonic one, for a Value that was fetched before: the times on
// its own wall clock come the other way. Fake time has no other means, as its two clocks are one.
func (v *Value[T]) jump(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if h := v.current.Load(); h != nil {
		moved := *h
		for _, t := range []*int64{&moved.wall, &moved.early, &moved.next, &moved.must, &moved.expires} {
			if *t != never {
				*t -= int64(d)
			}
		}
		v.current.Store(&moved)
	}
	for _, p := range []*pause{&v.failed, &v.rejection} {
		p.wall -= int64(d)
	}
}

// TestSpread: a fleet that began together, or failed together, must not come back together.
func TestSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		next, again, outlived, failure := map[int64]bool{}, map[int64]bool{}, map[int64]bool{}, map[time.Duration]bool{}
		for range 100 {
			h := hold(1, now.Add(time.Hour), now, 0, 0)
			require.GreaterOrEqual(t, h.next, h.expires-int64(advisoryWindow))
			require.LessOrEqual(t, h.next, h.expires-int64(advisoryWindow)/2)
			next[h.next/int64(time.Second)] = true
			f := h.afterFailure(now)
			require.GreaterOrEqual(t, f.next-h.wall, int64(retryMin))
			require.Less(t, f.next-h.wall, int64(retryMax))
			again[f.next/int64(time.Second)] = true
			outlived[outlives(1, now, now).next/int64(time.Second)] = true
			var p pause
			p.grow(now, failureFirst, failureLimit)
			require.GreaterOrEqual(t, p.length, failureFirst/2)
			failure[p.length/(10*time.Millisecond)] = true
		}
		require.Greater(t, len(next), 30, "renewals")
		require.Greater(t, len(again), 30, "after a failed renewal")
		require.Greater(t, len(outlived), 30, "after a failed renewal of what outlives it")
		require.Greater(t, len(failure), 20, "after a failure")

		h := hold(1, now.Add(2*time.Minute), now, 0, 0)
		at := now.Add(115 * time.Second) // within the time when callers wait
		f := h.afterFailure(at)
		require.Equal(t, f.next, f.must, "nobody waits before the next try")
		f = h.afterFailure(now.Add(2*time.Minute - 100*time.Millisecond))
		require.Equal(t, f.next, f.expires, "nothing is served past its expiry, not even for a moment")
	})
}

// TestSlowSource: the next renewal begins so early that it ends in time, within reason.
func TestSlowSource(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for took, want := range map[time.Duration]time.Duration{
		0:                       5 * time.Second,
		time.Second:             5 * time.Second,
		2500 * time.Millisecond: 4 * time.Second,
		time.Minute:             2500 * time.Millisecond,
	} {
		h := hold(1, now.Add(10*time.Second), now, took, 0)
		require.LessOrEqual(t, h.early, h.next)
		require.LessOrEqual(t, h.next, h.must)
		require.InDelta(t, want, h.early-h.wall, 1, "it took %v", took)
	}
}

func TestFarTimes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		expires time.Time
		want    need
	}{
		"zero":     {time.Time{}, nothing},
		"far away": {time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), nothing},
		"epoch":    {time.Unix(0, 0), value},
		"long ago": {time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC), value},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hold(1, tt.expires, now, 0, 0)
			require.Equal(t, tt.want, h.need(now.Add(time.Hour), false))
			require.Equal(t, tt.want, h.need(now.Add(time.Hour), true))
		})
	}
}

// TestClockJumps: expiry follows the wall clock, renewals whichever clock is first, pauses likewise.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	run := func(name string, f func(t *testing.T, v *Value[int])) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := &Value[int]{}
				v.current.Store(hold(1, time.Now().Add(90*time.Minute), time.Now(), 0, 0))
				f(t, v)
			})
		})
	}
	needs := func(v *Value[int]) need { return v.current.Load().need(time.Now(), false) }
	run("forward, as after a suspension", func(t *testing.T, v *Value[int]) {
		v.jump(time.Hour)
		require.Equal(t, nothing, needs(v), "half an hour is left")
		v.jump(26 * time.Minute)
		require.NotEqual(t, value, needs(v))
		v.jump(time.Hour)
		require.Equal(t, value, needs(v), "it expired while the machine slept")
	})
	run("back", func(t *testing.T, v *Value[int]) {
		v.jump(-time.Hour)
		require.Equal(t, nothing, needs(v))
		time.Sleep(88 * time.Minute)
		require.Equal(t, advisory, needs(v), "its lifetime is nearly over, whatever the wall clock says")
		time.Sleep(time.Minute)
		require.Equal(t, mandatory, needs(v))
		time.Sleep(time.Minute)
		require.Equal(t, mandatory, needs(v), "by the wall clock it has not expired, so a failure costs nothing")
		f := v.current.Load().afterFailure(time.Now())
		require.Equal(t, nothing, f.need(time.Now(), false), "and a failed renewal is not repeated at once")
	})
	run("back and forth", func(t *testing.T, v *Value[int]) {
		v.jump(-time.Hour)
		time.Sleep(time.Minute)
		v.jump(time.Hour)
		time.Sleep(83 * time.Minute)
		require.Equal(t, nothing, needs(v))
		time.Sleep(5*time.Minute + 30*time.Second)
		require.Equal(t, mandatory, needs(v))
	})
	for name, d := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		run("a failure's pause, "+name, func(t *testing.T, v *Value[int]) {
			now := time.Now()
			v.failed.grow(now, failureFirst, failureLimit)
			require.False(t, v.failed.over(now))
			v.jump(d)
			if d > 0 {
				require.True(t, v.failed.over(now), "an hour has gone by, perhaps in suspension")
			}
			time.Sleep(failureFirst)
			require.True(t, v.failed.over(time.Now()), "a clock that jumped must not make it an hour")
		})
	}
}
