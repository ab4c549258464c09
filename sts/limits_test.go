package sts_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

// inputs are the calls whose inputs the tests spoil, one field at a time.
type inputs struct {
	role       sts.AssumeRoleInput
	web        sts.AssumeRoleWithWebIdentityInput
	saml       sts.AssumeRoleWithSAMLInput
	root       sts.AssumeRootInput
	session    sts.GetSessionTokenInput
	federation sts.GetFederationTokenInput
	outbound   sts.GetWebIdentityTokenInput
	delegated  sts.GetDelegatedAccessTokenInput
	key        string
	message    string
}

func goodInputs() *inputs {
	return &inputs{
		role: sts.AssumeRoleInput{RoleARN: roleARN},
		web:  sts.AssumeRoleWithWebIdentityInput{RoleARN: roleARN, Token: "canary"},
		saml: sts.AssumeRoleWithSAMLInput{RoleARN: roleARN, PrincipalARN: roleARN, Assertion: "canary"},
		root: sts.AssumeRootInput{
			TargetPrincipal: "123456789012", TaskPolicyARN: "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials",
		},
		federation: sts.GetFederationTokenInput{Name: "ab"},
		outbound:   sts.GetWebIdentityTokenInput{Audiences: []string{"a"}, SigningAlgorithm: "RS256"},
		delegated:  sts.GetDelegatedAccessTokenInput{TradeInToken: "canary"},
		key:        "AKIAIOSFODNN7EXA",
		message:    "m",
	}
}

// calls make one operation each, by name.
func (in *inputs) calls() map[string]func(context.Context, *sts.Client) error {
	return map[string]func(context.Context, *sts.Client) error{
		"AssumeRole": func(ctx context.Context, c *sts.Client) error { _, err := c.AssumeRole(ctx, in.role); return err },
		"AssumeRoleWithWebIdentity": func(ctx context.Context, c *sts.Client) error {
			_, err := c.AssumeRoleWithWebIdentity(ctx, in.web)
			return err
		},
		"AssumeRoleWithSAML": func(ctx context.Context, c *sts.Client) error {
			_, err := c.AssumeRoleWithSAML(ctx, in.saml)
			return err
		},
		"AssumeRoot": func(ctx context.Context, c *sts.Client) error { _, err := c.AssumeRoot(ctx, in.root); return err },
		"GetSessionToken": func(ctx context.Context, c *sts.Client) error {
			_, err := c.GetSessionToken(ctx, in.session)
			return err
		},
		"GetFederationToken": func(ctx context.Context, c *sts.Client) error {
			_, err := c.GetFederationToken(ctx, in.federation)
			return err
		},
		"GetWebIdentityToken": func(ctx context.Context, c *sts.Client) error {
			_, err := c.GetWebIdentityToken(ctx, in.outbound)
			return err
		},
		"GetDelegatedAccessToken": func(ctx context.Context, c *sts.Client) error {
			_, err := c.GetDelegatedAccessToken(ctx, in.delegated)
			return err
		},
		"GetAccessKeyInfo": func(ctx context.Context, c *sts.Client) error { _, err := c.GetAccessKeyInfo(ctx, in.key); return err },
		"DecodeAuthorizationMessage": func(ctx context.Context, c *sts.Client) error {
			_, err := c.DecodeAuthorizationMessage(ctx, in.message)
			return err
		},
	}
}

// limit is a field that one operation or several check alike.
type limit struct {
	operations string // separated by blanks
	field      string
	set        func(in *inputs, v any)
	good, bad  []any
}

func text(n int) string { return strings.Repeat("a", n) }

func seconds(s ...int) (all []any) {
	for _, n := range s {
		all = append(all, time.Duration(n)*time.Second)
	}
	return all
}

func arns(n int) []string {
	return slices.Repeat([]string{policyARN}, n)
}

func tags(n int) (all []sts.Tag) {
	for i := range n {
		all = append(all, sts.Tag{Key: "k" + text(i)})
	}
	return all
}

func contexts(n int) []sts.ProvidedContext {
	return slices.Repeat([]sts.ProvidedContext{{ProviderARN: policyARN, ContextAssertion: "canary"}}, n)
}

