package providers_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sso"
	"github.com/credchain/credchain/sts"
)

// The providers that a program builds itself, without a profile (issue 2, part 7).

const aloneCloud = "-- sts --\nuser AKIASOURCE0000000001\nrole arn:aws:iam::123456789012:role/r trust=* max=12h\n" +
	"role arn:aws:iam::123456789012:role/second trust=arn:aws:iam::123456789012:role/r mfa\n" +
	"role arn:aws:iam::123456789012:role/pod subject=pod\ntoken /var/run/token subject=pod\ndevice " + mfaSerial + " 818181\n" +
	"-- sso --\nrole 123456789012 dev ASIASSODEV0000000001\nsession corp expires=2000-01-01T08:00:00Z\n" +
	"session https://example.awsapps.com/start expires=1999-12-31T23:00:00Z legacy\n" +
	"-- signin --\nsession " + loginARN + " expires=1999-12-31T23:50:00Z\n" +
	"-- run --\n/opt/fetch stdout " + `{"Version":1,"AccessKeyId":"AKIAPROCESS000000009","SecretAccessKey":"s3cret/AKIAPROCESS000000009+="}` + "\n" +
	"/opt/slow hang\n-- answers --\n818181\n"

func aUser() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keysOf("AKIASOURCE0000000001"), nil })
}

func TestAssumeRoleAlone(t *testing.T) {
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		role := &providers.AssumeRole{
			Source: aUser(), RoleARN: roleARN("r"), SessionName: "ann", Duration: 2 * time.Hour, ExternalID: "shared/7", SourceIdentity: "ann",
			Policy: `{"Version":"2012-10-17","Statement":[]}`, PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
			Tags: []sts.Tag{{Key: "team", Value: "blue"}}, TransitiveTagKeys: []string{"team"},
			Region: "eu-west-1", System: w.config().System,
		}
		creds, err := role.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "AssumeRole", creds.Source)
		require.Equal(t, time.Date(2000, 1, 1, 2, 0, 0, 0, time.UTC), creds.Expires.UTC())
		s := w.cloud.last(t)
		require.Equal(t, "arn:aws:sts::123456789012:assumed-role/r/ann", s.Principal.ARN)
		require.Equal(t, role.Policy, s.Policy)
		require.Equal(t, role.PolicyARNs, s.PolicyARNs)
		require.Equal(t, map[string]string{"team": "blue"}, s.Tags)
		require.Equal(t, role.TransitiveTagKeys, s.TransitiveTagKeys)
		require.Equal(t, []string{"shared/7", "ann"}, []string{s.ExternalID, s.SourceIdentity})
		require.Equal(t, []string{"sts.eu-west-1.amazonaws.com"}, w.at["sts"])

		// A role with the credentials of a role: its code goes with the role itself, and STS wants a user's device.
		second := &providers.AssumeRole{Source: role, RoleARN: roleARN("second"), SerialNumber: mfaSerial, System: w.config().System}
		_, err = second.Retrieve(t.Context())
		require.ErrorContains(t, err, "AccessDenied")
		require.Len(t, w.cloud.questions, 1)
	})
}

// TestAssumeRoleOfAChain has a chain as the source, which is not configured: the role is, so this is final.
func TestAssumeRoleOfAChain(t *testing.T) {
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		role := &providers.AssumeRole{Source: w.chain(), RoleARN: roleARN("r"), System: w.config().System}
		_, err := role.Retrieve(t.Context())
		require.ErrorContains(t, err, roleARN("r"))
		require.NotErrorIs(t, err, credchain.ErrNotConfigured)
		_, err = credchain.New(role, aUser()).Retrieve(t.Context())
		require.Error(t, err, "the next link is another identity")
	})
}

