package awstest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// device is a client that waits for a person.
type device struct {
	ssoWorld
	client, start fields
}

func newDevice(t *testing.T, s *awstest.SSO, scopes ...string) device {
	t.Helper()
	w := newSSO(t, s)
	in := fields{"clientName": "credchain", "clientType": "public"}
	if len(scopes) > 0 {
		in["scopes"] = scopes
	}
	return newDeviceOf(t, w, in)
}

// newDeviceOf is newDevice with a registration of one's own.
func newDeviceOf(t *testing.T, w ssoWorld, in fields) device {
	t.Helper()
	status, client := w.post(oidcURL+"/client/register", in)
	require.Equal(t, 200, status)
	status, start := w.post(oidcURL+"/device_authorization", fields{"clientId": client["clientId"], "clientSecret": client["clientSecret"],
		"startUrl": "https://example.awsapps.com/start"})
	require.Equal(t, 200, status)
	return device{w, client, start}
}

// poll returns the error code, "" with tokens.
func (d device) poll() (string, fields) {
	d.t.Helper()
	status, got := d.post(oidcURL+"/token", fields{"clientId": d.client["clientId"], "clientSecret": d.client["clientSecret"],
		"grantType": "urn:ietf:params:oauth:grant-type:device_code", "deviceCode": d.start["deviceCode"]})
	code, _ := got["error"].(string)
	require.Equal(d.t, map[bool]int{true: 200, false: 400}[code == ""], status)
	return code, got
}

func TestDeviceSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &awstest.SSO{Pending: 2, Roles: []awstest.SSORole{{AccountID: account, Name: "Admin"}}}
		d := newDevice(t, s, "sso:account:access")
		require.InDelta(t, time.Now().Add(90*24*time.Hour).Unix(), d.client["clientSecretExpiresAt"], 0)
		require.InDelta(t, 600, d.start["expiresIn"], 0)
		require.InDelta(t, 5, d.start["interval"], 0)
		require.Regexp(t, `^[A-Z2-7]{4}-[A-Z2-7]{4}$`, d.start["userCode"])
		require.Equal(t, "https://example.awsapps.com/start/#/device", d.start["verificationUri"])
		require.Equal(t, "https://example.awsapps.com/start/#/device?user_code="+d.start["userCode"].(string), d.start["verificationUriComplete"])
		for range 2 {
			code, _ := d.poll()
			require.Equal(t, "authorization_pending", code)
			time.Sleep(5 * time.Second)
		}
		code, tokens := d.poll()
		require.Empty(t, code)
		status, _ := d.role(tokens["accessToken"].(string), account, "Admin")
		require.Equal(t, 200, status)
		session := awstest.SSOSession{ClientID: d.client["clientId"].(string), ClientSecret: d.client["clientSecret"].(string)}
		status, _ = d.refresh(session, tokens["refreshToken"].(string))
		require.Equal(t, 200, status)
		time.Sleep(5 * time.Second)
		code, _ = d.poll()
		require.Equal(t, "invalid_grant", code, "a device code is good once")
		require.Equal(t, 1, s.Calls("RegisterClient"))
		require.Equal(t, 1, s.Calls("StartDeviceAuthorization"))
		require.Equal(t, 4, s.Calls("CreateToken device_code"))
	})
}

// A client has the grant types that it registered with, and no others.
func TestGrantTypes(t *testing.T) {
	t.Parallel()
	const deviceCode = "urn:ietf:params:oauth:grant-type:device_code"
	for _, tt := range []struct {
		name          string
		scopes        []string
		grants        []string
		code          string // of the device grant
		refreshes     bool   // the answer has a refresh token
		refreshedCode string // of the refresh grant
	}{
		{"none named", []string{"sso:account:access"}, nil, "", true, "invalid_grant"},
		{"both", []string{"sso:account:access"}, []string{deviceCode, "refresh_token"}, "", true, "invalid_grant"},
		{"both, no scopes", nil, []string{deviceCode, "refresh_token"}, "", false, "invalid_grant"},
		{"device code alone", []string{"sso:account:access"}, []string{deviceCode}, "", false, "unauthorized_client"},
		{"no device code", []string{"codewhisperer:completions"}, []string{"authorization_code", "refresh_token"}, "unauthorized_client", false, "invalid_grant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := fields{"clientName": "credchain", "clientType": "public"}
			if tt.scopes != nil {
				in["scopes"] = tt.scopes
			}
			if tt.grants != nil {
				in["grantTypes"] = tt.grants
			}
			d := newDeviceOf(t, newSSO(t, new(awstest.SSO)), in)
			code, tokens := d.poll()
			require.Equal(t, tt.code, code)
			require.Equal(t, tt.refreshes, tokens["refreshToken"] != nil)
			_, got := d.refresh(awstest.SSOSession{ClientID: d.client["clientId"].(string), ClientSecret: d.client["clientSecret"].(string)}, "unknown")
			require.Equal(t, tt.refreshedCode, got["error"])
		})
	}
}

