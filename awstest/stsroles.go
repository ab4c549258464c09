package awstest

import (
	"time"
)

// Role is a role of which an [STS] hands out credentials. Its trust is all that is asked: the fake has no
// policies, so whom the role trusts may assume it.
type Role struct {
	// ARN is the role's, with its path: arn:aws:iam::123456789012:role/path/name.
	ARN string

	// ID is the role's unique ID; "" means one made from the ARN.
	ID string

	// Trust has the ARNs of those who may assume it with AssumeRole: a user's, a session's, that of a role for
	// each of its sessions, that of an account's root for all of the account, or "*" for everybody.
	// Nobody is in an empty one.
	Trust []string

	// ExternalID must be sent with AssumeRole; "" means that it is not looked at.
	ExternalID string

	// RequireMFA wants a code with AssumeRole, or a session of GetSessionToken that had one.
	RequireMFA bool

	// MaxDuration is the longest session; 0 means one hour, as with a new role.
	MaxDuration time.Duration

	// WebIdentity says whose tokens assume the role with AssumeRoleWithWebIdentity; any one of it is enough.
	WebIdentity []WebIdentityTrust

	// SAML has the ARNs of the providers whose assertions assume the role with AssumeRoleWithSAML.
	SAML []string
}

// WebIdentityTrust is a condition on a web identity token. All of it must hold.
type WebIdentityTrust struct {
	// Issuer is the iss claim: the URL of an [OIDC].
	Issuer string

	// Subject is the sub claim, with * for anything, as StringLike has it; "" means any.
	Subject string

	// Audience is one of the aud claim; "" means any.
	Audience string
}

// MFADevice is a device that shows codes.
type MFADevice struct {
	// Serial is the serial number or ARN: arn:aws:iam::123456789012:mfa/name.
	Serial string

	// User is the ARN of the user whose device it is; "" means everybody's.
	User string

	// Codes are the codes that are valid, each of them once.
	Codes []string
}

// Organization says which accounts can be administered with AssumeRoot.
type Organization struct {
	// Management is the ID of the account whose principals may do it.
	Management string

	// Members are the IDs of the accounts whose root can be assumed.
	Members []string
}

// TradeIn is a token that GetDelegatedAccessToken takes.
type TradeIn struct {
	// Token is the trade-in token.
	Token string

	// Principal is the ARN of the principal whose credentials it is good for.
	Principal string

	// Expires is when it ends; zero means never.
	Expires time.Time
}

// Session is what an [STS] has handed out, and what was asked for with it.
type Session struct {
	// Operation is the one that was called: "AssumeRole".
	Operation string

	// Caller is the ARN of the one who signed; "" if nobody had to.
	Caller string

	// Principal is the new one, with its credentials.
	Principal Principal

	// Duration is the length that the session has.
	Duration time.Duration

	// Policy and PolicyARNs are the session policies. They are recorded, and permit or forbid nothing here.
	Policy     string
	PolicyARNs []string

	// Tags are the session's tags, with those that came from the caller's session. TransitiveTagKeys are the
	// keys of those that go on to the next session.
	Tags              map[string]string
	TransitiveTagKeys []string

	// Contexts are the ProvidedContexts: assertions by the provider's ARN.
	Contexts map[string]string

	// ExternalID, SerialNumber and SourceIdentity are as they were sent; SourceIdentity may also come from the
	// caller's session.
	ExternalID, SerialNumber, SourceIdentity string
}
