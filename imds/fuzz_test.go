package imds_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

// answering is a client of a service that gives one answer to every GET.
func answering(body string) *imds.Client {
	return &imds.Client{MaxAttempts: 1, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		text := body
		switch {
		case r.Method == http.MethodPut:
			text = "token-1"
		case r.URL.Path == rolesPath:
			text = "web-role"
		}
		return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(text))}, nil
	})}
}

// Whatever the service says: complete credentials or an error, and no secret in the error.
func FuzzRoleCredentials(f *testing.F) {
	for _, doc := range []string{
		roleDocument, with("Code", `"Failed"`), with("Token", ""), with("Expiration", `"x"`), roleDocument[:90],
		"", "{", "{}", "null", "[]", "<html>", `{"Code":"Success","code":"Failed"}`, `{"Code":"\u0000"}`, "\xff",
		with("Token", `"a\u0007b"`), with("Expiration", `"2026-11-24T14:21:33+25:00"`),
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		creds, err := answering(doc).RoleCredentials(t.Context())
		if err != nil {
			require.Zero(t, creds)
			var e *imds.Error
			require.ErrorAs(t, err, &e)
			require.NotErrorIs(t, err, imds.ErrUnreachable)
			require.NotErrorIs(t, err, imds.ErrNoRole)
			require.NotContains(t, err.Error(), "SECRET")
			require.Less(t, len(err.Error()), 2000)
			for _, r := range err.Error() {
				require.GreaterOrEqual(t, r, ' ')
			}
			return
		}
		require.True(t, creds.HasKeys())
		require.True(t, creds.CanExpire)
		for _, value := range []string{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken} {
			require.NotEmpty(t, value)
			require.NotContains(t, value, "\n")
			require.True(t, strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0)
		}
	})
}

func FuzzDocument(f *testing.F) {
	for _, doc := range []string{
		`{"accountId":"1","region":"us-east-1","pendingTime":"2026-11-24T08:00:00Z"}`, `{"region":1}`, "", "{", "null", "<a>",
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		got, err := answering(doc).Document(t.Context())
		if err != nil {
			require.Zero(t, got)
			var e *imds.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, 200, e.StatusCode)
		}
	})
}

// A token, a role's name and a region go into headers, paths and host names.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"web-role", "us-east-1", "a b", "a\r\nb: c", "<html>", "../x", "\u00e9", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		client := &imds.Client{MaxAttempts: 1, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			token := r.Header.Get("X-Aws-Ec2-Metadata-Token")
			if strings.ContainsAny(token, " \r\n\x00") || r.Method == http.MethodGet && token == "" {
				t.Errorf("token %q", token)
			}
			return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(word))}, nil
		})}
		if role, err := client.Role(t.Context()); err == nil && strings.ContainsAny(role, "/?#% \r\n") || role == ".." {
			t.Errorf("role %q", role)
		}
		if region, err := client.Region(t.Context()); err == nil && strings.ContainsAny(region, "/?#%.:@ \r\n") {
			t.Errorf("region %q", region)
		}
	})
}
