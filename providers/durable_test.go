package providers_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// What goes wrong around a call: full disks, callers who leave, clocks, and the wrong kind of seam.

// longTermKeys are those of mfaKeys, of a user and not of a session.
var longTermKeys = strings.ReplaceAll(strings.ReplaceAll(mfaKeys, "aws_session_token = t0ken/ASIASOURCE0000000001+=\n", ""), "ASIA", "AKIA")

// TestRotatedTokensSurviveAFullDisk: a refresh token is good once, so what could not be written is used from memory.
func TestRotatedTokensSurviveAFullDisk(t *testing.T) {
	for name, calls := range map[string]string{"sso": "CreateToken", "login": "CreateOAuth2Token"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, ingredients()[name], func(t *testing.T, w *world) {
				chain := w.chain()
				_, err := chain.Retrieve(t.Context())
				require.NoError(t, err)
				w.full = true
				for range 3 {
					time.Sleep(9 * time.Hour)
					_, err = chain.Retrieve(t.Context())
					require.NoError(t, err)
				}
				w.full = false
				before := w.cloud.calls(calls)
				time.Sleep(9 * time.Hour)
				_, err = chain.Retrieve(t.Context())
				require.NoError(t, err)
				require.Greater(t, w.cloud.calls(calls), before)
				require.NotEmpty(t, w.wrote)
				_, err = w.chain().Retrieve(t.Context())
				require.NoError(t, err, "another process finds the session in the file")
			})
		})
	}
}

