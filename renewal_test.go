package credchain_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/walk"
)

// TestRenewalFaults: whatever becomes of renewals, callers have no error and hardly a wait before the expiry, and
// the source is not hammered; when it is well again there are new credentials.
func TestRenewalFaults(t *testing.T) {
	t.Parallel()
	sick := func(f func(ctx context.Context, s *service, call int) (aws.Credentials, error)) func(s *service, broken *atomic.Bool) {
		return func(s *service, broken *atomic.Bool) {
			s.do = func(ctx context.Context, call int) (aws.Credentials, error) {
				if broken.Load() {
					return f(ctx, s, call)
				}
				return s.issue(ctx, call)
			}
		}
	}
	for name, tt := range map[string]struct {
		sicken   func(s *service, broken *atomic.Bool)
		patience time.Duration // for all callers together; 0: nobody waits
		served   bool          // there are credentials even after the expiry
		renews   bool          // it is slow, but it works
	}{
		"fails": {sicken: sick(func(context.Context, *service, int) (aws.Credentials, error) { return aws.Credentials{}, errAway })},
		"slow": {sicken: sick(func(ctx context.Context, s *service, call int) (aws.Credentials, error) {
			time.Sleep(10 * time.Second)
			return s.issue(ctx, call)
		}), renews: true},
		"very slow": {sicken: sick(func(ctx context.Context, s *service, call int) (aws.Credentials, error) {
			select {
			case <-time.After(2 * time.Minute): // too long for the background
				return s.issue(ctx, call)
			case <-ctx.Done():
				return aws.Credentials{}, ctx.Err()
			}
		}), patience: 5 * time.Second, served: true},
		"hangs": {sicken: sick(func(ctx context.Context, _ *service, _ int) (aws.Credentials, error) {
			<-ctx.Done()
			return aws.Credentials{}, ctx.Err()
		}), patience: 5 * time.Second},
		"hangs and is deaf": {sicken: sick(func(context.Context, *service, int) (aws.Credentials, error) {
			time.Sleep(30 * time.Hour)
			return aws.Credentials{}, errAway
		}), patience: 5 * time.Second},
		"panics":    {sicken: sick(func(context.Context, *service, int) (aws.Credentials, error) { panic(secret) })},
		"goes away": {sicken: sick(func(context.Context, *service, int) (aws.Credentials, error) { runtime.Goexit(); panic("unreachable") })},
		"is empty":  {sicken: sick(func(context.Context, *service, int) (aws.Credentials, error) { return aws.Credentials{}, nil })},
		"has nothing": {sicken: sick(func(context.Context, *service, int) (aws.Credentials, error) {
			return aws.Credentials{}, credchain.ErrNotConfigured
		})},
		"has expired": {sicken: sick(func(ctx context.Context, s *service, call int) (aws.Credentials, error) {
			creds, err := s.issue(ctx, call)
			creds.Expires = time.Now().Add(-time.Hour)
			return creds, err
		}), served: true},
		"wants a person": {sicken: sick(func(ctx context.Context, s *service, call int) (aws.Credentials, error) {
			if walk.InBackground(ctx) {
				return aws.Credentials{}, errors.New("a person would have to be asked")
			}
			return s.issue(ctx, call)
		}), renews: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, broken := &service{life: time.Hour}, new(atomic.Bool)
				tt.sicken(s, broken)
				c := credchain.New(s)
				start := time.Now()
				call(t, c, 0)
				broken.Store(true)
				waited, newest := time.Duration(0), "SVC1"
				for time.Since(start) < time.Hour-10*time.Second {
					asked := time.Now()
					creds, err := c.Retrieve(context.Background())
					require.NoErrorf(t, err, "after %v", time.Since(start))
					require.True(t, creds.Expires.After(time.Now()), "served past its expiry")
					waited, newest = waited+time.Since(asked), creds.AccessKeyID
					time.Sleep(time.Second / 2)
				}
				require.LessOrEqual(t, waited, tt.patience, "together the callers waited")
				require.Equal(t, tt.renews, newest != "SVC1", newest)
				require.LessOrEqual(t, s.calls.Load(), int32(16))
				require.GreaterOrEqual(t, s.calls.Load(), int32(2))
				if !tt.renews {
					time.Sleep(time.Until(start.Add(time.Hour)))
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					_, err := c.Retrieve(ctx)
					cancel()
					require.Equal(t, tt.served, err == nil, "%v", err)
					if err != nil {
						require.NotErrorIs(t, err, credchain.ErrNotConfigured)
						require.NotContains(t, err.Error(), secret)
					}
					calls := s.calls.Load()
					for range 200 { // a minute
						_, _ = c.Retrieve(t.Context())
						time.Sleep(300 * time.Millisecond)
					}
					require.LessOrEqual(t, s.calls.Load()-calls, int32(10), "a source that is down must not be hammered")
				}
				broken.Store(false)
				time.Sleep(40 * time.Second) // as long as a failure may be remembered
				require.NotEqual(t, "SVC1", call(t, c, 10*time.Second).AccessKeyID)
				time.Sleep(31 * time.Hour) // nothing stays behind, or the bubble does not end
			})
		})
	}
}