func TestOthersAlone(t *testing.T) {
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		sys := w.config().System
		for name, tt := range map[string]struct {
			provider credchain.Provider
			id       string // "" for one that STS or sign-in made
		}{
			"web-identity": {&providers.WebIdentity{TokenFile: "/var/run/token", RoleARN: roleARN("pod"), SessionName: "pod-1", System: sys}, ""},
			"sso": {&providers.SSO{Session: "corp", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1",
				AccountID: "123456789012", RoleName: "dev", System: sys}, "ASIASSODEV0000000001"},
			"login":   {&providers.Login{Session: loginARN, Region: "eu-west-1", System: sys}, ""},
			"process": {&providers.Process{Command: "/opt/fetch --for 'ann smith'", System: sys}, "AKIAPROCESS000000009"},
		} {
			creds, err := tt.provider.Retrieve(t.Context())
			require.NoError(t, err, name)
			require.True(t, creds.HasKeys(), name)
			if tt.id != "" {
				require.Equal(t, tt.id, creds.AccessKeyID)
			}
			trace := credchain.New(tt.provider).Explain(t.Context(), credchain.Offline)
			require.Equal(t, name, trace.Attempts[0].Provider)
			require.Equal(t, credchain.Used, trace.Attempts[0].Status, "%v", trace)
		}
		require.Contains(t, w.cloud.ran, "/opt/fetch|--for|ann smith")
		require.Contains(t, w.cloud.last(t).Principal.ARN, "assumed-role/pod/pod-1")
		require.Equal(t, []string{"eu-west-1.signin.aws.amazon.com"}, w.at["signin"])
	})
}

// TestAloneWithoutWhatItNeeds: a provider that a program has built by half is configured, and broken.
func TestAloneWithoutWhatItNeeds(t *testing.T) {
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		sys := w.config().System
		for _, tt := range []struct {
			provider credchain.Provider
			want     string
		}{
			{&providers.AssumeRole{Source: aUser(), System: sys}, "RoleARN"},
			{&providers.AssumeRole{RoleARN: roleARN("r"), System: sys}, "Source"},
			{&providers.AssumeRole{Source: aUser(), RoleARN: roleARN("r"), Region: "dummy", System: sys}, `"dummy"`},
			{&providers.WebIdentity{RoleARN: roleARN("pod"), System: sys}, "TokenFile"},
			{&providers.WebIdentity{TokenFile: "/var/run/token", System: sys}, "RoleARN"},
			{&providers.SSO{Session: "corp", System: sys}, "AccountID"},
			{&providers.SSO{AccountID: "123456789012", RoleName: "dev", Region: "eu-west-1", System: sys}, "StartURL"},
			{&providers.SSO{AccountID: "123456789012", RoleName: "dev", StartURL: "https://example.awsapps.com/start", System: sys}, "Region"},
			{&providers.Login{System: sys}, "Session"},
			{&providers.Process{System: sys}, "Command"},
			{&providers.Process{Command: "/opt/slow", Timeout: 3 * time.Second, System: sys}, "3s"},
		} {
			creds, err := tt.provider.Retrieve(t.Context())
			require.ErrorContains(t, err, tt.want)
			require.NotErrorIs(t, err, credchain.ErrNotConfigured)
			require.Equal(t, aws.Credentials{}, creds)
		}
	})
}

// TestSignInErrorHasTheCommand: who has to sign in again, and how, is in a type.
func TestSignInErrorHasTheCommand(t *testing.T) {
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		p := &providers.SSO{StartURL: "https://example.awsapps.com/start", Region: "eu-west-1", AccountID: "123456789012", RoleName: "dev", System: w.config().System}
		_, err := p.Retrieve(t.Context())
		var e *providers.SignInError
		require.ErrorAs(t, err, &e)
		require.Equal(t, time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC), e.Expired.UTC())
		require.Equal(t, []string{"", "", "https://example.awsapps.com/start"}, []string{e.Profile, e.Session, e.StartURL})
		require.Contains(t, e.Command, "aws sso login")
	})
}

// TestSTSOfAProfile: the client of the active profile is called as the profile says, and signs with what the chain gives.
func TestSTSOfAProfile(t *testing.T) {
	machine := ingredients()["assume-role"] + "region eu-west-1\n"
	inWorld(t, machine, func(t *testing.T, w *world) {
		w.files["/home/u/.aws/config"] += "[default]\nregion = eu-west-1\n"
		client, err := providers.STS(t.Context(), w.config())
		require.NoError(t, err)
		id, err := client.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		require.Contains(t, id.ARN, "assumed-role/r/")
		w.files["/home/u/.aws/config"] += "region = dummy\n"
		_, err = providers.STS(t.Context(), w.config())
		require.ErrorContains(t, err, `"dummy"`)
	})
}

