package providers

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestContainerDialsOwnAddressesAlone: a name that was looked up before may mean something else when it is
// dialled. The address below is nobody's, and the refusal comes before a packet.
func TestContainerDialsOwnAddressesAlone(t *testing.T) {
	t.Parallel()
	var c Container
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://192.0.2.1/creds", nil)
	require.NoError(t, err)
	plain := c.transport(r.URL)
	_, err = plain.RoundTrip(r)
	require.ErrorContains(t, err, "192.0.2.1:80 is not an address of this host")
	require.Nil(t, plain.(*http.Transport).Proxy, "a proxy would carry the token away")
}
