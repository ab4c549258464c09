package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store/internal/contract"
	"github.com/credchain/credchain/store/redisstore"
)

func TestContract(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t) // its sockets are no part of the bubble
	synctest.Test(t, func(t *testing.T) {
		contract.Run(t, func(t *testing.T) contract.Through {
			server.FlushAll()
			return through(newStore(t, client(t, server.Addr()), nil))
		}, synctest.Wait)
	})
}

// TestContractFleet has each caller as good as a process of its own.
func TestContractFleet(t *testing.T) {
	each(t, func(t *testing.T, address string) {
		contract.Run(t, func(t *testing.T) contract.Through {
			c := client(t, address)
			require.NoError(t, c.FlushAll(t.Context()).Err())
			return func(ctx context.Context, role string, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
				return newStore(t, c, nil).Through(ctx, roleKey(role), good, fetch)
			}
		}, nil)
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	c := client(t, "127.0.0.1:1")
	for want, config := range map[string]redisstore.Config{
		"redisstore: there is no client":                                {Keys: []redisstore.SealingKey{first}},
		"redisstore: there is no sealing key":                           {Client: c},
		"redisstore: the ID of sealing key 1 has 0 bytes, not 1 to 255": {Client: c, Keys: []redisstore.SealingKey{{Secret: first.Secret}}},
		`redisstore: two sealing keys have the ID "2026-01"`:            {Client: c, Keys: []redisstore.SealingKey{first, first}},
		`redisstore: the secret of sealing key "x" has 6 bytes, not 32`: {Client: c, Keys: []redisstore.SealingKey{first, {ID: "x", Secret: []byte("canary")}}},
	} {
		_, err := redisstore.New(config)
		require.EqualError(t, err, want)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("keys", "one", first, "all", []redisstore.SealingKey{first})
	all := log.String() + fmt.Sprintf("%v %+v %#v %s %d %q %x", first, &first, first, first, first, []redisstore.SealingKey{first}, first)
	require.Contains(t, all, "2026-01")
	for _, secret := range []string{"1111", "MTEx", "49, 49", "49 49", "0x31"} {
		require.NotContains(t, all, secret)
	}
}

// TestSealed: Redis holds no secret in the clear, for no longer than it is good for.
func TestSealed(t *testing.T) {
	each(t, func(t *testing.T, address string) {
		c, s, n := client(t, address), &contract.Source{}, &notes{}
		require.Equal(t, nth(1), id(t, newStore(t, c, n), s.Fetch))
		names, err := c.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		require.Equal(t, []string{name("a")}, names, "the lock is gone")
		held, err := c.HGetAll(t.Context(), name("a")).Result()
		require.NoError(t, err)
		for _, secret := range []string{contract.Canary, "ASIA", "123456789012"} {
			require.NotContains(t, fmt.Sprint(names, held), secret)
		}
		ttl, err := c.PTTL(t.Context(), name("a")).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, ttl, time.Hour)
		require.Greater(t, ttl, 30*time.Minute)
		require.Empty(t, n.all())
	})
}

// TestRotation: the first key seals, all open.
func TestRotation(t *testing.T) {
	each(t, func(t *testing.T, address string) {
		c, s, n := client(t, address), &contract.Source{}, &notes{}
		require.Equal(t, nth(1), id(t, newStore(t, c, n, first), s.Fetch))
		require.Equal(t, nth(1), id(t, newStore(t, c, n, first, second), s.Fetch))
		require.Equal(t, nth(1), id(t, newStore(t, c, n, second, first), s.Fetch))
		require.NoError(t, c.FlushAll(t.Context()).Err())
		require.Equal(t, nth(2), id(t, newStore(t, c, n, second, first), s.Fetch))
		require.Equal(t, nth(2), id(t, newStore(t, c, n, second), s.Fetch))
		require.Empty(t, n.all())
		require.Equal(t, nth(3), id(t, newStore(t, c, n, first), s.Fetch))
		require.Equal(t, []string{"redis: " + name("a") + ` is ignored: it is sealed with the key "2026-02", which is not among the 1 given here`}, n.all())

		imposter := redisstore.SealingKey{ID: first.ID, Secret: second.Secret}
		require.Equal(t, nth(4), id(t, newStore(t, c, n, imposter), s.Fetch))
		require.Contains(t, n.all()[1], "it was changed by others, belongs to another entry, or another key has this ID")
	})
}

// TestTampered changes every byte of an entry, and swaps two: they are ignored and replaced.
func TestTampered(t *testing.T) { each(t, tampered) }

func tampered(t *testing.T, address string) {
	c, s := client(t, address), &contract.Source{}
	store := newStore(t, c, nil)
	id(t, store, s.Fetch)
	sealed, err := c.HGet(t.Context(), name("a"), "d").Result()
	require.NoError(t, err)
	want := 1
	for i := range sealed {
		if i > 40 && i%37 != 0 && i < len(sealed)-3 { // one for many
			continue
		}
		bad := []byte(sealed)
		bad[i] ^= 1
		require.NoError(t, c.HSet(t.Context(), name("a"), "d", bad).Err())
		want++
		require.Equal(t, nth(want), id(t, store, s.Fetch), "byte %d", i)
	}
	for _, bad := range []string{sealed[:1], sealed[:10], sealed[:30], sealed[:len(sealed)-1], sealed + "x", "\x01\xff", "x"} {
		require.NoError(t, c.HSet(t.Context(), name("a"), "d", bad).Err())
		want++
		require.Equal(t, nth(want), id(t, store, s.Fetch), "%q", bad)
	}
	require.NoError(t, c.HSet(t.Context(), name("b"), "f", "1", "d", sealed).Err())
	got, err := store.Through(t.Context(), roleKey("b"), good, s.Fetch)
	require.NoError(t, err)
	require.Equal(t, nth(want+1), got.AccessKeyID, "another role's entry")

	require.NoError(t, c.Del(t.Context(), name("a")).Err())
	require.NoError(t, c.Set(t.Context(), name("a"), "no hash", 0).Err())
	require.Equal(t, nth(want+2), id(t, store, s.Fetch))
}

// TestFence: who lost its lease without knowing does not overwrite what came later.
func TestFence(t *testing.T) {
	for name, others := range map[string]bool{"another fetched meanwhile": true, "nobody else came": false} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, address string) {
				c, n := client(t, address), &notes{}
				fetched := aws.Credentials{AccessKeyID: "ASIALATE", SecretAccessKey: "s", SessionToken: "t", CanExpire: true, Expires: time.Now().Add(time.Hour)}
				got, err := newStore(t, c, n).Through(t.Context(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) {
					require.NoError(t, c.Del(t.Context(), lockName("a")).Err()) // the lease ends
					if others {
						require.Equal(t, nth(1), id(t, newStore(t, c, n), (&contract.Source{}).Fetch))
					}
					return fetched, nil
				})
				require.NoError(t, err)
				require.Equal(t, "ASIALATE", got.AccessKeyID)
				kept := id(t, newStore(t, c, n), nil)
				if others {
					require.Equal(t, nth(1), kept)
					require.Len(t, n.all(), 1)
					require.Contains(t, n.all()[0], "was written by another process meanwhile: what this one fetched is not kept")
				} else {
					require.Equal(t, "ASIALATE", kept)
					require.Empty(t, n.all())
				}
			})
		})
	}
	t.Run("another fetches now", func(t *testing.T) {
		each(t, func(t *testing.T, address string) {
			c := client(t, address)
			_, err := newStore(t, c, nil).Through(t.Context(), roleKey("a"), good, func(ctx context.Context) (aws.Credentials, error) {
				require.NoError(t, c.Set(t.Context(), lockName("a"), "another's token", time.Minute).Err())
				return (&contract.Source{}).Fetch(ctx)
			})
			require.NoError(t, err)
			require.Equal(t, "another's token", c.Get(t.Context(), lockName("a")).Val(), "its lock is its own")
			require.Zero(t, c.Exists(t.Context(), name("a")).Val())
		})
	})
}

