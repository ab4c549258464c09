package awstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	deviceGrant  = "urn:ietf:params:oauth:grant-type:device_code"
	refreshGrant = "refresh_token"
	codeGrant    = "authorization_code"

	accountScope = "sso:account:access"

	registrationLifetime = 90 * 24 * time.Hour
	slowDownStep         = 5 * time.Second // RFC 8628, section 3.5
)

// ssoDevice is a device code and what has become of it.
type ssoDevice struct {
	userCode, client string
	expires          time.Time
	interval         time.Duration
	polled           time.Time // the last time; zero for never
	polls            int       // those that got slow_down or authorization_pending by the script
	decided, allowed bool
}

// Approve lets the client with this user code have its tokens, as a person would. It says whether there is one.
func (s *SSO) Approve(userCode string) bool { return s.decide(userCode, true) }

// Deny refuses tokens to the client with this user code (access_denied). It says whether there is one.
func (s *SSO) Deny(userCode string) bool { return s.decide(userCode, false) }

func (s *SSO) decide(userCode string, allowed bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.state.devices {
		if d.userCode == userCode {
			d.decided, d.allowed = true, allowed
			return true
		}
	}
	return false
}

// register, newAccess and newRefresh change the state; s.mu must be held.
func (s *SSO) register(scopes bool, grants []string) (id string, c ssoClient) {
	id = strings.TrimPrefix(s.next("client"), Canary+"/+")
	c = ssoClient{secret: s.next("client secret"), scopes: scopes, grants: grants, expires: time.Now().Add(registrationLifetime).Truncate(time.Second)}
	if s.state.clients == nil {
		s.state.clients = make(map[string]ssoClient)
	}
	s.state.clients[id] = c
	return id, c
}

func (s *SSO) newAccess(expires time.Time) string {
	if s.state.access == nil {
		s.state.access = make(map[string]time.Time)
	}
	token := s.next("access token")
	s.state.access[token] = expires
	return token
}

func (s *SSO) newRefresh(client string) string {
	if s.state.refresh == nil {
		s.state.refresh = make(map[string]string)
	}
	token := s.next("refresh token")
	s.state.refresh[token] = client
	return token
}

// oidcRequest has the parameters of all operations.
type oidcRequest struct {
	ClientID     string   `json:"clientId"`
	ClientSecret string   `json:"clientSecret"`
	ClientName   string   `json:"clientName"`
	ClientType   string   `json:"clientType"`
	Scopes       []string `json:"scopes"`
	GrantTypes   []string `json:"grantTypes"`
	StartURL     string   `json:"startUrl"`
	GrantType    string   `json:"grantType"`
	DeviceCode   string   `json:"deviceCode"`
	RefreshToken string   `json:"refreshToken"`
}

// readJSON reads a body with one JSON object.
func readJSON(r *http.Request, into any) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	return err == nil && len(body) <= maxForm && json.Unmarshal(body, into) == nil &&
		strings.HasPrefix(r.Header.Get("Content-Type"), "application/json")
}

// oidcError is an error in the form of the service, with the exception that belongs to OAuth's error code.
func oidcError(operation, code, description string) reply {
	status, exception := http.StatusBadRequest, ""
	switch code {
	case "invalid_client":
		status, exception = http.StatusUnauthorized, "InvalidClientException"
	case "expired_token":
		exception = "ExpiredTokenException"
	default:
		for word := range strings.SplitSeq(code, "_") {
			exception += strings.ToUpper(word[:1]) + word[1:]
		}
		exception += "Exception"
	}
	a := jsonReply(status, map[string]string{"error": code, "error_description": description})
	a.header = http.Header{"X-Amzn-Errortype": {exception}, "X-Amzn-Requestid": {requestID}}
	a.operation, a.code = operation, code
	return a
}

func oidcReply(operation string, v any) reply {
	a := jsonReply(http.StatusOK, v)
	a.operation = operation
	return a
}

