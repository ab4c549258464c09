package imds_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

func want(accountID string) aws.Credentials {
	return aws.Credentials{
		AccessKeyID:     "ASIAEXAMPLE00000001",
		SecretAccessKey: secret,
		SessionToken:    sessionToken,
		AccountID:       accountID,
		Source:          "InstanceProfile",
		CanExpire:       true,
		Expires:         time.Date(2026, 11, 24, 14, 21, 33, 0, time.UTC),
	}
}

// with is a role document with one key changed or, for "", left out.
func with(key, value string) string {
	var lines []string
	for line := range strings.Lines(roleDocument) {
		if strings.Contains(line, `"`+key+`" :`) {
			if value == "" {
				continue
			}
			comma := ""
			if strings.HasSuffix(line, ",\n") {
				comma = ","
			}
			line = fmt.Sprintf("  %q : %s%s\n", key, value, comma)
		}
		lines = append(lines, line)
	}
	doc := strings.Join(lines, "")
	return strings.Replace(doc, ",\n}", "\n}", 1)
}

func TestRoleCredentials(t *testing.T) {
	t.Parallel()
	f := instance()
	client := serve(t, f)
	creds, err := client.RoleCredentials(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want(""), creds))
	require.Equal(t, []string{"PUT " + tokenPath, "GET " + rolesPath, "GET " + rolesPath + "web-role"}, f.requests())

	// With the token and the role's name known, one request is enough.
	_, err = client.RoleCredentials(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"GET " + rolesPath + "web-role"}, f.requests())
}

func TestRole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, list, want, problem string
	}{
		{"one", "web-role", "web-role", ""},
		{"first line", "\n first+=,.@_-1 \r\nsecond\n", "first+=,.@_-1", ""},
		{"not a name", "a/b", "", "is not the name of a role"},
		{"way out", "..", "", "is not the name of a role"},
		{"too long", strings.Repeat("r", 129), "", "is not the name of a role"},
		{"login page", "<!DOCTYPE html><html>Sign in " + secret, "", "a web page, not the name of a role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := instance()
			f.paths[rolesPath] = tt.list
			role, err := serve(t, f).Role(t.Context())
			require.Equal(t, tt.want, role)
			if tt.problem == "" {
				require.NoError(t, err)
				return
			}
			requireFailure(t, err, 200, tt.problem)
			_, err = serve(t, f).RoleCredentials(t.Context())
			requireFailure(t, err, 200, tt.problem)
		})
	}
}

func TestNoRole(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{"404": "", "blank": " \n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := instance()
			f.paths[rolesPath] = list
			client := serve(t, f)
			_, err := client.Role(t.Context())
			require.ErrorIs(t, err, imds.ErrNoRole)
			_, err = client.RoleCredentials(t.Context())
			require.ErrorIs(t, err, imds.ErrNoRole)
			require.NotErrorIs(t, err, imds.ErrUnreachable)
			require.ErrorContains(t, err, "the instance has no role")
			require.ErrorContains(t, err, rolesPath)
			require.Equal(t, 2, count(f.requests(), "GET "+rolesPath), "not retried")

			// It is not remembered: a proxy of the service may learn of the role any moment.
			f.set(func(f *fake) { f.paths[rolesPath] = "web-role" })
			_, err = client.RoleCredentials(t.Context())
			require.NoError(t, err)
		})
	}
}

// An instance that has been given another role: the name is asked for once more.
func TestRoleChanges(t *testing.T) {
	t.Parallel()
	f := instance()
	client := serve(t, f)
	_, err := client.RoleCredentials(t.Context())
	require.NoError(t, err)
	f.requests()
	f.set(func(f *fake) {
		f.paths[rolesPath] = "new-role"
		f.paths[rolesPath+"new-role"] = with("AccessKeyId", `"ASIANEW"`)
		delete(f.paths, rolesPath+"web-role")
	})
	creds, err := client.RoleCredentials(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIANEW", creds.AccessKeyID)
	require.Equal(t, []string{"GET " + rolesPath + "web-role", "GET " + rolesPath, "GET " + rolesPath + "new-role"}, f.requests())
	_, err = client.RoleCredentials(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"GET " + rolesPath + "new-role"}, f.requests())

	// The list names a role that has no credentials: no loop.
	f.set(func(f *fake) { delete(f.paths, rolesPath+"new-role") })
	_, err = client.RoleCredentials(t.Context())
	requireFailure(t, err, 404, rolesPath+"new-role")
	require.Len(t, f.requests(), 3)

	// And none at all.
	f.set(func(f *fake) { delete(f.paths, rolesPath) })
	_, err = client.RoleCredentials(t.Context())
	require.ErrorIs(t, err, imds.ErrNoRole)
	f.requests()
	_, err = client.RoleCredentials(t.Context())
	require.ErrorIs(t, err, imds.ErrNoRole)
	require.Equal(t, []string{"GET " + rolesPath}, f.requests(), "the old name is forgotten")
}