// limits are those of the STS API reference, on both sides of each edge.
func limits() []limit {
	arn := func(n int) string { return "arn:aws:iam::" + text(n-13) }
	return []limit{
		{"AssumeRole AssumeRoleWithWebIdentity AssumeRoleWithSAML", "RoleARN",
			func(in *inputs, v any) {
				in.role.RoleARN, in.web.RoleARN, in.saml.RoleARN = v.(string), v.(string), v.(string)
			},
			[]any{arn(20), arn(2048), roleARN + "/ä"}, []any{"", arn(19), arn(2049), roleARN + "\x00", roleARN + "\x7f", roleARN + "\xff"}},
		{"AssumeRole AssumeRoleWithWebIdentity", "SessionName",
			func(in *inputs, v any) { in.role.SessionName, in.web.SessionName = v.(string), v.(string) },
			[]any{"", "ab", text(64), "aZ09_+=,.@-"}, []any{"a", text(65), "a b", "a/b", "aä", "a\n"}},
		{"AssumeRole AssumeRoleWithWebIdentity AssumeRoleWithSAML", "Duration",
			func(in *inputs, v any) {
				d := v.(time.Duration)
				in.role.Duration, in.web.Duration, in.saml.Duration = d, d, d
			},
			seconds(0, 900, 930, 43200), append(seconds(1, 899, 43201, -900), 15*time.Minute+time.Millisecond, time.Nanosecond)},
		{"GetSessionToken GetFederationToken", "Duration",
			func(in *inputs, v any) {
				in.session.Duration, in.federation.Duration = v.(time.Duration), v.(time.Duration)
			},
			seconds(0, 900, 129600), seconds(899, 129601)},
		{"AssumeRoot", "Duration", func(in *inputs, v any) { in.root.Duration = v.(time.Duration) },
			seconds(0, 1, 900), append(seconds(901, -1), 500*time.Millisecond)},
		{"GetWebIdentityToken", "Duration", func(in *inputs, v any) { in.outbound.Duration = v.(time.Duration) },
			seconds(0, 60, 3600), seconds(59, 3601)},
		{"AssumeRole AssumeRoleWithWebIdentity AssumeRoleWithSAML GetFederationToken", "Policy",
			func(in *inputs, v any) {
				in.role.Policy, in.web.Policy, in.saml.Policy, in.federation.Policy = v.(string), v.(string), v.(string), v.(string)
			},
			[]any{"", "{", text(2048), strings.Repeat("ä", 2048), "\t\r\n ÿ"}, []any{text(2049), "Ā", "\x00", "\x1f"}},
		{"AssumeRole AssumeRoleWithWebIdentity AssumeRoleWithSAML GetFederationToken", "PolicyARNs",
			func(in *inputs, v any) {
				a := v.([]string)
				in.role.PolicyARNs, in.web.PolicyARNs, in.saml.PolicyARNs, in.federation.PolicyARNs = a, a, a, a
			},
			[]any{arns(0), arns(10)}, []any{arns(11)}},
		{"AssumeRole AssumeRoleWithWebIdentity AssumeRoleWithSAML GetFederationToken", "PolicyARNs[1]",
			func(in *inputs, v any) {
				a := []string{policyARN, v.(string)}
				in.role.PolicyARNs, in.web.PolicyARNs, in.saml.PolicyARNs, in.federation.PolicyARNs = a, a, a, a
			},
			[]any{arn(20), arn(2048)}, []any{"", arn(19), arn(2049)}},
		{"AssumeRole GetFederationToken GetWebIdentityToken", "Tags",
			func(in *inputs, v any) {
				in.role.Tags, in.federation.Tags, in.outbound.Tags = v.([]sts.Tag), v.([]sts.Tag), v.([]sts.Tag)
			},
			[]any{tags(50)}, []any{tags(51)}},
		{"AssumeRole GetFederationToken GetWebIdentityToken", "Tags[1].Key",
			func(in *inputs, v any) {
				a := []sts.Tag{{Key: "Team"}, {Key: v.(string)}}
				in.role.Tags, in.federation.Tags, in.outbound.Tags = a, a, a
			},
			[]any{"a", text(128), "ä 1_.:/=+-@"}, []any{"", text(129), "a,b", "a\n", "Team", "team"}},
		{"AssumeRole GetFederationToken GetWebIdentityToken", "Tags[0].Value",
			func(in *inputs, v any) {
				a := []sts.Tag{{Key: "k", Value: v.(string)}}
				in.role.Tags, in.federation.Tags, in.outbound.Tags = a, a, a
			},
			[]any{"", text(256)}, []any{text(257), "a;b"}},
		{"AssumeRole", "TransitiveTagKeys", func(in *inputs, v any) { in.role.TransitiveTagKeys = v.([]string) },
			[]any{arns(50)}, []any{arns(51)}},
		{"AssumeRole", "TransitiveTagKeys[0]", func(in *inputs, v any) { in.role.TransitiveTagKeys = []string{v.(string)} },
			[]any{"a", text(128)}, []any{"", text(129), "a;"}},
		{"AssumeRole", "ExternalID", func(in *inputs, v any) { in.role.ExternalID = v.(string) },
			[]any{"", "ab", text(1224), "aZ09_+=,.@:/-"}, []any{"a", text(1225), "a b", `a\b`}},
		{"AssumeRole", "SourceIdentity", func(in *inputs, v any) { in.role.SourceIdentity = v.(string) },
			[]any{"", "ab", text(64)}, []any{"a", text(65), "aws:x", "a b"}},
		{"AssumeRole GetSessionToken", "SerialNumber",
			func(in *inputs, v any) {
				in.role.SerialNumber, in.session.SerialNumber = v.(string), v.(string)
				in.role.TokenCode, in.session.TokenCode = "123456", "123456"
			},
			[]any{text(9), text(256), mfaARN}, []any{"", text(8), text(257), mfaARN + " x"}},
		{"AssumeRole GetSessionToken", "TokenCode",
			func(in *inputs, v any) {
				in.role.SerialNumber, in.session.SerialNumber = mfaARN, mfaARN
				in.role.TokenCode, in.session.TokenCode = v.(string), v.(string)
			},
			[]any{"123456", "000000"}, []any{"", "12345", "1234567", "12345a", "١٢٣", " 12345"}},
		{"AssumeRole", "ProvidedContexts", func(in *inputs, v any) { in.role.ProvidedContexts = v.([]sts.ProvidedContext) },
			[]any{contexts(0), contexts(5)}, []any{contexts(6)}},
		{"AssumeRole", "ProvidedContexts[0].ProviderARN",
			func(in *inputs, v any) {
				in.role.ProvidedContexts = []sts.ProvidedContext{{ProviderARN: v.(string), ContextAssertion: "canary"}}
			},
			[]any{arn(20), arn(2048)}, []any{"", arn(19), arn(2049)}},
		{"AssumeRole", "ProvidedContexts[0].ContextAssertion",
			func(in *inputs, v any) {
				in.role.ProvidedContexts = []sts.ProvidedContext{{ProviderARN: policyARN, ContextAssertion: v.(string)}}
			},
			[]any{text(4), text(2048)}, []any{"", text(3), text(2049)}},
		{"AssumeRole AssumeRoleWithWebIdentity AssumeRoleWithSAML AssumeRoot GetSessionToken GetFederationToken", "MinimumSessionTokenSize",
			func(in *inputs, v any) {
				n := v.(int)
				in.role.MinimumSessionTokenSize, in.web.MinimumSessionTokenSize, in.saml.MinimumSessionTokenSize = n, n, n
				in.root.MinimumSessionTokenSize, in.session.MinimumSessionTokenSize, in.federation.MinimumSessionTokenSize = n, n, n
			},
			[]any{0, 1, 4096}, []any{-1, 4097}},
		{"AssumeRoleWithWebIdentity", "Token", func(in *inputs, v any) { in.web.Token = v.(string) },
			[]any{"abcd", text(20000)}, []any{"", "abc", text(20001), "abcd\xff"}},
		{"AssumeRoleWithWebIdentity", "ProviderID", func(in *inputs, v any) { in.web.ProviderID = v.(string) },
			[]any{"", "abcd", text(2048)}, []any{"abc", text(2049)}},
		{"AssumeRoleWithSAML", "PrincipalARN", func(in *inputs, v any) { in.saml.PrincipalARN = v.(string) },
			[]any{arn(20), arn(2048)}, []any{"", arn(19), arn(2049)}},
		{"AssumeRoleWithSAML", "Assertion", func(in *inputs, v any) { in.saml.Assertion = v.(string) },
			[]any{"abcd", text(100000)}, []any{"", "abc", text(100001)}},
		{"AssumeRoot", "TargetPrincipal", func(in *inputs, v any) { in.root.TargetPrincipal = v.(string) },
			[]any{text(12), text(2048)}, []any{"", text(11), text(2049)}},
		{"AssumeRoot", "TaskPolicyARN", func(in *inputs, v any) { in.root.TaskPolicyARN = v.(string) },
			[]any{
				"arn:aws:iam::aws:policy/root-task/IAMCreateRootUserPassword", "arn:aws-cn:iam::aws:policy/root-task/IAMDeleteRootUserCredentials",
				"arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy", "arn:aws:iam::aws:policy/root-task/SQSUnlockQueuePolicy",
			},
			[]any{"", "IAMAuditRootUserCredentials", policyARN, "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentialsX", "arn:aws:iam::aws:policy/IAMAuditRootUserCredentials"}},
		{"GetFederationToken", "Name", func(in *inputs, v any) { in.federation.Name = v.(string) },
			[]any{"ab", text(32)}, []any{"", "a", text(33), "a b", "a/b"}},
		{"GetWebIdentityToken", "Audiences", func(in *inputs, v any) { in.outbound.Audiences = v.([]string) },
			[]any{arns(1), arns(10)}, []any{arns(0), arns(11)}},
		{"GetWebIdentityToken", "Audiences[0]", func(in *inputs, v any) { in.outbound.Audiences = []string{v.(string)} },
			[]any{"a", text(1000)}, []any{"", text(1001)}},
		{"GetWebIdentityToken", "SigningAlgorithm", func(in *inputs, v any) { in.outbound.SigningAlgorithm = v.(string) },
			[]any{"RS256", "ES384"}, []any{"", "rs256", "ES256", "none"}},
		{"GetDelegatedAccessToken", "TradeInToken", func(in *inputs, v any) { in.delegated.TradeInToken = v.(string) },
			[]any{"a", text(65536)}, []any{"", text(65537)}},
		{"GetAccessKeyInfo", "AccessKeyID", func(in *inputs, v any) { in.key = v.(string) },
			[]any{text(16), text(128)}, []any{"", text(15), text(129), text(15) + "-"}},
		{"DecodeAuthorizationMessage", "Message", func(in *inputs, v any) { in.message = v.(string) },
			[]any{"a", text(10240)}, []any{"", text(10241)}},
	}
}

