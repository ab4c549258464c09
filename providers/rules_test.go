package providers_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sso"
	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/sts"
)

// Rules of profiles and roles that a scenario cannot show: what is in a request, what a store is asked, and real
// connections.

var sessionFiles = map[string]string{
	"sso":   "/home/u/.aws/sso/cache/" + sha1Hex("corp") + ".json",
	"login": "/home/u/.aws/login/cache/" + sha256Hex(loginARN) + ".json",
}

// through puts a transport before the world's.
func (w *world) through(f func(*http.Request, http.RoundTripper) (*http.Response, error)) providers.System {
	sys := w.config().System
	sys.Transport = roundTripper(func(r *http.Request) (*http.Response, error) { return f(r, w) })
	return sys
}

// TestScopesOfASession: a client registers with the scopes of the sso-session, else with sso:account:access
// (behaviours.md 8.2).
func TestScopesOfASession(t *testing.T) {
	for line, want := range map[string][]string{
		"": {"sso:account:access"},
		"sso_registration_scopes = sso:account:access , codewhisperer:completions,\n": {"sso:account:access", "codewhisperer:completions"},
	} {
		t.Run(line, func(t *testing.T) {
			machine := "-- home/.aws/config --\n[default]\nsso_session = corp\n[sso-session corp]\nsso_region = eu-west-1\n" +
				"sso_start_url = https://example.awsapps.com/start\n" + line + "-- sso --\nhere\n"
			inWorld(t, machine, func(t *testing.T, w *world) {
				var registered struct{ Scopes []string }
				config := w.config()
				config.System = w.through(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/client/register") {
						body, err := r.GetBody()
						if err == nil {
							err = json.NewDecoder(body).Decode(&registered)
						}
						if err != nil {
							return nil, err
						}
					}
					return next.RoundTrip(r)
				})
				_, err := providers.SSOSignIn(t.Context(), config, func(sso.Device) error { return nil })
				require.NoError(t, err)
				require.Equal(t, want, registered.Scopes)
			})
		})
	}
}

// TestSignInCommandOfASession: without a profile the AWS CLI signs in by the name of the session.
func TestSignInCommandOfASession(t *testing.T) {
	inWorld(t, "-- sso --\nhere\n", func(t *testing.T, w *world) {
		p := &providers.SSO{Session: "corp", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1", AccountID: "123456789012", RoleName: "dev", System: w.config().System}
		_, err := p.Retrieve(t.Context())
		var e *providers.SignInError
		require.ErrorAs(t, err, &e)
		require.Equal(t, "aws sso login --sso-session corp", e.Command)
	})
}

// TestSignedInAnewMeanwhile: a session that the portal refuses is read again, since a person may have signed in anew.
func TestSignedInAnewMeanwhile(t *testing.T) {
	inWorld(t, ingredients()["sso"], func(t *testing.T, w *world) {
		config := w.config()
		asked := 0
		config.System = w.through(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if asked++; asked == 1 {
				w.cloud.sso.SignOut()
				w.files[sessionFiles["sso"]] = w.cloud.sso.Session(time.Now().Add(8 * time.Hour)).File()
			}
			return next.RoundTrip(r)
		})
		creds, err := providers.Default(config).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ASIASSODEV0000000001", creds.AccessKeyID)
		require.Equal(t, 2, asked)
	})
}

