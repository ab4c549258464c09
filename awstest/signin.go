package awstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// SignIn is a fake of the sign-in service, of its endpoint /v1/token alone, with which a session of `aws login`
// is refreshed.
//
// Each request needs a DPoP proof (RFC 9449): a JWT of type dpop+jwt signed by ES256 with the session's key,
// whose coordinates have 32 bytes each, for this method and URL, not more than five minutes old or early, and
// with a jti that was not seen before. A refresh token is good once.
type SignIn struct {
	// URL is what proofs must have in htu; "" means /v1/token at the host of the request, by http or https.
	URL string

	// Account is the account of the sessions; "" means 123456789012.
	Account string

	// ARN is the principal of the sessions; "" means a user of the account.
	ARN string

	// Lifetime is that of the credentials, in whole seconds; 0 means 15 minutes, as the service gives it.
	Lifetime time.Duration

	// STS, if there is one, learns of the credentials that are handed out, so that it accepts them.
	STS *STS

	record
	state signInState // guarded by record.mu
}

// signInState is what changes while the fake is in use.
type signInState struct {
	made    int
	refresh map[string]loginGrant // refresh tokens that are good
	seen    map[string]time.Time  // the jti of proofs, and when they can be forgotten
	refused string
}

// loginGrant is what a refresh token is bound to.
type loginGrant struct{ client, thumbprint string }

const loginClient = "arn:aws:signin:::devtools/same-device"

// LoginSession is a session with a [SignIn], as a client remembers it.
type LoginSession struct {
	// Credentials are the ones to use until they expire. They have the account.
	Credentials aws.Credentials
	// ClientID, RefreshToken and IDToken are of the sign-in.
	ClientID, RefreshToken, IDToken string
	// DPoPKey is the private key of the proofs, in PEM as SEC 1 has it.
	DPoPKey string
}

// Session returns the session of a user who has signed in, whose credentials end at expires, which may have passed.
func (s *SignIn) Session(expires time.Time) LoginSession { return s.session(newP256(), expires) }

// ShortKeySession is a session with a key of which one coordinate starts with a zero byte. A client that does not
// write all 32 bytes of it makes no valid proof.
func (s *SignIn) ShortKeySession(expires time.Time) LoginSession {
	for {
		key := newP256()
		point, err := key.PublicKey.Bytes()
		if err != nil {
			panic(err) // made by GenerateKey: it is on its curve
		}
		if point[1] == 0 || point[33] == 0 { // 4, x, y
			return s.session(key, expires)
		}
	}
}

func newP256() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // there is no randomness: nothing works any more
	}
	return key
}

func (s *SignIn) session(key *ecdsa.PrivateKey, expires time.Time) LoginSession {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err) // the curve is a known one
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	creds := s.credentials(expires)
	return LoginSession{
		Credentials: creds, ClientID: loginClient,
		RefreshToken: s.newRefresh(loginGrant{loginClient, jwkOf(key.Public()).thumbprint()}),
		IDToken:      encodeJWT(map[string]any{"alg": "none"}, map[string]any{"sub": s.principal(creds).arn()}) + ".",
		DPoPKey:      string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
	}
}

// Refuse lets all requests fail from now on with an AccessDeniedException whose error is reason: TOKEN_EXPIRED,
// USER_CREDENTIALS_CHANGED or INSUFFICIENT_PERMISSIONS. "" accepts again.
func (s *SignIn) Refuse(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.refused = reason
}

// File returns the file in which the AWS CLI would keep the session.
func (l LoginSession) File() string {
	type accessToken struct {
		AccessKeyID     string `json:"accessKeyId"`
		SecretAccessKey string `json:"secretAccessKey"`
		SessionToken    string `json:"sessionToken"`
		AccountID       string `json:"accountId"`
		ExpiresAt       string `json:"expiresAt"`
	}
	c := l.Credentials
	text, err := json.MarshalIndent(struct {
		AccessToken  accessToken `json:"accessToken"`
		TokenType    string      `json:"tokenType"`
		ClientID     string      `json:"clientId"`
		RefreshToken string      `json:"refreshToken"`
		IDToken      string      `json:"idToken"`
		DPoPKey      string      `json:"dpopKey"`
	}{
		accessToken{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.AccountID, stamp(c.Expires)},
		"aws_sigv4", l.ClientID, l.RefreshToken, l.IDToken, l.DPoPKey,
	}, "", "  ")
	if err != nil {
		panic(err) // strings: it cannot fail
	}
	return string(text)
}

