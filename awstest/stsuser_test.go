package awstest_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

func TestGetSessionToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := people(awstest.Role{ARN: roleARN, Trust: []string{userARN}})
		got := call(t, s, ann(), "GetSessionToken")
		creds := got.credentials()
		require.Equal(t, time.Now().Add(12*time.Hour), creds.Expires.Local())
		require.Empty(t, got.field("PackedPolicySize"))
		require.Equal(t, userARN, call(t, s, creds, "GetCallerIdentity").field("Arn"))
		require.Equal(t, call(t, s, ann(), "GetCallerIdentity").field("UserId"), call(t, s, creds, "GetCallerIdentity").field("UserId"))

		// Sessions can assume roles, and not much else.
		call(t, s, creds, "AssumeRole", assume(roleARN)...).credentials()
		again := call(t, s, creds, "GetSessionToken")
		again.refused(403, "AccessDenied")
		require.Equal(t, "Cannot call GetSessionToken with session credentials", again.field("Message"))
		call(t, s, creds, "GetFederationToken", "Name", "bob").refused(403, "AccessDenied")
		call(t, s, creds, "GetAccessKeyInfo", "AccessKeyId", ann().AccessKeyID).refused(403, "AccessDenied")
		call(t, s, creds, "DecodeAuthorizationMessage", "EncodedMessage", "x").refused(403, "AccessDenied")

		require.Equal(t, time.Now().Add(36*time.Hour), call(t, s, ann(), "GetSessionToken", "DurationSeconds", "129600").credentials().Expires.Local())
		root := call(t, s, awstest.LongTerm("root"), "GetSessionToken", "DurationSeconds", "129600").credentials()
		require.Equal(t, time.Now().Add(time.Hour), root.Expires.Local())
		call(t, s, root, "AssumeRole", assume(roleARN)...).refused(403, "AccessDenied")

		call(t, s, ann(), "GetSessionToken", "SerialNumber", serial, "TokenCode", "000000").refused(403, "AccessDenied")
		require.False(t, s.Sessions()[0].Principal.MFA)
		call(t, s, ann(), "GetSessionToken", "SerialNumber", serial, "TokenCode", "123456").credentials()
		require.True(t, s.Sessions()[len(s.Sessions())-1].Principal.MFA)
	})
}

func TestGetFederationToken(t *testing.T) {
	t.Parallel()
	s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}})
	got := call(t, s, ann(), "GetFederationToken", "Name", "carl", "Policy", `{"Statement":[]}`, "DurationSeconds", "900",
		"Tags.member.1.Key", "k", "Tags.member.1.Value", "v")
	creds := got.credentials()
	require.Equal(t, "arn:aws:sts::"+account+":federated-user/carl", got.field("Arn"))
	require.Equal(t, account+":carl", got.field("FederatedUserId"))
	require.Equal(t, "1", got.field("PackedPolicySize"))
	require.Equal(t, map[string]string{"k": "v"}, s.Sessions()[0].Tags)
	require.Equal(t, 15*time.Minute, s.Sessions()[0].Duration)
	require.Equal(t, got.field("Arn"), call(t, s, creds, "GetCallerIdentity").field("Arn"))
	call(t, s, creds, "AssumeRole", assume(roleARN)...).refused(403, "AccessDenied")
	call(t, s, creds, "GetFederationToken", "Name", "carl").refused(403, "AccessDenied")
	call(t, s, ann(), "GetFederationToken", "Name", "carl", "Policy", "no").refused(400, "MalformedPolicyDocument")
}

