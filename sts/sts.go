// Package sts is a small client of the AWS Security Token Service. It signs with what its credentials
// provider gives and never sends an anonymous request in place of a signed one.
//
// It links neither the SDK's STS client nor its middleware; it does use the SDK's own signer.
package sts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/wire"
)

const (
	apiVersion     = "2011-06-15"
	connectTimeout = 5 * time.Second
	attemptTimeout = 10 * time.Second // for one attempt, so that a connection that hangs is tried again
)

// Client calls STS. Region is the only field that must be set for a call, and Credentials for one that is
// signed. A Client is safe for concurrent use; it must not be copied, nor its fields changed, after first use.
type Client struct {
	// Region is where the service is called, and what requests are signed for. "aws-global" is the one
	// global endpoint, sts.amazonaws.com, signed for us-east-1. It must be set also if Endpoint is.
	Region string

	// Credentials sign the requests. Nil is an error for every call that is signed.
	Credentials aws.CredentialsProvider

	// Endpoint is the URL to call, "" for the regional endpoint of Region's partition.
	Endpoint string

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

// call is one operation: its parameters go out as a form, and the answer's XML is read into result.
type call struct {
	operation string
	params    url.Values // without Action and Version
	result    any
}

// signed runs c with credentials. They are fetched once, before the first attempt.
func (c *Client) signed(ctx context.Context, op call) error {
	err := c.run(ctx, op)
	if err != nil {
		return fmt.Errorf("sts: %s: %w", op.operation, err)
	}
	return nil
}

func (c *Client) run(ctx context.Context, op call) error {
	endpoint, signingRegion, err := resolve(c.Endpoint, c.Region)
	if err != nil {
		return err
	}
	if c.Credentials == nil {
		return errors.New("the client has no credentials provider, and an anonymous request is never sent")
	}
	creds, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	if !creds.HasKeys() {
		return errors.New("credentials: the provider answered with empty credentials")
	}
	form := url.Values{"Action": {op.operation}, "Version": {apiVersion}}
	for name, values := range op.params {
		form[name] = values
	}
	body := []byte(form.Encode())
	policy := backoff.Policy{MaxAttempts: c.MaxAttempts, Quota: &c.quota}
	return policy.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		req.Header.Set("User-Agent", "credchain")
		hash := sha256.Sum256(body)
		// A new signer each time: it remembers derived keys by access key ID alone, not by the secret.
		err = v4.NewSigner().SignHTTP(ctx, creds, req, hex.EncodeToString(hash[:]), "sts", signingRegion, time.Now())
		if err != nil {
			return err
		}
		return c.send(req, op.result, creds)
	})
}

// send makes one attempt. What the service says is cleaned of creds before it gets into an error.
func (c *Client) send(req *http.Request, result any, creds aws.Credentials) error {
	resp, err := wire.Do(c.transport(), req)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", req.URL, err)
	case resp.StatusCode != http.StatusOK:
		failure := parseError(resp, creds)
		if hint, ok := backoff.RetryAfter(resp.Header); ok {
			return backoff.After(hint, failure)
		}
		return failure
	}
	if err := xml.Unmarshal(resp.Body, result); err != nil {
		return fmt.Errorf("%s: the answer is no XML as STS gives it: %w", req.URL, withoutText(err))
	}
	return nil
}

// withoutText keeps the place of an XML error and drops its words, which can quote the document.
func withoutText(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("bad syntax in line %d", syntax.Line)
	}
	return errors.New("another document was expected")
}
