// Package quotas is a small client of AWS Service Quotas: what the limits of an account are, and how to ask for more.
package quotas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/internal/wire"
	"github.com/credchain/credchain/sigv4"
)

const (
	target         = "ServiceQuotasV20190624."
	connectTimeout = 5 * time.Second
	callTimeout    = time.Minute // with all attempts, for each page
	maxPages       = 1000
)

// Client calls Service Quotas. Region and Credentials must be set. A Client is safe for concurrent use; it must not be
// copied, nor its fields changed, after first use.
type Client struct {
	// Region is whose quotas are meant. Those of global services are in us-east-1.
	Region string

	// Credentials sign the requests.
	Credentials aws.CredentialsProvider

	// Endpoint is the URL to call, "" for the regional endpoint of Region's partition.
	Endpoint string

	// FIPS and DualStack call AWS's endpoints of these kinds. With Endpoint they are an error.
	FIPS, DualStack bool

	// Transport carries the requests, unsigned before. Nil means a transport of the client's own, which uses the proxy of
	// the environment. Redirects are never followed.
	Transport http.RoundTripper

	// MaxAttempts is how often a call is tried, the first attempt included. 0 means 3.
	MaxAttempts int

	once   sync.Once
	signed *sigv4.Transport
}

// Error is an answer of Service Quotas that refuses.
type Error struct {
	// Code is the error code, such as "NoSuchResourceException". It is "" if the answer is not Service Quotas'.
	Code string

	// Message is what the service says, on one line and at most 512 bytes long.
	Message string

	// RequestID is what AWS support asks for. It can be "".
	RequestID string

	// StatusCode is the HTTP status.
	StatusCode int
}

// Error names the code and the message.
func (e *Error) Error() string {
	text := e.Code
	if text == "" {
		text = "the answer is not Service Quotas'"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	text += fmt.Sprintf(" (HTTP status %d)", e.StatusCode)
	if e.RequestID != "" {
		text += ", request ID " + e.RequestID
	}
	return text
}

// ErrorCode returns Code, under the name by which the SDK's classifiers ask for it.
func (e *Error) ErrorCode() string { return e.Code }

// HTTPStatusCode returns StatusCode, under the name by which the SDK's classifiers ask for it.
func (e *Error) HTTPStatusCode() int { return e.StatusCode }

// InputError says that a call was not made.
type InputError struct {
	// Field is the parameter that is wrong.
	Field string
	// Msg says why.
	Msg string
}

// Error names the field.
func (e *InputError) Error() string { return e.Field + ": " + e.Msg }

// do makes one call. The answer is read into out.
func (c *Client) do(ctx context.Context, operation string, in, out any) error {
	if err := c.call(ctx, operation, in, out); err != nil {
		return fmt.Errorf("quotas: %s: %w", operation, err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, operation string, in, out any) error {
	address, err := c.address()
	if err != nil {
		return err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target+operation)
	r.Header.Set("User-Agent", "credchain")
	resp, err := wire.Do(c.transport(), r)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", address, err)
	case resp.StatusCode != http.StatusOK:
		return refusal(resp, c.token(ctx))
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		return fmt.Errorf("%s: the answer is no JSON as Service Quotas gives it", address)
	}
	return nil
}

// token is the session token that a refusal may quote.
func (c *Client) token(ctx context.Context) string {
	creds, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return ""
	}
	return creds.SessionToken
}

func refusal(resp *wire.Response, token string) *Error {
	var doc struct {
		Type    string `json:"__type"`
		Message string // in any case
	}
	e := &Error{StatusCode: resp.StatusCode, RequestID: wire.Clean(resp.Header.Get("X-Amzn-Requestid"), token)}
	if json.Unmarshal(resp.Body, &doc) == nil {
		e.Code = wire.Clean(doc.Type[strings.LastIndexByte(doc.Type, '#')+1:], token)
		// A service can go on with the canonical request that it computed, in which the session token stands.
		message, _, _ := strings.Cut(strings.TrimSpace(doc.Message), "\n")
		e.Message = wire.Clean(message, token)
	}
	return e
}

func (c *Client) address() (string, error) {
	variant := endpoint.Variant{FIPS: c.FIPS, DualStack: c.DualStack}
	switch {
	case c.Endpoint == "":
		return endpoint.URL("servicequotas", c.Region, variant)
	case variant != endpoint.Variant{}:
		return "", fmt.Errorf("an endpoint is set, and so is %s, which is for AWS's own endpoints", variant)
	}
	if err := endpoint.CheckScope(c.Region); err != nil {
		return "", err
	}
	return endpoint.CheckURL(c.Endpoint)
}

func (c *Client) transport() http.RoundTripper {
	c.once.Do(func() {
		base := c.Transport
		if base == nil {
			base = wire.NewTransport(connectTimeout)
		}
		c.signed = &sigv4.Transport{Credentials: c.Credentials, Base: base, MaxAttempts: c.MaxAttempts,
			Signer: &sigv4.Signer{Service: "servicequotas", Region: c.Region}, Limiter: sigv4.AdaptiveLimits()}
	})
	return c.signed
}

var errPages = errors.New("the list does not end")

// pages calls an operation until its answer names no further page.
func (c *Client) pages(ctx context.Context, operation string, in map[string]any, page func() (out any, next func() string)) error {
	in["MaxResults"] = 100
	seen := ""
	for range maxPages {
		out, next := page()
		if err := c.do(ctx, operation, in, out); err != nil {
			return err
		}
		token := next()
		if token == "" {
			return nil
		}
		if token == seen {
			break
		}
		seen, in["NextToken"] = token, token
	}
	return fmt.Errorf("quotas: %s: %w", operation, errPages)
}

// code checks a service's or a quota's code, before a request is made of it.
func code(field, value string, most int) error {
	switch {
	case value == "":
		return &InputError{field, "it is empty"}
	case len(value) > most:
		return &InputError{field, fmt.Sprintf("it is longer than %d characters", most)}
	case strings.ContainsFunc(value, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-')
	}):
		return &InputError{field, "only letters, digits and - are allowed"}
	}
	return nil
}

func codes(service, quota string) error {
	if err := code("ServiceCode", service, 63); err != nil {
		return err
	}
	return code("QuotaCode", quota, 128)
}