func TestAssumeRoot(t *testing.T) {
	t.Parallel()
	const task, member = "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy", "444455556666"
	s := people()
	s.Organization = awstest.Organization{Management: account, Members: []string{member}}
	for _, target := range []string{member, "arn:aws:iam::" + member + ":root"} {
		got := call(t, s, ann(), "AssumeRoot", "TargetPrincipal", target, "TaskPolicyArn.arn", task)
		creds := got.credentials()
		require.Empty(t, got.field("PackedPolicySize"))
		require.Equal(t, "arn:aws:iam::"+member+":root", call(t, s, creds, "GetCallerIdentity").field("Arn"))
		require.Equal(t, member, call(t, s, creds, "GetCallerIdentity").field("UserId"))
	}
	require.Equal(t, 15*time.Minute, s.Sessions()[0].Duration)
	require.Equal(t, []string{task}, s.Sessions()[0].PolicyARNs)

	call(t, s, ann(), "AssumeRoot", "TargetPrincipal", "777788889999", "TaskPolicyArn.arn", task).refused(403, "AccessDenied")
	call(t, s, awstest.LongTerm("stranger"), "AssumeRoot", "TargetPrincipal", member, "TaskPolicyArn.arn", task).refused(403, "AccessDenied")
	call(t, s, ann(), "AssumeRoot", "TargetPrincipal", member, "TaskPolicyArn.arn", task+"2").refused(400, "ValidationError")
	call(t, s, ann(), "AssumeRoot", "TargetPrincipal", member, "TaskPolicyArn.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess").refused(400, "ValidationError")
	call(t, people(), ann(), "AssumeRoot", "TargetPrincipal", member, "TaskPolicyArn.arn", task).refused(403, "AccessDenied")

	global := signing{creds: ann(), form: "Action=AssumeRoot&Version=2011-06-15&TargetPrincipal=" + member + "&TaskPolicyArn.arn=" + task,
		before: func(r *http.Request) { r.Host = "sts.amazonaws.com" }}
	result{global.do(t, s), t}.refused(400, "ValidationError")
}

func TestGetAccessKeyInfo(t *testing.T) {
	t.Parallel()
	s := people()
	require.Equal(t, "444455556666", call(t, s, ann(), "GetAccessKeyInfo", "AccessKeyId", awstest.LongTerm("stranger").AccessKeyID).field("Account"))
	call(t, s, ann(), "GetAccessKeyInfo", "AccessKeyId", "AKIAIOSFODNN7EXAMPLE").refused(400, "ValidationError")
	call(t, s, aws.Credentials{}, "GetAccessKeyInfo", "AccessKeyId", ann().AccessKeyID).refused(403, "MissingAuthenticationToken")
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	t.Parallel()
	s := people()
	const document = `{"allowed":false,"context":{"action":"ec2:RunInstances"}}`
	message := s.AuthorizationMessage(document)
	require.Greater(t, len(message), 300)
	require.NotContains(t, message, "RunInstances")
	require.NotEqual(t, message, s.AuthorizationMessage("{}"))
	require.Equal(t, document, call(t, s, ann(), "DecodeAuthorizationMessage", "EncodedMessage", message).field("DecodedMessage"))
	require.Equal(t, "{}", call(t, s, ann(), "DecodeAuthorizationMessage", "EncodedMessage", s.AuthorizationMessage("{}")).field("DecodedMessage"))
	for _, bad := range []string{message[:len(message)-1], message + "\n", " " + message, strings.ToUpper(message)} {
		call(t, s, ann(), "DecodeAuthorizationMessage", "EncodedMessage", bad).refused(400, "InvalidAuthorizationMessageException")
	}
	call(t, people(), ann(), "DecodeAuthorizationMessage", "EncodedMessage", message).refused(400, "InvalidAuthorizationMessageException")
}

func TestGetWebIdentityToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}})
		ask := func(creds aws.Credentials, more ...string) result {
			return call(t, s, creds, "GetWebIdentityToken", append([]string{
				"Audience.member.1", "https://a.example", "Audience.member.2", "b", "SigningAlgorithm", "ES384"}, more...)...)
		}
		ask(ann()).refused(403, "OutboundWebIdentityFederationDisabledException")
		s.Outbound = &awstest.OIDC{Issuer: "https://x.tokens.sts.global.api.aws"}
		got := ask(ann(), "Tags.member.1.Key", "team", "Tags.member.1.Value", "a")
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, time.Now().Add(5*time.Minute).UTC().Format(time.RFC3339), got.field("Expiration"))
		for _, audience := range []string{"https://a.example", "b"} {
			claims, err := s.Outbound.Verify(got.field("WebIdentityToken"), audience)
			require.NoError(t, err)
			require.Equal(t, userARN, claims["sub"])
			require.Equal(t, "https://x.tokens.sts.global.api.aws", claims["iss"])
			require.Equal(t, map[string]any{"aws_account": account, "principal_id": userARN, "source_region": "eu-west-1",
				"request_tags": map[string]any{"team": "a"}}, claims["https://sts.amazonaws.com/"])
		}
		_, err := s.Outbound.Verify(got.field("WebIdentityToken"), "c")
		require.Error(t, err)
		time.Sleep(5 * time.Minute)
		_, err = s.Outbound.Verify(got.field("WebIdentityToken"), "b")
		require.ErrorContains(t, err, "expired")

		role := call(t, s, ann(), "AssumeRole", assume(roleARN, "DurationSeconds", "900")...).credentials()
		require.Equal(t, 200, ask(role, "DurationSeconds", "900").status)
		ask(role, "DurationSeconds", "901").refused(403, "SessionDurationEscalationException")

		var tags []string
		for k, v := range nth(50, "Tags", ".Key", "key#", ".Value", strings.Repeat("v", 70)) {
			tags = append(tags, k, v)
		}
		ask(ann(), tags...).refused(400, "JWTPayloadSizeExceededException")
	})
}

func TestGetDelegatedAccessToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := people()
		const arn = "arn:aws:sts::444455556666:assumed-role/partner/x"
		s.TradeIns = []awstest.TradeIn{{Token: "trade", Principal: arn, Expires: time.Now().Add(time.Minute)}, {Token: "always", Principal: arn}}
		got := call(t, s, ann(), "GetDelegatedAccessToken", "TradeInToken", "trade")
		require.Equal(t, arn, call(t, s, got.credentials(), "GetCallerIdentity").field("Arn"))
		require.Equal(t, arn, got.field("AssumedPrincipal"))
		call(t, s, ann(), "GetDelegatedAccessToken", "TradeInToken", "other").refused(403, "AccessDenied")
		time.Sleep(time.Minute)
		call(t, s, ann(), "GetDelegatedAccessToken", "TradeInToken", "trade").refused(400, "ExpiredTradeInTokenException")
		call(t, s, ann(), "GetDelegatedAccessToken", "TradeInToken", "always").credentials()
	})
}

func TestDisabledRegion(t *testing.T) {
	t.Parallel()
	issuer := &awstest.OIDC{}
	s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}, WebIdentity: []awstest.WebIdentityTrust{{Issuer: "https://oidc.example.com"}}})
	s.Issuers, s.DisabledRegions = []*awstest.OIDC{issuer}, []string{"eu-west-1"}
	call(t, s, ann(), "AssumeRole", assume(roleARN)...).refused(403, "RegionDisabledException")
	call(t, s, aws.Credentials{}, "AssumeRoleWithWebIdentity", assume(roleARN, "WebIdentityToken", issuer.Token(awstest.Claims{Subject: "x"}))...).
		refused(403, "RegionDisabledException")
	require.Equal(t, 200, call(t, s, ann(), "GetCallerIdentity").status)
	s = people(awstest.Role{ARN: roleARN, Trust: []string{"*"}})
	s.DisabledRegions = []string{"eu-west-2"}
	call(t, s, ann(), "AssumeRole", assume(roleARN)...).credentials()
}

func TestSTSFault(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{
		"Throttling": 400, "AccessDenied": 403, "ExpiredTokenException": 400, "IDPCommunicationError": 400, "IDPRejectedClaim": 403,
		"UnrecognizedClientException": 403, "RequestExpired": 400, "ServiceUnavailable": 503, "InternalFailure": 500,
	} {
		fault := awstest.STSFault(code)
		fault.Times = 1
		h := awstest.Faulty(people(), fault)
		got := call(t, h, ann(), "GetCallerIdentity")
		got.refused(status, code)
		require.Equal(t, "text/xml", got.header.Get("Content-Type"))
		require.NotEmpty(t, got.header.Get("X-Amzn-Requestid"))
		require.Equal(t, 200, call(t, h, ann(), "GetCallerIdentity").status)
	}
}
