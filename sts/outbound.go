package sts

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// GetWebIdentityTokenInput says for whom a token is. Audiences and SigningAlgorithm must be set.
type GetWebIdentityTokenInput struct {
	// Audiences are 1 to 10 recipients of the token, each of 1 to 1000 characters.
	Audiences []string

	// SigningAlgorithm is "RS256" or "ES384".
	SigningAlgorithm string

	// Duration is how long the token lasts: whole seconds from one minute to one hour. 0 leaves it to STS:
	// 5 minutes.
	Duration time.Duration

	// Tags are up to 50 claims of the token.
	Tags []Tag
}

// GetWebIdentityTokenOutput is a token that proves the caller's AWS identity to somebody outside of AWS.
type GetWebIdentityTokenOutput struct {
	// Token is a signed JSON Web Token. It is a secret.
	Token string

	// Expires is when it ends.
	Expires time.Time
}

// Format prints out for every verb of fmt, without its secrets.
func (out GetWebIdentityTokenOutput) Format(s fmt.State, verb rune) { format(s, verb, out.shown()) }

// MarshalJSON gives out without its secrets: for logs, not for storing.
func (out GetWebIdentityTokenOutput) MarshalJSON() ([]byte, error) { return json.Marshal(out.shown()) }

func (out GetWebIdentityTokenOutput) shown() any {
	type plain GetWebIdentityTokenOutput
	mask(&out.Token)
	return plain(out)
}

// GetWebIdentityToken gets a token for the caller's identity, which a service outside of AWS can verify. The
// account must have outbound web identity federation turned on; if not, STS answers
// OutboundWebIdentityFederationDisabledException.
func (c *Client) GetWebIdentityToken(ctx context.Context, in GetWebIdentityTokenInput) (GetWebIdentityTokenOutput, error) {
	var doc struct {
		XMLName xml.Name `xml:"GetWebIdentityTokenResponse"`
		Result  struct {
			WebIdentityToken, Expiration string
		} `xml:"GetWebIdentityTokenResult"`
	}
	p := newParams("GetWebIdentityToken")
	p.audiences(in.Audiences)
	p.signingAlgorithm(in.SigningAlgorithm)
	p.duration(in.Duration, time.Minute, time.Hour)
	p.tags(in.Tags)
	if err := c.do(ctx, p, call{result: &doc}); err != nil {
		return GetWebIdentityTokenOutput{}, err
	}
	token := doc.Result.WebIdentityToken
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return GetWebIdentityTokenOutput{}, errors.New("sts: GetWebIdentityToken: the answer has no token")
	}
	expires, err := time.Parse(time.RFC3339, doc.Result.Expiration)
	if err != nil {
		return GetWebIdentityTokenOutput{}, errors.New("sts: GetWebIdentityToken: the answer's Expiration is no time")
	}
	return GetWebIdentityTokenOutput{Token: token, Expires: expires.UTC()}, nil
}

// GetDelegatedAccessTokenInput is what to trade in for credentials. TradeInToken must be set.
type GetDelegatedAccessTokenInput struct {
	// TradeInToken is the token that a partner got when access was delegated to it. It is a secret.
	TradeInToken string
}

// Format prints in for every verb of fmt, without its secrets.
func (in GetDelegatedAccessTokenInput) Format(s fmt.State, verb rune) { format(s, verb, in.shown()) }

// MarshalJSON gives in without its secrets: for logs, not for storing.
func (in GetDelegatedAccessTokenInput) MarshalJSON() ([]byte, error) {
	return json.Marshal(in.shown())
}

func (in GetDelegatedAccessTokenInput) shown() any {
	type plain GetDelegatedAccessTokenInput
	mask(&in.TradeInToken)
	return plain(in)
}

// GetDelegatedAccessTokenOutput is a session with the permissions that were delegated.
type GetDelegatedAccessTokenOutput struct {
	// Credentials are the session's. Their AccountID is the one in AssumedPrincipal.
	Credentials aws.Credentials

	// AssumedPrincipal is the ARN of the principal whose permissions they have.
	AssumedPrincipal string

	// PackedPolicySize is how many per cent of the space for policies are used; 0 if STS does not say. AWS has
	// deprecated it.
	PackedPolicySize int
}

// Format prints out for every verb of fmt, without its secrets.
func (out GetDelegatedAccessTokenOutput) Format(s fmt.State, verb rune) {
	format(s, verb, out.shown())
}

// MarshalJSON gives out without its secrets: for logs, not for storing.
func (out GetDelegatedAccessTokenOutput) MarshalJSON() ([]byte, error) {
	return json.Marshal(out.shown())
}

func (out GetDelegatedAccessTokenOutput) shown() any {
	type plain GetDelegatedAccessTokenOutput
	maskCredentials(&out.Credentials)
	return plain(out)
}

// GetDelegatedAccessToken trades a token in for credentials. An old one is ExpiredTradeInTokenException.
func (c *Client) GetDelegatedAccessToken(ctx context.Context, in GetDelegatedAccessTokenInput) (GetDelegatedAccessTokenOutput, error) {
	var doc struct {
		XMLName xml.Name `xml:"GetDelegatedAccessTokenResponse"`
		Result  struct {
			session
			AssumedPrincipal string
		} `xml:"GetDelegatedAccessTokenResult"`
	}
	p := newParams("GetDelegatedAccessToken")
	p.secret("TradeInToken", "TradeInToken", in.TradeInToken, 1, maxTradeInToken)
	if err := c.do(ctx, p, call{result: &doc}); err != nil {
		return GetDelegatedAccessTokenOutput{}, err
	}
	creds, err := doc.Result.credentials("GetDelegatedAccessToken", doc.Result.AssumedPrincipal)
	if err != nil {
		return GetDelegatedAccessTokenOutput{}, err
	}
	return GetDelegatedAccessTokenOutput{
		Credentials:      creds,
		AssumedPrincipal: doc.Result.AssumedPrincipal,
		PackedPolicySize: count(doc.Result.PackedPolicySize),
	}, nil
}
