package awstest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const (
	portal  = "https://portal.sso.eu-west-1.amazonaws.com"
	oidcURL = "https://oidc.eu-west-1.amazonaws.com"
)

// fields is a JSON object.
type fields = map[string]any

// ssoWorld carries requests to an SSO.
type ssoWorld struct {
	t  *testing.T
	rt http.RoundTripper
}

func newSSO(t *testing.T, s http.Handler) ssoWorld {
	return ssoWorld{t, awstest.Transport(map[string]http.Handler{
		"portal.sso.eu-west-1.amazonaws.com": s, "oidc.eu-west-1.amazonaws.com": s, "signin.aws.amazon.com": s,
	})}
}

// post sends JSON and returns the answer's status and object.
func (w ssoWorld) post(url string, in fields, headers ...string) (int, fields) {
	w.t.Helper()
	body, err := json.Marshal(in)
	require.NoError(w.t, err)
	req, err := http.NewRequestWithContext(w.t.Context(), "POST", url, strings.NewReader(string(body)))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.rt.RoundTrip(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	var out fields
	require.NoError(w.t, json.Unmarshal(data, &out), string(data))
	if resp.StatusCode != 200 {
		require.NotContains(w.t, string(data), awstest.Canary)
		require.NotEmpty(w.t, resp.Header.Get("X-Amzn-Errortype"))
	}
	return resp.StatusCode, out
}

// role asks the portal for keys.
func (w ssoWorld) role(token, account, role string) (int, fields) {
	w.t.Helper()
	a := ask(w.t, w.rt, "GET", portal+"/federation/credentials?account_id="+account+"&role_name="+role, "x-amz-sso_bearer_token", token)
	var out fields
	require.NoError(w.t, json.Unmarshal([]byte(a.body), &out), a.body)
	return a.status, out
}

func (w ssoWorld) refresh(s awstest.SSOSession, refreshToken string) (int, fields) {
	w.t.Helper()
	return w.post(oidcURL+"/token", fields{"clientId": s.ClientID, "clientSecret": s.ClientSecret,
		"grantType": "refresh_token", "refreshToken": refreshToken})
}

func TestSSOPortal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sts := &awstest.STS{}
		fixed := awstest.Temporary("fixed", time.Now().Add(time.Minute))
		s := &awstest.SSO{STS: sts, Roles: []awstest.SSORole{
			{AccountID: account, Name: "Admin", Lifetime: 2 * time.Hour}, {AccountID: account, Name: "Fixed", Credentials: fixed},
		}}
		w := newSSO(t, s)
		session := s.Session(time.Now().Add(time.Hour))

		status, got := w.role(session.AccessToken, account, "Admin")
		require.Equal(t, 200, status)
		creds := got["roleCredentials"].(fields)
		require.InDelta(t, time.Now().Add(2*time.Hour).UnixMilli(), creds["expiration"], 0)
		status, got = w.role(session.AccessToken, account, "Admin")
		require.Equal(t, 200, status)
		require.NotEqual(t, creds["accessKeyId"], got["roleCredentials"].(fields)["accessKeyId"], "each call gets its own")
		_, got = w.role(session.AccessToken, account, "Fixed")
		require.Equal(t, fixed.SecretAccessKey, got["roleCredentials"].(fields)["secretAccessKey"])
		who := call(t, sts, fixed, "GetCallerIdentity")
		require.Equal(t, "arn:aws:sts::"+account+":assumed-role/AWSReservedSSO_Fixed_0123456789abcdef/user", who.field("Arn"))

		for _, tt := range []struct {
			token, account, role string
			status               int
			code                 string
		}{
			{"", account, "Admin", 400, "InvalidRequestException"},
			{session.AccessToken, "", "Admin", 400, "InvalidRequestException"},
			{session.AccessToken + "x", account, "Admin", 401, "UnauthorizedException"},
			{session.RefreshToken, account, "Admin", 401, "UnauthorizedException"},
			{session.AccessToken, account, "admin", 403, "ForbiddenException"},
			{session.AccessToken, "444455556666", "Admin", 403, "ForbiddenException"},
		} {
			status, got := w.role(tt.token, tt.account, tt.role)
			require.Equal(t, tt.status, status, tt)
			require.Equal(t, "com.amazonaws.switchboard.portal#"+tt.code, got["__type"])
			require.Equal(t, tt.code, s.Requests()[len(s.Requests())-1].Code)
		}
		require.Equal(t, 9, s.Calls("GetRoleCredentials"))
		require.Equal(t, 404, ask(t, w.rt, "GET", portal+"/assignment/accounts").status)
		require.Equal(t, 404, ask(t, w.rt, "POST", portal+"/federation/credentials").status)
		require.Equal(t, 404, ask(t, w.rt, "GET", oidcURL+"/token").status)

		time.Sleep(time.Hour - time.Second)
		status, _ = w.role(session.AccessToken, account, "Admin")
		require.Equal(t, 200, status)
		time.Sleep(time.Second)
		status, _ = w.role(session.AccessToken, account, "Admin")
		require.Equal(t, 401, status)
		past := s.Session(time.Now())
		status, _ = w.role(past.AccessToken, account, "Admin")
		require.Equal(t, 401, status)
	})
}

func TestSSORefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &awstest.SSO{Roles: []awstest.SSORole{{AccountID: account, Name: "Admin"}}, AccessTokenLifetime: 10 * time.Minute}
		w := newSSO(t, s)
		session, other := s.Session(time.Now()), s.Session(time.Now())

		status, first := w.refresh(session, session.RefreshToken)
		require.Equal(t, 200, status)
		require.Equal(t, "Bearer", first["tokenType"])
		require.InDelta(t, 600, first["expiresIn"], 0)
		status, _ = w.role(first["accessToken"].(string), account, "Admin")
		require.Equal(t, 200, status)
		require.NotEqual(t, session.RefreshToken, first["refreshToken"])

		// Each refresh token is good once, and for its own client alone.
		status, got := w.refresh(session, session.RefreshToken)
		require.Equal(t, 400, status)
		require.Equal(t, "invalid_grant", got["error"])
		status, got = w.refresh(other, first["refreshToken"].(string))
		require.Equal(t, 400, status)
		require.Equal(t, "invalid_grant", got["error"])
		status, _ = w.refresh(session, first["refreshToken"].(string))
		require.Equal(t, 200, status)
		require.Equal(t, 4, s.Calls("CreateToken refresh_token"))
		require.Equal(t, 4, s.Calls("CreateToken"))
		require.Zero(t, s.Calls("CreateToken device_code"))
		require.Zero(t, s.Calls("Create"))

		for name, change := range map[string]func(fields){
			"unknown client":     func(in fields) { in["clientId"] = "x" },
			"another secret":     func(in fields) { in["clientSecret"] = "x" },
			"another's secret":   func(in fields) { in["clientSecret"] = session.ClientSecret },
			"no client":          func(in fields) { delete(in, "clientId") },
			"no secret":          func(in fields) { delete(in, "clientSecret") },
			"no grant":           func(in fields) { delete(in, "grantType") },
			"another grant":      func(in fields) { in["grantType"] = "password" },
			"the wrong spelling": func(in fields) { in["grantType"] = "refreshToken" },
			"no refresh token":   func(in fields) { delete(in, "refreshToken") },
		} {
			in := fields{"clientId": other.ClientID, "clientSecret": other.ClientSecret, "grantType": "refresh_token", "refreshToken": other.RefreshToken}
			change(in)
			status, got := w.post(oidcURL+"/token", in)
			want := map[string]string{"unknown client": "invalid_client", "another secret": "invalid_client", "another's secret": "invalid_client",
				"another grant": "unsupported_grant_type", "the wrong spelling": "unsupported_grant_type", "no refresh token": "invalid_grant"}[name]
			if want == "" {
				want = "invalid_request"
			}
			require.Equal(t, want, got["error"], name)
			require.Equal(t, map[bool]int{true: 401, false: 400}[want == "invalid_client"], status, name)
		}
		a := ask(t, w.rt, "POST", oidcURL+"/token")
		require.Equal(t, 400, a.status)
		status, _ = w.post(oidcURL+"/token", fields{}, "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, 400, status)
		status, _ = w.refresh(other, other.RefreshToken)
		require.Equal(t, 200, status, "none of this has used it up")

		signedOut := s.Session(time.Now().Add(time.Hour))
		s.SignOut()
		status, _ = w.role(signedOut.AccessToken, account, "Admin")
		require.Equal(t, 401, status)
		status, _ = w.refresh(signedOut, signedOut.RefreshToken)
		require.Equal(t, 400, status)

		late := s.Session(time.Now())
		time.Sleep(time.Until(late.RegistrationExpires))
		status, got = w.refresh(late, late.RefreshToken)
		require.Equal(t, 401, status)
		require.Equal(t, "invalid_client", got["error"])
	})
}

func TestSSOKeepsRefreshTokens(t *testing.T) {
	t.Parallel()
	s := &awstest.SSO{KeepRefreshToken: true}
	w := newSSO(t, s)
	session := s.Session(time.Now())
	for range 2 {
		status, got := w.refresh(session, session.RefreshToken)
		require.Equal(t, 200, status)
		require.NotContains(t, got, "refreshToken")
	}
}

func TestSSOSessionFile(t *testing.T) {
	t.Parallel()
	s := &awstest.SSO{Region: "eu-central-1"}
	expires := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	session := s.Session(expires)
	var got map[string]string
	require.NoError(t, json.Unmarshal([]byte(session.File()), &got))
	require.Equal(t, map[string]string{
		"startUrl": "https://example.awsapps.com/start", "region": "eu-central-1", "accessToken": session.AccessToken,
		"expiresAt": "2027-01-02T03:04:05Z", "clientId": session.ClientID, "clientSecret": session.ClientSecret,
		"registrationExpiresAt": session.RegistrationExpires.UTC().Format(time.RFC3339), "refreshToken": session.RefreshToken,
	}, got)
	got = nil
	require.NoError(t, json.Unmarshal([]byte(awstest.SSOSession{AccessToken: "a", Expires: expires}.File()), &got))
	require.Equal(t, map[string]string{"startUrl": "", "region": "", "accessToken": "a", "expiresAt": "2027-01-02T03:04:05Z"}, got)
}
