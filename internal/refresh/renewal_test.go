package refresh_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/refresh"
)

func TestRenewal(t *testing.T) {
	t.Parallel()
	const takes = 40 * time.Millisecond
	for _, tt := range []struct {
		name string
		life time.Duration

		quiet      time.Duration // until here nobody renews
		background time.Duration // here a caller starts a renewal and does not wait
		foreground time.Duration // here a caller waits
	}{
		{"an hour", time.Hour, 55*time.Minute - 1, 57*time.Minute + 30*time.Second, 59 * time.Minute},
		{"a quarter", 15 * time.Minute, 10*time.Minute - 1, 10*time.Minute + 45*time.Second, 14 * time.Minute},
		{"ten minutes", 10 * time.Minute, 5*time.Minute - 1, 5*time.Minute + 30*time.Second, 9 * time.Minute},
		{"a minute", time.Minute, 30*time.Second - 1, 33 * time.Second, 54 * time.Second},
		{"a second", time.Second, 500*time.Millisecond - 1, 550 * time.Millisecond, 900 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := func(t *testing.T, when time.Duration) (waited time.Duration, value int, s *source) {
				s = &source{life: tt.life}
				var v refresh.Value[int]
				_, err := get(t.Context(), &v, s)
				require.NoError(t, err)
				s.takes = takes
				time.Sleep(when)
				start := time.Now()
				value, err = get(t.Context(), &v, s)
				require.NoError(t, err)
				waited = time.Since(start)
				synctest.Wait()
				return waited, value, s
			}
			synctest.Test(t, func(t *testing.T) {
				waited, value, s := at(t, tt.quiet)
				require.Zero(t, waited)
				require.Equal(t, 1, value)
				require.EqualValues(t, 1, s.calls.Load())
			})
			synctest.Test(t, func(t *testing.T) {
				waited, value, s := at(t, tt.background)
				require.Zero(t, waited, "a renewal in the background made a caller wait")
				require.Equal(t, 1, value)
				require.EqualValues(t, 2, s.calls.Load())
				require.EqualValues(t, 1, s.background.Load(), "the fetch is told that nobody waits")
				time.Sleep(takes)
			})
			synctest.Test(t, func(t *testing.T) {
				waited, value, s := at(t, tt.foreground)
				require.Equal(t, takes, waited)
				require.Equal(t, 2, value)
				require.EqualValues(t, 2, s.calls.Load())
				require.Zero(t, s.background.Load())
			})
		})
	}
}

// TestNobodyWaits is the figure of merit: many callers, a slow source, lifetimes short and long.
func TestNobodyWaits(t *testing.T) {
	t.Parallel()
	for name, life := range map[string]time.Duration{"a second": time.Second, "two thirds": 700 * time.Millisecond, "a quarter of an hour": 15 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{life: life, takes: 300 * time.Millisecond}
				var v refresh.Value[int]
				_, err := get(t.Context(), &v, s)
				require.NoError(t, err)
				start := time.Now()
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						for time.Since(start) < 4*life {
							asked := time.Now()
							if _, err := get(t.Context(), &v, s); err != nil {
								t.Error(err)
							}
							if waited := time.Since(asked); waited > 0 {
								t.Errorf("a caller waited for %v", waited)
								return
							}
							time.Sleep(max(10*time.Millisecond, life/1000))
						}
					})
				}
				wg.Wait()
				require.LessOrEqual(t, s.calls.Load(), int32(20))
				require.GreaterOrEqual(t, s.calls.Load(), int32(4))
				time.Sleep(time.Second)
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
		_, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		s.fail.Store(true)
		for time.Since(start) < time.Hour-time.Millisecond {
			got, err := get(t.Context(), &v, s)
			require.NoErrorf(t, err, "after %v", time.Since(start))
			require.Equal(t, 1, got)
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		require.Less(t, s.calls.Load(), int32(16), "a source that is down must not be hammered")
		require.Greater(t, s.calls.Load(), int32(2), "a failed renewal must be tried again")
		time.Sleep(time.Second)
		_, err = get(t.Context(), &v, s)
		require.ErrorIs(t, err, errSource, "a value is not served past its expiry")

		s.fail.Store(false)
		time.Sleep(time.Second)
		got, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		require.EqualValues(t, s.calls.Load(), got)
		require.EqualValues(t, 1, s.prev.Load(), "the fetch is told what it renews, expired or not")
	})
}