// TestLease: the lease is renewed as long as the fetch goes on, and others wait; then they go on.
func TestLease(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	synctest.Test(t, func(t *testing.T) {
		c, s := client(t, server.Addr()), &contract.Source{}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { clock(ctx, server) })
		begun := time.Now()
		var herd sync.WaitGroup
		for range 20 {
			herd.Go(func() {
				got, err := newStore(t, c, nil).Through(t.Context(), roleKey("a"), good, func(ctx context.Context) (aws.Credentials, error) {
					time.Sleep(time.Minute)
					return s.Fetch(ctx)
				})
				if err != nil || got.AccessKeyID != nth(1) {
					t.Errorf("Through: %v, %s", err, got.AccessKeyID)
				}
			})
		}
		herd.Wait()
		require.EqualValues(t, 1, s.Calls.Load())
		require.InDelta(t, time.Minute, time.Since(begun), float64(3*time.Second))

		// A holder that is gone: its lease ends.
		require.NoError(t, c.FlushAll(t.Context()).Err())
		require.NoError(t, c.Set(t.Context(), lockName("a"), "gone", 10*time.Second).Err())
		begun = time.Now()
		require.Equal(t, nth(2), id(t, newStore(t, c, nil), s.Fetch))
		require.InDelta(t, 10*time.Second, time.Since(begun), float64(2*time.Second))

		// One whose lease never ends is waited for two minutes.
		require.NoError(t, c.FlushAll(t.Context()).Err())
		require.NoError(t, c.Set(t.Context(), lockName("a"), "for ever", 0).Err())
		begun, n := time.Now(), &notes{}
		require.Equal(t, nth(3), id(t, newStore(t, c, n), s.Fetch))
		require.InDelta(t, 2*time.Minute, time.Since(begun), float64(3*time.Second))
		require.Equal(t, []string{"redis: the lock was held for 2m0s: credentials are fetched without it"}, n.all())

		// A renewal in the background, which has a minute, is none the worse for it; and together that is all it costs.
		store, asked := newStore(t, c, nil), s.Calls.Load()
		waits := func(limit, want time.Duration) {
			t.Helper()
			ctx, stop := context.WithTimeout(t.Context(), limit)
			defer stop()
			begun := time.Now()
			asked++
			got, err := store.Through(ctx, roleKey("a"), good, s.Fetch)
			require.NoError(t, err)
			require.Equal(t, nth(int(asked)), got.AccessKeyID)
			require.InDelta(t, want, time.Since(begun), float64(20*time.Millisecond))
		}
		waits(time.Minute, 30*time.Second)
		waits(time.Hour, 90*time.Second)
		waits(time.Hour, 100*time.Millisecond)
		waits(time.Minute, 100*time.Millisecond)
		require.NoError(t, c.Del(t.Context(), lockName("a")).Err())
		waits(time.Hour, 0)
		require.NoError(t, c.Del(t.Context(), name("a")).Err())
		require.NoError(t, c.Set(t.Context(), lockName("a"), "for ever", 0).Err())
		waits(time.Hour, 2*time.Minute)
		cancel()
		all.Wait()
	})
}