// A broken limit is an error before anybody is asked for credentials and before anything is sent; what keeps
// the limit is sent.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, l := range limits() {
		for _, operation := range strings.Fields(l.operations) {
			t.Run(operation+" "+l.field, func(t *testing.T) {
				t.Parallel()
				run := func(v any) (sent, asked int, err error) {
					h := &scripted{answers: []answer{{status: 400, body: refusal("ValidationError", "no")}}}
					c := client(h, user)
					creds := awstest.Script(awstest.Result{Credentials: user})
					c.Credentials = creds
					in := goodInputs()
					l.set(in, v)
					err = in.calls()[operation](t.Context(), c)
					return len(h.requests), creds.Calls(), err
				}
				for _, v := range l.good {
					sent, _, err := run(v)
					var refused *sts.Error
					require.ErrorAs(t, err, &refused, "%.100q", v)
					require.Equal(t, 1, sent)
				}
				require.NotEmpty(t, l.bad)
				for _, v := range l.bad {
					sent, asked, err := run(v)
					var in *sts.InputError
					require.ErrorAs(t, err, &in, "%.100q", v)
					require.Equal(t, l.field, in.Field, "%.100q", v)
					require.EqualError(t, err, "sts: "+operation+": "+l.field+": "+in.Msg)
					require.Zero(t, sent)
					require.Zero(t, asked)
					if s, ok := v.(string); ok && len(s) > 2 && strings.TrimLeft(s, "a") != "" {
						require.NotContains(t, err.Error(), s)
					}
				}
			})
		}
	}
}

