// Package dryrun asks EC2 whether it would do something, without doing it: an action with DryRun, whose answer is an error
// in every case and means three things.
//
//	client := &dryrun.Client{Region: "eu-central-1", Credentials: chain}
//	result, err := client.Check(ctx, "RunInstances", url.Values{"ImageId": {"ami-1"}, "MinCount": {"1"}, "MaxCount": {"1"}})
//
// The encoded message of a denial says who was denied what, and why; STS decodes it, for callers who may do that:
//
//	message, err := stsClient.DecodeAuthorizationMessage(ctx, result.EncodedMessage)
package dryrun

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	apiVersion     = "2016-11-15"
	connectTimeout = 5 * time.Second
	callTimeout    = time.Minute // with all attempts
)

// Client calls EC2. Region and Credentials must be set. A Client is safe for concurrent use; it must not be copied, nor its
// fields changed, after first use.
type Client struct {
	// Region is where EC2 is called, and what requests are signed for.
	Region string

	// Credentials sign the requests. They are whose permissions are found out.
	Credentials aws.CredentialsProvider

	// Endpoint is the URL to call, "" for the regional endpoint of Region's partition.
	Endpoint string

	// FIPS and DualStack call AWS's endpoints of these kinds. With Endpoint they are an error.
	FIPS, DualStack bool

	// Transport carries the requests, unsigned before. Nil means a transport of the client's own, which uses the proxy of
	// the environment. Redirects are never followed.
	Transport http.RoundTripper

	// MaxAttempts is how often a call is tried, the first attempt included. 0 means 3. It is tried again only if nothing
	// can have been performed: no connection could be made, EC2 throttles, or it refuses the clock or the credentials.
	MaxAttempts int

	once   sync.Once
	signed *sigv4.Transport
}

// Outcome is what EC2 would do.
type Outcome string

// The outcomes.
const (
	// Allowed: EC2 would have done it.
	Allowed Outcome = "allowed"
	// Denied: the credentials are not allowed to do it.
	Denied Outcome = "denied"
	// Invalid: a parameter is missing or wrong, or a limit is reached, so EC2 does not say whether it is allowed. EC2 checks
	// permissions first for some actions and parameters first for others.
	Invalid Outcome = "invalid"
)

// Result is an answer of EC2.
type Result struct {
	// Outcome says what it means.
	Outcome Outcome

	// Code is EC2's error code: DryRunOperation if allowed, UnauthorizedOperation if denied.
	Code string

	// Message is what EC2 says, without the encoded message, at most 512 bytes.
	Message string

	// EncodedMessage is what STS can decode, of a denial; "" if there is none.
	EncodedMessage string

	// RequestID is what AWS support asks for.
	RequestID string
}

