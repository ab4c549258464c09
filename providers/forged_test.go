package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/store"
)

// TestKeptSessionsAreNotForForgedTokens: what a good token fetched is not for one that only claims the same.
func TestKeptSessionsAreNotForForgedTokens(t *testing.T) {
	inWorld(t, ingredients()["web-identity"], func(t *testing.T, w *world) {
		c := w.config()
		c.Store = &store.Memory{}
		first, err := providers.Default(c).Retrieve(t.Context())
		require.NoError(t, err)
		again, err := providers.Default(c).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, first.AccessKeyID, again.AccessKeyID, "the same token shares the session")
		require.Equal(t, 1, w.cloud.sts.Calls("AssumeRoleWithWebIdentity"))
		for _, algorithm := range []string{"none", "RS256"} {
			forger := &awstest.OIDC{}
			w.files["/var/run/token"] = forger.Token(awstest.Claims{Subject: "pod", Algorithm: algorithm})
			_, err = providers.Default(c).Retrieve(t.Context())
			require.ErrorContains(t, err, "InvalidIdentityToken", algorithm)
		}
	})
}

// TestKeptSessionsAreNotForWrongSecrets: nor is what the right secret fetched for a wrong one of the same access key.
func TestKeptSessionsAreNotForWrongSecrets(t *testing.T) {
	inWorld(t, ingredients()["assume-role"], func(t *testing.T, w *world) {
		c := w.config()
		c.Store = &store.Memory{}
		_, err := providers.Default(c).Retrieve(t.Context())
		require.NoError(t, err)
		config := w.files["/home/u/.aws/config"]
		require.Contains(t, config, "s3cret/")
		w.files["/home/u/.aws/config"] = strings.ReplaceAll(config, "s3cret/", "s3cret/wrong")
		_, err = providers.Default(c).Retrieve(t.Context())
		require.ErrorContains(t, err, "SignatureDoesNotMatch")
	})
}

// TestOneCodeForAllProcesses: a store keeps the session that a code has opened, so that the next program of the same
// user asks nobody.
func TestOneCodeForAllProcesses(t *testing.T) {
	inWorld(t, mfaSTS+"role arn:aws:iam::123456789012:role/other trust=* mfa\n-- answers --\n818181\n-- home/.aws/config --\n[default]\n"+mfaRole+longTermKeys, func(t *testing.T, w *world) {
		kept := &store.Memory{}
		for _, role := range []string{"r", "other", "r"} {
			c := w.config() // as another process: it has nothing but the store
			c.Store = kept
			w.files["/home/u/.aws/config"] = strings.ReplaceAll("[default]\n"+mfaRole+longTermKeys, "role/r", "role/"+role)
			_, err := providers.Default(c).Retrieve(t.Context())
			require.NoError(t, err)
		}
		require.Len(t, w.cloud.questions, 1)
		require.Equal(t, 2, w.cloud.sts.Calls("AssumeRole"))
	})
}

// TestRefusedSessionsAreNotKept: a session on the way that STS no longer takes is fetched anew, and not served until
// it ends by itself.
func TestRefusedSessionsAreNotKept(t *testing.T) {
	machine := "-- sts --\nuser AKIASOURCE0000000001\nrole arn:aws:iam::123456789012:role/low trust=*\nrole arn:aws:iam::123456789012:role/top trust=*\n-- home/.aws/config --\n" +
		"[default]\nrole_arn = arn:aws:iam::123456789012:role/top\nsource_profile = low\nduration_seconds = 900\n" +
		"[profile low]\nrole_arn = arn:aws:iam::123456789012:role/low\nsource_profile = base\n" + longTermKeys
	inWorld(t, machine, func(t *testing.T, w *world) {
		c := w.config()
		c.Store = &store.Memory{}
		_, err := providers.Default(c).Retrieve(t.Context())
		require.NoError(t, err)
		low := w.cloud.sts.Sessions()[0].Principal
		low.Credentials.SessionToken = "t0ken/revoked+="
		w.cloud.sts.Add(low) // the kept session's token is no longer the one that STS knows
		time.Sleep(11 * time.Minute)
		_, err = providers.Default(c).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 5, w.cloud.sts.Calls("AssumeRole"), "the top refused, and both anew")
	})
}
