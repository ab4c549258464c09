package keyringstore_test

import (
	"fmt"
	"testing"

	"github.com/99designs/keyring"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/credchain/credchain/store/internal/contract"
)

func TestContractKeyctl(t *testing.T) {
	t.Parallel()
	contract.Run(t, func(t *testing.T) contract.Through { return through(newNoted(t, keyctl(t), t.TempDir())) }, nil)
}

// keyctl is a new keyring in the kernel, which goes with the test.
func keyctl(t *testing.T) keyring.Keyring {
	t.Helper()
	const scope = "user"
	name := fmt.Sprint("credchain-test-", t.TempDir())
	ring, err := keyring.Open(keyring.Config{AllowedBackends: []keyring.BackendType{keyring.KeyCtlBackend}, KeyCtlScope: scope, ServiceName: name})
	if err != nil {
		t.Skipf("there is no keyring in the kernel: %v", err)
	}
	t.Cleanup(func() {
		parent, err := keyring.GetKeyringIDForScope(scope)
		require.NoError(t, err)
		ring, err := unix.KeyctlSearch(int(parent), "keyring", name, 0)
		require.NoError(t, err)
		_, err = unix.KeyctlInt(unix.KEYCTL_UNLINK, ring, int(parent), 0, 0)
		require.NoError(t, err)
	})
	err = ring.Set(keyring.Item{Key: "probe", Data: []byte("x")})
	if err == nil {
		_, err = ring.Get("probe")
	}
	if err != nil {
		t.Skipf("the keyring in the kernel is closed to this session: %v", err)
	}
	return ring
}