// clock makes the server's time that of the bubble.
func clock(ctx context.Context, server *miniredis.Miniredis) {
	const step = 100 * time.Millisecond
	for tick := time.NewTicker(step); ; {
		select {
		case <-tick.C:
			server.FastForward(step)
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// TestAway: without Redis, or with one that never answers, or is full, the credentials are fetched.
func TestAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	full, readOnly := miniredis.RunT(t), miniredis.RunT(t)
	full.SetError("OOM command not allowed when used memory > 'maxmemory'.")
	readOnly.SetError("READONLY You can't write against a read only replica.")
	for name, tt := range map[string]struct{ address, note string }{
		"refused": {"127.0.0.1:1", "connection refused"}, "silent": {l.Addr().String(), "no answer within 1s"},
		"full": {full.Addr(), "OOM"}, "read-only": {readOnly.Addr(), "READONLY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, s := &notes{}, &contract.Source{}
			store := newStore(t, redis.NewClient(&redis.Options{Addr: tt.address, MaxRetries: -1, DialerRetries: 1}), n)
			require.Equal(t, nth(1), id(t, store, s.Fetch))
			require.Len(t, n.all(), 1)
			require.Contains(t, n.all()[0], tt.note)
			require.Contains(t, n.all()[0], ": credentials are fetched without it")
			down := errors.New("down")
			_, err := store.Through(t.Context(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, down })
			require.ErrorIs(t, err, down)
		})
	}
}

// TestAwayMeanwhile: Redis goes while a process fetches.
func TestAwayMeanwhile(t *testing.T) {
	t.Parallel()
	server, n, s := miniredis.RunT(t), &notes{}, &contract.Source{}
	got, err := newStore(t, client(t, server.Addr()), n).Through(t.Context(), roleKey("a"), good, func(ctx context.Context) (aws.Credentials, error) {
		server.SetError("LOADING Redis is loading the dataset in memory")
		return s.Fetch(ctx)
	})
	require.NoError(t, err)
	require.Equal(t, nth(1), got.AccessKeyID)
	require.NotEmpty(t, n.all())
	require.Contains(t, n.all()[0], "LOADING")
}

// TestEviction: what Redis drops is fetched again, and a later fetch is never taken for an earlier one.
func TestEviction(t *testing.T) {
	each(t, func(t *testing.T, address string) {
		c, s, n := client(t, address), &contract.Source{}, &notes{}
		for i := range 5 {
			require.Equal(t, nth(i+1), id(t, newStore(t, c, n), s.Fetch))
			require.Equal(t, nth(i+1), id(t, newStore(t, c, n), s.Fetch))
			require.NoError(t, c.FlushAll(t.Context()).Err())
		}
		require.Empty(t, n.all())
	})
}

// TestTenThousandWorkers simulates a fleet of 10,000 machines, each with a cache of its own, that need 10 roles for
// two and a half hours. A worker renews when 5 minutes are left.
func TestTenThousandWorkers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: many calls")
	}
	server := miniredis.RunT(t)
	synctest.Test(t, func(t *testing.T) {
		const workers, roles, span = 10_000, 10, 150 * time.Minute
		c := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DisableIdentity: true, PoolSize: workers})
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var all, ticking sync.WaitGroup
		ticking.Go(func() { clock(ctx, server) })
		var sources [roles]contract.Source
		var alone sync.Map
		begun := time.Now()
		for w := range workers {
			all.Go(func() {
				role, calls := w%roles, 0
				store := newStore(t, c, nil)
				time.Sleep(rand.N(5 * time.Minute))
				for time.Since(begun) < span {
					got, err := store.Through(t.Context(), roleKey(fmt.Sprint(role)), func(c aws.Credentials) bool { return time.Until(c.Expires) > 5*time.Minute },
						func(ctx context.Context) (aws.Credentials, error) {
							time.Sleep(300 * time.Millisecond)
							return sources[role].Fetch(ctx)
						})
					if err != nil {
						t.Errorf("Through: %v", err)
						return
					}
					calls++
					time.Sleep(time.Until(got.Expires) - 5*time.Minute + rand.N(time.Minute))
				}
				alone.Store(w, calls)
			})
		}
		all.Wait()
		cancel()
		ticking.Wait()
		fetched, would := 0, 0
		alone.Range(func(_, calls any) bool { would += calls.(int); return true })
		for role := range roles {
			n := int(sources[role].Calls.Load())
			require.LessOrEqual(t, n, int(span/(55*time.Minute))+1, "fetches of a role: one for each lifetime")
			fetched += n
		}
		t.Logf("%d workers, %d roles, %v: STS saw %d calls; without the store: %d", workers, roles, span, fetched, would)
	})
}
