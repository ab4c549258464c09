package providers_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// TestInstanceOutlivesItsMetadataService: the credentials of an instance stay in service while the metadata service
// is away, also past their expiry, and are renewed when it is back. Those of other sources are not.
func TestInstanceOutlivesItsMetadataService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := &awstest.IMDS{Role: "app", Credentials: awstest.Temporary("first", time.Now().Add(6*time.Hour))}
		later := &awstest.IMDS{Role: "app", Credentials: awstest.Temporary("second", time.Now().Add(48*time.Hour))}
		away := false
		m := awstest.Hermetic(t, awstest.World{
			Unset: []string{"AWS_*"}, Missing: []string{"~/.aws/*"},
			Hosts: map[string]http.Handler{"169.254.169.254": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if away {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				service.ServeHTTP(w, r)
			})},
		})
		chain := credchain.New(&providers.InstanceProfile{System: m.System()})
		first, err := chain.Retrieve(t.Context())
		require.NoError(t, err)
		away = true
		for range 24 {
			time.Sleep(30 * time.Minute)
			again, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, first.AccessKeyID, again.AccessKeyID)
			synctest.Wait()
		}
		away = false
		service = later
		for n := 0; ; n++ {
			again, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			if again.AccessKeyID != first.AccessKeyID {
				break
			}
			require.Less(t, n, 60, "it is back, and nobody asks it")
			time.Sleep(time.Minute)
			synctest.Wait()
		}
	})
}
