package sts

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/wire"
)

// Error is an answer of STS that refuses a request. The error that a call returns wraps it: use errors.As.
type Error struct {
	// Code is STS's name for what went wrong, such as InvalidClientTokenId; "" if the answer had none,
	// because it came from something else, such as a proxy.
	Code string

	// Message is STS's explanation, on one line, shortened, and without the credentials of the request.
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

const maxMessage = 512 // bytes of a service's message that are kept

func parseError(resp *wire.Response, creds aws.Credentials) *Error {
	var doc struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}
	e := &Error{StatusCode: resp.StatusCode, RequestID: clean(resp.Header.Get("X-Amzn-Requestid"), creds)}
	if xml.Unmarshal(resp.Body, &doc) != nil || doc.Code == "" {
		return e
	}
	// STS may go on with the canonical request it computed, in which the session token stands.
	message, _, _ := strings.Cut(strings.TrimSpace(doc.Message), "\n")
	e.Code, e.Message = clean(doc.Code, creds), clean(message, creds)
	if doc.RequestID != "" {
		e.RequestID = clean(doc.RequestID, creds)
	}
	return e
}

// clean makes text from the service fit for an error: without secrets, on one line, not long.
func clean(s string, creds aws.Credentials) string {
	for _, secret := range []string{creds.SecretAccessKey, creds.SessionToken} {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "REDACTED")
		}
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "..."
	}
	return strings.TrimSpace(s)
}