// TestPerson: a source that must ask a person refuses to in the background, and is then asked while callers wait.
func TestPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		fetch := func(ctx context.Context, prev *int, background bool) refresh.Outcome[int] {
			if background {
				s.background.Add(1)
				return refresh.Outcome[int]{Err: errSource}
			}
			return s.fetch(ctx, prev, background)
		}
		var v refresh.Value[int]
		for start := time.Now(); time.Since(start) < 3*time.Hour; time.Sleep(time.Second) {
			_, err := v.Get(t.Context(), refresh.Caller{}, fetch)
			require.NoError(t, err)
		}
		require.EqualValues(t, 4, s.calls.Load(), "once an hour, and the first")
		require.Positive(t, s.background.Load())
	})
}

// TestFailureForWantOfAPerson is not for those who wait, and is not remembered.
func TestFailureForWantOfAPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		fetch := func(ctx context.Context, prev *int, background bool) refresh.Outcome[int] {
			if background {
				time.Sleep(time.Second)
				return refresh.Outcome[int]{Err: errSource}
			}
			return s.fetch(ctx, prev, background)
		}
		var v refresh.Value[int]
		var wg sync.WaitGroup
		wg.Go(func() {
			v.Get(cancellable(t), refresh.Caller{Background: true}, fetch)
		})
		synctest.Wait()
		h, err := v.Get(cancellable(t), refresh.Caller{}, fetch) // joins, and then asks itself
		require.NoError(t, err)
		require.Equal(t, 1, h.Value)
		wg.Wait()
	})
}

func TestBackgroundRenewalHasALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		var v refresh.Value[int]
		_, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		s.takes = 24 * time.Hour
		time.Sleep(58 * time.Minute)
		_, err = get(t.Context(), &v, s)
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
		"in the background":  58 * time.Minute,
		"while callers wait": 59*time.Minute + 5*time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{life: time.Hour}
				var v refresh.Value[int]
				_, err := get(t.Context(), &v, s)
				require.NoError(t, err)
				s.takes = 24 * time.Hour
				time.Sleep(when)
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					got, err := get(ctx, &v, s)
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
				got, err := get(t.Context(), &v, s)
				require.NoError(t, err)
				require.NotEqual(t, 1, got)
			})
		})
	}
}

// TestLateCallers: who comes shortly before the end waits for half of what is left, and gets what is still valid.
func TestLateCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		var v refresh.Value[int]
		_, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		s.takes = 30 * time.Second
		time.Sleep(s.life - 3*time.Second)
		for _, left := range []time.Duration{3 * time.Second, 1500 * time.Millisecond, 750 * time.Millisecond} {
			start := time.Now()
			got, err := get(t.Context(), &v, s)
			require.NoError(t, err)
			require.Equal(t, 1, got)
			require.Equal(t, left/2, time.Since(start))
		}
		time.Sleep(time.Second)
		got, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		require.Equal(t, 2, got, "it has expired, and the renewal under way is waited for")
		require.EqualValues(t, 2, s.calls.Load())
	})
}