// An MFA code without a device names the device, and says why.
func TestCodeWithoutDevice(t *testing.T) {
	t.Parallel()
	h := &scripted{}
	_, err := client(h, user).GetSessionToken(t.Context(), sts.GetSessionTokenInput{TokenCode: "123456"})
	require.EqualError(t, err, "sts: GetSessionToken: SerialNumber: it must be set, since TokenCode is")
	require.Empty(t, h.requests)
}

// Only regional endpoints offer AssumeRoot.
func TestAssumeRootIsRegional(t *testing.T) {
	t.Parallel()
	h := &scripted{answers: []answer{{body: xmlAnswer("AssumeRoot", xmlCredentials)}}}
	c := client(h, user)
	c.Region, c.Transport = "aws-global", awstest.Transport(nil)
	_, err := c.AssumeRoot(t.Context(), goodInputs().root)
	var in *sts.InputError
	require.ErrorAs(t, err, &in)
	require.Equal(t, "Region", in.Field)
	require.EqualError(t, err, "sts: AssumeRoot: Region: aws-global; the global endpoint does not offer AssumeRoot, a regional one does")
	c = client(h, user)
	c.Region, c.Endpoint = "aws-global", "https://"+host
	_, err = c.AssumeRoot(t.Context(), goodInputs().root)
	require.NoError(t, err)
}
