package sts

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Tag is a session tag.
type Tag struct {
	// Key is 1 to 128 characters: letters, digits, blanks and _ . : / = + - @. Keys that differ only in case
	// are the same.
	Key string
	// Value is up to 256 characters of the same kinds.
	Value string
}

// ProvidedContext is an assertion that a trusted context provider, such as IAM Identity Center, has signed.
type ProvidedContext struct {
	// ProviderARN names the context provider: 20 to 2048 characters.
	ProviderARN string
	// ContextAssertion is what the provider signed, 4 to 2048 characters. It is a secret.
	ContextAssertion string
}

// Format prints p for every verb of fmt, without the assertion.
func (p ProvidedContext) Format(s fmt.State, verb rune) { format(s, verb, p.shown()) }

// MarshalJSON gives p without the assertion: for logs, not for storing.
func (p ProvidedContext) MarshalJSON() ([]byte, error) { return json.Marshal(p.shown()) }

func (p ProvidedContext) shown() any {
	type plain ProvidedContext
	mask(&p.ContextAssertion)
	return plain(p)
}

// AssumedRole is a role with the name of one session of it.
type AssumedRole struct {
	// ARN is the session's: arn:aws:sts::123456789012:assumed-role/ROLE/SESSION.
	ARN string
	// ID is the role's unique ID, a colon, and the session's name.
	ID string
}

// AssumeRoleInput says which role to assume, and with what. RoleARN is the only field that must be set. The
// limits are those of the STS API reference; they are checked before a request is sent.
type AssumeRoleInput struct {
	// RoleARN is the role's ARN, 20 to 2048 characters.
	RoleARN string

	// SessionName is 2 to 64 letters, digits and _ + = , . @ -; "" means "credchain-" and the time in
	// nanoseconds. It appears in the ARN of the session and in CloudTrail.
	SessionName string

	// Duration is how long the credentials last: whole seconds from 15 minutes to 12 hours, and not more than
	// the role allows. A role that assumes another gets an hour at most. 0 leaves it to STS: one hour.
	Duration time.Duration

	// Policy is a session policy in JSON of up to 2048 characters, which the session's permissions are cut
	// down to. "" is none.
	Policy string

	// PolicyARNs are up to 10 managed policies that are used as session policies.
	PolicyARNs []string

	// Tags are up to 50 session tags.
	Tags []Tag

	// TransitiveTagKeys are the keys, at most 50, of the tags that stay when the session assumes another role.
	TransitiveTagKeys []string

	// ExternalID is what the role's owner agreed on with a third party: 2 to 1224 letters, digits and
	// _ + = , . @ : / -. "" is none.
	ExternalID string

	// SourceIdentity is a name that stays with every session that follows: 2 to 64 letters, digits and
	// _ + = , . @ -. "" is none.
	SourceIdentity string

	// SerialNumber is the MFA device's serial number or ARN, 9 to 256 characters. It goes with TokenCode.
	SerialNumber string

	// TokenCode is the six digits that the MFA device shows. It is a secret, and it is good for one use: a
	// call with a code is not tried again once the request may have left.
	TokenCode string

	// ProvidedContexts are up to 5 assertions of trusted context providers.
	ProvidedContexts []ProvidedContext

	// MinimumSessionTokenSize makes the session token at least that long, up to 4096 bytes. 0 is no minimum.
	MinimumSessionTokenSize int
}

// Format prints in for every verb of fmt, without its secrets.
func (in AssumeRoleInput) Format(s fmt.State, verb rune) { format(s, verb, in.shown()) }

// MarshalJSON gives in without its secrets: for logs, not for storing.
func (in AssumeRoleInput) MarshalJSON() ([]byte, error) { return json.Marshal(in.shown()) }

func (in AssumeRoleInput) shown() any {
	type plain AssumeRoleInput
	mask(&in.TokenCode)
	return plain(in)
}

// AssumeRoleOutput is a session of a role.
type AssumeRoleOutput struct {
	// Credentials are the session's. Their AccountID is the one in the ARN of AssumedRole.
	Credentials aws.Credentials

	// AssumedRole is the role and the session.
	AssumedRole AssumedRole

	// SourceIdentity is the one that the session has; "" is none.
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
func (out AssumeRoleOutput) Format(s fmt.State, verb rune) { format(s, verb, out.shown()) }

// MarshalJSON gives out without its secrets: for logs, not for storing.
func (out AssumeRoleOutput) MarshalJSON() ([]byte, error) { return json.Marshal(out.shown()) }

func (out AssumeRoleOutput) shown() any {
	type plain AssumeRoleOutput
	maskCredentials(&out.Credentials)
	return plain(out)
}

// AssumeRole gets credentials for a session of a role. If in breaks a limit, the error wraps an [*InputError]
// and nothing is sent; if STS refuses, it wraps an [*Error]. STS answers AccessDenied alike for a role that is
// not there, one that does not trust the caller, a wrong external ID and a wrong MFA code.
func (c *Client) AssumeRole(ctx context.Context, in AssumeRoleInput) (AssumeRoleOutput, error) {
	var doc struct {
		XMLName xml.Name `xml:"AssumeRoleResponse"`
		Result  struct {
			session
			SourceIdentity string
		} `xml:"AssumeRoleResult"`
	}
	p := newParams("AssumeRole")
	p.roleARN(in.RoleARN)
	p.sessionName(in.SessionName)
	p.duration(in.Duration, 15*time.Minute, 12*time.Hour)
	p.policies(in.Policy, in.PolicyARNs)
	p.tags(in.Tags)
	p.transitiveTagKeys(in.TransitiveTagKeys)
	p.optional("ExternalID", "ExternalId", in.ExternalID, 2, 1224, isNameOr(":/"))
	p.optional("SourceIdentity", "SourceIdentity", in.SourceIdentity, 2, 64, isName)
	p.mfa(in.SerialNumber, in.TokenCode)
	p.contexts(in.ProvidedContexts)
	p.tokenSize(in.MinimumSessionTokenSize)
	if err := c.do(ctx, p, call{result: &doc}); err != nil {
		return AssumeRoleOutput{}, err
	}
	creds, err := doc.Result.credentials("AssumeRole", doc.Result.AssumedRoleUser.Arn)
	if err != nil {
		return AssumeRoleOutput{}, err
	}
	return AssumeRoleOutput{
		Credentials:             creds,
		AssumedRole:             doc.Result.assumedRole(),
		SourceIdentity:          doc.Result.SourceIdentity,
		PackedPolicySize:        count(doc.Result.PackedPolicySize),
		SessionTokenSize:        count(doc.Result.SessionTokenSize),
		SessionTokenUtilization: count(doc.Result.SessionTokenUtilization),
	}, nil
}