// TestServiceAwayForHours: a fleet that began together goes through two hours without the service. There are
// errors only once the credentials have expired, and neither then nor when it is back does the fleet come as one.
func TestServiceAwayForHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const fleet = 40
		var away atomic.Bool
		var perSecond sync.Map
		start := time.Now()
		count := func(from, to time.Duration) (total, most int) {
			for s := from / time.Second; s < to/time.Second; s++ {
				if n, ok := perSecond.Load(s); ok {
					total, most = total+int(n.(*atomic.Int32).Load()), max(most, int(n.(*atomic.Int32).Load()))
				}
			}
			return total, most
		}
		chains := make([]*credchain.Chain, fleet)
		for i := range chains {
			s := &service{life: time.Hour}
			s.do = func(ctx context.Context, call int) (aws.Credentials, error) {
				n, _ := perSecond.LoadOrStore(time.Since(start)/time.Second, new(atomic.Int32))
				n.(*atomic.Int32).Add(1)
				if away.Load() {
					return aws.Credentials{}, errAway
				}
				return s.issue(ctx, call)
			}
			chains[i] = credchain.New(s)
		}
		for now := time.Duration(0); now < 4*time.Hour; now += 2 * time.Second {
			away.Store(now >= 30*time.Minute && now < 150*time.Minute)
			for _, c := range chains {
				_, err := c.Retrieve(context.Background())
				switch {
				case now < time.Hour, now >= 150*time.Minute+31*time.Second:
					require.NoErrorf(t, err, "after %v", now)
				case away.Load():
					require.ErrorIsf(t, err, errAway, "after %v", now)
				}
			}
			time.Sleep(2 * time.Second)
		}
		total, most := count(time.Hour+2*time.Minute, 150*time.Minute)
		require.Less(t, most, fleet/2, "while it is away, of %d requests", total)
		require.Less(t, total/fleet, 300, "requests of each while it is away")
		total, most = count(150*time.Minute, 151*time.Minute)
		require.Equal(t, fleet, total, "each asks once when it is back")
		require.Less(t, most, fleet/2, "they come back as one")
		total, most = count(151*time.Minute, 4*time.Hour)
		require.LessOrEqual(t, total, 2*fleet)
		require.Less(t, most, fleet/3, "they renew as one")
	})
}

// TestFleetSpreads: those who began in the same second with the same lifetime do not renew in the same second.
func TestFleetSpreads(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		life   time.Duration
		spread time.Duration
	}{"an hour": {time.Hour, 2 * time.Minute}, "a quarter": {15 * time.Minute, 30 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				chains, services := make([]*credchain.Chain, 50), make([]*service, 50)
				for i := range chains {
					services[i] = &service{life: tt.life}
					chains[i] = credchain.New(services[i])
					call(t, chains[i], 0)
				}
				var first, last time.Time
				for renewed := 0; renewed < len(chains); time.Sleep(time.Second) {
					synctest.Wait()
					renewed = 0
					for i, c := range chains {
						call(t, c, 0)
						if services[i].calls.Load() > 1 {
							renewed++
						}
					}
					if renewed > 0 && first.IsZero() {
						first = time.Now()
					}
					last = time.Now()
				}
				require.GreaterOrEqual(t, last.Sub(first), tt.spread)
			})
		})
	}
}

