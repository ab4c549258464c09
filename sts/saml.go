package sts

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// AssumeRoleWithSAMLInput says which role to assume with a SAML assertion. RoleARN, PrincipalARN and Assertion
// must be set. The limits are those of the STS API reference; they are checked before a request is sent.
type AssumeRoleWithSAMLInput struct {
	// RoleARN is the role's ARN, 20 to 2048 characters.
	RoleARN string

	// PrincipalARN is the ARN of the SAML provider in IAM, 20 to 2048 characters.
	PrincipalARN string

	// Assertion is the identity provider's answer in base64, 4 to 100000 characters. It is a secret.
	Assertion string

	// Duration is how long the credentials last: whole seconds from 15 minutes to 12 hours, and not more than
	// the role or the assertion allows. 0 leaves it to STS: one hour.
	Duration time.Duration

	// Policy is a session policy in JSON of up to 2048 characters. "" is none.
	Policy string

	// PolicyARNs are up to 10 managed policies that are used as session policies.
	PolicyARNs []string

	// MinimumSessionTokenSize makes the session token at least that long, up to 4096 bytes. 0 is no minimum.
	MinimumSessionTokenSize int
}

// Format prints in for every verb of fmt, without its secrets.
func (in AssumeRoleWithSAMLInput) Format(s fmt.State, verb rune) { format(s, verb, in.shown()) }

// MarshalJSON gives in without its secrets: for logs, not for storing.
func (in AssumeRoleWithSAMLInput) MarshalJSON() ([]byte, error) { return json.Marshal(in.shown()) }

func (in AssumeRoleWithSAMLInput) shown() any {
	type plain AssumeRoleWithSAMLInput
	mask(&in.Assertion)
	return plain(in)
}

// AssumeRoleWithSAMLOutput is a session of a role, and what the assertion said.
type AssumeRoleWithSAMLOutput struct {
	// Credentials are the session's. Their AccountID is the one in the ARN of AssumedRole.
	Credentials aws.Credentials

	// AssumedRole is the role and the session.
	AssumedRole AssumedRole

	// Audience is the Recipient in the assertion.
	Audience string

	// Issuer is the assertion's issuer.
	Issuer string

	// NameQualifier is a hash of the issuer, the account and the provider's name; with Subject it identifies a
	// user.
	NameQualifier string

	// Subject is the assertion's NameID.
	Subject string

	// SubjectType is the form of the NameID, such as "persistent" or "transient".
	SubjectType string

	// SourceIdentity is the one that the assertion carries; "" is none.
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
func (out AssumeRoleWithSAMLOutput) Format(s fmt.State, verb rune) { format(s, verb, out.shown()) }

// MarshalJSON gives out without its secrets: for logs, not for storing.
func (out AssumeRoleWithSAMLOutput) MarshalJSON() ([]byte, error) { return json.Marshal(out.shown()) }

func (out AssumeRoleWithSAMLOutput) shown() any {
	type plain AssumeRoleWithSAMLOutput
	maskCredentials(&out.Credentials)
	return plain(out)
}

// AssumeRoleWithSAML gets credentials for a session of a role that trusts the assertion's issuer. The request
// is not signed: the client needs no Credentials, and Retrieve is not called if it has some.
func (c *Client) AssumeRoleWithSAML(ctx context.Context, in AssumeRoleWithSAMLInput) (AssumeRoleWithSAMLOutput, error) {
	var doc struct {
		XMLName xml.Name `xml:"AssumeRoleWithSAMLResponse"`
		Result  struct {
			session
			Audience, Issuer, NameQualifier, Subject, SubjectType, SourceIdentity string
		} `xml:"AssumeRoleWithSAMLResult"`
	}
	p := newParams("AssumeRoleWithSAML")
	p.roleARN(in.RoleARN)
	p.required("PrincipalARN", "PrincipalArn", in.PrincipalARN, 20, 2048, isText)
	p.secret("Assertion", "SAMLAssertion", in.Assertion, 4, 100000)
	p.duration(in.Duration, 15*time.Minute, 12*time.Hour)
	p.policies(in.Policy, in.PolicyARNs)
	p.tokenSize(in.MinimumSessionTokenSize)
	if err := c.do(ctx, p, call{result: &doc, unsigned: true}); err != nil {
		return AssumeRoleWithSAMLOutput{}, err
	}
	creds, err := doc.Result.credentials("AssumeRoleWithSAML", doc.Result.AssumedRoleUser.Arn)
	if err != nil {
		return AssumeRoleWithSAMLOutput{}, err
	}
	return AssumeRoleWithSAMLOutput{
		Credentials:             creds,
		AssumedRole:             doc.Result.assumedRole(),
		Audience:                doc.Result.Audience,
		Issuer:                  doc.Result.Issuer,
		NameQualifier:           doc.Result.NameQualifier,
		Subject:                 doc.Result.Subject,
		SubjectType:             doc.Result.SubjectType,
		SourceIdentity:          doc.Result.SourceIdentity,
		PackedPolicySize:        count(doc.Result.PackedPolicySize),
		SessionTokenSize:        count(doc.Result.SessionTokenSize),
		SessionTokenUtilization: count(doc.Result.SessionTokenUtilization),
	}, nil
}
