package awstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// SSO is a fake of IAM Identity Center as clients see it: the portal, which hands out roles' credentials, and the
// OIDC service, which registers clients and hands out access tokens for a device code or a refresh token. One
// handler serves both, since their paths differ.
//
// Device codes, access tokens and registrations (after 90 days) expire by the clock. A client that names grant
// types when it registers has those alone; one that names none, as older versions of the AWS CLI do, has all.
// Scopes and grant types that the service does not know are refused. A client that registered without scopes, or
// without the grant type refresh_token, gets no refresh token. A refresh token is good once; after that it is
// invalid_grant, as is one of another client. Who polls faster than the interval gets slow_down, and has to wait
// five seconds longer from then on (RFC 8628, 3.5).
type SSO struct {
	// StartURL is the one that clients must name; "" means https://example.awsapps.com/start.
	StartURL string

	// Region is the one that Session writes down; "" means eu-west-1. Requests do not show theirs.
	Region string

	// Roles are what users may have.
	Roles []SSORole

	// STS, if there is one, learns of the credentials that are handed out, so that it accepts them.
	STS *STS

	// AccessTokenLifetime is that of access tokens; 0 means an hour.
	AccessTokenLifetime time.Duration

	// DeviceCodeLifetime is that of device codes; 0 means ten minutes.
	DeviceCodeLifetime time.Duration

	// Interval is how long clients must wait between polls, in whole seconds; 0 means five.
	Interval time.Duration

	// Pending is how many polls of a device code find that the person has not decided yet, before it is
	// approved. Below zero it waits for Approve or Deny.
	Pending int

	// SlowDown is how many polls are answered with slow_down before that, whatever the client's pace.
	SlowDown int

	// KeepRefreshToken leaves refresh tokens as they are: answers to refreshes have none, and the old one
	// remains good.
	KeepRefreshToken bool

	record
	state ssoState // guarded by record.mu
}

// SSORole is a role in an account that users of an [SSO] may have.
type SSORole struct {
	// AccountID and Name are what clients ask for.
	AccountID, Name string

	// Credentials are handed out. Without keys, each call gets new ones, which end after Lifetime.
	Credentials aws.Credentials

	// Lifetime is that of new credentials; 0 means an hour.
	Lifetime time.Duration
}

// SSOSession is a user's session with an [SSO], as a client remembers it.
type SSOSession struct {
	AccessToken, RefreshToken string
	ClientID, ClientSecret    string
	// Expires is the end of the access token, RegistrationExpires that of the client.
	Expires, RegistrationExpires time.Time
	Region, StartURL             string
}

// ssoState is what changes while the fake is in use.
type ssoState struct {
	made    int // for names that nothing else has
	clients map[string]ssoClient
	devices map[string]*ssoDevice // by device code
	access  map[string]time.Time  // access tokens and when they end
	refresh map[string]string     // refresh tokens that are good, and their clients
}

type ssoClient struct {
	secret  string
	scopes  bool
	grants  []string // those it named
	expires time.Time
}

func (s *SSO) startURL() string { return orElse(s.StartURL, "https://example.awsapps.com/start") }

// next returns a secret that was not there before; s.mu must be held.
func (s *SSO) next(kind string) string {
	s.state.made++
	return secret(kind, fmt.Sprintf("%s %d", s.startURL(), s.state.made))
}

// Session returns the session of a user who has signed in, whose access token ends at expires, which may have
// passed. It has a registered client and a refresh token.
func (s *SSO) Session(expires time.Time) SSOSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, client := s.register(true, nil)
	return SSOSession{
		AccessToken: s.newAccess(expires), RefreshToken: s.newRefresh(id), ClientID: id, ClientSecret: client.secret,
		Expires: expires, RegistrationExpires: client.expires, Region: orElse(s.Region, "eu-west-1"), StartURL: s.startURL(),
	}
}

// SignOut ends all sessions: their access tokens and refresh tokens are no good any more.
func (s *SSO) SignOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.access, s.state.refresh = nil, nil
}

