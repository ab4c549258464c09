// Package sso is a small client of AWS IAM Identity Center: the portal, which gives a role's credentials for a
// person's access token, and the OIDC service, which gives and renews that token. It also knows the file in
// which the AWS CLI keeps the token.
//
// It links neither the SDK's clients nor their middleware, and touches no file itself.
package sso

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

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/internal/wire"
)

const (
	connectTimeout = 5 * time.Second
	attemptTimeout = 10 * time.Second // for one attempt, so that a connection that hangs is tried again
)

// Client calls the portal and the OIDC service. Region is the only field that must be set. A Client keeps no
// token. It is safe for concurrent use; it must not be copied, nor its fields changed, after first use.
type Client struct {
	// Region is where Identity Center is, which need not be the region of a program's other calls. Only a
	// client that has the endpoints it calls, and signs nobody in, can do without.
	Region string

	// Endpoint is the URL of the portal, OIDCEndpoint that of the OIDC service, "" for the regional endpoint of
	// Region's partition.
	Endpoint, OIDCEndpoint string

	// FIPS and DualStack choose among the regional endpoints. With an endpoint of your own they are an error.
	FIPS, DualStack bool

	// Transport carries the requests. Nil means a transport of the client's own, which uses the proxy of the
	// environment. Redirects are never followed.
	Transport http.RoundTripper

	// MaxAttempts is how often a call is tried, the first attempt included. 0 means 3.
	MaxAttempts int

	quota backoff.Quota
	once  sync.Once
	own   http.RoundTripper // in place of a nil Transport
}

func (c *Client) transport() http.RoundTripper {
	c.once.Do(func() {
		if c.own = c.Transport; c.own == nil {
			c.own = wire.NewTransport(connectTimeout)
		}
	})
	return c.own
}

// The names of the two services in their regional endpoints.
const (
	portal = "portal.sso"
	oidc   = "oidc"
)

// address is the URL of path at one of the two services.
func (c *Client) address(service, path string) (string, error) {
	own := c.Endpoint
	if service == oidc {
		own = c.OIDCEndpoint
	}
	var base string
	var err error
	switch {
	case own == "":
		base, err = endpoint.URL(service, c.Region, endpoint.Variant{FIPS: c.FIPS, DualStack: c.DualStack})
	case c.FIPS || c.DualStack:
		err = errors.New("FIPS and dual stack choose a regional endpoint, and another endpoint is set")
	default:
		base, err = endpoint.CheckURL(own)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(base, "/") + path, nil
}

// call is one operation: a GET if it has no body, else a POST of JSON.
type call struct {
	operation string // as AWS names it
	address   string
	token     string // the access token, which the portal alone is given
	body      any
	result    any      // for the JSON of the answer
	secrets   []string // what an error of the service must not repeat
}

// run makes the call as often as c.MaxAttempts allows. The error names the operation.
func (c *Client) run(ctx context.Context, op call) error {
	return c.try(ctx, op, backoff.Policy{MaxAttempts: c.MaxAttempts, Quota: &c.quota})
}

func (c *Client) try(ctx context.Context, op call, policy backoff.Policy) error {
	err := policy.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		req, err := op.request(ctx)
		if err != nil {
			return err
		}
		return c.send(req, op)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", op.operation, err)
	}
	return nil
}

func (op call) request(ctx context.Context) (*http.Request, error) {
	method, body := http.MethodGet, []byte(nil)
	if op.body != nil {
		var err error
		if body, err = json.Marshal(op.body); err != nil {
			return nil, err
		}
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, op.address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "credchain")
	req.Header.Set("Accept", "application/json")
	if op.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if op.token != "" {
		req.Header.Set("X-Amz-Sso_bearer_token", op.token)
	}
	return req, nil
}

// send makes one attempt.
func (c *Client) send(req *http.Request, op call) error {
	resp, err := wire.Do(c.transport(), req)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", req.URL, err)
	case resp.StatusCode != http.StatusOK:
		return backoff.Hinted(resp.Header, parseError(resp, op))
	}
	if err := json.Unmarshal(resp.Body, op.result); err != nil {
		return fmt.Errorf("%s: %w", req.URL, withoutText(err))
	}
	return nil
}

// withoutText keeps the place of a JSON error and drops its words, which can quote the document.
func withoutText(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("the answer is not JSON: bad syntax or a cut at byte %d", syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("the answer's %s is not of its type", kind.Field)
	}
	return errors.New("the answer is not the JSON object that was expected")
}

// maxToken is in bytes. Real ones have some hundred, a client's secret some thousand.
const maxToken = 16 << 10

// checkToken refuses what is no token: RFC 6749, appendix A, has visible ASCII and the blank for each of them.
func checkToken(name, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s is missing", name)
	case len(value) > maxToken:
		return fmt.Errorf("%s is longer than %d bytes", name, maxToken)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("%s has characters that no token has", name)
	}
	return nil
}