func (s *SignIn) principal(creds aws.Credentials) Principal {
	account := orElse(s.Account, "123456789012")
	return Principal{Credentials: creds, Account: account, ARN: orElse(s.ARN, "arn:aws:iam::"+account+":user/tester")}
}

// credentials and newRefresh change the state; s.mu must be held.
func (s *SignIn) credentials(expires time.Time) aws.Credentials {
	s.state.made++
	creds := Temporary(fmt.Sprintf("sign-in %s %d", s.Account, s.state.made), expires)
	p := s.principal(creds)
	creds.AccountID = p.Account
	if s.STS != nil {
		s.STS.Add(p)
	}
	return creds
}

func (s *SignIn) newRefresh(g loginGrant) string {
	if s.state.refresh == nil {
		s.state.refresh = make(map[string]loginGrant)
	}
	s.state.made++
	token := secret("login refresh token", fmt.Sprintf("%s %d", s.Account, s.state.made))
	s.state.refresh[token] = g
	return token
}

// ServeHTTP answers as the service does.
func (s *SignIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.send(w, r, r.Header.Get("DPoP") != "", s.answer(r))
}

func (s *SignIn) answer(r *http.Request) reply {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/token" {
		return signInError(http.StatusNotFound, "ResourceNotFoundException", "RESOURCE_NOT_FOUND", "there is only POST /v1/token")
	}
	var in struct {
		ClientID     string `json:"clientId"`
		GrantType    string `json:"grantType"`
		RefreshToken string `json:"refreshToken"`
	}
	if !readJSON(r, &in) || in.ClientID == "" || in.GrantType != refreshGrant || in.RefreshToken == "" {
		return signInError(http.StatusBadRequest, "ValidationException", "INVALID_REQUEST",
			"the body is not JSON, a parameter is missing, or grantType is not refresh_token, the only one of this fake")
	}
	now := time.Now()
	p, err := parseProof(r, s.URL, now)
	if err != nil {
		return signInError(http.StatusBadRequest, "ValidationException", "INVALID_REQUEST", "Invalid DPoP proof: "+err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fresh(p, now) {
		return signInError(http.StatusBadRequest, "ValidationException", "INVALID_REQUEST", "Invalid DPoP proof: it was used before")
	}
	grant, good := s.state.refresh[in.RefreshToken]
	switch {
	case s.state.refused != "":
		return signInError(http.StatusBadRequest, "AccessDeniedException", s.state.refused, "the session cannot be refreshed")
	case !good || grant.client != in.ClientID:
		return signInError(http.StatusBadRequest, "AccessDeniedException", "TOKEN_EXPIRED",
			"the refresh token is not known, was used before, or is another client's")
	case grant.thumbprint != p.thumbprint:
		return signInError(http.StatusBadRequest, "ValidationException", "INVALID_REQUEST", "Invalid DPoP proof: the session has another key")
	}
	delete(s.state.refresh, in.RefreshToken)
	lifetime := s.Lifetime
	if lifetime == 0 {
		lifetime = 15 * time.Minute
	}
	creds := s.credentials(now.Add(lifetime))
	a := jsonReply(http.StatusOK, map[string]any{
		"accessToken": map[string]string{
			"accessKeyId": creds.AccessKeyID, "secretAccessKey": creds.SecretAccessKey, "sessionToken": creds.SessionToken,
		},
		"tokenType": "aws_sigv4", "expiresIn": int(lifetime.Seconds()), "refreshToken": s.newRefresh(grant),
	})
	a.operation = "CreateOAuth2Token"
	return a
}

// fresh says whether a proof was not seen before, and remembers it; s.mu must be held.
func (s *SignIn) fresh(p proof, now time.Time) bool {
	if s.state.seen == nil {
		s.state.seen = make(map[string]time.Time)
	}
	for id, until := range s.state.seen {
		if now.After(until) {
			delete(s.state.seen, id)
		}
	}
	if _, again := s.state.seen[p.id]; again {
		return false
	}
	s.state.seen[p.id] = now.Add(2 * proofWindow)
	return true
}

func signInError(status int, exception, code, message string) reply {
	a := jsonReply(status, map[string]string{"error": code, "message": message})
	a.header = http.Header{"X-Amzn-Errortype": {exception}, "X-Amzn-Requestid": {requestID}}
	a.operation, a.code = "CreateOAuth2Token", code
	return a
}