// File returns the file in which the AWS CLI would keep the session. Without a refresh token it is as the CLI
// writes it for a profile that has no sso_session.
func (s SSOSession) File() string {
	registered := ""
	if !s.RegistrationExpires.IsZero() {
		registered = stamp(s.RegistrationExpires)
	}
	text, err := json.MarshalIndent(struct {
		StartURL     string `json:"startUrl"`
		Region       string `json:"region"`
		AccessToken  string `json:"accessToken"`
		Expires      string `json:"expiresAt"`
		ClientID     string `json:"clientId,omitempty"`
		ClientSecret string `json:"clientSecret,omitempty"`
		Registered   string `json:"registrationExpiresAt,omitempty"`
		RefreshToken string `json:"refreshToken,omitempty"`
	}{s.StartURL, s.Region, s.AccessToken, stamp(s.Expires), s.ClientID, s.ClientSecret, registered, s.RefreshToken}, "", "  ")
	if err != nil {
		panic(err) // strings: it cannot fail
	}
	return string(text)
}

// ServeHTTP answers as the portal or the OIDC service does.
func (s *SSO) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bearer := r.Header.Get("X-Amz-Sso_bearer_token")
	s.send(w, r, bearer != "" || r.Header.Get("Authorization") != "", s.answer(r, bearer))
}

func (s *SSO) answer(r *http.Request, bearer string) reply {
	post := map[string]func(*http.Request) reply{
		"/client/register": s.registerClient, "/device_authorization": s.startDevice, "/token": s.createToken,
	}
	switch do, found := post[r.URL.Path]; {
	case found && r.Method == http.MethodPost:
		return do(r)
	case r.URL.Path == "/federation/credentials" && r.Method == http.MethodGet:
		return s.roleCredentials(r, bearer)
	}
	return portalError("", http.StatusNotFound, "ResourceNotFoundException", "no such operation: "+r.Method+" "+r.URL.Path)
}

// roleCredentials is GetRoleCredentials, the operation of the portal that hands out keys.
func (s *SSO) roleCredentials(r *http.Request, bearer string) reply {
	const operation = "GetRoleCredentials"
	query := r.URL.Query()
	account, name := query.Get("account_id"), query.Get("role_name")
	s.mu.Lock()
	defer s.mu.Unlock()
	expires, known := s.state.access[bearer]
	i := slices.IndexFunc(s.Roles, func(role SSORole) bool { return role.AccountID == account && role.Name == name })
	switch {
	case bearer == "" || account == "" || name == "":
		return portalError(operation, http.StatusBadRequest, "InvalidRequestException", "a parameter is missing")
	case !known || !time.Now().Before(expires):
		return portalError(operation, http.StatusUnauthorized, "UnauthorizedException", "Session token not found or invalid")
	case i < 0:
		return portalError(operation, http.StatusForbidden, "ForbiddenException", "No access")
	}
	creds := s.hand(s.Roles[i])
	a := jsonReply(http.StatusOK, map[string]any{"roleCredentials": map[string]any{
		"accessKeyId": creds.AccessKeyID, "secretAccessKey": creds.SecretAccessKey, "sessionToken": creds.SessionToken,
		"expiration": creds.Expires.UnixMilli(), // milliseconds, where all others have seconds or text
	}})
	a.operation = operation
	return a
}

// hand returns the credentials of a role; s.mu must be held.
func (s *SSO) hand(role SSORole) aws.Credentials {
	creds := role.Credentials
	if !creds.HasKeys() {
		s.state.made++
		lifetime := role.Lifetime
		if lifetime == 0 {
			lifetime = time.Hour
		}
		creds = Temporary(fmt.Sprintf("sso %s %s %d", role.AccountID, role.Name, s.state.made), time.Now().Add(lifetime))
	}
	if !creds.CanExpire {
		creds.Expires = time.Now().Add(time.Hour)
	}
	if s.STS != nil {
		id := keyID("AROA", role.AccountID+role.Name)
		s.STS.Add(Principal{
			Credentials: creds, Account: role.AccountID, UserID: id + ":user",
			ARN: "arn:aws:sts::" + role.AccountID + ":assumed-role/AWSReservedSSO_" + role.Name + "_0123456789abcdef/user",
		})
	}
	return creds
}

func portalError(operation string, status int, code, message string) reply {
	a := jsonReply(status, map[string]string{"message": message, "__type": "com.amazonaws.switchboard.portal#" + code})
	a.header = http.Header{"X-Amzn-Errortype": {code}, "X-Amzn-Requestid": {requestID}}
	a.operation, a.code = operation, code
	return a
}
