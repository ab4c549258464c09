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

// keeper is a link that keeps credentials itself.
type keeper struct {
	service
	rejected    []string
	invalidated int
}

func (k *keeper) Invalidate() { k.invalidated++ }

type rejecter struct{ keeper }

func (r *rejecter) Reject(creds aws.Credentials) { r.rejected = append(r.rejected, creds.AccessKeyID) }

func TestReject(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := &keeper{service: service{do: skips().retrieveCall}}
		r := &rejecter{keeper{service: service{life: 10 * time.Hour}}}
		c := credchain.New(other, credchain.Named("mine", r))
		c.Reject(aws.Credentials{}) // nothing is held
		first := call(t, c, 0)
		c.Reject(keys("other"))
		require.Equal(t, first, call(t, c, 0))
		elsewhere := first
		elsewhere.SessionToken = "another"
		c.Reject(elsewhere)
		require.Equal(t, first, call(t, c, 0), "the session token counts")

		c.Reject(first)
		c.Reject(first)
		require.Equal(t, []string{"SVC1"}, r.rejected, "who keeps credentials is told, once")
		second := call(t, c, 0)
		require.Equal(t, "SVC2", second.AccessKeyID)
		require.EqualValues(t, 1, other.calls.Load(), "the choice stands")
		c.Reject(first)
		require.Equal(t, second, call(t, c, 0), "older credentials are ignored")
		require.Zero(t, other.invalidated)
		require.Zero(t, r.invalidated)
		c.Invalidate()
		require.Equal(t, 1, other.invalidated)
		require.Equal(t, 1, r.invalidated)

		k := &keeper{service: service{life: time.Hour}}
		c = credchain.New(k)
		c.Reject(call(t, c, 0))
		require.Equal(t, 1, k.invalidated, "Invalidate does where there is no Reject")
		require.Equal(t, "SVC2", call(t, c, 0).AccessKeyID)
	})
}

func (l *link) retrieveCall(ctx context.Context, _ int) (aws.Credentials, error) {
	return l.Retrieve(ctx)
}

// TestRejectReachesWhoKeeps: through a chain in the chain, and a cache of the SDK's.
func TestRejectReachesWhoKeeps(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(aws.CredentialsProvider) aws.CredentialsProvider{
		"a chain":         func(p aws.CredentialsProvider) aws.CredentialsProvider { return credchain.New(skips(), p) },
		"the SDK's cache": func(p aws.CredentialsProvider) aws.CredentialsProvider { return aws.NewCredentialsCache(p) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := credchain.New(wrap(&service{life: time.Hour}))
				creds := call(t, c, 0)
				c.Reject(creds)
				require.Equal(t, "SVC2", call(t, c, 0).AccessKeyID)
				c.Invalidate()
				require.Equal(t, "SVC3", call(t, c, 0).AccessKeyID)
			})
		})
	}
}

// TestRejectAnswersAClockThatIsWrong: ours is an hour slow, so credentials look good that are not.
func TestRejectAnswersAClockThatIsWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{life: 2 * time.Hour} // in truth one
		c := credchain.New(s)
		creds := call(t, c, 0)
		time.Sleep(61 * time.Minute)
		require.Equal(t, creds, call(t, c, 0))
		c.Reject(creds)
		require.Equal(t, "SVC2", call(t, c, 0).AccessKeyID)
	})
}
