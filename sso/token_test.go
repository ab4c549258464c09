package sso_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sso"
)

func TestCacheFile(t *testing.T) {
	t.Parallel()
	// printf %s KEY | sha1sum
	require.Equal(t, "da39a3ee5e6b4b0d3255bfef95601890afd80709.json", sso.CacheFile(""))
	require.Equal(t, "a9993e364706816aba3e25717850c26c9cd0d89d.json", sso.CacheFile("abc"))
}

func TestParseToken(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, file string
		want       sso.Token
	}{
		{"sso-session",
			`{"startUrl": "https://x.example/start", "region": "eu-west-1", "accessToken": "a", "expiresAt": "2026-01-02T12:00:00Z", ` +
				`"clientId": "c", "clientSecret": "s", "registrationExpiresAt": "2026-01-02T12:00:00Z", "refreshToken": "r"}`,
			sso.Token{AccessToken: "a", RefreshToken: "r", ClientID: "c", ClientSecret: "s", Region: "eu-west-1",
				StartURL: "https://x.example/start", Expires: noon, RegistrationExpires: noon}},
		{"legacy, UTC", `{"startUrl":"https://x.example/start","region":"eu-west-1","accessToken":"a","expiresAt":"2026-01-02T12:00:00UTC"}`,
			sso.Token{AccessToken: "a", Region: "eu-west-1", StartURL: "https://x.example/start", Expires: noon}},
		{"least", "\t{\n\"expiresAt\" :\"2026-01-02T12:00:00Z\" , \"accessToken\":\"a\"}\r\n ", sso.Token{AccessToken: "a", Expires: noon}},
		{"null is nothing", `{"accessToken":"a","expiresAt":"2026-01-02T12:00:00Z","refreshToken":null,"clientId":null}`, sso.Token{AccessToken: "a", Expires: noon}},
		{"what no SDK reads may be anything", `{"accessToken":"a","expiresAt":"2026-01-02T12:00:00Z","region":5,"startUrl":[],"registrationExpiresAt":"soon"}`,
			sso.Token{AccessToken: "a", Expires: noon}},
		{"the last of a name counts", `{"accessToken":5,"accessToken":"a","expiresAt":"2026-01-02T12:00:00Z"}`, sso.Token{AccessToken: "a", Expires: noon}},
		{"names have their case", `{"accessToken":"a","ACCESSTOKEN":"b","expiresAt":"2026-01-02T12:00:00Z"}`, sso.Token{AccessToken: "a", Expires: noon}},
		{"an escaped name", `{"access\u0054oken":"\u0061","expiresAt":"2026-01-02T12:00:00Z"}`, sso.Token{AccessToken: "a", Expires: noon}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := sso.ParseToken([]byte(tt.file))
			require.NoError(t, err)
			requireSame(t, tt.want, got)
			file, err := got.File()
			require.NoError(t, err)
			require.Equal(t, compact(t, []byte(strings.Replace(tt.file, `"accessToken":5,`, "", 1))), compact(t, file))
		})
	}
}

// requireSame compares what is exported.
func requireSame(t *testing.T, want, got sso.Token) {
	t.Helper()
	require.Equal(t, exported(want), exported(got))
}

