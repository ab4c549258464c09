package process

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	env, runs := []string{"A=1", "B=2"}, 0
	for {
		next, err := deeper(env)
		if err != nil {
			require.ErrorIs(t, err, errTooDeep)
			break
		}
		require.Len(t, next, 3, "the count is in it once")
		require.Equal(t, []string{"A=1", "B=2"}, next[:2])
		env, runs = next, runs+1
		require.Less(t, runs, 100, "it has no end")
	}
	require.Equal(t, maxDepth, runs)
	env, err := deeper([]string{depthVariable + "=nonsense"})
	require.NoError(t, err)
	require.Equal(t, []string{depthVariable + "=1"}, env)
}
