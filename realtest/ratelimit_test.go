package realtest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/credchain/credchain/sigv4"
)

var _ sigv4.Limiter = (*rate.Limiter)(nil)

// answering answers every request with 200.
type answering struct{ requests int }

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	a.requests++
	w := httptest.NewRecorder()
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// TestRateLimiterPacesTheTransport puts golang.org/x/time/rate into a Transport, in the time of a bubble.
func TestRateLimiterPacesTheTransport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter, base := rate.NewLimiter(10, 2), &answering{} // 2 at once, and then one each 100 ms
		client := &http.Client{Transport: &sigv4.Transport{Credentials: static(rootKey, rootSecret), Base: base,
			Signer: &sigv4.Signer{Service: "execute-api", Region: region}, Limiter: func(*http.Request) sigv4.Limiter { return limiter }}}
		start := time.Now()
		for range 7 {
			resp, err := client.Get("https://api.example/")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, 7, base.requests)
		require.Equal(t, 500*time.Millisecond, time.Since(start).Round(time.Millisecond))
	})
}