// TestRefreshOutlivesItsCaller: who leaves while a refresh token is exchanged does not take the new one along.
func TestRefreshOutlivesItsCaller(t *testing.T) {
	inWorld(t, ingredients()["sso"], func(t *testing.T, w *world) {
		_, err := w.chain().Retrieve(t.Context())
		require.NoError(t, err)
		time.Sleep(9 * time.Hour)
		w.cloud.hosts["oidc"] = awstest.Faulty(w.cloud.sso, awstest.Fault{Delay: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = w.chain().Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
		_, err = w.chain().Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, w.cloud.sso.Calls("CreateToken"))
	})
}

// TestClockIsLearnedOnce: the client of STS stays the same, and so the service's time is known from the second call on,
// also where the region is the default one or a profile's.
func TestClockIsLearnedOnce(t *testing.T) {
	for _, region := range []string{"", "region = eu-west-1\n"} {
		t.Run(region, func(t *testing.T) {
			inWorld(t, mfaSTS+"-- answers --\n818181\n929292\n-- home/.aws/config --\n[default]\n"+region+mfaRole+longTermKeys, func(t *testing.T, w *world) {
				w.cloud.sts.ClockOffset = 20 * time.Minute
				chain := w.chain()
				_, err := chain.Retrieve(t.Context())
				require.Error(t, err, "the code is not sent again with the right time")
				chain.Invalidate()
				_, err = chain.Retrieve(t.Context())
				require.NoError(t, err)
			})
		})
	}
}

// TestAnyTransportWillDo: also one of a type that cannot be compared.
func TestAnyTransportWillDo(t *testing.T) {
	inWorld(t, mfaSTS+"-- home/.aws/config --\n[default]\n"+strings.ReplaceAll(mfaRole, "mfa_serial", "# ")+mfaKeys, func(t *testing.T, w *world) {
		w.cloud.sts.Roles[0].RequireMFA = false
		c := w.config()
		c.System.Transport = roundTripper(w.RoundTrip)
		chain := providers.Default(c)
		for range 3 {
			_, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			chain.Invalidate()
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestCodesAreNotRepeated: not even the one before the last.
func TestCodesAreNotRepeated(t *testing.T) {
	inWorld(t, mfaSTS+"-- answers --\n818181\n929292\n818181\n929292\n300300\n-- home/.aws/config --\n[default]\n"+mfaRole+mfaKeys, func(t *testing.T, w *world) {
		w.cloud.sts.AddCodes(mfaSerial, "300300")
		chain := w.chain()
		for range 3 {
			_, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			chain.Invalidate()
		}
		require.Len(t, w.cloud.questions, 5)
	})
}

// TestOldSessionIsReplaced: a role may want a code that was shown lately; then a person is asked once more, but not
// for a role that refuses a new session as well.
func TestOldSessionIsReplaced(t *testing.T) {
	inWorld(t, mfaSTS+"-- answers --\n818181\n929292\n-- home/.aws/config --\n[default]\n"+mfaRole+longTermKeys, func(t *testing.T, w *world) {
		chain := w.chain()
		_, err := chain.Retrieve(t.Context())
		require.NoError(t, err)
		trust := w.cloud.sts.Roles[0].Trust
		w.cloud.sts.Roles[0].Trust = nil
		time.Sleep(2 * time.Hour)
		for range 3 {
			_, err = chain.Retrieve(t.Context())
			require.ErrorContains(t, err, "AccessDenied")
			time.Sleep(time.Minute)
		}
		require.Len(t, w.cloud.questions, 2)
		w.cloud.sts.Roles[0].Trust = trust
		_, err = chain.Retrieve(t.Context())
		require.NoError(t, err)
		require.Len(t, w.cloud.questions, 2)
	})
}

// TestSSONeedsNoRegionOfItsOwn: it has that of the session.
func TestSSONeedsNoRegionOfItsOwn(t *testing.T) {
	for _, more := range []string{"-- args --\nno-default-region\n", "-- env --\nAWS_REGION=dummy\n"} {
		t.Run(more, func(t *testing.T) {
			inWorld(t, more+ingredients()["sso"], func(t *testing.T, w *world) {
				_, err := w.chain().Retrieve(t.Context())
				require.NoError(t, err)
			})
		})
	}
}

// TestDeviceBesideASessionIsNotInherited: mfa_serial in an SSO profile is nobody's whose keys could show a code.
func TestDeviceBesideASessionIsNotInherited(t *testing.T) {
	machine := "-- home/.aws/config --\n[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n[profile base]\nmfa_serial = " + mfaSerial + "\n" +
		"sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = dev\n[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n" +
		"-- sso --\nrole 123456789012 dev ASIASSODEV0000000001\nsession corp expires=2000-01-01T08:00:00Z\n-- sts --\nrole arn:aws:iam::123456789012:role/r trust=*\n"
	inWorld(t, machine, func(t *testing.T, w *world) {
		_, err := w.chain().Retrieve(t.Context())
		require.NoError(t, err)
		require.Empty(t, w.cloud.questions)
	})
}

// TestSessionsAreNotLogged: neither by pointer nor in a struct that has them as a value.
func TestSessionsAreNotLogged(t *testing.T) {
	inWorld(t, mfaSTS+"-- answers --\n818181\n-- home/.aws/config --\n[default]\n"+mfaRole+longTermKeys, func(t *testing.T, w *world) {
		var held struct{ Sessions providers.Sessions }
		c := w.config()
		c.Sessions = &held.Sessions
		_, err := providers.Default(c).Retrieve(t.Context())
		require.NoError(t, err)
		secret := w.cloud.sts.Sessions()[0].Principal.Credentials
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			for _, v := range []any{&held, c, &c} {
				text := fmt.Sprintf(verb, v)
				require.NotContains(t, text, secret.SecretAccessKey)
				require.NotContains(t, text, secret.SessionToken)
				require.NotContains(t, text, "818181")
			}
		}
		process := providers.Process{Command: "helper --password s3cret/arg+="}
		require.NotContains(t, fmt.Sprintf("%+v %v %#v", process, &process, []providers.Process{process}), "s3cret")
	})
}

// TestEmptyCredentialsAskNobody: a source that answers with nothing must not cost a person a code.
func TestEmptyCredentialsAskNobody(t *testing.T) {
	inWorld(t, mfaSTS+"-- answers --\n818181\n", func(t *testing.T, w *world) {
		role := &providers.AssumeRole{Source: awstest.Script(awstest.Result{}), RoleARN: "arn:aws:iam::123456789012:role/r",
			SerialNumber: mfaSerial, System: w.config().System}
		_, err := credchain.New(role).Retrieve(t.Context())
		require.ErrorContains(t, err, "are empty")
		require.Empty(t, w.cloud.questions)
	})
}

// TestCommandsCanBePasted: a profile's name is a word, whatever is in it.
func TestCommandsCanBePasted(t *testing.T) {
	inWorld(t, "-- args --\ncode-profile evil\n-- home/.aws/config --\n[profile evil]\nlogin_session = x\n", func(t *testing.T, w *world) {
		c := w.config()
		c.Profile = "a b; rm -rf ~"
		w.files["/home/u/.aws/config"] = "[profile 'a b; rm -rf ~']\nlogin_session = x\n"
		_, err := providers.Default(c).Retrieve(t.Context())
		require.ErrorContains(t, err, "aws login --profile 'a b; rm -rf ~'`")
	})
}
