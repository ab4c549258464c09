package sts

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// GetSessionTokenInput says what a user's session is to be like. The zero value is a session without MFA.
type GetSessionTokenInput struct {
	// Duration is how long the credentials last: whole seconds from 15 minutes to 36 hours, for an account's
	// root at most one hour. 0 leaves it to STS: 12 hours, or one hour for root.
	Duration time.Duration

	// SerialNumber is the MFA device's serial number or ARN, 9 to 256 characters. It goes with TokenCode.
	SerialNumber string

	// TokenCode is the six digits that the MFA device shows. It is a secret, and it is good for one use: a
	// call with a code is not tried again once the request may have left.
	TokenCode string

	// MinimumSessionTokenSize makes the session token at least that long, up to 4096 bytes. 0 is no minimum.
	MinimumSessionTokenSize int
}

// Format prints in for every verb of fmt, without its secrets.
func (in GetSessionTokenInput) Format(s fmt.State, verb rune) { format(s, verb, in.shown()) }

// MarshalJSON gives in without its secrets: for logs, not for storing.
func (in GetSessionTokenInput) MarshalJSON() ([]byte, error) { return json.Marshal(in.shown()) }

func (in GetSessionTokenInput) shown() any {
	type plain GetSessionTokenInput
	mask(&in.TokenCode)
	return plain(in)
}

// GetSessionToken gets temporary credentials for the user whose long-term keys the client has; with a serial
// number and a code they count as signed in with MFA. STS does not accept temporary credentials here, so they
// are an [*InputError] and nothing is sent.
func (c *Client) GetSessionToken(ctx context.Context, in GetSessionTokenInput) (aws.Credentials, error) {
	var doc struct {
		XMLName xml.Name `xml:"GetSessionTokenResponse"`
		Result  session  `xml:"GetSessionTokenResult"`
	}
	p := newParams("GetSessionToken")
	p.duration(in.Duration, 15*time.Minute, 36*time.Hour)
	p.mfa(in.SerialNumber, in.TokenCode)
	p.tokenSize(in.MinimumSessionTokenSize)
	var signer aws.Credentials
	if err := c.do(ctx, p, call{result: &doc, longTerm: true, signer: &signer}); err != nil {
		return aws.Credentials{}, err
	}
	return doc.Result.credentials("GetSessionToken", signer.AccountID)
}

// GetFederationTokenInput says for whom a session is, and what it may do. Name must be set.
type GetFederationTokenInput struct {
	// Name is the federated user's: 2 to 32 letters, digits and _ + = , . @ -.
	Name string

	// Policy is a session policy in JSON of up to 2048 characters. Without any session policy the session may
	// do next to nothing.
	Policy string

	// PolicyARNs are up to 10 managed policies that are used as session policies.
	PolicyARNs []string

	// Tags are up to 50 session tags.
	Tags []Tag

	// Duration is how long the credentials last: whole seconds from 15 minutes to 36 hours, for an account's
	// root at most one hour. 0 leaves it to STS: 12 hours, or one hour for root.
	Duration time.Duration

	// MinimumSessionTokenSize makes the session token at least that long, up to 4096 bytes. 0 is no minimum.
	MinimumSessionTokenSize int
}

// FederatedUser is the user for whom a federation token was made.
type FederatedUser struct {
	// ARN is arn:aws:sts::123456789012:federated-user/NAME.
	ARN string
	// ID is the account's ID, a colon, and the name.
	ID string
}

// GetFederationTokenOutput is a session of a federated user.
type GetFederationTokenOutput struct {
	// Credentials are the session's. Their AccountID is the one in the ARN of FederatedUser.
	Credentials aws.Credentials

	// FederatedUser is whom they stand for.
	FederatedUser FederatedUser

	// PackedPolicySize is how many per cent of the space for policies and tags are used; 0 if STS does not say.
	// AWS has deprecated it for SessionTokenUtilization.
	PackedPolicySize int

	// SessionTokenSize is the length of the session token in bytes; 0 if STS does not say.
	SessionTokenSize int

	// SessionTokenUtilization is how many per cent of the longest session token it is; 0 if STS does not say.
	SessionTokenUtilization int
}

// Format prints out for every verb of fmt, without its secrets.
func (out GetFederationTokenOutput) Format(s fmt.State, verb rune) { format(s, verb, out.shown()) }

// MarshalJSON gives out without its secrets: for logs, not for storing.
func (out GetFederationTokenOutput) MarshalJSON() ([]byte, error) { return json.Marshal(out.shown()) }

func (out GetFederationTokenOutput) shown() any {
	type plain GetFederationTokenOutput
	maskCredentials(&out.Credentials)
	return plain(out)
}

// GetFederationToken gets credentials for a federated user, whose permissions are those of the client's user
// cut down to the session policies. STS does not accept temporary credentials here, so they are an
// [*InputError] and nothing is sent.
func (c *Client) GetFederationToken(ctx context.Context, in GetFederationTokenInput) (GetFederationTokenOutput, error) {
	var doc struct {
		XMLName xml.Name `xml:"GetFederationTokenResponse"`
		Result  struct {
			session
			FederatedUser struct{ Arn, FederatedUserId string }
		} `xml:"GetFederationTokenResult"`
	}
	p := newParams("GetFederationToken")
	p.required("Name", "Name", in.Name, 2, 32, isName)
	p.policies(in.Policy, in.PolicyARNs)
	p.tags(in.Tags)
	p.duration(in.Duration, 15*time.Minute, 36*time.Hour)
	p.tokenSize(in.MinimumSessionTokenSize)
	if err := c.do(ctx, p, call{result: &doc, longTerm: true}); err != nil {
		return GetFederationTokenOutput{}, err
	}
	user := doc.Result.FederatedUser
	creds, err := doc.Result.credentials("GetFederationToken", user.Arn)
	if err != nil {
		return GetFederationTokenOutput{}, err
	}
	return GetFederationTokenOutput{
		Credentials:             creds,
		FederatedUser:           FederatedUser{ARN: user.Arn, ID: user.FederatedUserId},
		PackedPolicySize:        count(doc.Result.PackedPolicySize),
		SessionTokenSize:        count(doc.Result.SessionTokenSize),
		SessionTokenUtilization: count(doc.Result.SessionTokenUtilization),
	}, nil
}