func TestCredentialsDocument(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, problem, code string
	}{
		{name: "code in any case", body: with("Code", `"SUCCESS"`)},
		{name: "unknown keys", body: with("Type", `{"a":[1,2]}`)},
		{name: "no code", body: with("Code", ""), problem: "has no Code"},
		{
			name:    "refused",
			body:    `{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume\nthe role \u001bweb-role.","LastUpdated":"x"}`,
			problem: "the service has no credentials: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role ?web-role.",
			code:    "AssumeRoleUnauthorizedAccess",
		},
		{
			name: "refused at length", body: `{"Code":"Failed","Message":"` + strings.Repeat("a", 5000) + `"}`,
			problem: strings.Repeat("a", 300) + "...", code: "Failed",
		},
		{name: "refused, with keys", body: with("Code", `"Failed"`), problem: "no credentials: Failed", code: "Failed"},
		{name: "no key ID", body: with("AccessKeyId", ""), problem: "has no AccessKeyId"},
		{name: "empty secret", body: with("SecretAccessKey", `""`), problem: "has no SecretAccessKey"},
		{name: "no token", body: with("Token", ""), problem: "has no Token"},
		{name: "no expiration", body: with("Expiration", ""), problem: "has no Expiration"},
		{name: "expiration null", body: with("Expiration", "null"), problem: "has no Expiration"},
		{name: "expiration in words", body: with("Expiration", `"tomorrow"`), problem: "Expiration is not an RFC 3339 time"},
		{name: "expiration by python", body: with("Expiration", `"2026-11-24T14:21:33UTC"`), problem: "not an RFC 3339 time"},
		{name: "number for a key", body: with("SecretAccessKey", "12345678"), problem: "a value of the wrong type"},
		{name: "line feed in a token", body: with("Token", `"IQ\nX"`), problem: "Token has blanks or control characters"},
		{name: "blank in a secret", body: with("SecretAccessKey", `" w"`), problem: "SecretAccessKey has blanks"},
		{name: "login page", body: "<html>" + secret, problem: "a web page, not a JSON object"},
		{name: "an array", body: `["` + secret + `"]`, problem: "is not a JSON object"},
		{name: "a word", body: secret, problem: "is not a JSON object"},
		{name: "bad JSON", body: `{"Code":` + secret + `}`, problem: "is not JSON (at byte 9)"},
		{name: "two documents", body: roleDocument + roleDocument, problem: "is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := instance()
			f.paths[rolesPath+"web-role"] = tt.body
			creds, err := serve(t, f).RoleCredentials(t.Context())
			if tt.problem == "" {
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(want(""), creds))
				return
			}
			requireFailure(t, err, 200, tt.problem)
			require.Zero(t, creds)
			var e *imds.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, 1, count(f.requests(), "GET "+rolesPath+"web-role"), "final")
			for _, hidden := range []string{"12345678", "tomorrow"} {
				require.NotContains(t, err.Error(), hidden)
			}
		})
	}
}

// The expiry is the service's, be it over or in another zone.
func TestExpiryAsGiven(t *testing.T) {
	t.Parallel()
	f := instance()
	client := serve(t, f)
	for text, want := range map[string]time.Time{
		"2001-02-03T04:05:06Z":        time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
		"2099-02-03T04:05:06.5+02:00": time.Date(2099, 2, 3, 2, 5, 6, 5e8, time.UTC),
	} {
		f.set(func(f *fake) { f.paths[rolesPath+"web-role"] = with("Expiration", `"`+text+`"`) })
		creds, err := client.RoleCredentials(t.Context())
		require.NoError(t, err)
		require.True(t, creds.CanExpire)
		require.True(t, want.Equal(creds.Expires), "%v", creds.Expires)
	}
}