func exported(t sso.Token) []string {
	return []string{t.AccessToken, t.RefreshToken, t.ClientID, t.ClientSecret, t.Region, t.StartURL,
		t.Expires.String(), t.RegistrationExpires.String()}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	parse := func(at string) (sso.Token, error) {
		return sso.ParseToken([]byte(`{"accessToken":"a","expiresAt":"` + at + `"}`))
	}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for _, at := range []string{
		"2026-01-02T12:00:00Z", "2026-01-02T12:00:00UTC", "2026-01-02T12:00:00 UTC", "2026-01-02t12:00:00z", "2026-01-02T12:00:00GMT",
		"2026-01-02T14:00:00+02:00", "2026-01-02T14:00:00+0200", "2026-01-02T14:00:00+02", "2026-01-02T06:30:00-05:30",
		"2026-01-02 12:00:00Z", "2026-01-02 12:00:00 UTC", "2026-01-02T12:00:00.000Z", " 2026-01-02T12:00:00Z ",
	} {
		got, err := parse(at)
		require.NoError(t, err, at)
		require.Equal(t, noon, got.Expires, at)
	}
	got, err := parse("2026-01-02T12:00:00.25UTC")
	require.NoError(t, err)
	require.Equal(t, noon.Add(250*time.Millisecond), got.Expires)

	for _, at := range []string{
		"2026-01-02T12:00:00", "2026-01-02", "1767355200", "2026-01-02T12:00:00EST", "2026-13-02T12:00:00Z", "canary",
		"0001-01-01T00:00:00Z", "0000-06-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "2026-01-02T12:00:00UTCUTC", "UTC", "Z", " ",
	} {
		_, err := parse(at)
		require.EqualError(t, err, "sso: token: expiresAt is not a time such as 2006-01-02T15:04:05Z", at)
	}
}

