package awstest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Container is a fake of the endpoint from which containers get their role's credentials: that of the ECS
// agent, and that of EKS Pod Identity, which wants an authorization token.
//
// Errors are JSON with code, message and HTTPErrorCode, as the ECS agent writes them: 400 InvalidIdInRequest
// for another path, 401 without an authorization token, 403 with a wrong one, 405 for a method that is not
// GET, and 503 CredentialsUninitialized while there are no keys.
type Container struct {
	// Path is where the credentials are; "" means /v1/credentials, as with EKS. A query is not looked at.
	Path string

	// AuthorizationToken is what the Authorization header must hold, verbatim. "" means that none is wanted.
	AuthorizationToken string

	// Credentials are the role's. Without an expiry, the answer says six hours from now. If AccountID is set,
	// the answer has an AccountId.
	Credentials aws.Credentials

	// RoleARN is in the answer if it is set.
	RoleARN string

	record
	changed *containerState // guarded by record.mu, nil until something changes
}

// containerState is what can change while the fake is in use.
type containerState struct {
	token       string
	credentials aws.Credentials
}

// Rotate replaces the credentials.
func (c *Container) Rotate(creds aws.Credentials) {
	c.change(func(s *containerState) { s.credentials = creds })
}

// SetAuthorizationToken replaces the authorization token; the one before is wrong from now on.
func (c *Container) SetAuthorizationToken(token string) {
	c.change(func(s *containerState) { s.token = token })
}

func (c *Container) change(f func(*containerState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.locked()
	f(&s)
	c.changed = &s
}

// locked returns the state; record.mu must be held.
func (c *Container) locked() containerState {
	if c.changed != nil {
		return *c.changed
	}
	return containerState{c.AuthorizationToken, c.Credentials}
}

// ServeHTTP answers as the agent does.
func (c *Container) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.send(w, r, r.Header.Get("Authorization") != "", c.answer(r))
}

func (c *Container) answer(r *http.Request) reply {
	c.mu.Lock()
	s := c.locked()
	c.mu.Unlock()
	sent := r.Header.Get("Authorization")
	switch {
	case r.URL.Path != orElse(c.Path, "/v1/credentials"):
		return agentError(http.StatusBadRequest, "InvalidIdInRequest", "CredentialsV2Request: Credentials not found")
	case r.Method != http.MethodGet:
		return agentError(http.StatusMethodNotAllowed, "MethodNotAllowed", "only GET is allowed")
	case s.token != "" && sent == "":
		return agentError(http.StatusUnauthorized, "AuthorizationTokenMissing", "the Authorization header is missing")
	case s.token != "" && subtle.ConstantTimeCompare([]byte(sent), []byte(s.token)) == 0:
		return agentError(http.StatusForbidden, "AuthorizationTokenInvalid", "the authorization token is not valid")
	case !s.credentials.HasKeys():
		return agentError(http.StatusServiceUnavailable, "CredentialsUninitialized",
			"CredentialsV2Request: Credentials uninitialized for ID")
	}
	expires := s.credentials.Expires
	if !s.credentials.CanExpire {
		expires = time.Now().Add(6 * time.Hour)
	}
	return jsonReply(http.StatusOK, struct {
		RoleArn                                         string `json:",omitempty"`
		AccessKeyId, SecretAccessKey, Token, Expiration string
		AccountId                                       string `json:",omitempty"`
	}{
		c.RoleARN, s.credentials.AccessKeyID, s.credentials.SecretAccessKey, s.credentials.SessionToken,
		stamp(expires), s.credentials.AccountID,
	})
}

func agentError(status int, code, message string) reply {
	return jsonReply(status, struct {
		Code          string `json:"code"`
		Message       string `json:"message"`
		HTTPErrorCode int
	}{code, message, status})
}

func jsonReply(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings in a struct: it cannot fail
	}
	return reply{status: status, contentType: "application/json", body: body}
}