// extendedInstance has the extended API too, which adds the account.
func extendedInstance() *fake {
	f := instance()
	doc := with("Type", `"AWS-HMAC", "AccountId" : "123456789012"`)
	f.paths[extendedPath] = "web-role"
	f.paths[extendedPath+"web-role"] = doc
	return f
}

func TestExtended(t *testing.T) {
	t.Parallel()
	const get = "GET "
	both := func(role string) []string { return []string{get + extendedPath + role, get + rolesPath + role} }
	for _, tt := range []struct {
		name          string
		extended      bool
		profile       string
		fake          *fake
		account       string
		first, second []string
	}{
		{
			"off by default", false, "", extendedInstance(), "",
			[]string{get + rolesPath, get + rolesPath + "web-role"},
			[]string{get + rolesPath + "web-role"},
		},
		{
			"wanted", true, "", extendedInstance(), "123456789012",
			[]string{get + extendedPath, get + extendedPath + "web-role"},
			[]string{get + extendedPath + "web-role"},
		},
		{
			"wanted, and not there", true, "", instance(), "",
			append(both(""), get+rolesPath+"web-role"),
			[]string{get + rolesPath + "web-role"},
		},
		{
			"by name", false, "web-role", extendedInstance(), "123456789012",
			[]string{get + extendedPath + "web-role"},
			[]string{get + extendedPath + "web-role"},
		},
		{
			"by name, and not there", false, "web-role", instance(), "",
			both("web-role"),
			[]string{get + rolesPath + "web-role"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, tt.fake)
			client.Extended, client.ProfileName = tt.extended, tt.profile
			creds, err := client.RoleCredentials(t.Context())
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want(tt.account), creds))
			require.Equal(t, append([]string{"PUT " + tokenPath}, tt.first...), tt.fake.requests())
			_, err = client.RoleCredentials(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.second, tt.fake.requests())
		})
	}
}

// No role yet says nothing about the extended API: it answers 404 then as well.
func TestExtendedAfterNoRole(t *testing.T) {
	t.Parallel()
	f := &fake{paths: map[string]string{}}
	client := serve(t, f)
	client.Extended = true
	_, err := client.RoleCredentials(t.Context())
	require.ErrorIs(t, err, imds.ErrNoRole)
	f.set(func(f *fake) { f.paths = extendedInstance().paths })
	creds, err := client.RoleCredentials(t.Context())
	require.NoError(t, err)
	require.Equal(t, "123456789012", creds.AccountID)
}

// If the ordinary API loses the role as well, the extended one gets another chance.
func TestExtendedComesLater(t *testing.T) {
	t.Parallel()
	f := instance()
	client := serve(t, f)
	client.ProfileName = "web-role"
	_, err := client.RoleCredentials(t.Context())
	require.NoError(t, err)
	f.set(func(f *fake) { delete(f.paths, rolesPath+"web-role") })
	_, err = client.RoleCredentials(t.Context())
	require.Error(t, err)
	f.set(func(f *fake) { f.paths = extendedInstance().paths })
	creds, err := client.RoleCredentials(t.Context())
	require.NoError(t, err)
	require.Equal(t, "123456789012", creds.AccountID)
}

// A trouble of the extended API is an error, not a reason to use the other one.
func TestExtendedFails(t *testing.T) {
	t.Parallel()
	f := extendedInstance()
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, extendedPath) {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	client := serve(t, f)
	client.ProfileName = "web-role"
	_, err := client.RoleCredentials(t.Context())
	requireFailure(t, err, 403, extendedPath, "may be turned off")
	require.NotContains(t, f.requests(), "GET "+rolesPath+"web-role")
}

func TestProfileName(t *testing.T) {
	t.Parallel()
	f := extendedInstance()
	client := serve(t, f)
	client.ProfileName = "db-role"
	_, err := client.RoleCredentials(t.Context())
	requireFailure(t, err, 404, `instance profile name "db-role", which is configured`)

	// Role answers which role the instance has, whatever is configured.
	role, err := client.Role(t.Context())
	require.NoError(t, err)
	require.Equal(t, "web-role", role)

	for _, name := range []string{"../../user-data", "a b", "a?b", "", ".", strings.Repeat("a", 129)} {
		client := serve(t, f)
		client.ProfileName = name
		_, err := client.RoleCredentials(t.Context())
		if name == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "is not the name of a role")
	}
}
