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
}

var errSource = errors.New("source is down")

func (s *source) fetch(ctx context.Context, prev *int) (int, time.Time, error) {
	n := s.calls.Add(1)
	if prev != nil {
		s.prev.Store(int32(*prev))
	}
	select {
	case <-ctx.Done():
		s.ended.Add(1)
		return 0, time.Time{}, ctx.Err()
	case <-time.After(s.takes):
	}
	if s.fail.Load() {
		return 0, time.Time{}, errSource
	}
	if s.life == 0 {
		return int(n), time.Time{}, nil
	}
	return int(n), time.Now().Add(s.life), nil
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
						got, err := v.Get(c, s.fetch)
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
			got, err := v.Get(t.Context(), s.fetch)
			require.NoError(t, err)
			require.Equal(t, 1, got)
			time.Sleep(1000 * time.Hour)
		}
	})
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		life         time.Duration
		quiet        time.Duration // until here nobody renews
		background   time.Duration // here a caller starts a renewal and does not wait
		foreground   time.Duration // here a caller waits
		wantAttempts int32
	}{
		{"an hour", time.Hour, 55*time.Minute - 1, 55 * time.Minute, 59 * time.Minute, 2},
		{"ten minutes", 10 * time.Minute, 5*time.Minute - 1, 5 * time.Minute, 9 * time.Minute, 2},
		{"a minute", time.Minute, 30*time.Second - 1, 30 * time.Second, 54 * time.Second, 2},
		{"a second", time.Second, 500*time.Millisecond - 1, 500 * time.Millisecond, 900 * time.Millisecond, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := func(t *testing.T, when, takes time.Duration) (waited time.Duration, value int, calls int32) {
				s := &source{life: tt.life}
				var v refresh.Value[int]
				_, err := v.Get(t.Context(), s.fetch)
				require.NoError(t, err)
				s.takes = takes
				time.Sleep(when)
				start := time.Now()
				value, err = v.Get(t.Context(), s.fetch)
				require.NoError(t, err)
				waited = time.Since(start)
				synctest.Wait()
				return waited, value, s.calls.Load()
			}
			const takes = 50 * time.Millisecond
			synctest.Test(t, func(t *testing.T) {
				waited, value, calls := at(t, tt.quiet, takes)
				require.Zero(t, waited)
				require.Equal(t, 1, value)
				require.EqualValues(t, 1, calls)
			})
			synctest.Test(t, func(t *testing.T) {
				waited, value, calls := at(t, tt.background, takes)
				require.Zero(t, waited, "a renewal in the background made a caller wait")
				require.Equal(t, 1, value)
				require.Equal(t, tt.wantAttempts, calls)
				time.Sleep(takes)
			})
			synctest.Test(t, func(t *testing.T) {
				waited, value, calls := at(t, tt.foreground, takes)
				require.Equal(t, takes, waited)
				require.Equal(t, 2, value)
				require.Equal(t, tt.wantAttempts, calls)
			})
		})
	}
}

func TestFailedRenewalServesWhatIsValid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		var v refresh.Value[int]
		start := time.Now()
		_, err := v.Get(t.Context(), s.fetch)
		require.NoError(t, err)
		s.fail.Store(true)
		for time.Since(start) < time.Hour-time.Millisecond {
			got, err := v.Get(t.Context(), s.fetch)
			require.NoErrorf(t, err, "after %v", time.Since(start))
			require.Equal(t, 1, got)
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		require.Less(t, s.calls.Load(), int32(16), "a source that is down must not be hammered")
		require.Greater(t, s.calls.Load(), int32(2), "a failed renewal must be tried again")
		time.Sleep(time.Second)
		_, err = v.Get(t.Context(), s.fetch)
		require.ErrorIs(t, err, errSource, "a value is not served past its expiry")

		s.fail.Store(false)
		got, err := v.Get(t.Context(), s.fetch)
		require.NoError(t, err)
		require.EqualValues(t, s.calls.Load(), got)
		require.EqualValues(t, 1, s.prev.Load(), "the fetch is told what it renews, expired or not")
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
			_, err := v.Get(first, s.fetch)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the caller that left got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			got, err := v.Get(cancellable(t), s.fetch)
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
		_, err := v.Get(ctx, s.fetch)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.EqualValues(t, 1, s.ended.Load(), "nobody waits, so the fetch must end")

		s.takes = 0
		got, err := v.Get(t.Context(), s.fetch)
		require.NoError(t, err)
		require.Equal(t, 2, got)
	})
}

func TestBackgroundRenewalHasALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		var v refresh.Value[int]
		_, err := v.Get(t.Context(), s.fetch)
		require.NoError(t, err)
		s.takes = 24 * time.Hour
		time.Sleep(56 * time.Minute)
		_, err = v.Get(t.Context(), s.fetch)
		require.NoError(t, err)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, s.ended.Load())
	})
}

// TestImpatientCallers: a renewal that hangs must not cost a valid value, nor one fetch for each caller.
func TestImpatientCallers(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]time.Duration{
		"in the background":  56 * time.Minute,
		"while callers wait": 59*time.Minute + 5*time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{life: time.Hour}
				var v refresh.Value[int]
				_, err := v.Get(t.Context(), s.fetch)
				require.NoError(t, err)
				s.takes = 24 * time.Hour
				time.Sleep(when)
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					got, err := v.Get(ctx, s.fetch)
					cancel()
					require.NoError(t, err)
					require.Equal(t, 1, got)
				}
				synctest.Wait()
				require.EqualValues(t, 2, s.calls.Load())
				require.Zero(t, s.ended.Load(), "the renewal goes on without those who left")

				time.Sleep(10 * time.Minute) // the value has expired, and the renewal met its limit
				synctest.Wait()
				require.EqualValues(t, 1, s.ended.Load())
				s.takes = 0
				got, err := v.Get(t.Context(), s.fetch)
				require.NoError(t, err)
				require.NotEqual(t, 1, got)
			})
		})
	}
}

func TestValidValueIsNotHeldUpByAHangingRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		var v refresh.Value[int]
		_, err := v.Get(context.Background(), s.fetch)
		require.NoError(t, err)
		s.takes = 24 * time.Hour
		time.Sleep(58 * time.Minute)
		time.Sleep(70 * time.Second)
		start := time.Now()
		got, err := v.Get(context.Background(), s.fetch) // a caller that cannot leave
		require.Less(t, time.Since(start), 2*time.Minute)
		if err == nil {
			require.Equal(t, 1, got)
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
		wg.Go(func() { v.Get(cancellable(t), slow.fetch) })
		synctest.Wait()
		v.Forget()
		got, err := v.Get(t.Context(), quick.fetch)
		require.NoError(t, err)
		require.Equal(t, 100, got)
		wg.Wait() // the slow one is back now
		got, err = v.Get(t.Context(), quick.fetch)
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
			got, err := v.Get(cancellable(t), s.fetch)
			if err != nil || got != 1 {
				t.Errorf("Get = %d, %v; want 1", got, err)
			}
		})
		time.Sleep(500 * time.Millisecond)
		v.Forget() // what is on its way is old already
		got, err := v.Get(cancellable(t), s.fetch)
		require.NoError(t, err)
		require.Equal(t, 2, got)
		wg.Wait()
		got, err = v.Get(cancellable(t), s.fetch)
		require.NoError(t, err)
		require.Equal(t, 2, got, "the forgotten fetch must not overwrite the newer one")
	})
}

func TestExpiredAnswerIsNotFetchedWithoutPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: -time.Hour}
		var v refresh.Value[int]
		for range 100 {
			_, err := v.Get(t.Context(), s.fetch)
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, s.calls.Load())
		time.Sleep(2 * time.Second)
		got, err := v.Get(t.Context(), s.fetch)
		require.NoError(t, err)
		require.Equal(t, 2, got)
	})
}

func TestAbortedFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v refresh.Value[int]
		_, err := v.Get(cancellable(t), func(context.Context, *int) (int, time.Time, error) {
			runtime.Goexit()
			return 0, time.Time{}, nil
		})
		require.Error(t, err, "those who wait must not wait for ever")
	})
}

func TestFetchKeepsValuesOfItsContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	var v refresh.Value[string]
	got, err := v.Get(context.WithValue(t.Context(), key{}, "trace 7"), func(ctx context.Context, _ *string) (string, time.Time, error) {
		return ctx.Value(key{}).(string), time.Time{}, nil
	})
	require.NoError(t, err)
	require.Equal(t, "trace 7", got)
}

func BenchmarkGet(b *testing.B) {
	var v refresh.Value[int]
	fetch := func(context.Context, *int) (int, time.Time, error) { return 1, time.Now().Add(time.Hour), nil }
	for b.Loop() {
		if _, err := v.Get(b.Context(), fetch); err != nil {
			b.Fatal(err)
		}
	}
}
