package refresh_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/refresh"
)

// source gives 1, 2, 3, … each good for life, and takes a while for it.
type source struct {
	life, takes time.Duration
	calls       atomic.Int32
	ended       atomic.Int32 // calls whose context ended first
	fail        atomic.Bool
	prev        atomic.Int32 // what the last call was to renew
	background  atomic.Int32 // calls for which nobody waited
	absent      bool         // it fails because there is nothing
	outlives    bool         // its values stay in service when it fails
	deaf        bool         // it does not notice that its context ends
}

var errSource = errors.New("source is down")

func (s *source) fetch(ctx context.Context, prev *int, background bool) (o refresh.Outcome[int]) {
	n := s.calls.Add(1)
	if prev != nil {
		s.prev.Store(int32(*prev))
	}
	if background {
		s.background.Add(1)
	}
	ended := ctx.Done()
	if s.deaf {
		ended = nil
	}
	select {
	case <-ended:
		s.ended.Add(1)
		o.Err = ctx.Err()
		return o
	case <-time.After(s.takes):
	}
	if s.fail.Load() {
		o.Err, o.Absent = errSource, s.absent
		if prev != nil && s.outlives {
			o.Value, o.Outlives = *prev, true
			o.Expires = time.Now().Add(-time.Minute)
		}
		return o
	}
	o.Value = int(n)
	if s.life != 0 {
		o.Expires = time.Now().Add(s.life)
	}
	return o
}

// get is Get for an ordinary caller.
func get(ctx context.Context, v *refresh.Value[int], s *source) (int, error) {
	return getBy(ctx, v, refresh.Caller{}, s)
}

func getBy(ctx context.Context, v *refresh.Value[int], by refresh.Caller, s *source) (int, error) {
	if h, early := v.Fresh(); h != nil && !(early && by.Early) {
		return h.Value, nil
	}
	h, err := v.Get(ctx, by, s.fetch)
	if err != nil {
		return 0, err
	}
	return h.Value, nil
}

func cancellable(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx
}

func TestConcurrentCallersShareOneFetch(t *testing.T) {
	t.Parallel()
	for name, ctx := range map[string]func(*testing.T) context.Context{
		"callers that can leave": cancellable,
		"callers that can not":   func(*testing.T) context.Context { return context.Background() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{life: time.Hour, takes: time.Second}
				var v refresh.Value[int]
				c := ctx(t)
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() {
						got, err := get(c, &v, s)
						if err != nil || got != 1 {
							t.Errorf("Get = %d, %v; want 1", got, err)
						}
					})
				}
				wg.Wait()
				require.EqualValues(t, 1, s.calls.Load())
			})
		})
	}
}

func TestNeverExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		var v refresh.Value[int]
		for range 3 {
			got, err := get(t.Context(), &v, s)
			require.NoError(t, err)
			require.Equal(t, 1, got)
			time.Sleep(1000 * time.Hour)
		}
	})
}

func TestCallersLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour, takes: time.Minute}
		var v refresh.Value[int]
		first, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := get(first, &v, s)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the caller that left got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			got, err := get(cancellable(t), &v, s)
			if err != nil || got != 1 {
				t.Errorf("the caller that stayed got %d, %v", got, err)
			}
		})
		synctest.Wait()
		leave() // the one who started the fetch
		wg.Wait()
		require.EqualValues(t, 1, s.calls.Load())
		require.Zero(t, s.ended.Load())
	})
}

func TestAllCallersLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour, takes: time.Hour}
		var v refresh.Value[int]
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := get(ctx, &v, s)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.EqualValues(t, 1, s.ended.Load(), "nobody waits, so the fetch must end")

		s.takes = 0
		got, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		require.Equal(t, 2, got)
	})
}

// TestCallerWithoutTime: one whose context has ended starts nothing, but may have what is there.
func TestCallerWithoutTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		var v refresh.Value[int]
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := get(ctx, &v, s)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Zero(t, s.calls.Load())
		_, err = get(t.Context(), &v, s)
		require.NoError(t, err)
		for _, wait := range []time.Duration{time.Minute, 57 * time.Minute, 75 * time.Second} {
			time.Sleep(wait)
			got, err := get(ctx, &v, s)
			require.NoError(t, err)
			require.NotZero(t, got)
		}
		synctest.Wait()
	})
}

func TestLateFetchOverwritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &source{life: time.Hour, takes: time.Minute}
		quick := &source{life: time.Hour}
		quick.calls.Store(99)
		var v refresh.Value[int]
		var wg sync.WaitGroup
		wg.Go(func() { get(cancellable(t), &v, slow) })
		synctest.Wait()
		v.Forget()
		got, err := get(t.Context(), &v, quick)
		require.NoError(t, err)
		require.Equal(t, 100, got)
		wg.Wait() // the slow one is back now
		got, err = get(t.Context(), &v, quick)
		require.NoError(t, err)
		require.Equal(t, 100, got)
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour, takes: time.Second}
		var v refresh.Value[int]
		var wg sync.WaitGroup
		wg.Go(func() {
			got, err := get(cancellable(t), &v, s)
			if err != nil || got != 1 {
				t.Errorf("Get = %d, %v; want 1", got, err)
			}
		})
		time.Sleep(500 * time.Millisecond)
		v.Forget() // what is on its way is old already
		got, err := get(cancellable(t), &v, s)
		require.NoError(t, err)
		require.Equal(t, 2, got)
		wg.Wait()
		got, err = get(cancellable(t), &v, s)
		require.NoError(t, err)
		require.Equal(t, 2, got, "the forgotten fetch must not overwrite the newer one")
	})
}

func TestAbortedFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v refresh.Value[int]
		_, err := v.Get(cancellable(t), refresh.Caller{}, func(context.Context, *int, bool) refresh.Outcome[int] {
			runtime.Goexit()
			return refresh.Outcome[int]{}
		})
		require.Error(t, err, "those who wait must not wait for ever")
	})
}

func TestPanickingFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		var v refresh.Value[int]
		require.Panics(t, func() {
			v.Get(context.Background(), refresh.Caller{}, func(context.Context, *int, bool) refresh.Outcome[int] { panic("boo") })
		})
		time.Sleep(2 * time.Second)
		got, err := get(t.Context(), &v, s)
		require.NoError(t, err, "nothing is left locked or under way")
		require.Equal(t, 1, got)
	})
}

func TestFetchKeepsValuesOfItsContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	var v refresh.Value[string]
	ctx := context.WithValue(t.Context(), key{}, "trace 7")
	got, err := v.Get(ctx, refresh.Caller{}, func(ctx context.Context, _ *string, _ bool) refresh.Outcome[string] {
		return refresh.Outcome[string]{Value: ctx.Value(key{}).(string)}
	})
	require.NoError(t, err)
	require.Equal(t, "trace 7", got.Value)
}

// TestAfter: what is called at the end sees the new value, may ask for it, and comes before the answers.
func TestAfter(t *testing.T) {
	t.Parallel()
	for name, ctx := range map[string]func(*testing.T) context.Context{
		"a caller that can leave": cancellable,
		"a caller that can not":   func(*testing.T) context.Context { return context.Background() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{life: time.Hour, takes: time.Second}
				var v refresh.Value[int]
				c, told := ctx(t), 0
				h, err := v.Get(c, refresh.Caller{}, func(ctx context.Context, prev *int, background bool) refresh.Outcome[int] {
					o := s.fetch(ctx, prev, background)
					o.After = func() {
						told, _ = get(c, &v, s)
						time.Sleep(time.Second)
					}
					return o
				})
				require.NoError(t, err)
				require.Equal(t, 1, h.Value)
				require.Equal(t, 1, told)
				require.EqualValues(t, 1, s.calls.Load())
			})
		})
	}
}