// TestLateRefreshIsNotLost: a refresh token is good once. If the caller leaves while the answer is on its way, the
// new one is in the file all the same; also without a chain, which has waits of its own.
func TestLateRefreshIsNotLost(t *testing.T) {
	for name := range sessionFiles {
		t.Run(name, func(t *testing.T) {
			inWorld(t, ingredients()[name], func(t *testing.T, w *world) {
				time.Sleep(9 * time.Hour)
				late := w.through(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					select {
					case <-time.After(time.Second):
						return resp, err
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				})
				retrieve := func(ctx context.Context, sys providers.System) error {
					var p aws.CredentialsProvider = &providers.Login{Session: loginARN, System: sys}
					if name == "sso" {
						p = &providers.SSO{Session: "corp", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1", AccountID: "123456789012", RoleName: "dev", System: sys}
					}
					_, err := p.Retrieve(ctx)
					return err
				}
				before := w.files[sessionFiles[name]]
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				_ = retrieve(ctx, late) // whether it fails is the caller's affair
				require.NotEqual(t, before, w.files[sessionFiles[name]])
				require.NoError(t, retrieve(t.Context(), w.config().System))
				require.Equal(t, 1, w.cloud.calls("CreateToken")+w.cloud.calls("CreateOAuth2Token"))
			})
		})
	}
}

// TestLoginAnswerThatIsNone: an answer that lacks something, or whose expiresIn cannot be meant, is an error that names
// the field, and the file stays as it was.
func TestLoginAnswerThatIsNone(t *testing.T) {
	const full = `{"accessToken":{"accessKeyId":"ASIAX","secretAccessKey":"s","sessionToken":"t"},"refreshToken":"r","expiresIn":900}`
	bodies := map[string]string{}
	for _, field := range []string{"accessKeyId", "secretAccessKey", "sessionToken", "refreshToken", "expiresIn"} {
		bodies[strings.Replace(full, `"`+field+`"`, `"other"`, 1)] = field
	}
	for _, expires := range []string{"0", "-1", "86401", "9223372036854775807", "null"} {
		bodies[strings.Replace(full, "900", expires, 1)] = "expiresIn"
	}
	bodies[strings.Replace(full, `:"t"`, `:"t\n"`, 1)] = "sessionToken"
	for body, field := range bodies {
		t.Run(body, func(t *testing.T) {
			inWorld(t, ingredients()["login"], func(t *testing.T, w *world) {
				time.Sleep(time.Hour)
				before := w.files[sessionFiles["login"]]
				config := w.config()
				config.System = w.through(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
					return answer(http.StatusOK, body)(r)
				})
				_, err := providers.Default(config).Retrieve(t.Context())
				require.ErrorContains(t, err, field)
				require.Equal(t, before, w.files[sessionFiles["login"]])
			})
		})
	}
}

// TestSignInThatCannotBe: a place where nobody can sign in is an error before the page is shown, and a session that cannot be
// kept is one after it.
func TestSignInThatCannotBe(t *testing.T) {
	for line, want := range map[string]string{
		"sso_region = dummy\n":     `"dummy"`,
		"":                         "sso_region",
		"sso_region = eu-west-1\n": "could not be kept",
	} {
		t.Run(want, func(t *testing.T) {
			machine := "-- home/.aws/config --\n[default]\nsso_session = corp\n[sso-session corp]\n" + line +
				"sso_start_url = https://example.awsapps.com/start\n-- sso --\nhere\n"
			inWorld(t, machine, func(t *testing.T, w *world) {
				w.full = true
				shown := 0
				_, err := providers.SSOSignIn(t.Context(), w.config(), func(sso.Device) error { shown++; return nil })
				require.ErrorContains(t, err, want)
				require.Equal(t, w.cloud.sso.Calls("StartDeviceAuthorization"), shown)
				require.Equal(t, want == "could not be kept", shown == 1)
			})
		})
	}
}

// TestSignInBeatsAnUnsavedSession: a session that could not be written is used from memory only until a person has
// signed in anew.
func TestSignInBeatsAnUnsavedSession(t *testing.T) {
	inWorld(t, ingredients()["sso"], func(t *testing.T, w *world) {
		w.full = true
		chain := w.chain()
		time.Sleep(9 * time.Hour)
		_, err := chain.Retrieve(t.Context())
		require.NoError(t, err)
		require.Empty(t, w.wrote)
		w.cloud.sso.SignOut()
		w.files[sessionFiles["sso"]] = w.cloud.sso.Session(time.Now().Add(20 * time.Hour)).File()
		chain.Invalidate()
		_, err = chain.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, w.cloud.sso.Calls("CreateToken"))
	})
}

