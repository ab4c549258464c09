package sts

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// AssumeRootInput says in which member account to act as root, and for which task. TargetPrincipal and
// TaskPolicyARN must be set.
type AssumeRootInput struct {
	// TargetPrincipal is the member account's ID or the ARN of its root, 12 to 2048 characters.
	TargetPrincipal string

	// TaskPolicyARN is one of the five policies arn:aws:iam::aws:policy/root-task/NAME (of another partition,
	// with that partition's name): IAMAuditRootUserCredentials, IAMCreateRootUserPassword,
	// IAMDeleteRootUserCredentials, S3UnlockBucketPolicy or SQSUnlockQueuePolicy.
	TaskPolicyARN string

	// Duration is how long the credentials last: whole seconds up to 15 minutes. 0 leaves it to STS: 15 minutes.
	Duration time.Duration

	// MinimumSessionTokenSize makes the session token at least that long, up to 4096 bytes. 0 is no minimum.
	MinimumSessionTokenSize int
}

// AssumeRootOutput is a session as the root user of a member account.
type AssumeRootOutput struct {
	// Credentials are the session's. Their AccountID is the one of the TargetPrincipal.
	Credentials aws.Credentials

	// SourceIdentity is the caller's; "" is none.
	SourceIdentity string

	// SessionTokenSize is the length of the session token in bytes; 0 if STS does not say.
	SessionTokenSize int

	// SessionTokenUtilization is how many per cent of the longest session token it is; 0 if STS does not say.
	SessionTokenUtilization int
}

// Format prints out for every verb of fmt, without its secrets.
func (out AssumeRootOutput) Format(s fmt.State, verb rune) { format(s, verb, out.shown()) }

// MarshalJSON gives out without its secrets: for logs, not for storing.
func (out AssumeRootOutput) MarshalJSON() ([]byte, error) { return json.Marshal(out.shown()) }

func (out AssumeRootOutput) shown() any {
	type plain AssumeRootOutput
	maskCredentials(&out.Credentials)
	return plain(out)
}

// AssumeRoot gets credentials for one task as the root user of a member account. The caller's must be those of
// the organization's management account or of a delegated administrator. Only regional endpoints offer it, so
// that the global one is an [*InputError].
func (c *Client) AssumeRoot(ctx context.Context, in AssumeRootInput) (AssumeRootOutput, error) {
	var doc struct {
		XMLName xml.Name `xml:"AssumeRootResponse"`
		Result  struct {
			session
			SourceIdentity string
		} `xml:"AssumeRootResult"`
	}
	p := newParams("AssumeRoot")
	p.regional(c)
	p.required("TargetPrincipal", "TargetPrincipal", in.TargetPrincipal, 12, 2048, isText)
	p.taskPolicy(in.TaskPolicyARN)
	p.duration(in.Duration, time.Second, 15*time.Minute)
	p.tokenSize(in.MinimumSessionTokenSize)
	if err := c.do(ctx, p, call{result: &doc}); err != nil {
		return AssumeRootOutput{}, err
	}
	creds, err := doc.Result.credentials("AssumeRoot", in.TargetPrincipal)
	if err != nil {
		return AssumeRootOutput{}, err
	}
	return AssumeRootOutput{
		Credentials:             creds,
		SourceIdentity:          doc.Result.SourceIdentity,
		SessionTokenSize:        count(doc.Result.SessionTokenSize),
		SessionTokenUtilization: count(doc.Result.SessionTokenUtilization),
	}, nil
}