// TestHangingRenewal: together, all callers lose a few seconds to it, whether or not it heeds its context.
func TestHangingRenewal(t *testing.T) {
	t.Parallel()
	for name, deaf := range map[string]bool{"heeds its context": false, "deaf": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{life: time.Hour, deaf: deaf}
				var v refresh.Value[int]
				_, err := get(t.Context(), &v, s)
				require.NoError(t, err)
				s.takes = 3 * time.Hour
				time.Sleep(59*time.Minute + time.Second)
				waited := time.Duration(0)
				for range 50 {
					start := time.Now()
					got, err := get(context.Background(), &v, s)
					require.NoError(t, err)
					require.Equal(t, 1, got)
					waited += time.Since(start)
					time.Sleep(time.Second)
				}
				require.LessOrEqual(t, waited, 5*time.Second)
				require.EqualValues(t, 2, s.calls.Load())

				time.Sleep(10 * time.Second) // expired: now it is waited for, until its limit
				start := time.Now()
				_, err = get(context.Background(), &v, s)
				require.Error(t, err)
				require.LessOrEqual(t, time.Since(start), 6*time.Minute)
				time.Sleep(time.Second)
				mended := &source{life: 10 * time.Hour}
				mended.calls.Store(99)
				for range 2 {
					got, err := get(context.Background(), &v, mended)
					require.NoError(t, err)
					require.Equal(t, 100, got)
					time.Sleep(5 * time.Hour)
				}

			})
		})
	}
}

func TestExpiredAnswerIsNotFetchedWithoutPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: -time.Hour}
		var v refresh.Value[int]
		for start := time.Now(); time.Since(start) < 10*time.Minute; time.Sleep(50 * time.Millisecond) {
			_, err := get(t.Context(), &v, s)
			require.NoError(t, err, "whose clock is wrong is not known")
		}
		require.Greater(t, s.calls.Load(), int32(20))
		require.Less(t, s.calls.Load(), int32(50))
		s.life = time.Hour
		time.Sleep(30 * time.Second)
		_, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		calls := s.calls.Load()
		time.Sleep(50 * time.Minute)
		_, err = get(t.Context(), &v, s)
		require.NoError(t, err)
		require.Equal(t, calls, s.calls.Load())
	})
}

// TestOutlives: a source that is away for a day is asked every few minutes, and nobody waits or fails.
func TestOutlives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour, outlives: true}
		var v refresh.Value[int]
		_, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		s.fail.Store(true)
		s.takes = time.Second
		for start := time.Now(); time.Since(start) < 24*time.Hour; time.Sleep(7 * time.Second) {
			asked := time.Now()
			got, err := get(t.Context(), &v, s)
			require.NoError(t, err)
			require.Equal(t, 1, got)
			require.Zero(t, time.Since(asked))
		}
		require.Greater(t, s.calls.Load(), int32(23*60/11))
		require.Less(t, s.calls.Load(), int32(24*60/5+10))
		s.fail.Store(false)
		time.Sleep(10 * time.Minute)
		_, err = get(t.Context(), &v, s)
		require.NoError(t, err)
		time.Sleep(time.Second + 1)
		got, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		require.Greater(t, got, 1, "the source is back")

		s.fail.Store(true)
		time.Sleep(100 * time.Hour) // nobody asked for long
		got, err = get(t.Context(), &v, s)
		require.NoError(t, err)
		require.Greater(t, got, 1)
	})
}