func (s *SSO) registerClient(r *http.Request) reply {
	const operation = "RegisterClient"
	var in oidcRequest
	switch ok := readJSON(r, &in); {
	case !ok || in.ClientName == "":
		return oidcError(operation, "invalid_request", "the body is not a JSON object, or clientName is missing")
	case in.ClientType != "public":
		return oidcError(operation, "invalid_client_metadata", "clientType must be public")
	}
	for _, scope := range in.Scopes {
		if scope != accountScope && !strings.HasPrefix(scope, "codewhisperer:") {
			return oidcError(operation, "invalid_scope", fmt.Sprintf("there is no scope %q", scope))
		}
	}
	for _, grant := range in.GrantTypes {
		if grant != deviceGrant && grant != refreshGrant && grant != codeGrant {
			return oidcError(operation, "unsupported_grant_type", fmt.Sprintf("the grant type %q is not supported", grant))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, c := s.register(len(in.Scopes) > 0, in.GrantTypes)
	return oidcReply(operation, map[string]any{
		"clientId": id, "clientSecret": c.secret, "clientIdIssuedAt": time.Now().Unix(), "clientSecretExpiresAt": c.expires.Unix(),
	})
}

// client checks who asks; s.mu must be held.
func (s *SSO) client(in oidcRequest) (ok bool) {
	c, known := s.state.clients[in.ClientID]
	return known && c.secret == in.ClientSecret && time.Now().Before(c.expires)
}

// may reports whether a client has a grant type; s.mu must be held.
func (s *SSO) may(client, grant string) bool {
	grants := s.state.clients[client].grants
	return len(grants) == 0 || slices.Contains(grants, grant)
}

func (s *SSO) startDevice(r *http.Request) reply {
	const operation = "StartDeviceAuthorization"
	var in oidcRequest
	if !readJSON(r, &in) || in.ClientID == "" || in.ClientSecret == "" || in.StartURL == "" {
		return oidcError(operation, "invalid_request", "the body is not a JSON object, or a parameter is missing")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.client(in):
		return oidcError(operation, "invalid_client", "the client is not known, or its registration has ended")
	case in.StartURL != s.startURL():
		return oidcError(operation, "invalid_request", "the start URL is not the one of an organization")
	}
	lifetime, interval := s.DeviceCodeLifetime, s.Interval
	if lifetime == 0 {
		lifetime = 10 * time.Minute
	}
	if interval == 0 {
		interval = 5 * time.Second
	}
	code := s.next("device code")
	id := keyID("", code)
	d := &ssoDevice{
		userCode: id[:4] + "-" + id[4:8], client: in.ClientID,
		expires: time.Now().Add(lifetime), interval: interval, polled: time.Time{},
	}
	if s.state.devices == nil {
		s.state.devices = make(map[string]*ssoDevice)
	}
	s.state.devices[code] = d
	page := strings.TrimSuffix(s.startURL(), "/") + "/#/device"
	return oidcReply(operation, map[string]any{
		"deviceCode": code, "userCode": d.userCode, "verificationUri": page,
		"verificationUriComplete": page + "?user_code=" + d.userCode,
		"expiresIn":               int(lifetime.Seconds()), "interval": int(interval.Seconds()),
	})
}

func (s *SSO) createToken(r *http.Request) reply {
	operation := "CreateToken"
	var in oidcRequest
	if !readJSON(r, &in) || in.ClientID == "" || in.ClientSecret == "" || in.GrantType == "" {
		return oidcError(operation, "invalid_request", "the body is not a JSON object, or a parameter is missing")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch in.GrantType {
	case deviceGrant:
		operation += " device_code"
	case refreshGrant:
		operation += " refresh_token"
	}
	if !s.client(in) {
		return oidcError(operation, "invalid_client", "the client is not known, or its registration has ended")
	}
	if (in.GrantType == deviceGrant || in.GrantType == refreshGrant) && !s.may(in.ClientID, in.GrantType) {
		return oidcError(operation, "unauthorized_client", fmt.Sprintf("the client registered without the grant type %q", in.GrantType))
	}
	switch in.GrantType {
	case deviceGrant:
		return s.poll(operation, in)
	case refreshGrant:
		return s.refreshed(operation, in)
	}
	return oidcError(operation, "unsupported_grant_type", fmt.Sprintf("the grant type %q is not supported", in.GrantType))
}

// poll answers a client that waits for a person; s.mu must be held.
func (s *SSO) poll(operation string, in oidcRequest) reply {
	d := s.state.devices[in.DeviceCode]
	if d == nil || d.client != in.ClientID {
		return oidcError(operation, "invalid_grant", "the device code is not known, was used before, or is another client's")
	}
	now := time.Now()
	if !now.Before(d.expires) {
		return oidcError(operation, "expired_token", "the device code has expired")
	}
	tooFast := !d.polled.IsZero() && now.Before(d.polled.Add(d.interval))
	d.polled = now
	if !tooFast {
		d.polls++
	}
	switch {
	case tooFast || d.polls <= s.SlowDown:
		d.interval += slowDownStep
		return oidcError(operation, "slow_down", "the client asks too often")
	case d.decided && !d.allowed:
		return oidcError(operation, "access_denied", "the person has said no")
	case !d.decided && (s.Pending < 0 || d.polls <= s.SlowDown+s.Pending):
		return oidcError(operation, "authorization_pending", "the person has not decided yet")
	}
	delete(s.state.devices, in.DeviceCode)
	out := s.tokens()
	if s.state.clients[in.ClientID].scopes && s.may(in.ClientID, refreshGrant) {
		out["refreshToken"] = s.newRefresh(in.ClientID)
	}
	return oidcReply(operation, out)
}

// refreshed answers with the next access token for a refresh token that is good; s.mu must be held.
func (s *SSO) refreshed(operation string, in oidcRequest) reply {
	if client, good := s.state.refresh[in.RefreshToken]; !good || client != in.ClientID {
		return oidcError(operation, "invalid_grant", "the refresh token is not known, was used before, or is another client's")
	}
	out := s.tokens()
	if !s.KeepRefreshToken {
		delete(s.state.refresh, in.RefreshToken)
		out["refreshToken"] = s.newRefresh(in.ClientID)
	}
	return oidcReply(operation, out)
}

func (s *SSO) tokens() map[string]any {
	lifetime := s.AccessTokenLifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	return map[string]any{
		"accessToken": s.newAccess(time.Now().Add(lifetime)), "tokenType": "Bearer", "expiresIn": int(lifetime.Seconds()),
	}
}
