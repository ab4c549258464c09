package imds_test

import (
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

// TestExhaustionIsNoAbsence: a process that cannot open a socket learns nothing about the service.
func TestExhaustionIsNoAbsence(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		c := &imds.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: cause}
		})}
		_, err := c.Role(t.Context())
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, imds.ErrUnreachable)
	}
}
