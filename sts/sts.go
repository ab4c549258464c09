// Package sts is a small client of the AWS Security Token Service, with every operation that STS offers. What
// an operation needs is checked before a request is sent; it signs with what its credentials provider gives
// and never sends an anonymous request in place of a signed one.
//
// Inputs and outputs hold secrets. Printed by package fmt or as JSON they show none, alone or in another value;
// only in an unexported field of another value they do, because there package fmt asks no methods.
//
// It links neither the SDK's STS client nor its middleware.
package sts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/skew"
	"github.com/credchain/credchain/internal/wire"
)

const (
	apiVersion     = "2011-06-15"
	connectTimeout = 5 * time.Second
	attemptTimeout = 10 * time.Second // for one attempt, so that a connection that hangs is tried again
)

// Client calls STS. Region is the only field that must be set for a call, and Credentials for one that is
// signed: all but AssumeRoleWithWebIdentity and AssumeRoleWithSAML. A Client is safe for concurrent use; it
// must not be copied, nor its fields changed, after first use.
type Client struct {
	// Region is where the service is called, and what requests are signed for. "aws-global" is the one
	// global endpoint, sts.amazonaws.com, signed for us-east-1. It must be set also if Endpoint is, unless
	// the call is not signed.
	Region string

	// Credentials sign the requests. Nil is an error for every call that is signed.
	Credentials aws.CredentialsProvider

	// Endpoint is the URL to call, "" for the regional endpoint of Region's partition.
	Endpoint string

	// FIPS calls the endpoint with FIPS 140 validated cryptography. With Endpoint, or with "aws-global", it is
	// an error.
	FIPS bool

	// DualStack calls the endpoint that answers over IPv6 as well. With Endpoint, or with "aws-global", it is
	// an error.
	DualStack bool

	// Transport carries the requests. Nil means a transport of the client's own, which uses the proxy of the
	// environment. Redirects are never followed.
	Transport http.RoundTripper

	// MaxAttempts is how often a call is tried, the first attempt included. 0 means 3.
	MaxAttempts int

	quota backoff.Quota
	once  sync.Once
	own   http.RoundTripper // in place of a nil Transport
	skew  skew.Offset       // see ClockSkew
}

func (c *Client) transport() http.RoundTripper {
	c.once.Do(func() {
		if c.own = c.Transport; c.own == nil {
			c.own = wire.NewTransport(connectTimeout)
		}
	})
	return c.own
}

// call says how the parameters of an operation are sent, and what the answer's XML is read into.
type call struct {
	result   any
	unsigned bool             // no credentials are needed
	longTerm bool             // temporary credentials are not accepted
	again    string           // a code that is worth one more attempt
	signer   *aws.Credentials // is set to what the request was signed with, if not nil
}

// do makes the call, unless a parameter breaks a limit.
func (c *Client) do(ctx context.Context, p *params, op call) error {
	if err := c.run(ctx, p, op); err != nil {
		return fmt.Errorf("sts: %s: %w", p.operation, err)
	}
	return nil
}

// run fetches the credentials once, before the first attempt.
func (c *Client) run(ctx context.Context, p *params, op call) error {
	if p.err != nil {
		return p.err
	}
	address, region, err := c.resolve(op.unsigned)
	if err != nil {
		return err
	}
	var creds aws.Credentials
	if !op.unsigned {
		if creds, err = c.retrieve(ctx); err != nil {
			return err
		}
		if op.longTerm && creds.SessionToken != "" {
			return &InputError{Field: "Credentials", Msg: "they are temporary, and " + p.operation + " takes only the long-term keys of a user"}
		}
	}
	if op.signer != nil {
		*op.signer = creds
	}
	x := exchange{
		client: c, address: address, region: region, creds: creds, signed: !op.unsigned,
		body: []byte(p.form.Encode()), result: op.result,
		secrets: append(p.secrets, creds.SecretAccessKey, creds.SessionToken),
		once:    p.once, again: op.again,
	}
	policy := backoff.Policy{MaxAttempts: c.MaxAttempts, Quota: &c.quota, Classify: x.classify}
	return policy.Do(ctx, x.attempt)
}

func (c *Client) retrieve(ctx context.Context) (aws.Credentials, error) {
	if c.Credentials == nil {
		return aws.Credentials{}, errors.New("the client has no credentials provider, and an anonymous request is never sent")
	}
	creds, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("credentials: %w", err)
	}
	if !creds.HasKeys() {
		return aws.Credentials{}, errors.New("credentials: the provider answered with empty credentials")
	}
	return creds, nil
}
