package awstest_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const (
	account  = "111122223333"
	userARN  = "arn:aws:iam::" + account + ":user/dev/ann"
	otherARN = "arn:aws:iam::" + account + ":user/bob"
	roleARN  = "arn:aws:iam::" + account + ":role/team/deploy"
	serial   = "arn:aws:iam::" + account + ":mfa/ann"
)

// result is the answer to an operation of STS.
type result struct {
	answer
	t *testing.T
}

// field returns the text of an element, "" if it is not there.
func (r result) field(name string) string {
	m := regexp.MustCompile(`<` + name + `>([^<]*)</` + name + `>`).FindStringSubmatch(r.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// credentials returns those of the answer.
func (r result) credentials() aws.Credentials {
	r.t.Helper()
	require.Equal(r.t, 200, r.status, r.body)
	expires, err := time.Parse(time.RFC3339, r.field("Expiration"))
	require.NoError(r.t, err)
	return aws.Credentials{
		AccessKeyID: r.field("AccessKeyId"), SecretAccessKey: r.field("SecretAccessKey"), SessionToken: r.field("SessionToken"),
		CanExpire: true, Expires: expires,
	}
}

// refused requires an error of STS, which has no secret in it.
func (r result) refused(status int, code string) {
	r.t.Helper()
	require.Equal(r.t, code, r.field("Code"), r.body)
	require.Equal(r.t, status, r.status)
	require.NotEmpty(r.t, r.field("Message"))
	require.NotContains(r.t, r.body, awstest.Canary)
}

// call sends an operation, signed with creds if they have keys. Parameters are pairs of name and value.
func call(t *testing.T, s http.Handler, creds aws.Credentials, action string, params ...string) result {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2011-06-15"}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	request := signing{creds: creds, form: form.Encode()}
	if !creds.HasKeys() {
		request.creds = awstest.LongTerm("nobody")
		request.after = func(r *http.Request) {
			for _, name := range []string{"Authorization", "X-Amz-Date"} {
				r.Header.Del(name)
			}
		}
	}
	return result{request.do(t, s), t}
}

func ann() aws.Credentials { return awstest.LongTerm("ann") }

// people returns an STS with two users and the root of the account, and these roles.
func people(roles ...awstest.Role) *awstest.STS {
	return &awstest.STS{
		Region: "eu-west-1",
		Principals: []awstest.Principal{
			{Credentials: ann(), ARN: userARN}, {Credentials: awstest.LongTerm("bob"), ARN: otherARN},
			{Credentials: awstest.LongTerm("root"), ARN: "arn:aws:iam::" + account + ":root"},
			{Credentials: awstest.LongTerm("stranger"), ARN: "arn:aws:iam::444455556666:user/ann"},
		},
		Roles:      roles,
		MFADevices: []awstest.MFADevice{{Serial: serial, User: userARN, Codes: []string{"123456"}}},
	}
}
