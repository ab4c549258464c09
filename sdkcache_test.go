package credchain_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// TestSecondCache: with a cache of the SDK's around the chain, renewals come as early, nobody waits, and nobody is
// handed credentials that are about to expire. Whoever asks the chain itself is told the true expiry.
func TestSecondCache(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(*credchain.Chain) aws.CredentialsProvider{
		"of the SDK's": func(c *credchain.Chain) aws.CredentialsProvider { return aws.NewCredentialsCache(c) },
		"of the SDK's with a window": func(c *credchain.Chain) aws.CredentialsProvider {
			return aws.NewCredentialsCache(c, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 10 * time.Second })
		},
		"a chain in a chain": func(c *credchain.Chain) aws.CredentialsProvider { return credchain.New(c) },
		"both":               func(c *credchain.Chain) aws.CredentialsProvider { return aws.NewCredentialsCache(credchain.New(c)) },
	} {
		for _, life := range []time.Duration{time.Minute, 15 * time.Minute, time.Hour} {
			t.Run(name+", "+life.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &service{life: life, takes: 300 * time.Millisecond}
					chain := credchain.New(s)
					p := wrap(chain)
					first := call(t, chain, time.Second)
					call(t, p, 0)
					require.Equal(t, first, call(t, chain, 0))
					ends := map[string]time.Time{first.AccessKeyID: first.Expires}
					for start := time.Now(); time.Since(start) < 6*life; time.Sleep(life / 1000) {
						got := call(t, p, 0)
						direct := call(t, chain, 0)
						ends[direct.AccessKeyID] = direct.Expires
						left := time.Until(ends[got.AccessKeyID])
						require.Greater(t, left, min(time.Minute, life/10), "of %s", got.AccessKeyID)
					}
					require.LessOrEqual(t, s.calls.Load(), int32(12))
					require.GreaterOrEqual(t, s.calls.Load(), int32(6))
				})
			})
		}
	}
}

// TestChainInAChainRenewsWithIt: what the outer one renews with is never what the inner one is about to renew.
func TestChainInAChainRenewsWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := &service{life: time.Hour}, new(eventLog)
		outer := credchain.New(credchain.New(s))
		outer.OnRenew = log.hook("")
		for start := time.Now(); time.Since(start) < 50*time.Hour; time.Sleep(3 * time.Second) {
			call(t, outer, 0)
		}
		synctest.Wait()
		require.Len(t, log.all(), int(s.calls.Load())-1)
	})
}

// TestSecondCacheNeverPromisesMore: than the credentials have, though a renewal is under way.
func TestSecondCacheNeverPromisesMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{life: time.Hour}
		end := time.Now().Add(s.life)
		p := aws.NewCredentialsCache(credchain.New(s))
		call(t, p, 0)
		s.do = func(context.Context, int) (aws.Credentials, error) {
			time.Sleep(30 * time.Second)
			return aws.Credentials{}, errAway
		}
		for time.Now().Before(end.Add(-300 * time.Millisecond)) {
			require.False(t, call(t, p, 6*time.Second).Expires.After(end))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
	})
}
