package redisstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLongKeyIDs: the length of an ID is one byte, which must not wrap; nor may that of a foreign entry.
func TestLongKeyIDs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 253, 254, 255} {
		s, err := newSealer([]SealingKey{{ID: strings.Repeat("k", n), Secret: []byte(strings.Repeat("s", 32))}})
		require.NoError(t, err)
		got, err := s.open("name", s.seal("name", []byte("text")))
		require.NoError(t, err, n)
		require.Equal(t, "text", string(got))
	}
	s, err := newSealer([]SealingKey{{ID: "k", Secret: []byte(strings.Repeat("s", 32))}})
	require.NoError(t, err)
	for first := range 256 {
		_, err := s.open("name", append([]byte{sealVersion, byte(first)}, make([]byte, 300)...))
		require.Error(t, err)
	}
}
