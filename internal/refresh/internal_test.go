package refresh

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAfterFailureIsSpread: a fleet that failed together must not come back together.
func TestAfterFailureIsSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEntry(1, time.Now().Add(time.Hour))
		seen := map[int64]bool{}
		for range 20 {
			next := e.afterFailure().next - wall()
			require.GreaterOrEqual(t, next, int64(retryMin))
			require.Less(t, next, int64(retryMax))
			seen[next] = true
		}
		require.Greater(t, len(seen), 10)

		e = newEntry(1, time.Now().Add(2*time.Minute))
		time.Sleep(115 * time.Second) // within the time when callers wait
		after := e.afterFailure()
		require.Equal(t, after.next, after.must, "nobody waits before the next try")
		require.LessOrEqual(t, after.must, after.expires)
		time.Sleep(10 * time.Second)
		require.Same(t, e, e.afterFailure(), "what has expired is served no longer")
	})
}
