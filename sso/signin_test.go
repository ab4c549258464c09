package sso_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sso"
)

const startURL = "https://example.awsapps.com/start"

var (
	registered = answer{body: `{"clientId":"client","clientSecret":"canary-client-secret","clientIdIssuedAt":946684800,"clientSecretExpiresAt":954460800}`}
	authorized = answer{body: `{"deviceCode":"canary-device","userCode":"ABCD-EFGH","verificationUri":"https://device.sso.eu-west-1.amazonaws.com/",` +
		`"verificationUriComplete":"https://device.sso.eu-west-1.amazonaws.com/?user_code=ABCD-EFGH","expiresIn":600,"interval":1}`}
	pending   = refusal(400, "authorization_pending")
	slower    = refusal(400, "slow_down")
	confirmed = answer{body: `{"accessToken":"canary-new","tokenType":"Bearer","expiresIn":28800,"refreshToken":"canary-refresh"}`}
)

func quietly(sso.Device) error { return nil }

func TestSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(registered, authorized, pending, pending, confirmed)
		var shown []sso.Device
		got, err := client(f).SignIn(t.Context(), sso.SignInInput{
			ClientName: "tool <x>", StartURL: startURL, Scopes: []string{"sso:account:access", "other"},
			Show: func(d sso.Device) error { shown = append(shown, d); return nil },
		})
		require.NoError(t, err)
		require.Equal(t, sso.Token{
			AccessToken: "canary-new", RefreshToken: "canary-refresh", ClientID: "client", ClientSecret: "canary-client-secret",
			Region: "eu-west-1", StartURL: startURL,
			Expires:             time.Date(2000, 1, 1, 8, 0, 3, 0, time.UTC),
			RegistrationExpires: time.Date(2000, 3, 31, 0, 0, 0, 0, time.UTC),
		}, got)
		require.Equal(t, []sso.Device{{
			UserCode: "ABCD-EFGH", VerificationURI: "https://device.sso.eu-west-1.amazonaws.com/",
			VerificationURIComplete: "https://device.sso.eu-west-1.amazonaws.com/?user_code=ABCD-EFGH",
			Expires:                 time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC),
		}}, shown)
		poll := post(tokenURL, `{"clientId":"client","clientSecret":"canary-client-secret","deviceCode":"canary-device",`+
			`"grantType":"urn:ietf:params:oauth:grant-type:device_code"}`)
		require.Equal(t, []string{
			post("https://oidc.eu-west-1.amazonaws.com/client/register", `{"clientName":"tool \u003cx\u003e","clientType":"public",`+
				`"grantTypes":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],"scopes":["sso:account:access","other"]}`),
			post("https://oidc.eu-west-1.amazonaws.com/device_authorization",
				`{"clientId":"client","clientSecret":"canary-client-secret","startUrl":"`+startURL+`"}`),
			poll, poll, poll,
		}, f.sent)
		require.Equal(t, []time.Duration{0, 0, 1 * time.Second, 2 * time.Second, 3 * time.Second}, f.at)

		file, err := got.File()
		require.NoError(t, err)
		require.Equal(t, `{"startUrl": "https://example.awsapps.com/start", "region": "eu-west-1", "accessToken": "canary-new", `+
			`"expiresAt": "2000-01-01T08:00:03Z", "clientId": "client", "clientSecret": "canary-client-secret", `+
			`"registrationExpiresAt": "2000-03-31T00:00:00Z", "refreshToken": "canary-refresh"}`, string(file))
	})
}

func TestSignInDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(
			answer{body: `{"clientId":"client","clientSecret":"canary-client-secret","clientSecretExpiresAt":0}`},
			answer{body: `{"deviceCode":"canary-device","userCode":"A","verificationUri":"http://x.example/","expiresIn":600}`},
			answer{body: `{"accessToken":"canary-new","expiresIn":60}`},
		)
		got, err := client(f).SignIn(t.Context(), sso.SignInInput{StartURL: startURL, Show: quietly})
		require.NoError(t, err)
		require.Contains(t, f.sent[0], `"clientName":"credchain"`)
		require.Contains(t, f.sent[0], `"scopes":["sso:account:access"]`)
		require.Equal(t, 5*time.Second, f.at[2])
		require.Zero(t, got.RegistrationExpires)
		require.Empty(t, got.RefreshToken)
		require.False(t, got.CanRefresh(time.Now()))
	})
}

