package imds

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The client's own transport never has a proxy. This looks inside, because net/http never uses the proxy of the
// environment for a loopback address, and a test may talk to no other.
func TestOwnTransportHasNoProxy(t *testing.T) {
	t.Parallel()
	var c Client
	require.NoError(t, c.init())
	own, ok := c.transport.(*http.Transport)
	require.True(t, ok)
	require.NotSame(t, http.DefaultTransport, own)
	require.Nil(t, own.Proxy)
	require.Nil(t, own.GetProxyConnectHeader)
	require.True(t, own.DisableCompression)
	require.Positive(t, own.IdleConnTimeout)

	given := &http.Transport{}
	other := Client{Transport: given}
	require.NoError(t, other.init())
	require.Same(t, given, other.transport)
}

// The end of an operation ends an attempt, although the operation's context has no timer. In a synctest bubble
// no time passes between reading the clock and setting a timer, and that is what matters here, so this waits for
// real.
func TestOperationEndsAttempt(t *testing.T) {
	t.Parallel()
	c := Client{Transport: silence{}}
	require.NoError(t, c.init())
	ctx := limited{t.Context(), time.Now().Add(20 * time.Millisecond)}
	_, err := c.exchange(ctx, http.MethodGet, "/", nil, 1, time.Hour)
	var late noAnswer
	require.ErrorAs(t, err, &late)
	require.LessOrEqual(t, time.Duration(late), 20*time.Millisecond)

	c.flight = &flight{done: make(chan struct{})} // somebody's token call, which takes for ever
	ctx.end = time.Now().Add(20 * time.Millisecond)
	_, err = c.token(ctx)
	require.EqualError(t, err, "the time for the whole operation is over")
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