// TestCodesOfTwoDevices: two devices may show the same code, and one the same again when its time is long over.
func TestCodesOfTwoDevices(t *testing.T) {
	const other = "arn:aws:iam::123456789012:mfa/other"
	machine := mfaSTS + "device " + other + " 818181\n-- answers --\n818181\n818181\n300300\n300300\n-- home/.aws/config --\n" +
		"[profile a]\n" + mfaRole + "[profile b]\n" + strings.ReplaceAll(mfaRole, mfaSerial, other) + mfaKeys
	inWorld(t, machine, func(t *testing.T, w *world) {
		sessions := new(providers.Sessions)
		retrieve := func(profile string) error {
			config := w.config()
			config.Profile, config.Sessions = profile, sessions
			_, err := providers.Default(config).Retrieve(t.Context())
			return err
		}
		require.NoError(t, retrieve("a"))
		require.NoError(t, retrieve("b"))
		require.ErrorContains(t, retrieve("a"), "AccessDenied", "300300 is not shown yet")
		time.Sleep(6 * time.Minute)
		w.cloud.sts.AddCodes(mfaSerial, "300300")
		require.NoError(t, retrieve("a"))
		require.Len(t, w.cloud.questions, 4, "%q", w.cloud.questions)
	})
}

// TestProcessIsAPersonsOwn: a store is for other processes too, and what a program answered to this one is not for them.
func TestProcessIsAPersonsOwn(t *testing.T) {
	machine := strings.Replace(ingredients()["process"], `"Version":1`, `"Version":1,"Expiration":"2000-01-01T06:00:00Z"`, 1)
	inWorld(t, machine, func(t *testing.T, w *world) {
		config := w.config()
		config.Store = &store.Memory{}
		for range 2 {
			creds, err := providers.Default(config).Retrieve(t.Context())
			require.NoError(t, err)
			require.True(t, creds.CanExpire)
		}
		require.Len(t, w.cloud.ran, 2)
	})
}

// judging is a store that keeps nothing, and remembers what would do for the chain.
type judging struct{ good *func(aws.Credentials) bool }

func (j judging) Through(ctx context.Context, _ store.Key, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
	*j.good = good
	return fetch(ctx)
}

// TestWhatIsWorthKeeping: kept credentials last for more than the five minutes before whose end a chain renews them,
// and those without an end, which nobody would ever fetch again, will not do.
func TestWhatIsWorthKeeping(t *testing.T) {
	inWorld(t, ingredients()["assume-role"], func(t *testing.T, w *world) {
		var good func(aws.Credentials) bool
		config := w.config()
		config.Store = judging{&good}
		_, err := providers.Default(config).Retrieve(t.Context())
		require.NoError(t, err)
		kept := aws.Credentials{AccessKeyID: "ASIAKEPT000000000001", SecretAccessKey: "s", SessionToken: "t"}
		require.False(t, good(kept), "without an end")
		kept.CanExpire = true
		for left, want := range map[time.Duration]bool{-time.Hour: false, 5 * time.Minute: false, 5*time.Minute + time.Second: true} {
			kept.Expires = time.Now().Add(left)
			require.Equal(t, want, good(kept), "%s left", left)
		}
	})
}

// TestKeptRolesAreForTheirParameters: a session that a store keeps is for a role with all the same parameters, since
// each of them is part of what the session may do or of its name.
func TestKeptRolesAreForTheirParameters(t *testing.T) {
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		w.cloud.sts.Roles = append(w.cloud.sts.Roles, w.cloud.sts.Roles[0])
		w.cloud.sts.Roles[len(w.cloud.sts.Roles)-1].ARN = roleARN("same")
		kept := &store.Memory{}
		retrieve := func(change func(*providers.AssumeRole)) {
			p := &providers.AssumeRole{Source: aUser(), RoleARN: roleARN("r"), SessionName: "ann", System: w.config().System, Store: kept}
			change(p)
			_, err := p.Retrieve(t.Context())
			require.NoError(t, err)
		}
		changes := map[string]func(*providers.AssumeRole){
			"nothing":         func(*providers.AssumeRole) {},
			"role":            func(p *providers.AssumeRole) { p.RoleARN = roleARN("same") },
			"session name":    func(p *providers.AssumeRole) { p.SessionName = "bob" },
			"duration":        func(p *providers.AssumeRole) { p.Duration = 2 * time.Hour },
			"external ID":     func(p *providers.AssumeRole) { p.ExternalID = "shared/7" },
			"source identity": func(p *providers.AssumeRole) { p.SourceIdentity = "ann" },
			"policy":          func(p *providers.AssumeRole) { p.Policy = `{"Version":"2012-10-17","Statement":[]}` },
			"policy ARNs":     func(p *providers.AssumeRole) { p.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"} },
			"tags":            func(p *providers.AssumeRole) { p.Tags = []sts.Tag{{Key: "team", Value: "blue"}} },
			"transitive tags": func(p *providers.AssumeRole) {
				p.Tags, p.TransitiveTagKeys = []sts.Tag{{Key: "team", Value: "blue"}}, []string{"team"}
			},
			"region": func(p *providers.AssumeRole) { p.Region = "eu-west-1" },
		}
		for range 2 {
			for name, change := range changes {
				t.Log(name)
				retrieve(change)
			}
		}
		require.Equal(t, len(changes), w.cloud.sts.Calls("AssumeRole"))
	})
}