// RFC 8628, section 3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
func TestDevicePace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &awstest.SSO{Pending: -1}
		d := newDevice(t, s)
		for _, step := range []struct {
			wait time.Duration
			want string
		}{
			{0, "authorization_pending"},
			{5*time.Second - 1, "slow_down"}, // and ten from now on
			{9 * time.Second, "slow_down"},   // and fifteen
			{15 * time.Second, "authorization_pending"},
			{15 * time.Second, "authorization_pending"},
		} {
			time.Sleep(step.wait)
			code, _ := d.poll()
			require.Equal(t, step.want, code, step)
		}
		require.False(t, s.Approve("AAAA-AAAA"))
		require.False(t, s.Deny("AAAA-AAAA"))
		require.True(t, s.Approve(d.start["userCode"].(string)))
		time.Sleep(15 * time.Second)
		code, tokens := d.poll()
		require.Empty(t, code)
		require.NotContains(t, tokens, "refreshToken", "the client has no scopes")
	})
}

func TestDeviceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &awstest.SSO{Pending: -1, SlowDown: 1, DeviceCodeLifetime: time.Minute, Interval: 2 * time.Second}
		d := newDevice(t, s)
		require.InDelta(t, 60, d.start["expiresIn"], 0)
		require.InDelta(t, 2, d.start["interval"], 0)
		code, _ := d.poll()
		require.Equal(t, "slow_down", code, "by the script")
		time.Sleep(7 * time.Second)
		code, _ = d.poll()
		require.Equal(t, "authorization_pending", code)
		require.True(t, s.Deny(d.start["userCode"].(string)))
		time.Sleep(7 * time.Second)
		code, _ = d.poll()
		require.Equal(t, "access_denied", code)

		d = newDevice(t, s)
		time.Sleep(time.Minute)
		code, _ = d.poll()
		require.Equal(t, "expired_token", code)
		require.True(t, s.Approve(d.start["userCode"].(string)))
		code, _ = d.poll()
		require.Equal(t, "expired_token", code, "it is too late")

		other := newDevice(t, s)
		d.start["deviceCode"] = other.start["deviceCode"]
		code, _ = d.poll()
		require.Equal(t, "invalid_grant", code, "another client's code")
	})
}

func TestRegisterAndStartRefuse(t *testing.T) {
	t.Parallel()
	s := &awstest.SSO{StartURL: "https://corp.awsapps.com/start/"}
	w := newSSO(t, s)
	session := s.Session(time.Now())
	client := fields{"clientId": session.ClientID, "clientSecret": session.ClientSecret}
	with := func(more ...any) fields {
		in := fields{"clientId": client["clientId"], "clientSecret": client["clientSecret"]}
		for i := 0; i < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return in
	}
	for _, tt := range []struct {
		path string
		in   fields
		code string
	}{
		{"/client/register", fields{"clientType": "public"}, "invalid_request"},
		{"/client/register", fields{"clientName": "x"}, "invalid_client_metadata"},
		{"/client/register", fields{"clientName": "x", "clientType": "confidential"}, "invalid_client_metadata"},
		{"/client/register", fields{"clientName": "x", "clientType": "public", "scopes": []string{"sso:account:access", "sso:account:acces"}}, "invalid_scope"},
		{"/client/register", fields{"clientName": "x", "clientType": "public", "grantTypes": []string{"refresh_token", "password"}}, "unsupported_grant_type"},
		{"/device_authorization", with(), "invalid_request"},
		{"/device_authorization", with("startUrl", "https://example.awsapps.com/start"), "invalid_request"},
		{"/device_authorization", with("startUrl", session.StartURL, "clientSecret", "x"), "invalid_client"},
		{"/device_authorization", with("startUrl", session.StartURL, "clientId", "x"), "invalid_client"},
		{"/device_authorization", with("startUrl", session.StartURL), ""},
	} {
		status, got := w.post(oidcURL+tt.path, tt.in)
		if tt.code == "" {
			require.Equal(t, 200, status)
			require.Equal(t, "https://corp.awsapps.com/start/#/device", got["verificationUri"])
			continue
		}
		require.Equal(t, tt.code, got["error"], tt)
		require.NotEmpty(t, got["error_description"])
	}
}