// TestSSOSignIn signs a person in for a profile, which then has credentials.
func TestSSOSignIn(t *testing.T) {
	machine := "-- home/.aws/config --\n[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = dev\n[sso-session corp]\n" +
		"sso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\nsso_registration_scopes = sso:account:access\n" +
		"[profile none]\nregion = eu-west-1\n-- sso --\nrole 123456789012 dev ASIASSODEV0000000001\n"
	inWorld(t, machine, func(t *testing.T, w *world) {
		w.cloud.sso.Pending = 2
		var shown []sso.Device
		show := func(d sso.Device) error { shown = append(shown, d); return nil }
		session, err := providers.SSOSignIn(t.Context(), w.config(), show)
		require.NoError(t, err)
		require.Len(t, shown, 1)
		require.NotEmpty(t, shown[0].UserCode)
		require.Equal(t, "corp", session.Name)
		require.Contains(t, w.files, filepath.ToSlash(session.File))
		creds, err := w.chain().Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ASIASSODEV0000000001", creds.AccessKeyID)

		_, err = providers.SSOSignIn(t.Context(), w.config(), func(sso.Device) error { return errors.New("no browser") })
		require.ErrorContains(t, err, "no browser")
		config := w.config()
		config.Profile = "none"
		_, err = providers.SSOSignIn(t.Context(), config, show)
		require.ErrorContains(t, err, "sso_session")
	})
}

// TestAnotherProcessHasRefreshed: whoever comes second to the lock finds the new session, and makes no request
// (issue 2, part 4).
func TestAnotherProcessHasRefreshed(t *testing.T) {
	for link, path := range map[string]string{
		"sso":   "/home/u/.aws/sso/cache/" + sha1Hex("corp") + ".json",
		"login": "/home/u/.aws/login/cache/" + sha256Hex(loginARN) + ".json",
	} {
		t.Run(link, func(t *testing.T) {
			inWorld(t, ingredients()[link], func(t *testing.T, w *world) {
				time.Sleep(24 * time.Hour) // the session has ended
				config := w.config()
				update := config.System.Update
				config.System.Update = func(ctx context.Context, name string, edit func([]byte) ([]byte, error)) error {
					fresh := w.cloud.sso.Session(time.Now().Add(time.Hour)).File()
					if link == "login" {
						fresh = w.cloud.signin.Session(time.Now().Add(15 * time.Minute)).File()
					}
					w.files[path] = fresh
					return update(ctx, name, edit)
				}
				_, err := providers.Default(config).Retrieve(t.Context())
				require.NoError(t, err)
				require.Zero(t, w.cloud.calls("CreateToken")+w.cloud.calls("CreateOAuth2Token"))
			})
		})
	}
}

// TestAnotherToolHasRefreshed: a tool that takes no lock has used the refresh token, and left what it got.
func TestAnotherToolHasRefreshed(t *testing.T) {
	for link, path := range map[string]string{
		"sso":   "/home/u/.aws/sso/cache/" + sha1Hex("corp") + ".json",
		"login": "/home/u/.aws/login/cache/" + sha256Hex(loginARN) + ".json",
	} {
		t.Run(link, func(t *testing.T) {
			inWorld(t, ingredients()[link], func(t *testing.T, w *world) {
				time.Sleep(24 * time.Hour)
				stale := w.files[path]
				_, err := w.chain().Retrieve(t.Context())
				require.NoError(t, err)
				fresh := w.files[path]
				w.files[path] = stale // with the refresh token that was used just now
				config := w.config()
				update := config.System.Update
				config.System.Update = func(ctx context.Context, name string, edit func([]byte) ([]byte, error)) error {
					err := update(ctx, name, edit)
					w.files[path] = fresh
					return err
				}
				_, err = providers.Default(config).Retrieve(t.Context())
				require.NoError(t, err)
				require.Equal(t, fresh, w.files[path])
			})
		})
	}
}

// TestCABundle calls a service whose certificate only the bundle vouches for, over a real connection.
func TestCABundle(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that hang up
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	good := write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	token, err := json.Marshal("a.token.of-nobody")
	require.NoError(t, err)
	env := map[string]string{"AWS_ENDPOINT_URL_STS": server.URL, "AWS_WEB_IDENTITY_TOKEN_FILE": write("token", token), "AWS_ROLE_ARN": roleARN("pod")}
	for bundle, want := range map[string]string{
		good:                            "AccessDenied",
		"":                              "certificate",
		write("empty.pem", nil):         "no PEM certificate",
		filepath.Join(dir, "no-bundle"): "AWS_CA_BUNDLE",
	} {
		t.Run(want, func(t *testing.T) {
			sys := providers.System{
				Getenv: func(name string) string {
					if name == "AWS_CA_BUNDLE" {
						return bundle
					}
					return env[name]
				},
				Home: func() (string, error) { return dir, nil },
			}
			_, err := providers.Default(providers.Config{System: sys}).Retrieve(t.Context())
			require.ErrorContains(t, err, want)
		})
	}
}