func TestReject(t *testing.T) {
	t.Parallel()
	is := func(want int) func(*int) bool { return func(n *int) bool { return *n == want } }
	for name, life := range map[string]time.Duration{"expires": 10 * time.Hour, "never expires": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &source{life: life, takes: time.Second}
				var v refresh.Value[int]
				retrieve := func(want int) {
					t.Helper()
					got, err := get(t.Context(), &v, s)
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
				reject := func(n int, want bool) {
					t.Helper()
					got := 0
					v.Reject(is(n), func(held *int) { got = *held })
					require.Equal(t, want, got == n && n > 0)
				}
				reject(0, false) // nothing is held
				retrieve(1)
				retrieve(1)
				reject(1, true)
				reject(1, false) // once is enough
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() {
						if got, err := get(t.Context(), &v, s); got != 2 || err != nil {
							t.Errorf("after the rejection a caller got %d, %v", got, err)
						}
					})
				}
				wg.Wait()
				require.EqualValues(t, 1, s.prev.Load())
				require.Zero(t, s.background.Load())
				reject(1, false) // somebody comes late
				retrieve(2)

				reject(2, false) // so soon after the first
				time.Sleep(30 * time.Second)
				reject(2, true)
				retrieve(3)

				s.fail.Store(true)
				time.Sleep(time.Hour)
				reject(3, true)
				retrieve(3) // the fetch fails, and 3 is as good as it was
				calls := s.calls.Load()
				retrieve(3)
				time.Sleep(time.Minute)
				retrieve(3)
				require.Equal(t, calls, s.calls.Load(), "no fetch for each call")
				s.fail.Store(false)
				time.Sleep(10 * time.Minute)
				retrieve(3) // renews in the background
				time.Sleep(2 * time.Second)
				retrieve(int(s.calls.Load()))
				require.Equal(t, calls+1, s.calls.Load())
			})
		})
	}
}

// TestRejectEverything: a service that refuses whatever it gets costs the source little.
func TestRejectEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: 100 * time.Hour}
		var v refresh.Value[int]
		for start := time.Now(); time.Since(start) < 24*time.Hour; time.Sleep(5 * time.Second) {
			got, err := get(t.Context(), &v, s)
			require.NoError(t, err)
			v.Reject(func(n *int) bool { return *n == got }, func(*int) {})
		}
		require.Less(t, s.calls.Load(), int32(24*60/5+20))
		calls := s.calls.Load()
		time.Sleep(time.Hour)
		for range 2 { // long after, it is the first time again
			got, err := get(t.Context(), &v, s)
			require.NoError(t, err)
			v.Reject(func(n *int) bool { return *n == got }, func(*int) {})
			time.Sleep(31 * time.Second)
		}
		_, err := get(t.Context(), &v, s)
		require.NoError(t, err)
		require.Equal(t, calls+2, s.calls.Load())
	})
}

// TestEarly: what renews early itself does not get what is about to be renewed.
func TestEarly(t *testing.T) {
	t.Parallel()
	early := refresh.Caller{Early: true}
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		var v refresh.Value[int]
		for _, tt := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {55*time.Minute - 1, 1}, {1, 2}} {
			time.Sleep(tt.wait)
			got, err := getBy(t.Context(), &v, early, s)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		}
		s.fail.Store(true)
		time.Sleep(58 * time.Minute)
		for range 10 {
			got, err := getBy(t.Context(), &v, early, s)
			require.NoError(t, err)
			require.Equal(t, 2, got)
		}
		require.EqualValues(t, 3, s.calls.Load(), "the pause after a failed renewal holds for all")
	})
}

func TestUntil(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v refresh.Value[int]
		h, err := v.Get(t.Context(), refresh.Caller{}, (&source{}).fetch)
		require.NoError(t, err)
		require.Zero(t, h.Until())

		v.Forget()
		s := &source{life: time.Hour}
		start := time.Now()
		h, err = v.Get(t.Context(), refresh.Caller{}, s.fetch)
		require.NoError(t, err)
		next := h.Until()
		require.WithinRange(t, next, start.Add(55*time.Minute), start.Add(57*time.Minute+30*time.Second))
		time.Sleep(time.Until(next))
		due, _ := v.Fresh()
		require.Nil(t, due)
		require.Equal(t, time.Second, time.Until(h.Until()))

		s.takes = time.Minute
		h, err = v.Get(t.Context(), refresh.Caller{}, s.fetch)
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Until(h.Until()))
		h, early := v.Fresh()
		require.NotNil(t, h, "while it is renewed there is nothing to be done")
		require.True(t, early)
		require.Equal(t, time.Second, time.Until(h.Until()))
		time.Sleep(30 * time.Second)
		require.EqualValues(t, 2, s.calls.Load())
		time.Sleep(31 * time.Second)
	})
}
