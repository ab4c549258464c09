package providers_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// What only a second Retrieve shows. The scenarios have the first.

// inWorld runs a test in the world of a scenario, in fake time.
func inWorld(t *testing.T, machine string, test func(*testing.T, *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, parseScenario(t, txtar.Parse([]byte(machine))).world()) })
}

const (
	mfaKeys = "[profile base]\naws_access_key_id = ASIASOURCE0000000001\naws_secret_access_key = s3cret/ASIASOURCE0000000001+=\n" +
		"aws_session_token = t0ken/ASIASOURCE0000000001+=\n"
	mfaRole = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nmfa_serial = " + mfaSerial + "\n"
	mfaSTS  = "-- sts --\nuser ASIASOURCE0000000001 arn=arn:aws:iam::123456789012:user/ann\nuser AKIASOURCE0000000001\n" +
		"role arn:aws:iam::123456789012:role/r trust=* mfa\ndevice " + mfaSerial + " 818181 929292\n"
)

// TestTokenFileIsReadAnew: the token of a web identity is rotated under a running program (behaviours.md 8.1).
func TestTokenFileIsReadAnew(t *testing.T) {
	inWorld(t, ingredients()["web-identity"], func(t *testing.T, w *world) {
		chain := w.chain()
		_, err := chain.Retrieve(t.Context())
		require.NoError(t, err)
		w.cloud.oidc.Rotate()
		chain.Invalidate()
		_, err = chain.Retrieve(t.Context())
		require.ErrorContains(t, err, "InvalidIdentityToken", "the old token is not good any more")
		w.files["/var/run/token"] = w.cloud.oidc.Token(awstest.Claims{Subject: "pod"})
		chain.Invalidate()
		_, err = chain.Retrieve(t.Context())
		require.NoError(t, err)
	})
}

// TestRefreshTokensRotate: each refresh uses the refresh token that the one before has left (behaviours.md 14.16).
func TestRefreshTokensRotate(t *testing.T) {
	inWorld(t, ingredients()["sso"], func(t *testing.T, w *world) {
		for day := range 4 {
			_, err := w.chain().Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, day, w.cloud.sso.Calls("CreateToken"))
			time.Sleep(24 * time.Hour)
		}
	})
}

// TestLoginIsRenewedAgainAndAgain: the same for the sessions of `aws login`.
func TestLoginIsRenewedAgainAndAgain(t *testing.T) {
	inWorld(t, ingredients()["login"], func(t *testing.T, w *world) {
		chain := w.chain()
		for renewals := range 4 {
			creds, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, renewals, w.cloud.signin.Calls("CreateOAuth2Token"))
			require.Equal(t, 15*time.Minute, time.Until(creds.Expires))
			time.Sleep(16 * time.Minute)
		}
	})
}

// TestOneQuestionForManyRoles: chains that share their Sessions ask a person once for all the roles of a user, also at
// the same time (issue 2, part 3).
func TestOneQuestionForManyRoles(t *testing.T) {
	machine := mfaSTS + "-- answers --\n818181\n-- home/.aws/config --\n" + strings.ReplaceAll(mfaKeys, "ASIA", "AKIA")
	machine = strings.ReplaceAll(machine, "aws_session_token = t0ken/AKIASOURCE0000000001+=\n", "")
	for _, name := range []string{"a", "b", "c"} {
		machine += "[profile " + name + "]\n" + mfaRole
	}
	inWorld(t, machine, func(t *testing.T, w *world) {
		sessions := new(providers.Sessions)
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				config := w.config()
				config.Profile, config.Sessions = []string{"a", "b", "c"}[i%3], sessions
				creds, err := providers.Default(config).Retrieve(t.Context())
				if err != nil || !creds.HasKeys() {
					t.Errorf("chain %d: %v", i, err)
				}
			})
		}
		all.Wait()
		require.Len(t, w.cloud.questions, 1)
		require.Equal(t, 1, w.cloud.sts.Calls("GetSessionToken"))
		require.Equal(t, 12, w.cloud.sts.Calls("AssumeRole"))
	})
}

// TestNobodyIsAskedInTheBackground: a role whose code goes with the role itself cannot be renewed in the background
// (behaviours.md 14.26). What is in service stays until it ends; then whoever waits is asked.
func TestNobodyIsAskedInTheBackground(t *testing.T) {
	inWorld(t, mfaSTS+"-- answers --\n818181\n929292\n-- home/.aws/config --\n[default]\n"+mfaRole+mfaKeys, func(t *testing.T, w *world) {
		chain := w.chain()
		first, err := chain.Retrieve(t.Context())
		require.NoError(t, err)
		require.Len(t, w.cloud.questions, 1)
		for _, left := range []time.Duration{4, 3, 2} {
			time.Sleep(time.Until(first.Expires) - left*time.Minute)
			creds, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, first, creds)
			synctest.Wait()
			require.Len(t, w.cloud.questions, 1, "%q", w.cloud.questions)
		}
		time.Sleep(time.Until(first.Expires) + time.Second)
		second, err := chain.Retrieve(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first.AccessKeyID, second.AccessKeyID)
		require.Len(t, w.cloud.questions, 2)
	})
}

// TestNoCodeIsSentTwice: STS takes each code once, so one that was sent is asked for anew (issue 2, part 3).
func TestNoCodeIsSentTwice(t *testing.T) {
	inWorld(t, mfaSTS+"-- answers --\n818181\n818181\n929292\n-- home/.aws/config --\n[default]\n"+mfaRole+mfaKeys, func(t *testing.T, w *world) {
		chain := w.chain()
		for range 2 {
			_, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			chain.Invalidate()
		}
		require.Len(t, w.cloud.questions, 3)
		require.Contains(t, w.cloud.questions[2], "has been used")
		require.Equal(t, 2, w.cloud.sts.Calls("AssumeRole"))
	})
}

// TestRoleIsRenewedFromItsBase: a renewal asks the base again, and not the keys that it had (design.md 2).
func TestRoleIsRenewedFromItsBase(t *testing.T) {
	machine := ingredients()["assume-role"] + "user AKIAROTATED000000001 arn=arn:aws:iam::123456789012:user/new\n"
	inWorld(t, machine, func(t *testing.T, w *world) {
		chain := w.chain()
		_, err := chain.Retrieve(t.Context())
		require.NoError(t, err)
		w.files["/home/u/.aws/config"] = strings.ReplaceAll(w.files["/home/u/.aws/config"], "AKIASOURCE0000000001", "AKIAROTATED000000001")
		time.Sleep(2 * time.Hour)
		_, err = chain.Retrieve(t.Context())
		require.NoError(t, err)
		require.Contains(t, w.cloud.last(t).Caller, "user/new")
	})
}