func TestPolling(t *testing.T) {
	t.Parallel()
	s := func(seconds ...int) (all []time.Duration) {
		for _, n := range seconds {
			all = append(all, time.Duration(n)*time.Second)
		}
		return all
	}
	brief := answer{body: strings.Replace(authorized.body, `"expiresIn":600`, `"expiresIn":7`, 1)}
	everyHour := answer{body: strings.Replace(authorized.body, `"interval":1`, `"interval":2147483647`, 1)}
	for _, tt := range []struct {
		name       string
		authorized answer
		polls      []answer
		at         []time.Duration // of the polls
		code, text string          // of the error
		took       time.Duration
	}{
		{"slow_down adds 5 s, for good", authorized, []answer{pending, slower, pending, slower, confirmed}, s(1, 2, 8, 14, 25), "", "", 25 * time.Second},
		{"an outage doubles the interval, for a while", authorized,
			[]answer{{status: 503}, {err: syscall.ECONNRESET}, pending, pending, confirmed}, s(1, 3, 7, 8, 9), "", "", 9 * time.Second},
		{"a poll that hangs", authorized, []answer{{hang: true}, confirmed}, s(1, 13), "", "", 13 * time.Second},
		{"throttled", authorized, []answer{{status: 429}, confirmed}, s(1, 3), "", "", 3 * time.Second},
		{"outages with a rest between", authorized, []answer{{status: 503}, {status: 503}, slower, {status: 503}, {status: 503}, confirmed},
			s(1, 3, 7, 13, 25, 49), "", "", 49 * time.Second},
		{"outages with an answer between", authorized, []answer{{status: 503}, {status: 503}, pending, {status: 503}, {status: 503}, confirmed},
			s(1, 3, 7, 8, 10, 14), "", "", 14 * time.Second},
		{"an outage that stays", authorized, []answer{{status: 503}, {status: 503}, {status: 503}}, s(1, 3, 7), "",
			"HTTP status 503 without an error of Identity Center (after 3 attempts)", 7 * time.Second},
		{"refused", authorized, []answer{pending, refusal(400, "access_denied")}, s(1, 2), "access_denied",
			"sso: sign-in: CreateToken: access_denied: because (HTTP status 400)", 2 * time.Second},
		{"expired, says the service", authorized, []answer{refusal(400, "expired_token")}, s(1), "expired_token",
			"sso: sign-in: CreateToken: expired_token: because (HTTP status 400)", time.Second},
		{"expired, says the clock", brief, []answer{pending, pending, pending, pending, pending, pending}, s(1, 2, 3, 4, 5, 6), "expired_token",
			"sso: sign-in: expired_token: nobody has confirmed the sign-in in time", 7 * time.Second},
		{"an interval without end", everyHour, nil, nil, "expired_token", "nobody has confirmed", 600 * time.Second},
		{"nonsense", authorized, []answer{{body: "canary"}}, s(1), "", "CreateToken: https://oidc.eu-west-1.amazonaws.com/token: the answer is not JSON", time.Second},
		{"no token", authorized, []answer{{body: "{}"}}, s(1), "", "CreateToken: the answer's accessToken is missing", time.Second},
		{"a secret repeated", authorized, []answer{{status: 400, body: `{"error":"canary-device","error_description":"canary-client-secret"}`}}, s(1), "REDACTED", "", time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(append([]answer{registered, tt.authorized}, tt.polls...)...)
				got, err := client(f).SignIn(t.Context(), sso.SignInInput{StartURL: startURL, Show: quietly})
				require.Equal(t, tt.took, time.Since(f.start))
				require.Equal(t, len(tt.at), len(f.at)-2)
				for i, at := range tt.at {
					require.Equal(t, at, f.at[i+2], "poll %d", i)
				}
				if tt.text == "" && tt.code == "" {
					require.NoError(t, err)
					require.Equal(t, "canary-new", got.AccessToken)
					return
				}
				requireQuiet(t, err)
				require.ErrorContains(t, err, tt.text)
				require.Zero(t, got)
				var e *sso.Error
				if tt.code != "" {
					require.ErrorAs(t, err, &e)
					require.Equal(t, tt.code, e.Code)
				}
			})
		})
	}
}

func TestSignInEndsWithItsContext(t *testing.T) {
	t.Parallel()
	why := errors.New("enough")
	for name, poll := range map[string]answer{"between two polls": pending, "during a poll": {hang: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				f := newFake(registered, authorized, poll)
				time.AfterFunc(1500*time.Millisecond, func() { cancel(why) })
				_, err := client(f).SignIn(ctx, sso.SignInInput{StartURL: startURL, Show: quietly})
				require.ErrorIs(t, err, why)
				require.Equal(t, 1500*time.Millisecond, time.Since(f.start))
				require.Len(t, f.sent, 3)
			})
		})
	}
}

func TestSignInEndsWithItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		f := newFake(registered, authorized, answer{hang: true})
		_, err := client(f).SignIn(ctx, sso.SignInInput{StartURL: startURL, Show: quietly})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "sso: sign-in: CreateToken: https://oidc.eu-west-1.amazonaws.com/token: context deadline exceeded")
		require.Equal(t, 1500*time.Millisecond, time.Since(f.start))
	})
}

func TestSignInChecksItsInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		region, startURL, err string
		show                  func(sso.Device) error
	}{
		{"", startURL, "the region is not set", quietly},
		{"dummy", startURL, `region "dummy": not the form of a region, such as eu-central-1`, quietly},
		{"eu-west-1", startURL, "there is nobody to show the code to", nil},
		{"eu-west-1", "", "the start URL is missing", quietly},
		{"eu-west-1", "example", "the start URL is not an http or https URL", quietly},
		{"eu-west-1", "javascript://x/", "the start URL is not an http or https URL", quietly},
	} {
		f := newFake()
		c := client(f)
		c.Region = tt.region
		_, err := c.SignIn(t.Context(), sso.SignInInput{StartURL: tt.startURL, Show: tt.show})
		require.EqualError(t, err, "sso: sign-in: "+tt.err)
		require.Empty(t, f.sent)
	}
}

func TestSignInEndsEarly(t *testing.T) {
	t.Parallel()
	without := func(a answer, old, now string) answer {
		require.Contains(t, a.body, old)
		return answer{body: strings.Replace(a.body, old, now, 1)}
	}
	for _, tt := range []struct {
		name    string
		answers []answer
		err     string
	}{
		{"not registered", []answer{refusal(400, "invalid_scope")}, "RegisterClient: invalid_scope"},
		{"no client", []answer{without(registered, `"client"`, `""`)}, "RegisterClient: the answer's clientId is missing"},
		{"no secret", []answer{without(registered, `"canary-client-secret"`, `null`)}, "RegisterClient: the answer's clientSecret is missing"},
		{"no time", []answer{without(registered, `954460800`, `9223372036854775807`)}, "RegisterClient: the answer's clientSecretExpiresAt is no time"},
		{"not authorized", []answer{registered, refusal(400, "invalid_request")}, "StartDeviceAuthorization: invalid_request"},
		{"a secret repeated", []answer{registered, {status: 400, body: `{"error":"x","error_description":"canary-client-secret"}`}}, "StartDeviceAuthorization: x"},
		{"no device code", []answer{registered, without(authorized, `canary-device`, ``)}, "the answer's deviceCode is missing"},
		{"no user code", []answer{registered, without(authorized, `"ABCD-EFGH"`, `""`)}, "the answer's userCode is missing"},
		{"a code that turns the text", []answer{registered, without(authorized, `"ABCD-EFGH"`, `"canary\u202e"`)}, "the answer's userCode has blanks or control characters"},
		{"a code without end", []answer{registered, without(authorized, `"ABCD-EFGH"`, `"`+strings.Repeat("canary", 500)+`"`)}, "the answer's userCode is too long"},
		{"a link to run", []answer{registered, without(authorized, `"https://device.sso.eu-west-1.amazonaws.com/"`, `"file:///canary"`)}, "the answer's verificationUri is not an http or https URL"},
		{"a command in a link", []answer{registered, without(authorized, `?user_code=`, `\u001b`)}, "the answer's verificationUriComplete has blanks or control characters"},
		{"no end", []answer{registered, without(authorized, `"expiresIn":600`, `"expiresIn":0`)}, "the answer's expiresIn is missing or not a number of seconds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(tt.answers...)
			_, err := client(f).SignIn(t.Context(), sso.SignInInput{StartURL: startURL, Show: func(sso.Device) error {
				t.Error("shown")
				return nil
			}})
			require.ErrorContains(t, err, "sso: sign-in: ")
			require.ErrorContains(t, err, tt.err)
			requireQuiet(t, err)
			require.Len(t, f.sent, len(tt.answers))
		})
	}

	down := errors.New("no screen")
	f := newFake(registered, authorized)
	_, err := client(f).SignIn(t.Context(), sso.SignInInput{StartURL: startURL, Show: func(sso.Device) error { return down }})
	require.ErrorIs(t, err, down)
	require.EqualError(t, err, "sso: sign-in: showing the code: no screen")
	require.Len(t, f.sent, 2)
}