// invalidated counts how often it is told to forget.
type invalidated struct {
	aws.CredentialsProvider
	times *int
}

func (i invalidated) Invalidate() { *i.times++ }

// TestInvalidateReachesTheSource: who does not want a role's credentials any more does not want those that assumed it.
func TestInvalidateReachesTheSource(t *testing.T) {
	t.Parallel()
	times := 0
	role := &providers.AssumeRole{Source: invalidated{aUser(), &times}, RoleARN: roleARN("r")}
	role.Invalidate()
	require.Equal(t, 1, times)
}

// TestTagSessionAdvice: a role whose trust policy lacks sts:TagSession refuses for that, and the advice says so.
func TestTagSessionAdvice(t *testing.T) {
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		sys := w.through(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			return answer(http.StatusForbidden, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/ann "+
				"is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/r</Message></Error></ErrorResponse>")(r)
		})
		_, err := (&providers.AssumeRole{Source: aUser(), RoleARN: roleARN("r"), System: sys}).Retrieve(t.Context())
		var advised interface{ Remedy() string }
		require.ErrorAs(t, err, &advised)
		require.Contains(t, advised.Remedy(), "allow sts:TagSession")
	})
}

// TestCABundleOfAProfile: ca_bundle of the profile vouches where AWS_CA_BUNDLE is not set, and no bundle is read for a
// service that is called by http, where there is nothing to verify (behaviours.md 2).
func TestCABundleOfAProfile(t *testing.T) {
	t.Parallel()
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"))
	})
	secure, plain := httptest.NewUnstartedServer(refuse), httptest.NewServer(refuse)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that hang up
	secure.StartTLS()
	defer secure.Close()
	defer plain.Close()
	dir := t.TempDir()
	write := func(name string, data string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
		return path
	}
	good := write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	token := write("token", "a.token.of-nobody")
	nowhere := filepath.Join(dir, "no-bundle")
	for name, tt := range map[string]struct{ url, variable, key, want string }{
		"key":                 {secure.URL, "", good, "AccessDenied"},
		"variable goes first": {secure.URL, nowhere, good, "AWS_CA_BUNDLE"},
		"key with ~":          {secure.URL, "", "~/ca.pem", "AccessDenied"},
		"bad key":             {secure.URL, "", nowhere, "ca_bundle ("},
		"http, bad key":       {plain.URL, "", nowhere, "AccessDenied"},
		"http, bad variable":  {plain.URL, nowhere, "", "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			config := write(strings.ReplaceAll(name, " ", "-"), fmt.Sprintf("[default]\nendpoint_url = %s\nca_bundle = %s\n", tt.url, tt.key))
			env := map[string]string{"AWS_CA_BUNDLE": tt.variable, "AWS_CONFIG_FILE": config, "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": roleARN("pod")}
			sys := providers.System{Getenv: func(name string) string { return env[name] }, Home: func() (string, error) { return dir, nil }}
			_, err := providers.Default(providers.Config{System: sys}).Retrieve(t.Context())
			require.ErrorContains(t, err, tt.want)
		})
	}
}