func TestParseTokenErrors(t *testing.T) {
	t.Parallel()
	const end = `,"expiresAt":"2026-01-02T12:00:00Z"}`
	for file, want := range map[string]string{
		"":                        "not JSON: bad syntax or a cut at byte 0",
		"canary":                  "not JSON: bad syntax or a cut at byte 0",
		"\xef\xbb\xbf":            "not JSON: bad syntax or a cut at byte 0",
		`["canary"]`:              "not a JSON object",
		`"canary"`:                "not a JSON object",
		"null":                    "not a JSON object",
		"{}":                      "accessToken is missing",
		`{"accessToken":"canary"`: "not JSON",
		`{"accessToken":"canary`:  "not JSON",
		`{"accessToken":canary}`:  "not JSON",
		`{canary:1}`:              "not JSON",
		`{"canary"}`:              "not JSON",
		`{"x":1,}`:                "not JSON",
		`{"accessToken":"canary"` + end + `{"canary"`:               "not a JSON object alone: something follows it",
		`{"accessToken":"canary"}`:                                  "expiresAt is missing",
		`{"accessToken":"canary","expiresAt":null}`:                 "expiresAt is missing",
		`{"accessToken":"canary","expiresAt":""}`:                   "expiresAt is missing",
		`{"accessToken":"canary","expiresAt":1767355200}`:           "expiresAt is not a string",
		`{"accessToken":""` + end:                                   "accessToken is missing",
		`{"accessToken":["canary"]` + end:                           "accessToken is not a string",
		`{"accessToken":"canary","refreshToken":{"canary":1}` + end: "refreshToken is not a string",
		`{"accessToken":"canary","clientId":1` + end:                "clientId is not a string",
		`{"accessToken":"canary","clientSecret":true` + end:         "clientSecret is not a string",
		`{"x":"` + strings.Repeat("canary", 200_000) + `"}`:         "longer than 1048576 bytes",
		`{"x":` + strings.Repeat("[", 20_000) + "}":                 "not JSON",
	} {
		_, err := sso.ParseToken([]byte(file))
		require.ErrorContains(t, err, "sso: token: "+want, "%.60q", file)
		requireQuiet(t, err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	const file = `{"zeta" : [1, 1.0, {"a":"\u00e9<"}], "region":"eu-west-1","accessToken":"a","": null,"region ":"x",
		"expiresAt":"2026-01-02T12:00:00UTC","alpha":1e400,"zeta":"again","clientId":"c","registrationExpiresAt":"soon"}`
	for name, tt := range map[string]struct {
		edit func(*sso.Token)
		want string
	}{
		"nothing, but for a zone": {func(t *sso.Token) { t.Expires = t.Expires.In(time.FixedZone("", 7200)) }, `{"zeta": [1, 1.0, {"a":"\u00e9<"}], "region": "eu-west-1", "accessToken": "a", "": null, "region ": "x", ` +
			`"expiresAt": "2026-01-02T12:00:00UTC", "alpha": 1e400, "zeta": "again", "clientId": "c", "registrationExpiresAt": "soon"}`},
		"changed": {func(t *sso.Token) {
			t.AccessToken, t.Expires, t.RegistrationExpires = `b"<&>é`, noon.Add(time.Hour).In(time.FixedZone("", 7200)), noon
		}, `{"zeta": [1, 1.0, {"a":"\u00e9<"}], "region": "eu-west-1", "accessToken": "b\"<&>é", "": null, "region ": "x", ` +
			`"expiresAt": "2026-01-02T13:00:00Z", "alpha": 1e400, "zeta": "again", "clientId": "c", "registrationExpiresAt": "2026-01-02T12:00:00Z"}`},
		"removed and added": {func(t *sso.Token) { t.ClientID, t.RefreshToken, t.StartURL = "", "r", "https://x.example" },
			`{"zeta": [1, 1.0, {"a":"\u00e9<"}], "region": "eu-west-1", "accessToken": "a", "": null, "region ": "x", ` +
				`"expiresAt": "2026-01-02T12:00:00UTC", "alpha": 1e400, "zeta": "again", "registrationExpiresAt": "soon", ` +
				`"startUrl": "https://x.example", "refreshToken": "r"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := sso.ParseToken([]byte(file))
			require.NoError(t, err)
			tt.edit(&token)
			got, err := token.File()
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
			again, err := sso.ParseToken(got)
			require.NoError(t, err)
			token.Expires = token.Expires.UTC()
			requireSame(t, token, again)
		})
	}
	for _, tt := range []struct {
		token sso.Token
		err   string
	}{
		{sso.Token{}, "sso: token: accessToken is missing"},
		{sso.Token{AccessToken: "canary"}, "sso: token: expiresAt is missing"},
		{sso.Token{AccessToken: "canary", Expires: noon.AddDate(9000, 0, 0)}, "sso: token: expiresAt is not in the years 1 to 9999"},
		{sso.Token{AccessToken: "canary", Expires: noon, RegistrationExpires: noon.AddDate(-3000, 0, 0)}, "sso: token: registrationExpiresAt is not in the years 1 to 9999"},
	} {
		_, err := tt.token.File()
		require.EqualError(t, err, tt.err)
	}
}

func TestCanRefresh(t *testing.T) {
	t.Parallel()
	token := refreshable()
	end := token.RegistrationExpires
	require.True(t, token.CanRefresh(end.Add(-1)))
	require.False(t, token.CanRefresh(end), "the registration has ended")
	token.RegistrationExpires = time.Time{}
	require.True(t, token.CanRefresh(end), "nothing is known of an end")
}

func TestPrintingShowsNoSecret(t *testing.T) {
	t.Parallel()
	token, err := sso.ParseToken([]byte(`{"accessToken":"canary-a","expiresAt":"2026-01-02T12:00:00Z","refreshToken":"canary-r","clientId":"canary-id",` +
		`"clientSecret":"canary-s","region":"eu-west-1","startUrl":"https://x.example/start","unknown":"canary-u"}`))
	require.NoError(t, err)
	type holder struct {
		Token   sso.Token
		Pointer *sso.Token
	}
	c := client(newFake(answer{body: roleAnswer}))
	_, err = c.RoleCredentials(t.Context(), accessToken, "111122223333", "Role")
	require.NoError(t, err)
	var logged bytes.Buffer
	for _, v := range []any{token, &token, []sso.Token{token}, map[string]sso.Token{"x": token}, holder{token, &token}, &holder{token, &token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			require.NotContains(t, fmt.Sprintf(verb, v), canary, verb)
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		require.NotContains(t, string(text), canary)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v)
	}
	require.NotContains(t, logged.String(), canary)
	require.Contains(t, logged.String(), "https://x.example/start")
	require.Equal(t, `sso.Token{StartURL: "https://x.example/start", Region: "eu-west-1", Expires: 2026-01-02T12:00:00Z}`, fmt.Sprintf("%+v", token))
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		require.NotContains(t, fmt.Sprintf(verb, c), canary, "the client remembers a token")
	}
}