// TestFailureIsRemembered: every caller gets the error, the source is asked ever more rarely, Forget clears it.
func TestFailureIsRemembered(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		absent     bool
		fewest     int32 // calls in ten minutes
		most       int32
		longestGap time.Duration
	}{
		"a failure":    {false, 20, 50, 31 * time.Second},
		"nothing here": {true, 120, 250, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{life: time.Hour, absent: tt.absent}
				s.fail.Store(true)
				var v refresh.Value[int]
				gap, last, seen := time.Duration(0), time.Now(), int32(0)
				for start := time.Now(); time.Since(start) < 10*time.Minute; time.Sleep(50 * time.Millisecond) {
					for _, ctx := range []context.Context{t.Context(), context.Background()} {
						_, err := get(ctx, &v, s)
						require.ErrorIs(t, err, errSource)
					}
					if n := s.calls.Load(); n > seen {
						require.Equal(t, seen+1, n)
						gap, last, seen = max(gap, time.Since(last)), time.Now(), n
					}
					if seen == 2 {
						require.GreaterOrEqual(t, time.Since(start), 500*time.Millisecond, "it must be remembered")
						require.Less(t, time.Since(start), 4*time.Second, "it must not be remembered for long at first")
					}
				}
				require.GreaterOrEqual(t, seen, tt.fewest)
				require.LessOrEqual(t, seen, tt.most)
				require.LessOrEqual(t, gap, tt.longestGap)

				v.Forget()
				s.fail.Store(false)
				got, err := get(t.Context(), &v, s)
				require.NoError(t, err, "Forget clears what is remembered")
				require.Equal(t, seen+1, int32(got))

				s.fail.Store(true)
				time.Sleep(2 * time.Hour) // it expires
				for range 2000 {
					_, err = get(t.Context(), &v, s)
					require.Error(t, err)
					time.Sleep(50 * time.Millisecond)
				}
				s.fail.Store(false)
				time.Sleep(31 * time.Second)
				_, err = get(t.Context(), &v, s)
				require.NoError(t, err)
				time.Sleep(2 * time.Hour)
				s.fail.Store(true)
				_, err = get(t.Context(), &v, s)
				require.Error(t, err)
				time.Sleep(1100 * time.Millisecond)
				s.fail.Store(false)
				_, err = get(t.Context(), &v, s)
				require.NoError(t, err, "a success makes the pauses begin anew")
			})
		})
	}
}

func TestConcurrentCallersGetTheRememberedError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 10 * time.Second}
		s.fail.Store(true)
		var v refresh.Value[int]
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 205 * time.Millisecond) // up to just after the end of the fetch
				if _, err := get(cancellable(t), &v, s); !errors.Is(err, errSource) {
					t.Errorf("caller %d got %v", i, err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, s.calls.Load())
	})
}

// TestLeavingIsNoFailure: whoever comes after callers that gave up gets no error of theirs.
func TestLeavingIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, deaf := range map[string]bool{"the fetch ends with them": false, "the fetch does not notice": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var v refresh.Value[int]
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := get(ctx, &v, &source{takes: 3 * time.Second, deaf: deaf})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				next := &source{life: time.Hour, takes: time.Second}
				_, err = get(t.Context(), &v, next)
				require.NoError(t, err)
				require.EqualValues(t, 1, next.calls.Load())
				time.Sleep(10 * time.Second)
			})
		})
	}
}

// TestLateAnswerIsWelcome: callers that have little time profit from a fetch that goes on without them.
func TestLateAnswerIsWelcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour, takes: 1500 * time.Millisecond, deaf: true}
		var v refresh.Value[int]
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := get(ctx, &v, s)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Second)
		got, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		require.Equal(t, 1, got)
	})
}

// TestDeafFetch: one that ignores the end of its context holds nobody up for ever, and callers that come and go
// do not start one each.
func TestDeafFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: time.Hour, deaf: true}
		var v refresh.Value[int]
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, err := get(ctx, &v, s)
			cancel()
			require.Error(t, err)
			time.Sleep(100 * time.Millisecond)
		}
		require.LessOrEqual(t, s.calls.Load(), int32(60), "a fetch for each caller")

		start = time.Now()
		_, err := get(context.Background(), &v, &source{takes: time.Second, life: time.Hour})
		for err != nil {
			time.Sleep(time.Second)
			require.Less(t, time.Since(start), time.Minute, "it must be given up")
			_, err = get(context.Background(), &v, &source{takes: time.Second, life: time.Hour})
		}
		time.Sleep(2 * time.Hour) // the deaf ones end
	})
}

// TestDeafFetchInACaller: the one who does the work cannot be helped, but the others go on.
func TestDeafFetchInACaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		deaf := &source{takes: time.Hour, deaf: true}
		var v refresh.Value[int]
		var wg sync.WaitGroup
		wg.Go(func() { get(context.Background(), &v, deaf) })
		synctest.Wait()
		start := time.Now()
		_, err := get(context.Background(), &v, deaf)
		require.Error(t, err)
		require.LessOrEqual(t, time.Since(start), 6*time.Minute)
		time.Sleep(time.Minute)
		got, err := get(t.Context(), &v, &source{life: 10 * time.Hour})
		require.NoError(t, err)
		wg.Wait()
		again, err := get(t.Context(), &v, deaf)
		require.NoError(t, err)
		require.Equal(t, got, again, "what comes so late overwrites nothing")
	})
}

func BenchmarkFresh(b *testing.B) {
	var v refresh.Value[int]
	s := &source{life: time.Hour}
	if _, err := get(b.Context(), &v, s); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if h, _ := v.Fresh(); h == nil {
			b.Fatal("stale")
		}
	}
}
