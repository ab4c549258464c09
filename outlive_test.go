package credchain_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// enduring is a service whose credentials outlive its outages.
type enduring struct {
	service
	asked atomic.Int32
}

func (e *enduring) HandleFailToRefresh(_ context.Context, held aws.Credentials, err error) (aws.Credentials, error) {
	e.asked.Add(1)
	if !errors.Is(err, errAway) {
		return aws.Credentials{}, err
	}
	if !held.Expires.After(time.Now()) {
		held.Expires = time.Now().Add(10 * time.Minute)
	}
	return held, nil
}

func TestCredentialsOutliveAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		away, log := new(atomic.Bool), new(eventLog)
		e := &enduring{service: service{life: time.Hour}}
		e.do = func(ctx context.Context, call int) (aws.Credentials, error) {
			if away.Load() {
				time.Sleep(5 * time.Second)
				// As of a metadata service that is not there any more: to a walk this says "not configured".
				return aws.Credentials{}, fmt.Errorf("%w: %w", errAway, credchain.ErrNotConfigured)
			}
			return e.issue(ctx, call)
		}
		c := credchain.New(credchain.Named("instance", e))
		c.OnRenew = log.hook("")
		call(t, c, 0)
		away.Store(true)
		for start := time.Now(); time.Since(start) < 12*time.Hour; time.Sleep(time.Second) {
			require.Equal(t, "SVC1", call(t, c, 0).AccessKeyID)
		}
		time.Sleep(time.Minute)
		events := log.all()
		require.Less(t, len(events), 11*12+5)
		require.Greater(t, len(events), 11*6-5)
		for _, e := range events {
			require.True(t, e.Outlived)
			require.True(t, e.Background)
			require.ErrorContains(t, e.Err, errAway.Error())
			require.NotErrorIs(t, e.Err, credchain.ErrNotConfigured)
			require.Equal(t, "instance", e.Provider)
		}
		last := events[len(events)-1]
		require.True(t, last.Expires.After(time.Now().Add(-10*time.Minute)), "the expiry moved")

		away.Store(false)
		time.Sleep(11 * time.Minute)
		call(t, c, 0) // renews in the background
		synctest.Wait()
		require.NotEqual(t, "SVC1", call(t, c, 0).AccessKeyID)

		e.do = func(context.Context, int) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("role is gone")
		}
		time.Sleep(time.Hour)
		_, err := c.Retrieve(t.Context())
		require.ErrorContains(t, err, "role is gone", "the provider does not insist")
	})
}

// TestExpiredAnswerOutlivesAnOutage: a metadata service that is cut off itself goes on handing out the old ones.
func TestExpiredAnswerOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(time.Hour)
		p := &stuck{end: end}
		c := credchain.New(p)
		for time.Now().Before(end.Add(3 * time.Hour)) {
			require.Equal(t, "OLD", call(t, c, 0).AccessKeyID)
			time.Sleep(time.Second)
		}
		require.Less(t, p.calls.Load(), int32(4*60/5+10))
	})
}

type stuck struct {
	service
	end time.Time
}

func (s *stuck) Retrieve(context.Context) (aws.Credentials, error) {
	s.calls.Add(1)
	creds := keys("OLD")
	creds.CanExpire, creds.Expires = true, s.end
	return creds, nil
}

func (s *stuck) HandleFailToRefresh(_ context.Context, held aws.Credentials, _ error) (aws.Credentials, error) {
	return held, nil
}

// TestPanicInOptionalMethods must not reach callers either.
func TestPanicInOptionalMethods(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := credchain.New(&panicker{service{life: time.Hour}})
		c.OnResolve = func(context.Context, credchain.Event) { panic(secret) }
		c.OnRenew = c.OnResolve
		creds := call(t, c, 0)
		c.Reject(creds)
		require.Equal(t, creds, call(t, c, 0))
		c.Invalidate()
	})
}

type panicker struct{ service }

func (p *panicker) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if p.calls.Add(1) > 1 {
		return aws.Credentials{}, errAway
	}
	return p.issue(ctx, 1)
}

func (p *panicker) Invalidate() { panic(secret) }

func (p *panicker) HandleFailToRefresh(context.Context, aws.Credentials, error) (aws.Credentials, error) {
	panic(secret)
}
