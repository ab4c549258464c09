package sso

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/credchain/credchain/internal/backoff"
)

const (
	defaultName     = "credchain"
	defaultScope    = "sso:account:access"
	defaultInterval = 5 * time.Second // between two polls: RFC 8628, 3.2
	slowDown        = 5 * time.Second // what slow_down adds to it: RFC 8628, 3.5
)

// SignInInput says who wants to sign in, and where.
type SignInInput struct {
	// ClientName is shown to the person who confirms the sign-in. "" means credchain.
	ClientName string

	// StartURL is the address of the organization's access portal, such as https://example.awsapps.com/start.
	StartURL string

	// Scopes is what the session may do. Nil means sso:account:access, with which the session can be refreshed.
	Scopes []string

	// Show tells the person what to do, once, before the first poll. Its error ends the sign-in. It must be set.
	Show func(Device) error
}

// Device is what a person needs to confirm a sign-in. Nothing in it has control characters or blanks, and the
// addresses are http or https URLs.
type Device struct {
	// UserCode is what to compare or to type in.
	UserCode string

	// VerificationURI is the page to open, and VerificationURIComplete the same page with the code filled in;
	// that can be "".
	VerificationURI, VerificationURIComplete string

	// Expires is when the code is of no use any more.
	Expires time.Time
}

// SignIn registers a client, shows a code, and waits until the person has confirmed it in a browser, which may
// be one on another machine: RFC 8628. The token has all that the AWS CLI keeps; a refresh token is in it if the
// service gave one.
//
// If the person refuses, the error wraps an [*Error] with the code access_denied; if nobody confirms in time,
// expired_token. An end of ctx ends the wait.
func (c *Client) SignIn(ctx context.Context, in SignInInput) (Token, error) {
	t, err := c.signIn(ctx, in)
	if err != nil {
		return Token{}, fmt.Errorf("sso: sign-in: %w", err)
	}
	return t, nil
}

func (c *Client) signIn(ctx context.Context, in SignInInput) (Token, error) {
	if err := c.checkSignIn(in); err != nil {
		return Token{}, err
	}
	t, err := c.register(ctx, in)
	if err != nil {
		return Token{}, err
	}
	a, err := c.authorize(ctx, t)
	if err != nil {
		return Token{}, err
	}
	if err := in.Show(a.device); err != nil {
		return Token{}, fmt.Errorf("showing the code: %w", err)
	}
	return c.poll(ctx, t, a)
}

func (c *Client) checkSignIn(in SignInInput) error {
	switch {
	case c.Region == "":
		return errors.New("the region is not set")
	case in.Show == nil:
		return errors.New("there is nobody to show the code to")
	}
	return checkLink("the start URL", in.StartURL)
}

// register makes c known to the service, and returns a token with what that gave.
func (c *Client) register(ctx context.Context, in SignInInput) (Token, error) {
	address, err := c.address(oidc, "/client/register")
	if err != nil {
		return Token{}, err
	}
	body := struct {
		Name       string   `json:"clientName"`
		Type       string   `json:"clientType"`
		Scopes     []string `json:"scopes"`
		GrantTypes []string `json:"grantTypes"`
	}{in.ClientName, "public", in.Scopes, []string{grantDevice, grantRefresh}}
	if body.Name == "" {
		body.Name = defaultName
	}
	if len(body.Scopes) == 0 {
		body.Scopes = []string{defaultScope}
	}
	var doc struct {
		ID        string `json:"clientId"`
		Secret    string `json:"clientSecret"`
		ExpiresAt int64  `json:"clientSecretExpiresAt"` // seconds since 1970; 0: never (RFC 7591, 3.2.1)
	}
	if err := c.run(ctx, call{operation: "RegisterClient", address: address, body: body, result: &doc}); err != nil {
		return Token{}, err
	}
	t := Token{ClientID: doc.ID, ClientSecret: doc.Secret, Region: c.Region, StartURL: in.StartURL}
	if doc.ExpiresAt != 0 {
		t.RegistrationExpires = time.Unix(doc.ExpiresAt, 0).UTC()
	}
	err = checkToken("clientId", doc.ID)
	if err == nil {
		err = checkToken("clientSecret", doc.Secret)
	}
	if err == nil && !inYears(t.RegistrationExpires) {
		err = errors.New("clientSecretExpiresAt is no time")
	}
	if err != nil {
		return Token{}, fmt.Errorf("RegisterClient: the answer's %w", err)
	}
	return t, nil
}

