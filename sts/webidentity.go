package sts

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// AssumeRoleWithWebIdentityInput says which role to assume with the token of an identity provider. RoleARN and
// Token must be set. The limits are those of the STS API reference; they are checked before a request is sent.
type AssumeRoleWithWebIdentityInput struct {
	// RoleARN is the role's ARN, 20 to 2048 characters.
	RoleARN string

	// SessionName is 2 to 64 letters, digits and _ + = , . @ -; "" means "credchain-" and the time in
	// nanoseconds.
	SessionName string

	// Token is the OpenID Connect ID token or OAuth 2.0 access token, 4 to 20000 characters. It is a secret,
	// and it is sent as it is: nothing is trimmed.
	Token string

	// ProviderID is the domain of an OAuth 2.0 provider, 4 to 2048 characters. It is "" for OpenID Connect.
	ProviderID string

	// Duration is how long the credentials last: whole seconds from 15 minutes to 12 hours, and not more than
	// the role allows. 0 leaves it to STS: one hour.
	Duration time.Duration

	// Policy is a session policy in JSON of up to 2048 characters. "" is none.
	Policy string

	// PolicyARNs are up to 10 managed policies that are used as session policies.
	PolicyARNs []string

	// MinimumSessionTokenSize makes the session token at least that long, up to 4096 bytes. 0 is no minimum.
	MinimumSessionTokenSize int
}

// Format prints in for every verb of fmt, without its secrets.
func (in AssumeRoleWithWebIdentityInput) Format(s fmt.State, verb rune) { format(s, verb, in.shown()) }

// MarshalJSON gives in without its secrets: for logs, not for storing.
func (in AssumeRoleWithWebIdentityInput) MarshalJSON() ([]byte, error) {
	return json.Marshal(in.shown())
}

func (in AssumeRoleWithWebIdentityInput) shown() any {
	type plain AssumeRoleWithWebIdentityInput
	mask(&in.Token)
	return plain(in)
}

// AssumeRoleWithWebIdentityOutput is a session of a role, and whom the token was for.
type AssumeRoleWithWebIdentityOutput struct {
	// Credentials are the session's. Their AccountID is the one in the ARN of AssumedRole.
	Credentials aws.Credentials

	// AssumedRole is the role and the session.
	AssumedRole AssumedRole

	// Subject is the token's sub claim.
	Subject string

	// Audience is the token's audience, the client ID.
	Audience string

	// Provider is the token's issuer, or ProviderID for an OAuth 2.0 token.
	Provider string

	// SourceIdentity is the one that the token carries; "" is none.
	SourceIdentity string

	// PackedPolicySize is how many per cent of the space for policies and tags are used; 0 if STS does not say.
	// AWS has deprecated it for SessionTokenUtilization.
	PackedPolicySize int

	// SessionTokenSize is the length of the session token in bytes; 0 if STS does not say.
	SessionTokenSize int

	// SessionTokenUtilization is how many per cent of the longest session token it is; 0 if STS does not say.
	SessionTokenUtilization int
}

// Format prints out for every verb of fmt, without its secrets.
func (out AssumeRoleWithWebIdentityOutput) Format(s fmt.State, verb rune) {
	format(s, verb, out.shown())
}

// MarshalJSON gives out without its secrets: for logs, not for storing.
func (out AssumeRoleWithWebIdentityOutput) MarshalJSON() ([]byte, error) {
	return json.Marshal(out.shown())
}

func (out AssumeRoleWithWebIdentityOutput) shown() any {
	type plain AssumeRoleWithWebIdentityOutput
	maskCredentials(&out.Credentials)
	return plain(out)
}

// AssumeRoleWithWebIdentity gets credentials for a session of a role that trusts the token's issuer. The
// request is not signed: the client needs no Credentials, and Retrieve is not called if it has some.
//
// IDPCommunicationError is retried, as STS documents it. InvalidIdentityToken is tried once more, because STS
// also says it of a good token whose issuer it could not ask (the Go SDK's rule for web identity).
func (c *Client) AssumeRoleWithWebIdentity(ctx context.Context, in AssumeRoleWithWebIdentityInput) (AssumeRoleWithWebIdentityOutput, error) {
	var doc struct {
		XMLName xml.Name `xml:"AssumeRoleWithWebIdentityResponse"`
		Result  struct {
			session
			SubjectFromWebIdentityToken, Audience, Provider, SourceIdentity string
		} `xml:"AssumeRoleWithWebIdentityResult"`
	}
	p := newParams("AssumeRoleWithWebIdentity")
	p.roleARN(in.RoleARN)
	p.sessionName(in.SessionName)
	p.secret("Token", "WebIdentityToken", in.Token, 4, 20000)
	p.optional("ProviderID", "ProviderId", in.ProviderID, 4, 2048, nil)
	p.duration(in.Duration, 15*time.Minute, 12*time.Hour)
	p.policies(in.Policy, in.PolicyARNs)
	p.tokenSize(in.MinimumSessionTokenSize)
	if err := c.do(ctx, p, call{result: &doc, unsigned: true, again: "InvalidIdentityToken"}); err != nil {
		return AssumeRoleWithWebIdentityOutput{}, err
	}
	creds, err := doc.Result.credentials("AssumeRoleWithWebIdentity", doc.Result.AssumedRoleUser.Arn)
	if err != nil {
		return AssumeRoleWithWebIdentityOutput{}, err
	}
	return AssumeRoleWithWebIdentityOutput{
		Credentials:             creds,
		AssumedRole:             doc.Result.assumedRole(),
		Subject:                 doc.Result.SubjectFromWebIdentityToken,
		Audience:                doc.Result.Audience,
		Provider:                doc.Result.Provider,
		SourceIdentity:          doc.Result.SourceIdentity,
		PackedPolicySize:        count(doc.Result.PackedPolicySize),
		SessionTokenSize:        count(doc.Result.SessionTokenSize),
		SessionTokenUtilization: count(doc.Result.SessionTokenUtilization),
	}, nil
}
