package sso

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/credchain/credchain/internal/wire"
)

// Error is an answer of Identity Center that refuses a request. The error that a call returns wraps it: use
// errors.As.
type Error struct {
	// Code says what went wrong: the OIDC service's codes are those of RFC 6749 and RFC 8628, such as
	// invalid_grant, and the portal's are AWS's, such as UnauthorizedException. "" if the answer had none,
	// because it came from something else, such as a proxy.
	Code string

	// Message is the service's explanation, on one line, shortened, and without the tokens of the request.
	Message string

	// RequestID is what AWS support asks for. It can be "".
	RequestID string

	// StatusCode is the HTTP status; 0 if the client itself saw that a sign-in has run out of time.
	StatusCode int
}

// Error names the code and the message, or the status if there is no code.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Code == "" {
		fmt.Fprintf(&b, "HTTP status %d without an error of Identity Center", e.StatusCode)
	} else {
		b.WriteString(e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Code != "" && e.StatusCode != 0 {
		fmt.Fprintf(&b, " (HTTP status %d)", e.StatusCode)
	}
	if e.RequestID != "" {
		b.WriteString(", request ID " + e.RequestID)
	}
	return b.String()
}

// ErrorCode returns Code, under the name by which the SDK's classifiers ask for it.
func (e *Error) ErrorCode() string { return e.Code }

// HTTPStatusCode returns StatusCode, under the name by which the SDK's classifiers ask for it.
func (e *Error) HTTPStatusCode() int { return e.StatusCode }

// NeedsSignIn reports whether the session is over, so that only a new sign-in helps: the portal does not take
// the access token (HTTP status 401), or the OIDC service not the refresh token or the client's registration.
func (e *Error) NeedsSignIn() bool {
	switch e.Code {
	case "invalid_grant", "expired_token", "invalid_client", "UnauthorizedException":
		return true
	}
	return e.StatusCode == http.StatusUnauthorized
}

// oidcCodes gives the OIDC service's answers one vocabulary: each carries AWS's name of the error in its header,
// and RFC 6749's in its body, unless something on the way dropped that.
var oidcCodes = map[string]string{
	"AccessDeniedException":          "access_denied",
	"AuthorizationPendingException":  "authorization_pending",
	"ExpiredTokenException":          "expired_token",
	"InternalServerException":        "server_error",
	"InvalidClientException":         "invalid_client",
	"InvalidClientMetadataException": "invalid_client_metadata",
	"InvalidGrantException":          "invalid_grant",
	"InvalidScopeException":          "invalid_scope",
	"SlowDownException":              "slow_down",
	"UnauthorizedClientException":    "unauthorized_client",
	"UnsupportedGrantTypeException":  "unsupported_grant_type",
}

func parseError(resp *wire.Response, op call) *Error {
	var doc struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Message     string `json:"message"` // package json finds Message as well
		Type        string `json:"__type"`
	}
	_ = json.Unmarshal(resp.Body, &doc) // a field of another type leaves the others
	code := doc.Error
	if code == "" {
		code, _, _ = strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":") // a URL may follow
	}
	if code == "" {
		code = doc.Type[strings.LastIndexByte(doc.Type, '#')+1:] // a namespace may go before
	}
	if known := oidcCodes[code]; known != "" && op.token == "" {
		code = known
	}
	message := doc.Description
	if message == "" {
		message = doc.Message
	}
	return &Error{
		Code:       wire.Clean(code, op.secrets...),
		Message:    wire.Clean(message, op.secrets...),
		RequestID:  wire.Clean(resp.Header.Get("X-Amzn-Requestid"), op.secrets...),
		StatusCode: resp.StatusCode,
	}
}