func TestFailedWalkIsRemembered(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		most int32 // walks in ten minutes
		gap  time.Duration
	}{
		"a failure":          {errAway, 50, 31 * time.Second},
		"nothing configured": {fmt.Errorf("no such file: %w", credchain.ErrNotConfigured), 250, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &link{err: tt.err}
				c := credchain.New(l)
				for range 6000 {
					_, err := c.Retrieve(t.Context())
					require.ErrorIs(t, err, tt.err)
					time.Sleep(100 * time.Millisecond)
				}
				require.LessOrEqual(t, l.calls.Load(), tt.most)
				require.GreaterOrEqual(t, l.calls.Load(), int32(20))
				l.err, l.creds = nil, keys("A")
				time.Sleep(tt.gap)
				call(t, c, 0)

				c.Invalidate()
				l.err = tt.err
				_, err := c.Retrieve(t.Context())
				require.Error(t, err)
				l.err = nil
				_, err = c.Retrieve(t.Context())
				require.Error(t, err, "it is remembered")
				c.Invalidate()
				call(t, c, 0)
			})
		})
	}
}

// TestConcurrentInvalidate: callers, renewals, Invalidate and Reject all at once.
func TestConcurrentInvalidate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{life: 10 * time.Second, takes: 300 * time.Millisecond}
		c := credchain.New(skips(), s)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for n := 0; time.Since(start) < time.Minute; n++ {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					creds, err := c.Retrieve(ctx)
					cancel()
					if err != nil || !creds.Expires.After(time.Now()) {
						t.Errorf("caller %d: %v, %v", i, creds.Expires, err)
						return
					}
					switch {
					case i == 0 && n%50 == 0:
						c.Invalidate()
					case i == 1 && n%30 == 0:
						c.Reject(creds)
					}
					time.Sleep(time.Duration(37+i) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
	})
}

// TestBackgroundIsMarked: only a renewal for which nobody waits.
func TestBackgroundIsMarked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var marked []bool
		s := &service{life: time.Hour}
		s.do = func(ctx context.Context, call int) (aws.Credentials, error) {
			marked = append(marked, walk.InBackground(ctx))
			return s.issue(ctx, call)
		}
		c := credchain.New(s)
		call(t, c, 0)
		time.Sleep(58 * time.Minute)
		call(t, c, 0)
		synctest.Wait()
		time.Sleep(59*time.Minute + 1)
		creds := call(t, c, 0)
		c.Reject(creds)
		call(t, c, 0)
		c.Invalidate()
		call(t, c, 0)
		require.Equal(t, []bool{false, true, false, false, false}, marked)
	})
}

// TestDroppedChain: a chain that nobody asks any more does nothing, and a renewal that is under way ends.
func TestDroppedChain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		s := &service{life: time.Hour}
		c := credchain.New(s)
		call(t, c, 0)
		s.do = func(ctx context.Context, _ int) (aws.Credentials, error) {
			<-ctx.Done()
			return aws.Credentials{}, ctx.Err()
		}
		time.Sleep(58 * time.Minute)
		call(t, c, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		calls := s.calls.Load()
		time.Sleep(1000 * time.Hour)
		require.Equal(t, calls, s.calls.Load())
	})
}

// TestExpiryThatNobodyKnows: credentials that expire, and do not say when, are asked for again soon.
func TestExpiryThatNobodyKnows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		creds := keys("A")
		creds.CanExpire = true
		l := &link{creds: creds}
		c := credchain.New(l)
		for range 600 {
			require.Equal(t, creds, call(t, c, 0))
			time.Sleep(time.Second)
		}
		require.Greater(t, l.calls.Load(), int32(10))
		require.Less(t, l.calls.Load(), int32(60))
	})
}
