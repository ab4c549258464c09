package sso

import (
	"context"
	"fmt"
	"math"
	"time"
)

const (
	grantDevice  = "urn:ietf:params:oauth:grant-type:device_code" // RFC 8628, 3.4
	grantRefresh = "refresh_token"
)

type createToken struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	GrantType    string `json:"grantType"`
	DeviceCode   string `json:"deviceCode,omitempty"`
	RefreshToken string `json:"refreshToken,omitempty"`
}

// created is the answer to a createToken.
type created struct {
	AccessToken  string `json:"accessToken"`
	ExpiresIn    int64  `json:"expiresIn"` // seconds
	RefreshToken string `json:"refreshToken"`
}

const opCreateToken = "CreateToken"

func tokenCall(address string, in createToken, out *created) call {
	return call{
		operation: opCreateToken, address: address, body: in, result: out,
		secrets: []string{in.ClientSecret, in.DeviceCode, in.RefreshToken},
	}
}

// Refresh gets a new access token for t's refresh token, and returns t with it. A refresh token that has been
// rotated is taken over, and the old one kept if the answer has none; the fields of t's file that are not known
// here stay as well. If t lacks what a refresh needs, the error names the field and nothing is sent. If the
// service refuses, the error wraps an [*Error]; its NeedsSignIn says whether the session is over.
//
// A refresh token may be good for a single use: let no two processes refresh one session at the same time, and
// store what is returned before it is used.
func (c *Client) Refresh(ctx context.Context, t Token) (Token, error) {
	t, err := c.refresh(ctx, t)
	if err != nil {
		return Token{}, fmt.Errorf("sso: %w", err)
	}
	return t, nil
}

func (c *Client) refresh(ctx context.Context, t Token) (Token, error) {
	if name := t.missing(); name != "" {
		return Token{}, fmt.Errorf("%s: the session cannot be refreshed: %s is missing", opCreateToken, name)
	}
	address, err := c.address(oidc, "/token")
	if err != nil {
		return Token{}, fmt.Errorf("%s: %w", opCreateToken, err)
	}
	in := createToken{
		ClientID: t.ClientID, ClientSecret: t.ClientSecret, GrantType: grantRefresh, RefreshToken: t.RefreshToken,
	}
	var out created
	if err := c.run(ctx, tokenCall(address, in, &out)); err != nil {
		return Token{}, err
	}
	return t.with(out)
}

// with is t with an answer's tokens.
func (t Token) with(out created) (Token, error) {
	err := checkToken("accessToken", out.AccessToken)
	if err == nil && out.RefreshToken != "" {
		err = checkToken("refreshToken", out.RefreshToken)
	}
	var life time.Duration
	if err == nil {
		life, err = seconds("expiresIn", out.ExpiresIn)
	}
	if err != nil {
		return Token{}, fmt.Errorf("%s: the answer's %w", opCreateToken, err)
	}
	t.AccessToken, t.Expires = out.AccessToken, fromNow(life)
	if out.RefreshToken != "" {
		t.RefreshToken = out.RefreshToken
	}
	return t, nil
}

// seconds checks a span of an answer.
func seconds(name string, n int64) (time.Duration, error) {
	if n <= 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("%s is missing or not a number of seconds", name)
	}
	return time.Duration(n) * time.Second, nil
}

// fromNow is a time as a file can hold it: in UTC, and whole seconds.
func fromNow(d time.Duration) time.Time { return time.Now().Add(d).UTC().Truncate(time.Second) }
