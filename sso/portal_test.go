package sso_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sso"
)

const (
	accessToken = "canary-access/token+="
	roleAnswer  = `{"roleCredentials":{"accessKeyId":"ASIAX","secretAccessKey":"canary-secret",` +
		`"sessionToken":"canary-session","expiration":1789000000123,"other":1},"another":{}}`
)

func TestRoleCredentials(t *testing.T) {
	t.Parallel()
	f := newFake(answer{body: roleAnswer})
	got, err := client(f).RoleCredentials(t.Context(), accessToken, "111122223333", "Power & User+")
	require.NoError(t, err)
	want := aws.Credentials{
		AccessKeyID: "ASIAX", SecretAccessKey: "canary-secret", SessionToken: "canary-session",
		Source: "sso.GetRoleCredentials", CanExpire: true, AccountID: "111122223333",
		Expires: time.Date(2026, 9, 10, 0, 26, 40, 123e6, time.UTC),
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Equal(t, []string{
		"GET https://portal.sso.eu-west-1.amazonaws.com/federation/credentials?account_id=111122223333&role_name=Power%20%26%20User%2B" +
			"\naccept: application/json\nuser-agent: credchain\nx-amz-sso_bearer_token: " + accessToken,
	}, f.sent)
}

// The client works over a real connection as well, with its own transport.
func TestRoleCredentialsOnLoopback(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/base/federation/credentials" || r.Header.Get("x-amz-sso_bearer_token") != accessToken {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		w.Write([]byte(roleAnswer))
	}))
	defer server.Close()
	c := &sso.Client{Endpoint: server.URL + "/base/"}
	got, err := c.RoleCredentials(t.Context(), accessToken, "111122223333", "Role")
	require.NoError(t, err)
	require.Equal(t, "ASIAX", got.AccessKeyID)
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		client       *sso.Client
		portal, oidc string // the hosts
		err          string
	}{
		{"ordinary", &sso.Client{Region: "us-east-2"}, "https://portal.sso.us-east-2.amazonaws.com", "https://oidc.us-east-2.amazonaws.com", ""},
		{"FIPS", &sso.Client{Region: "us-east-2", FIPS: true}, "https://portal.sso-fips.us-east-2.amazonaws.com", "https://oidc-fips.us-east-2.amazonaws.com", ""},
		{"dual stack", &sso.Client{Region: "us-east-2", DualStack: true}, "https://portal.sso.us-east-2.api.aws", "https://oidc.us-east-2.api.aws", ""},
		{"both", &sso.Client{Region: "us-east-2", FIPS: true, DualStack: true}, "https://portal.sso-fips.us-east-2.api.aws", "https://oidc-fips.us-east-2.api.aws", ""},
		{"China", &sso.Client{Region: "cn-north-1"}, "https://portal.sso.cn-north-1.amazonaws.com.cn", "https://oidc.cn-north-1.amazonaws.com.cn", ""},
		{"FIPS in GovCloud", &sso.Client{Region: "us-gov-west-1", FIPS: true}, "https://portal.sso.us-gov-west-1.amazonaws.com", "https://oidc.us-gov-west-1.amazonaws.com", ""},
		{"own", &sso.Client{Endpoint: "http://localhost:1/p", OIDCEndpoint: "http://localhost:2/"}, "http://localhost:1/p", "http://localhost:2", ""},
		{"own and FIPS", &sso.Client{Endpoint: "http://localhost:1", OIDCEndpoint: "http://localhost:2", FIPS: true}, "", "", "another endpoint is set"},
		{"own and dual stack", &sso.Client{Endpoint: "http://localhost:1", OIDCEndpoint: "http://localhost:2", DualStack: true}, "", "", "another endpoint is set"},
		{"own with a password", &sso.Client{Endpoint: "http://canary:canary@localhost", OIDCEndpoint: "http://canary:canary@localhost"}, "", "", "a user name is not allowed"},
		{"no region", &sso.Client{}, "", "", "the region is not set"},
		{"no real region", &sso.Client{Region: "dummy"}, "", "", `region "dummy": not the form`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(answer{body: roleAnswer}, answer{body: `{"accessToken":"new","expiresIn":1}`})
			c := tt.client
			c.Transport = f
			_, err := c.RoleCredentials(t.Context(), accessToken, "111122223333", "Role")
			_, err2 := c.Refresh(t.Context(), refreshable())
			if tt.err != "" {
				require.ErrorContains(t, err, "sso: GetRoleCredentials: ")
				require.ErrorContains(t, err, tt.err)
				require.ErrorContains(t, err2, tt.err)
				requireQuiet(t, err)
				requireQuiet(t, err2)
				require.Empty(t, f.sent)
				return
			}
			require.NoError(t, err)
			require.NoError(t, err2)
			require.Contains(t, f.sent[0], "GET "+tt.portal+"/federation/credentials?")
			require.Contains(t, f.sent[1], "POST "+tt.oidc+"/token\n")
		})
	}
}

func TestRoleCredentialsChecksItsInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ token, account, role, err string }{
		{"", "1", "r", "the access token is missing"},
		{"canary\r\nx: y", "1", "r", "the access token has characters that no token has"},
		{"canary-é", "1", "r", "the access token has characters that no token has"},
		{strings.Repeat("canary", 3000), "1", "r", "the access token is longer than 16384 bytes"},
		{accessToken, "", "r", "the account ID is missing"},
		{accessToken, "1", "", "the role name is missing"},
	} {
		f := newFake()
		_, err := client(f).RoleCredentials(t.Context(), tt.token, tt.account, tt.role)
		require.EqualError(t, err, "sso: GetRoleCredentials: "+tt.err)
		require.Empty(t, f.sent)
	}
}

func TestRoleCredentialsRefused(t *testing.T) {
	t.Parallel()
	typed := func(name string) http.Header {
		return http.Header{"X-Amzn-Errortype": {name}, "X-Amzn-Requestid": {"req-1"}}
	}
	for _, tt := range []struct {
		name   string
		answer answer
		want   sso.Error
		signIn bool
		text   string
	}{
		{"session over",
			answer{status: 401, body: `{"message":"Session token not found or invalid"}`, header: typed("UnauthorizedException:http://internal.amazon.com/")},
			sso.Error{Code: "UnauthorizedException", Message: "Session token not found or invalid", RequestID: "req-1", StatusCode: 401}, true,
			"UnauthorizedException: Session token not found or invalid (HTTP status 401), request ID req-1"},
		{"session over, no code", answer{status: 401, body: "<html>canary</html>"}, sso.Error{StatusCode: 401}, true,
			"HTTP status 401 without an error of Identity Center"},
		{"no such role", answer{status: 403, body: `{"Message":"No access","__type":"com.amazonaws.switchboard.portal#ForbiddenException"}`},
			sso.Error{Code: "ForbiddenException", Message: "No access", StatusCode: 403}, false,
			"ForbiddenException: No access (HTTP status 403)"},
		{"the OIDC service's names are not the portal's", answer{status: 400, header: http.Header{"X-Amzn-Errortype": {"ExpiredTokenException"}}},
			sso.Error{Code: "ExpiredTokenException", StatusCode: 400}, false, "ExpiredTokenException (HTTP status 400)"},
		{"no such account", answer{status: 404, body: `{"message":5,"__type":"ResourceNotFoundException"}`},
			sso.Error{Code: "ResourceNotFoundException", StatusCode: 404}, false, "ResourceNotFoundException (HTTP status 404)"},
		{"a token in the message", answer{status: 400, body: `{"message":"bad ` + accessToken + `\nand \u001b[31m more","__type":"` + accessToken + `"}`,
			header: http.Header{"X-Amzn-Requestid": {accessToken}}},
			sso.Error{}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(tt.answer)
			_, err := client(f).RoleCredentials(t.Context(), accessToken, "111122223333", "Role")
			var e *sso.Error
			require.ErrorAs(t, err, &e)
			requireQuiet(t, err)
			require.Equal(t, tt.signIn, e.NeedsSignIn())
			require.Equal(t, e.Code, e.ErrorCode())
			require.Equal(t, tt.answer.status, e.HTTPStatusCode())
			require.Len(t, f.sent, 1, "retried")
			if tt.text != "" {
				require.Equal(t, tt.want, *e)
				require.EqualError(t, err, "sso: GetRoleCredentials: "+tt.text)
			}
		})
	}
}

func TestRoleCredentialsBadAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer answer
		err    string
	}{
		"no JSON":            {answer{body: "<canary>"}, "the answer is not JSON: bad syntax or a cut at byte 1"},
		"another type":       {answer{body: `["canary"]`}, "not the JSON object that was expected"},
		"a number":           {answer{body: `{"roleCredentials":{"accessKeyId":12345678}}`}, "the answer's roleCredentials.accessKeyId is not of its type"},
		"empty":              {answer{body: "{}"}, "the answer has no accessKeyId"},
		"null":               {answer{body: "null"}, "the answer has no accessKeyId"},
		"no secret":          {answer{body: strings.Replace(roleAnswer, `"canary-secret"`, `""`, 1)}, "the answer has no secretAccessKey"},
		"no session":         {answer{body: strings.Replace(roleAnswer, `sessionToken`, `x`, 1)}, "the answer has no sessionToken"},
		"no expiry":          {answer{body: strings.Replace(roleAnswer, `expiration`, `x`, 1)}, "the answer has no time of expiration"},
		"past all years":     {answer{body: strings.Replace(roleAnswer, `1789000000123`, `9223372036854775807`, 1)}, "the answer has no time of expiration"},
		"a redirect":         {answer{status: 302, header: http.Header{"Location": {"https://elsewhere.example/canary"}}}, `redirects to "elsewhere.example"`},
		"another good state": {answer{status: 204}, "HTTP status 204 without an error of Identity Center"},
		"endless":            {answer{body: strings.Repeat("canary", 200_000)}, "longer than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(tt.answer)
			got, err := client(f).RoleCredentials(t.Context(), accessToken, "111122223333", "Role")
			require.ErrorContains(t, err, "sso: GetRoleCredentials: ")
			require.ErrorContains(t, err, tt.err)
			requireQuiet(t, err)
			require.Zero(t, got)
			require.Len(t, f.sent, 1)
		})
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	good := answer{body: roleAnswer}
	throttled := answer{status: 429, header: http.Header{"X-Amzn-Errortype": {"TooManyRequestsException"}, "X-Amz-Retry-After": {"3000"}}}
	for _, tt := range []struct {
		name     string
		attempts int
		answers  []answer
		min, max time.Duration
		err      string
		sent     int
	}{
		{"500 twice", 0, []answer{{status: 500}, {status: 503}, good}, 0, 150 * time.Millisecond, "", 3},
		{"500 for ever", 0, []answer{{status: 500}, {status: 500}, {status: 500}, good}, 0, 150 * time.Millisecond, "(after 3 attempts)", 3},
		{"one attempt", 1, []answer{{status: 500}, good}, 0, 0, "HTTP status 500", 1},
		{"throttled with a hint", 0, []answer{throttled, good}, 3 * time.Second, 3 * time.Second, "", 2},
		{"a reset", 0, []answer{{err: syscall.ECONNRESET}, good}, 0, 50 * time.Millisecond, "", 2},
		{"a hang", 0, []answer{{hang: true}, good}, 10 * time.Second, 10*time.Second + 50*time.Millisecond, "", 2},
		{"something else", 0, []answer{{err: errors.New("else")}, good}, 0, 0, "else", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(tt.answers...)
				c := client(f)
				c.MaxAttempts = tt.attempts
				_, err := c.RoleCredentials(t.Context(), accessToken, "111122223333", "Role")
				if tt.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.err)
				}
				require.Len(t, f.sent, tt.sent)
				require.GreaterOrEqual(t, time.Since(f.start), tt.min)
				require.LessOrEqual(t, time.Since(f.start), tt.max)
			})
		})
	}
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		f := newFake(answer{hang: true})
		_, err := client(f).RoleCredentials(ctx, accessToken, "111122223333", "Role")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(f.start))
	})
}
