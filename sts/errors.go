package sts

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/wire"
)

// Error is an answer of STS that refuses a request. The error that a call returns wraps it: use errors.As.
type Error struct {
	// Code is STS's name for what went wrong, such as InvalidClientTokenId; "" if the answer had none,
	// because it came from something else, such as a proxy.
	Code string

	// Message is STS's explanation, on one line, shortened, and without the secrets of the request.
	Message string

	// RequestID is what AWS support asks for. It can be "".
	RequestID string

	// StatusCode is the HTTP status.
	StatusCode int
}

// Error names the code and the message, or the status if there is no code.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Code == "" {
		fmt.Fprintf(&b, "HTTP status %d without an STS error", e.StatusCode)
	} else {
		b.WriteString(e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Code != "" {
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

// Class says what to do about an [Error].
type Class string

// The classes of an Error.
const (
	// ClassExpired is for credentials, tokens or requests that were good once: get new ones.
	ClassExpired Class = "expired"
	// ClassDenied is for credentials or tokens that are not accepted, and for permissions that are missing.
	ClassDenied Class = "denied"
	// ClassThrottled is for too many requests: come back later.
	ClassThrottled Class = "throttled"
	// ClassInput is for parameters that STS does not take.
	ClassInput Class = "bad input"
	// ClassEndpoint is for a service that does not work, cannot reach another that it needs, is not activated
	// in the region, or is not STS.
	ClassEndpoint Class = "endpoint"
	// ClassOther is for what none of the others fits.
	ClassOther Class = "other"
)

// Class sorts e by its code, or by the HTTP status if the code is not known.
func (e *Error) Class() Class {
	if backoff.Classify(e) == backoff.Throttle {
		return ClassThrottled
	}
	switch e.Code {
	case "ExpiredToken", "ExpiredTokenException", "ExpiredTradeInTokenException", "RequestExpired":
		return ClassExpired
	case "AccessDenied", "AccessDeniedException", "AuthFailure", "IncompleteSignature", "InvalidClientTokenId",
		"InvalidIdentityToken", "InvalidSignatureException", "MissingAuthenticationToken", "SignatureDoesNotMatch",
		"UnrecognizedClientException":
		return ClassDenied
	case "IDPCommunicationError", "RegionDisabledException", "InvalidAction", "RequestTimeout", "RequestTimeoutException", "":
		return ClassEndpoint
	}
	switch {
	case e.StatusCode >= http.StatusInternalServerError:
		return ClassEndpoint
	case e.StatusCode == http.StatusUnauthorized, e.StatusCode == http.StatusForbidden:
		return ClassDenied
	case e.StatusCode == http.StatusBadRequest, e.StatusCode == http.StatusRequestEntityTooLarge:
		return ClassInput
	}
	return ClassOther
}

// parseError reads an answer that refuses. What it says is cleaned of secrets.
func parseError(resp *wire.Response, secrets []string) *Error {
	var doc struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}
	e := &Error{StatusCode: resp.StatusCode, RequestID: wire.Clean(resp.Header.Get("X-Amzn-Requestid"), secrets...)}
	if xml.Unmarshal(resp.Body, &doc) != nil || doc.Code == "" {
		return e
	}
	// STS may go on with the canonical request it computed, in which the session token stands.
	message, _, _ := strings.Cut(strings.TrimSpace(doc.Message), "\n")
	e.Code, e.Message = wire.Clean(doc.Code, secrets...), wire.Clean(message, secrets...)
	if doc.RequestID != "" {
		e.RequestID = wire.Clean(doc.RequestID, secrets...)
	}
	return e
}
