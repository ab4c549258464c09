package credchain_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// eventLog keeps what hooks were told. They may be called at the same time.
type eventLog struct {
	mu     sync.Mutex
	events []told
}

type told struct {
	hook string
	credchain.Event
}

func (l *eventLog) hook(name string) func(context.Context, credchain.Event) {
	return func(_ context.Context, e credchain.Event) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.events = append(l.events, told{name, e})
	}
}

func (l *eventLog) all() []told {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events
}

func TestEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		log := new(eventLog)
		s := &service{life: time.Hour, takes: time.Second}
		c := credchain.New(credchain.Named("one", skips()), credchain.Named("two", s))
		c.OnResolve = func(ctx context.Context, e credchain.Event) {
			if ctx.Value(key{}) != 7 {
				t.Error("the context has not the values of a caller's")
			}
			_, _ = c.Retrieve(ctx) // it may
			log.hook("resolve")(ctx, e)
		}
		c.OnRenew = log.hook("renew")
		start := time.Now()
		ctx := context.WithValue(t.Context(), key{}, 7)
		retrieve := func() (aws.Credentials, error) {
			creds, err := c.Retrieve(ctx)
			synctest.Wait()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			return creds, err
		}
		_, err := retrieve()
		require.NoError(t, err)
		events := log.all()
		require.Len(t, events, 1)
		e := events[0]
		require.Equal(t, "resolve", e.hook)
		require.Equal(t, "two", e.Provider)
		require.NoError(t, e.Err)
		require.Equal(t, start.Add(time.Hour+time.Second), e.Expires)
		require.Equal(t, time.Second, e.Elapsed)
		require.False(t, e.Background)
		require.Equal(t, []string{"skipped: nothing here", "used: "}, outcomes(e.Trace))
		require.Equal(t, credchain.Temporary, e.Trace.Credentials.Kind)

		_, err = retrieve()
		require.NoError(t, err)
		require.Len(t, log.all(), 1, "what comes from memory is no event")

		time.Sleep(58 * time.Minute)
		s.do = func(context.Context, int) (aws.Credentials, error) { return aws.Credentials{}, errAway }
		_, err = retrieve()
		require.NoError(t, err)
		events = log.all()
		require.Len(t, events, 2)
		e = events[1]
		require.Equal(t, "renew", e.hook)
		require.Equal(t, "two", e.Provider)
		require.ErrorIs(t, e.Err, errAway)
		require.True(t, e.Background)
		require.Equal(t, start.Add(time.Hour+time.Second), e.Expires, "of what is still in service")
		require.Equal(t, []string{"failed: the service is away"}, outcomes(e.Trace))

		time.Sleep(time.Hour)
		_, err = retrieve()
		require.Error(t, err)
		events = log.all()
		require.Len(t, events, 3)
		e = events[2]
		require.Equal(t, "renew", e.hook)
		require.Same(t, err, e.Err)
		require.Zero(t, e.Expires)
		require.False(t, e.Background)
		require.Nil(t, e.Trace.Credentials)

		c.Invalidate()
		s.do = func(context.Context, int) (aws.Credentials, error) {
			return aws.Credentials{}, credchain.ErrNotConfigured
		}
		_, err = retrieve()
		require.ErrorIs(t, err, credchain.ErrNotConfigured)
		events = log.all()
		require.Len(t, events, 4)
		require.Equal(t, "resolve", events[3].hook)
		require.Empty(t, events[3].Provider)

		for _, e := range events {
			printed, err := json.Marshal(e.Event)
			require.NoError(t, err)
			for _, text := range []string{string(printed), fmt.Sprintf("%v %+v %#v", e.Event, e.Event, e.Event)} {
				require.NotContains(t, text, secret)
			}
		}
	})
}

// TestExplainIsNoEvent: it is a report on demand, and past the credentials in memory.
func TestExplainIsNoEvent(t *testing.T) {
	t.Parallel()
	c := credchain.New(&link{creds: keys("A")})
	c.OnResolve = func(context.Context, credchain.Event) { t.Error("told") }
	c.Explain(t.Context())
}
