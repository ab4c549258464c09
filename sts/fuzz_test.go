package sts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sts"
)

// Whatever STS answers, to whatever operation: complete credentials or an error, and no secret in the error.
func FuzzAnswers(f *testing.F) {
	for i, op := range operations() {
		f.Add(i, 200, op.answer)
		f.Add(i, 200, strings.Replace(op.answer, "canary", "\x1b", 1))
		f.Add(i, 403, op.answer)
	}
	f.Add(0, 403, refusal("C\x1b[31m", "\xff"+user.SecretAccessKey+" 123456"))
	f.Add(2, 400, refusal("InvalidIdentityToken", "canary.e30.x"))
	f.Add(3, 500, "<")
	f.Add(1, 200, "<AssumeRoleResponse>"+strings.Repeat("<a>", 300))
	f.Fuzz(func(t *testing.T, which, status int, body string) {
		ops := operations()
		if which < 0 || which >= len(ops) || status < 200 || status > 599 {
			t.Skip()
		}
		c := client(says(status, body), user)
		c.MaxAttempts = 1
		got, err := ops[which].call(t.Context(), c)
		if err == nil {
			require.Equal(t, 200, status)
			complete(t, got)
			return
		}
		if m, decoded := got.(sts.AuthorizationMessage); decoded {
			got, m.Raw = m, ""
			require.Zero(t, m)
		} else {
			require.Zero(t, got)
		}
		text := fmt.Sprintf("%v %+v", err, err)
		require.NotContains(t, text, user.SecretAccessKey)
		require.NotContains(t, text, "canary.e30.x")
		require.False(t, strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), "%q", text)
		require.Less(t, len(err.Error()), 2048)
	})
}

// complete says that got has all that its operation promises.
func complete(t *testing.T, got any) {
	t.Helper()
	var creds aws.Credentials
	switch got := got.(type) {
	case sts.AssumeRoleOutput:
		creds = got.Credentials
	case sts.AssumeRoleWithWebIdentityOutput:
		creds = got.Credentials
	case sts.AssumeRoleWithSAMLOutput:
		creds = got.Credentials
	case sts.AssumeRootOutput:
		creds = got.Credentials
	case sts.GetFederationTokenOutput:
		creds = got.Credentials
	case sts.GetDelegatedAccessTokenOutput:
		creds = got.Credentials
	case aws.Credentials:
		creds = got
	case sts.Identity:
		require.NotEmpty(t, got.Account)
		require.NotEmpty(t, got.ARN)
		return
	case string:
		require.NotEmpty(t, got)
		return
	case sts.AuthorizationMessage:
		require.NotEmpty(t, got.Raw)
		return
	case sts.GetWebIdentityTokenOutput:
		require.NotEmpty(t, got.Token)
		require.False(t, got.Expires.IsZero())
		return
	default:
		t.Fatalf("no check for %T", got)
	}
	require.True(t, creds.HasKeys())
	require.True(t, creds.CanExpire)
	require.NotEmpty(t, creds.Source)
	for _, value := range []string{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken} {
		require.NotEmpty(t, value)
		require.False(t, strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }))
	}
	if creds.AccountID != "" {
		require.Regexp(t, `^\d{12}$`, creds.AccountID)
	}
}
