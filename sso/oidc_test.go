package sso_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sso"
)

const tokenURL = "https://oidc.eu-west-1.amazonaws.com/token"

func refreshable() sso.Token {
	return sso.Token{
		AccessToken: "canary-old", RefreshToken: "canary-refresh", ClientID: "client", ClientSecret: "canary-client-secret",
		Region: "eu-west-1", StartURL: "https://example.awsapps.com/start",
		Expires:             time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC),
		RegistrationExpires: time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC),
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, answer, refresh string }{
		{"rotated", `{"accessToken":"canary-new","tokenType":"Bearer","expiresIn":28800,"refreshToken":"canary-rotated"}`, "canary-rotated"},
		{"not rotated", `{"accessToken":"canary-new","expiresIn":28800}`, "canary-refresh"},
		{"null", `{"accessToken":"canary-new","expiresIn":28800,"refreshToken":null}`, "canary-refresh"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(300 * time.Millisecond) // not a whole second
				f := newFake(answer{body: tt.answer})
				got, err := client(f).Refresh(t.Context(), refreshable())
				require.NoError(t, err)
				want := refreshable()
				want.AccessToken, want.RefreshToken = "canary-new", tt.refresh
				want.Expires = time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC)
				require.Equal(t, want, got)
				require.Equal(t, []string{post(tokenURL, `{"clientId":"client","clientSecret":"canary-client-secret",`+
					`"grantType":"refresh_token","refreshToken":"canary-refresh"}`)}, f.sent)
			})
		})
	}
}

// A refresh changes three values of the file and nothing else.
func TestRefreshKeepsTheFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(answer{body: `{"accessToken":"canary-new","expiresIn":60,"refreshToken":"canary-rotated"}`})
		old, err := sso.ParseToken([]byte(`{"issuedBy": {"tool" : "x\u00e9"}, "accessToken": "canary-old", "clientId": "client", ` +
			`"expiresAt": "1999-12-31T00:00:00UTC", "big": 12345678901234567890.10, "clientSecret": "canary-client-secret", ` +
			`"registrationExpiresAt": "2000-03-01T00:00:00UTC", "refreshToken": "canary-refresh"}`))
		require.NoError(t, err)
		got, err := client(f).Refresh(t.Context(), old)
		require.NoError(t, err)
		file, err := got.File()
		require.NoError(t, err)
		require.Equal(t, `{"issuedBy": {"tool" : "x\u00e9"}, "accessToken": "canary-new", "clientId": "client", `+
			`"expiresAt": "2000-01-01T00:01:00Z", "big": 12345678901234567890.10, "clientSecret": "canary-client-secret", `+
			`"registrationExpiresAt": "2000-03-01T00:00:00UTC", "refreshToken": "canary-rotated"}`, string(file))
	})
}

func TestRefreshNeedsItsFields(t *testing.T) {
	t.Parallel()
	for field, without := range map[string]func(*sso.Token){
		"refreshToken": func(t *sso.Token) { t.RefreshToken = "" },
		"clientId":     func(t *sso.Token) { t.ClientID = "" },
		"clientSecret": func(t *sso.Token) { t.ClientSecret = "" },
	} {
		token := refreshable()
		require.True(t, token.CanRefresh(token.Expires))
		without(&token)
		require.False(t, token.CanRefresh(token.Expires))
		f := newFake()
		_, err := client(f).Refresh(t.Context(), token)
		require.EqualError(t, err, "sso: CreateToken: the session cannot be refreshed: "+field+" is missing")
		require.Empty(t, f.sent)
	}
}

func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	typed := func(name string) http.Header { return http.Header{"X-Amzn-Errortype": {name}} }
	for _, tt := range []struct {
		name   string
		answer answer
		code   string
		signIn bool
	}{
		{"code in the body", refusal(400, "invalid_grant"), "invalid_grant", true},
		{"code in the header", answer{status: 400, body: "{}", header: typed("InvalidGrantException")}, "invalid_grant", true},
		{"code in the type", answer{status: 400, body: `{"__type":"InvalidGrantException"}`}, "invalid_grant", true},
		{"both", answer{status: 400, body: refusal(400, "invalid_request").body, header: typed("InvalidRequestException")}, "invalid_request", false},
		{"client unknown", refusal(401, "invalid_client"), "invalid_client", true},
		{"expired", answer{status: 400, header: typed("ExpiredTokenException:x")}, "expired_token", true},
		{"denied", refusal(400, "access_denied"), "access_denied", false},
		{"unknown", answer{status: 400, header: typed("NewException")}, "NewException", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(tt.answer)
			got, err := client(f).Refresh(t.Context(), refreshable())
			var e *sso.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, tt.signIn, e.NeedsSignIn())
			require.ErrorContains(t, err, "sso: CreateToken: "+tt.code)
			require.Zero(t, got)
			require.Len(t, f.sent, 1)
		})
	}
}

// A service that repeats what it was sent does not bring it into an error.
func TestRefreshErrorsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	in := refreshable()
	for _, secret := range []string{in.RefreshToken, in.ClientSecret} {
		f := newFake(answer{status: 400, body: `{"error":"` + secret + `","error_description":"x ` + secret + ` y"}`,
			header: http.Header{"X-Amzn-Requestid": {secret}}})
		_, err := client(f).Refresh(t.Context(), in)
		requireQuiet(t, err)
	}
}

func TestRefreshBadAnswers(t *testing.T) {
	t.Parallel()
	for body, text := range map[string]string{
		`{}`: "accessToken is missing",
		`{"accessToken":"canary\n","expiresIn":1}`:                                                         "accessToken has characters that no token has",
		`{"accessToken":"` + strings.Repeat("canary", 3000) + `","expiresIn":1}`:                           "accessToken is longer than 16384 bytes",
		`{"accessToken":"canary"}`:                                                                         "expiresIn is missing or not a number of seconds",
		`{"accessToken":"canary","expiresIn":-1}`:                                                          "expiresIn is missing or not a number of seconds",
		`{"accessToken":"canary","expiresIn":9000000000}`:                                                  "expiresIn is missing or not a number of seconds",
		`{"accessToken":"canary","expiresIn":"canary"}`:                                                    "expiresIn is not of its type",
		`{"accessToken":"canary","expiresIn":1,"refreshToken":"canary` + strings.Repeat("x", 1<<15) + `"}`: "refreshToken is longer than 16384 bytes",
		`canary`: "the answer is not JSON",
	} {
		got, err := client(newFake(answer{body: body})).Refresh(t.Context(), refreshable())
		require.ErrorContains(t, err, text)
		requireQuiet(t, err)
		require.Zero(t, got)
	}
}