// authorization is a sign-in that waits for a person.
type authorization struct {
	device   Device
	code     string // a secret: it stands for the session
	interval time.Duration
	expires  time.Time // by the monotonic clock as well
}

func (c *Client) authorize(ctx context.Context, t Token) (authorization, error) {
	address, err := c.address(oidc, "/device_authorization")
	if err != nil {
		return authorization{}, err
	}
	body := struct {
		ID       string `json:"clientId"`
		Secret   string `json:"clientSecret"`
		StartURL string `json:"startUrl"`
	}{t.ClientID, t.ClientSecret, t.StartURL}
	var doc struct {
		DeviceCode string `json:"deviceCode"`
		UserCode   string `json:"userCode"`
		URI        string `json:"verificationUri"`
		Complete   string `json:"verificationUriComplete"`
		ExpiresIn  int64  `json:"expiresIn"` // seconds
		Interval   int64  `json:"interval"`  // seconds
	}
	err = c.run(ctx, call{
		operation: "StartDeviceAuthorization", address: address, body: body, result: &doc, secrets: []string{t.ClientSecret},
	})
	if err != nil {
		return authorization{}, err
	}
	err = checkToken("deviceCode", doc.DeviceCode)
	if err == nil {
		err = checkShown("userCode", doc.UserCode)
	}
	if err == nil {
		err = checkLink("verificationUri", doc.URI)
	}
	if err == nil && doc.Complete != "" {
		err = checkLink("verificationUriComplete", doc.Complete)
	}
	var life time.Duration
	if err == nil {
		life, err = seconds("expiresIn", doc.ExpiresIn)
	}
	if err != nil {
		return authorization{}, fmt.Errorf("StartDeviceAuthorization: the answer's %w", err)
	}
	interval, err := seconds("interval", doc.Interval)
	if err != nil {
		interval = defaultInterval
	}
	return authorization{
		Device{doc.UserCode, doc.URI, doc.Complete, fromNow(life)}, doc.DeviceCode, interval, time.Now().Add(life),
	}, nil
}

// poll asks for the token until the person has decided. The wait comes first: nobody is that quick.
func (c *Client) poll(ctx context.Context, t Token, a authorization) (Token, error) {
	address, err := c.address(oidc, "/token")
	if err != nil {
		return Token{}, err
	}
	attempts := c.MaxAttempts
	if attempts <= 0 {
		attempts = 3
	}
	wait, failures := a.interval, 0
	in := createToken{ClientID: t.ClientID, ClientSecret: t.ClientSecret, GrantType: grantDevice, DeviceCode: a.code}
	for {
		if err := sleep(ctx, min(wait, time.Until(a.expires))); err != nil {
			return Token{}, err
		}
		if !time.Now().Before(a.expires) {
			return Token{}, &Error{Code: "expired_token", Message: "nobody has confirmed the sign-in in time"}
		}
		var out created
		err := c.try(ctx, tokenCall(address, in, &out), backoff.Policy{MaxAttempts: 1})
		var refusal *Error
		switch {
		case err == nil:
			return t.with(out)
		case ctx.Err() != nil:
			return Token{}, err
		case errors.As(err, &refusal) && refusal.Code == "authorization_pending":
			wait, failures = a.interval, 0
		case errors.As(err, &refusal) && refusal.Code == "slow_down":
			a.interval += slowDown
			wait, failures = a.interval, 0
		case backoff.Classify(err) == backoff.Final:
			return Token{}, err
		default: // an outage, during which the wait doubles: RFC 8628, 3.5
			if failures++; failures >= attempts {
				return Token{}, fmt.Errorf("%w (after %d attempts)", err, failures)
			}
			wait *= 2 // no more than what is left: the sleep sees to it
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// checkLink accepts what can be shown, and be given to a browser.
func checkLink(name, link string) error {
	if err := checkShown(name, link); err != nil {
		return err
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%s is not an http or https URL", name)
	}
	return nil
}

// checkShown accepts what cannot play tricks with a terminal.
func checkShown(name, text string) error {
	switch {
	case text == "":
		return fmt.Errorf("%s is missing", name)
	case len(text) > 2048:
		return fmt.Errorf("%s is too long", name)
	case strings.ContainsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return fmt.Errorf("%s has blanks or control characters", name)
	}
	return nil
}
