package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/contract"
)

func TestMemoryBound(t *testing.T) {
	t.Parallel()
	m, s := &store.Memory{Max: 3}, &contract.Source{}
	get := func(role string) string {
		c, err := m.Through(t.Context(), roleKey(role), good, s.Fetch)
		require.NoError(t, err)
		return c.AccessKeyID
	}
	for _, role := range []string{"a", "b", "c"} {
		get(role)
	}
	require.Equal(t, "ASIAEXAMPLE00001", get("a"), "used")
	get("d")
	require.Equal(t, "ASIAEXAMPLE00001", get("a"), "b went, which was not used for longest")
	require.Equal(t, "ASIAEXAMPLE00003", get("c"))
	require.Equal(t, "ASIAEXAMPLE00005", get("b"))
	m.DeleteFunc(func(c aws.Credentials) bool { return c.AccessKeyID == "ASIAEXAMPLE00001" })
	require.Equal(t, "ASIAEXAMPLE00006", get("a"))

	m = &store.Memory{}
	for i := range 1001 {
		get(fmt.Sprint(i))
	}
	calls := s.Calls.Load()
	get("1")
	require.Equal(t, calls, s.Calls.Load(), "1000 are kept")
	get("0")
	require.Equal(t, calls+1, s.Calls.Load(), "and no more")
}

// TestMemoryForever: what never ends is kept too, and an expired entry that is looked at makes no difference.
func TestMemoryForever(t *testing.T) {
	t.Parallel()
	m, calls := &store.Memory{}, 0
	for range 3 {
		_, err := m.Through(t.Context(), roleKey("a"), nil, func(context.Context) (aws.Credentials, error) {
			calls++
			return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "s"}, nil
		})
		require.NoError(t, err)
	}
	require.Equal(t, 1, calls)
}

// TestMemoryReentrant: good and fetch may use the Memory themselves.
func TestMemoryReentrant(t *testing.T) {
	t.Parallel()
	m, s := &store.Memory{}, &contract.Source{}
	inner := func(ctx context.Context) (aws.Credentials, error) {
		return m.Through(ctx, roleKey("source"), good, s.Fetch)
	}
	for range 2 {
		_, err := m.Through(t.Context(), roleKey("a"), func(aws.Credentials) bool {
			_, err := inner(t.Context())
			return err == nil
		}, inner)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, s.Calls.Load())
}

// TestTenThousandWorkers simulates a service with 10,000 workers that need 12 roles for two hours. A worker
// asks every 10 to 20 minutes, and wants 5 minutes to be left.
func TestTenThousandWorkers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: many calls")
	}
	synctest.Test(t, func(t *testing.T) {
		const workers, roles, day = 10_000, 12, 2 * time.Hour
		m := &store.Memory{}
		var sources [roles]contract.Source
		var alone, calls [roles]int
		var mu sync.Mutex
		var all sync.WaitGroup
		begun := time.Now()
		for w := range workers {
			all.Go(func() {
				role := w % roles
				time.Sleep(rand.N(time.Minute))
				var own time.Time // when the worker's own session would end
				for time.Since(begun) < day {
					c, err := m.Through(t.Context(), roleKey(fmt.Sprint(role)), func(c aws.Credentials) bool { return time.Until(c.Expires) > 5*time.Minute },
						func(ctx context.Context) (aws.Credentials, error) {
							time.Sleep(300 * time.Millisecond)
							return sources[role].Fetch(ctx)
						})
					if err != nil || time.Until(c.Expires) < 5*time.Minute {
						t.Errorf("Through: %v, %v left", err, time.Until(c.Expires))
					}
					mu.Lock()
					calls[role]++
					if time.Until(own) <= 5*time.Minute {
						alone[role]++
						own = time.Now().Add(time.Hour)
					}
					mu.Unlock()
					time.Sleep(10*time.Minute + rand.N(10*time.Minute))
				}
			})
		}
		all.Wait()
		var fetched, perWorker, perCall int
		for role := range roles {
			n := int(sources[role].Calls.Load())
			require.LessOrEqual(t, n, int(day/(55*time.Minute))+1, "fetches of a role: one for each lifetime")
			fetched, perWorker, perCall = fetched+n, perWorker+alone[role], perCall+calls[role]
		}
		t.Logf("%d workers, %d roles, %v: STS saw %d calls; a cache in each worker: %d; no cache: %d", workers, roles, day, fetched, perWorker, perCall)
	})
}

// TestMemoryForgetsMeanwhile: whatever is forgotten while others ask, they get credentials, and no more is fetched than
// was forgotten.
func TestMemoryForgetsMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, s := &store.Memory{}, &contract.Source{}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 50 {
					c, err := m.Through(t.Context(), roleKey("a"), good, func(ctx context.Context) (aws.Credentials, error) {
						time.Sleep(10 * time.Millisecond)
						return s.Fetch(ctx)
					})
					if err != nil || c.AccessKeyID == "" {
						t.Errorf("Through: %v", err)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		const forgotten = 30
		all.Go(func() {
			for range forgotten {
				time.Sleep(3 * time.Millisecond)
				m.DeleteFunc(func(aws.Credentials) bool { return true })
			}
		})
		all.Wait()
		require.Greater(t, s.Calls.Load(), int32(1))
		require.LessOrEqual(t, s.Calls.Load(), int32(forgotten+1))
	})
}
