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

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/internal/wire"
	"github.com/credchain/credchain/sigv4"
)

const (
	target = "ServiceQuotasV20190624."

	requestIncrease = "RequestServiceQuotaIncrease"

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

	// MaxAttempts is how often a call is tried, the first attempt included. 0 means 3. For that of [Client.Request] see there.
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

// do makes one call. The answer is read into out. clean makes words of the answer fit for an error.
func (c *Client) do(ctx context.Context, operation string, in, out any) (clean func(string) string, err error) {
	if clean, err = c.call(ctx, operation, in, out); err != nil {
		return nil, fmt.Errorf("quotas: %s: %w", operation, err)
	}
	return clean, nil
}

func (c *Client) call(ctx context.Context, operation string, in, out any) (clean func(string) string, err error) {
	address, err := endpoint.For("servicequotas", c.Region, c.Endpoint, endpoint.Variant{FIPS: c.FIPS, DualStack: c.DualStack})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target+operation)
	r.Header.Set("User-Agent", "credchain")
	resp, err := wire.RoundTrip(c.transport(), r)
	var sent *wire.Sent
	switch {
	case errors.As(err, &sent) && sent.Err == nil:
		return nil, &lostError{refusal(address, sent.Response, cleaner(sent.Request))}
	case errors.As(err, &sent):
		return nil, &lostError{fmt.Errorf("%s: %w", address, sent.Cause())}
	case err != nil:
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	clean = cleaner(resp.Request)
	answer, err := wire.Read(resp)
	switch {
	case err != nil: // also a redirect, with which Service Quotas does not answer
		return nil, &lostError{fmt.Errorf("%s: %w", address, err)}
	case answer.StatusCode >= http.StatusBadRequest && refuses(answer):
		return nil, refusal(address, answer, clean)
	case answer.StatusCode != http.StatusOK:
		return nil, &lostError{refusal(address, answer, clean)}
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return nil, &lostError{fmt.Errorf("%s: the answer is no JSON as Service Quotas gives it", address)}
	}
	return clean, nil
}

// lostError is the error of a call that was made, and that may have had its effect.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// cleaner makes the service's words fit for an error: without the session token, as it was sent, and on one line. A service
// can go on with the canonical request that it computed, in which the token stands.
func cleaner(sent *http.Request) func(string) string {
	token := sent.Header.Get("X-Amz-Security-Token")
	return func(words string) string {
		line, _, _ := strings.Cut(strings.TrimSpace(words), "\n")
		return wire.Clean(line, token)
	}
}

// refusal is the error for an answer that is not one of success. What else than Service Quotas answers is known by its address.
func refusal(address string, resp *wire.Response, clean func(string) string) error {
	code, message := parse(resp)
	e := &Error{Code: clean(code), Message: clean(message), RequestID: clean(resp.Header.Get("X-Amzn-Requestid")), StatusCode: resp.StatusCode}
	if e.Code == "" {
		return fmt.Errorf("%s: %w", address, e)
	}
	return e
}

// parse reads an answer that refuses. One that is not Service Quotas' has no code. The code is in the document or in a header
// (Smithy, "AWS JSON 1.1 protocol", operation error serialization).
func parse(resp *wire.Response) (code, message string) {
	var doc struct {
		Type    string `json:"__type"`
		Message string // in any case
	}
	if json.Unmarshal(resp.Body, &doc) != nil {
		doc.Type, doc.Message = "", ""
	}
	if doc.Type == "" {
		doc.Type = resp.Header.Get("X-Amzn-Errortype")
	}
	code, _, _ = strings.Cut(doc.Type[strings.LastIndexByte(doc.Type, '#')+1:], ":")
	return code, doc.Message
}

// refuses reports that an answer is Service Quotas', and that nothing was performed: it blames the request, or asks for fewer.
func refuses(resp *wire.Response) bool {
	code, _ := parse(resp)
	return code != "" && (resp.StatusCode < http.StatusInternalServerError ||
		backoff.Classify(&Error{Code: code, StatusCode: resp.StatusCode}) == backoff.Throttle)
}

// careful carries all requests, those that ask for something not twice.
type careful struct{ once wire.Once }

func (c *careful) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Amz-Target") == target+requestIncrease {
		return c.once.RoundTrip(r)
	}
	return c.once.Base.RoundTrip(r)
}

func (c *Client) transport() http.RoundTripper {
	c.once.Do(func() {
		base := c.Transport
		if base == nil {
			base = wire.NewTransport(connectTimeout)
		}
		once := &careful{wire.Once{Base: base, Refuses: refuses}}
		c.signed = &sigv4.Transport{Credentials: c.Credentials, Base: once, MaxAttempts: c.MaxAttempts,
			Signer: &sigv4.Signer{Service: "servicequotas", Region: c.Region}, Limiter: sigv4.AdaptiveLimits()}
	})
	return c.signed
}

var errPages = errors.New("the list does not end")

// pages calls an operation until its answer names no further page.
func (c *Client) pages(ctx context.Context, operation string, in map[string]any, page func() (out any, next func(clean func(string) string) string)) error {
	in["MaxResults"] = 100
	seen := ""
	for range maxPages {
		out, next := page()
		clean, err := c.do(ctx, operation, in, out)
		if err != nil {
			return err
		}
		token := next(clean)
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
