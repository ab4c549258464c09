package sso_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sso"
)

// FuzzParseToken: what is read can be written and read again, and the fields that are not known survive.
func FuzzParseToken(f *testing.F) {
	f.Add([]byte(`{"accessToken":"a","expiresAt":"2026-01-02T12:00:00UTC","x":{"y":[1,2.0]},"x":null}`))
	f.Add([]byte(`{"accessToken":"a","accessToken":"b","expiresAt":"2026-01-02 12:00:00+02","registrationExpiresAt":"soon","region":1}`))
	f.Add([]byte("{\"accessToken\":\"\xff\",\"expiresAt\":\"2026-01-02T12:00:00.5Z\",\"\xff\":\"\xff\",\"\\u00e9\" : 1}"))
	f.Add([]byte(`{"clientId":null,"refreshToken":"","expiresAt":"9999-12-31T23:59:59-01:00"}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		token, err := sso.ParseToken(file)
		if err != nil {
			require.Equal(t, sso.Token{}, token)
			require.False(t, strings.ContainsFunc(err.Error(), func(r rune) bool { return r > '~' || r < ' ' }))
			require.Less(t, len(err.Error()), 200)
			return
		}
		require.NotEmpty(t, token.AccessToken)
		require.False(t, token.Expires.IsZero())
		out, err := token.File()
		require.NoError(t, err)
		again, err := sso.ParseToken(out)
		require.NoError(t, err)
		requireSame(t, token, again)
		require.Equal(t, unknown(t, file), unknown(t, out))

		token.AccessToken, token.RefreshToken = "new", ""
		out, err = token.File()
		require.NoError(t, err)
		again, err = sso.ParseToken(out)
		require.NoError(t, err)
		requireSame(t, token, again)
		require.Equal(t, unknown(t, file), unknown(t, out))
	})
}

// unknown are the unknown members, as a reader that is not ours sees them.
func unknown(t *testing.T, file []byte) map[string]string {
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(file, &all))
	rest := make(map[string]string)
	for name, value := range all {
		switch name {
		case "accessToken", "expiresAt", "refreshToken", "clientId", "clientSecret", "region", "startUrl", "registrationExpiresAt":
		default:
			rest[name] = string(bytes.TrimSpace(value))
		}
	}
	return rest
}

// FuzzAnswer: whatever the services say, there is a result or an error fit to be shown.
func FuzzAnswer(f *testing.F) {
	f.Add(200, roleAnswer, "", "")
	f.Add(200, confirmed.body, "", "")
	f.Add(200, authorized.body, "", "")
	f.Add(400, `{"error":"slow_down","error_description":"canary-refresh \u202e"}`, "", "")
	f.Add(401, `{"__type":"a#b"}`, "canary-access/token+=:x", "\x1b")
	f.Add(302, "", "", "")
	f.Fuzz(func(t *testing.T, status int, body, kind, id string) {
		if status < 200 || status > 599 {
			t.Skip()
		}
		fit := func(err error, secrets ...string) {
			text := err.Error()
			require.Less(t, len(text), 4096)
			require.False(t, strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
			for _, secret := range secrets {
				require.NotContains(t, text, secret)
			}
		}
		a := answer{status: status, body: body, header: http.Header{"X-Amzn-Errortype": {kind}, "X-Amzn-Requestid": {id}}}
		c := client(newFake(a, a))
		c.MaxAttempts = 1
		creds, err := c.RoleCredentials(t.Context(), accessToken, "111122223333", "Role")
		if err != nil {
			require.Zero(t, creds)
			fit(err, accessToken)
		} else {
			require.True(t, creds.HasKeys() && creds.CanExpire && creds.SessionToken != "")
		}
		token, err := c.Refresh(t.Context(), refreshable())
		if err != nil {
			require.Zero(t, token)
			fit(err, "canary-refresh", "canary-client-secret")
		} else {
			_, err := token.File()
			require.NoError(t, err)
		}
		synctest.Test(t, func(t *testing.T) {
			secrets := []string{"canary-client-secret", "canary-device"}
			for known, before := range [][]answer{nil, {registered}, {registered, authorized}} {
				c := client(newFake(append(append([]answer(nil), before...), a, confirmed, confirmed)...))
				c.MaxAttempts = 1
				token, err := c.SignIn(t.Context(), sso.SignInInput{StartURL: startURL, Show: func(d sso.Device) error {
					for _, s := range []string{d.UserCode, d.VerificationURI, d.VerificationURIComplete} {
						require.False(t, strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }))
					}
					return nil
				}})
				if err != nil {
					require.Zero(t, token)
					fit(err, secrets[:known]...)
				}
			}
		})
	})
}
