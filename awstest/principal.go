package awstest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Principal is somebody whom an [STS] knows.
type Principal struct {
	// Credentials are what requests must be signed with. A session token, if there is one, must be sent and
	// signed; if they can expire, a request after Expires is refused as expired.
	Credentials aws.Credentials

	// Account is the account ID; "" means that of Credentials, else that of ARN, else 123456789012.
	Account string

	// ARN is the principal's; "" means a user, or for credentials with a session token a role's session.
	ARN string

	// UserID is the principal's unique ID; "" means one made from the access key ID.
	UserID string

	// MFA says that the session was opened with a code, as with GetSessionToken.
	MFA bool
}

func (p Principal) account() string {
	return orElse(p.Account, orElse(p.Credentials.AccountID, orElse(splitARN(p.ARN).account, "123456789012")))
}

func (p Principal) arn() string {
	kind := "arn:aws:iam::" + p.account() + ":user/tester"
	if p.Credentials.SessionToken != "" {
		kind = "arn:aws:sts::" + p.account() + ":assumed-role/tester/session"
	}
	return orElse(p.ARN, kind)
}

func (p Principal) userID() string {
	if p.Credentials.SessionToken != "" {
		return orElse(p.UserID, keyID("AROA", p.Credentials.AccessKeyID)+":session")
	}
	return orElse(p.UserID, keyID("AIDA", p.Credentials.AccessKeyID))
}

// isRoot says whether p is an account's root user, with or without a session.
func (p Principal) isRoot() bool { return splitARN(p.arn()).resource == "root" }

// role returns the account and the name of the role whose session p is, "" for anybody else.
func (p Principal) role() (account, name string) {
	a := splitARN(p.arn())
	rest, ok := strings.CutPrefix(a.resource, "assumed-role/")
	if !ok || a.service != "sts" {
		return "", ""
	}
	name, _, _ = strings.Cut(rest, "/")
	return a.account, name
}

// arn is an ARN without its region, which those of IAM and STS do not have.
type arn struct{ partition, service, account, resource string }

// splitARN returns the zero arn for what is none.
func splitARN(text string) arn {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[5] == "" {
		return arn{}
	}
	return arn{parts[1], parts[2], parts[4], parts[5]}
}
