package realtest_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/credchain/credchain"
)

// blackHole returns the address of a port whose packets the kernel drops: a listener with a queue for one
// connection, which nobody takes out of it.
func blackHole(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(fd, 0))
	bound, err := unix.Getsockname(fd)
	require.NoError(t, err)
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: bound.(*unix.SockaddrInet4).Port}).String()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return addr
}

func TestDroppedPacketsAreNotConfigured(t *testing.T) {
	t.Parallel()
	chain, wire := newChain(t, map[string]string{metadataEndpoint: "http://" + blackHole(t)})
	_, err := retrieve(t, chain)
	require.ErrorIs(t, err, credchain.ErrNotConfigured)
	require.Equal(t, askedOnce, wire.take())
}