// Error is an answer of EC2 that says nothing of the action: the credentials are not accepted, or EC2 throttles or fails.
type Error struct {
	// Code is EC2's error code, such as "AuthFailure". It is "" if the answer is not EC2's.
	Code string

	// Message is what EC2 says, on one line and at most 512 bytes long.
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
		text = "the answer is not EC2's"
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

// ErrPerformed says that EC2 answered with success, which it never does to a dry run: it does not know DryRun for this action,
// or what answers is not EC2. The action was performed.
var ErrPerformed = errors.New("EC2 answered with success, not with DryRunOperation: the action was performed")

// InputError says that a call was not made.
type InputError struct {
	// Field is the parameter that is wrong: "Action", or the name of one of EC2's.
	Field string
	// Msg says why.
	Msg string
}

// Error names the field.
func (e *InputError) Error() string { return e.Field + ": " + e.Msg }

// Check asks whether EC2 would perform an action, such as "RunInstances", with parameters in the form of EC2's query API:
// "InstanceId.1". Action, Version and DryRun are added, and an [*InputError] if they are given. An answer that says nothing of
// the action is an [*Error].
func (c *Client) Check(ctx context.Context, action string, parameters url.Values) (Result, error) {
	r, err := c.check(ctx, action, parameters)
	if err != nil {
		return Result{}, fmt.Errorf("dryrun: %s: %w", wire.Clean(action), err)
	}
	return r, nil
}

func (c *Client) check(ctx context.Context, action string, parameters url.Values) (Result, error) {
	form, err := formOf(action, parameters)
	if err != nil {
		return Result{}, err
	}
	address, err := endpoint.For("ec2", c.Region, c.Endpoint, endpoint.Variant{FIPS: c.FIPS, DualStack: c.DualStack})
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return Result{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("User-Agent", "credchain")
	resp, err := wire.RoundTrip(c.transport(), r)
	var sent *wire.Sent
	switch {
	case errors.As(err, &sent) && sent.Err == nil:
		return read(address, sent.Response, sent.Request)
	case errors.As(err, &sent):
		return Result{}, fmt.Errorf("%s: %w", address, sent.Cause())
	case err != nil:
		return Result{}, fmt.Errorf("%s: %w", address, err)
	case resp.StatusCode < http.StatusMultipleChoices:
		resp.Body.Close() // whatever it says
		return Result{}, ErrPerformed
	}
	answer, err := wire.Read(resp)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", address, err)
	}
	return read(address, answer, resp.Request)
}

func formOf(action string, parameters url.Values) (string, error) {
	if action == "" || strings.ContainsFunc(action, func(c rune) bool { return !alphanumeric(c) }) {
		return "", &InputError{"Action", "not the name of an action, such as RunInstances"}
	}
	form := url.Values{"Action": {action}, "Version": {apiVersion}, "DryRun": {"true"}}
	for name, values := range parameters {
		switch {
		case name == "":
			return "", &InputError{"the parameter", "it has no name"}
		case form.Has(name), strings.EqualFold(name, "DryRun"):
			return "", &InputError{name, "it is set here, and not by the caller"}
		case len(values) != 1:
			return "", &InputError{name, "it has not one value; lists are written Name.1, Name.2"}
		}
		form[name] = values
	}
	return form.Encode(), nil
}

func alphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func (c *Client) transport() http.RoundTripper {
	c.once.Do(func() {
		base := c.Transport
		if base == nil {
			base = wire.NewTransport(connectTimeout)
		}
		c.signed = &sigv4.Transport{Credentials: c.Credentials, Base: &wire.Once{Base: base, Refuses: refuses}, MaxAttempts: c.MaxAttempts,
			Signer: &sigv4.Signer{Service: "ec2", Region: c.Region}, Limiter: sigv4.EC2Limits()}
	})
	return c.signed
}

// refuses reports that an answer is EC2's, and that nothing was performed: it blames the request, or asks for fewer.
func refuses(resp *wire.Response) bool {
	code := parse(resp).Code
	return code != "" && (resp.StatusCode < http.StatusInternalServerError ||
		backoff.Classify(&Error{Code: code, StatusCode: resp.StatusCode}) == backoff.Throttle)
}

// document is EC2's answer that refuses.
type document struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

// parse reads an answer. One that is not EC2's has no code.
func parse(resp *wire.Response) document {
	var doc document
	if xml.Unmarshal(resp.Body, &doc) != nil {
		return document{}
	}
	return doc
}

// read says what an answer to a request means, as it was sent. The code decides, not the status.
func read(address string, resp *wire.Response, sent *http.Request) (Result, error) {
	doc, token := parse(resp), sent.Header.Get("X-Amz-Security-Token")
	if doc.Code == "" {
		return Result{}, fmt.Errorf("%s: %w", address, &Error{StatusCode: resp.StatusCode})
	}
	message, encoded := split(doc.Message)
	// A service can go on with the canonical request that it computed, in which the session token stands.
	message, _, _ = strings.Cut(strings.TrimSpace(message), "\n")
	e := &Error{Code: wire.Clean(doc.Code, token), Message: wire.Clean(message, token), RequestID: wire.Clean(doc.RequestID, token), StatusCode: resp.StatusCode}
	r := Result{Code: e.Code, Message: e.Message, RequestID: e.RequestID}
	switch {
	case e.Code == "DryRunOperation":
		r.Outcome = Allowed
	case e.Code == "UnauthorizedOperation":
		r.Outcome, r.EncodedMessage = Denied, encoded
	case backoff.Classify(e) != backoff.Final, e.StatusCode >= http.StatusInternalServerError, aboutCredentials(e.Code):
		return Result{}, e
	default:
		r.Outcome = Invalid
	}
	return r, nil
}

// aboutCredentials says that a code is for who asks, and not for what is asked.
func aboutCredentials(code string) bool {
	switch code {
	case "AuthFailure", "Blocked", "ExpiredToken", "IncompleteSignature", "InvalidClientTokenId", "InvalidSecurity",
		"MissingAuthenticationToken", "OptInRequired", "PendingVerification", "RequestExpired", "SignatureDoesNotMatch",
		"UnrecognizedClientException":
		return true
	}
	return false
}

const (
	marker     = "Encoded authorization failure message:"
	maxEncoded = 10240 // characters that STS decodes
)

// split takes the encoded message from what EC2 says.
func split(message string) (rest, encoded string) {
	rest, encoded, ok := strings.Cut(message, marker)
	if !ok {
		return message, ""
	}
	encoded = strings.TrimSpace(encoded)
	if end := strings.IndexFunc(encoded, func(c rune) bool { return !alphanumeric(c) && c != '-' && c != '_' }); end >= 0 {
		encoded = encoded[:end]
	}
	if len(encoded) > maxEncoded {
		encoded = ""
	}
	return strings.TrimSpace(rest), encoded
}
