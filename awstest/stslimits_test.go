package awstest_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// good has parameters for each operation that are within the limits.
func good(action string) map[string]string {
	switch action {
	case "AssumeRole":
		return map[string]string{"RoleArn": roleARN, "RoleSessionName": "s1"}
	case "AssumeRoleWithWebIdentity":
		return map[string]string{"RoleArn": roleARN, "RoleSessionName": "s1", "WebIdentityToken": "aaaa"}
	case "AssumeRoleWithSAML":
		return map[string]string{"RoleArn": roleARN, "PrincipalArn": samlARN, "SAMLAssertion": "aaaa"}
	case "AssumeRoot":
		return map[string]string{"TargetPrincipal": account, "TaskPolicyArn.arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}
	case "DecodeAuthorizationMessage":
		return map[string]string{"EncodedMessage": "x"}
	case "GetAccessKeyInfo":
		return map[string]string{"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}
	case "GetFederationToken":
		return map[string]string{"Name": "bob"}
	case "GetWebIdentityToken":
		return map[string]string{"Audience.member.1": "x", "SigningAlgorithm": "ES384"}
	case "GetDelegatedAccessToken":
		return map[string]string{"TradeInToken": "x"}
	}
	return map[string]string{}
}

// nth returns parameters of a list's members 1 to n, each with these fields as pairs of name and value.
func nth(n int, list string, fields ...string) map[string]string {
	m := make(map[string]string)
	for i := 1; i <= n; i++ {
		for f := 0; f < len(fields); f += 2 {
			m[list+".member."+strconv.Itoa(i)+fields[f]] = strings.ReplaceAll(fields[f+1], "#", strconv.Itoa(i))
		}
	}
	return m
}

func TestSTSLimits(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	one := func(name, value string) map[string]string { return map[string]string{name: value} }
	const missing = "\x00"
	for _, tt := range []struct {
		action string
		with   map[string]string
		want   string // of the message; "" = within the limits
	}{
		{"AssumeRole", one("RoleArn", missing), "Value null at 'roleArn' failed to satisfy constraint: Member must not be null"},
		{"AssumeRole", one("RoleArn", x(19)), "Value '" + x(19) + "' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{"AssumeRole", one("RoleArn", x(2049)), "at 'roleArn' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		{"AssumeRole", one("RoleSessionName", missing), "null at 'roleSessionName'"},
		{"AssumeRole", one("RoleSessionName", "a"), "at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{"AssumeRole", one("RoleSessionName", x(65)), "less than or equal to 64"},
		{"AssumeRole", one("RoleSessionName", x(64)), ""},
		{"AssumeRole", one("RoleSessionName", "a b"), `Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"AssumeRole", one("RoleSessionName", "ab\n"), "regular expression"},
		{"AssumeRole", one("DurationSeconds", "899"), "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"AssumeRole", one("DurationSeconds", "900"), ""},
		{"AssumeRole", one("DurationSeconds", "43201"), "must have value less than or equal to 43200"},
		{"AssumeRole", one("DurationSeconds", "1h"), "at 'durationSeconds' failed to satisfy constraint: Member must be an integer"},
		{"AssumeRole", one("Policy", ""), "at 'policy' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"AssumeRole", one("Policy", x(2049)), "at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		{"AssumeRole", nth(11, "PolicyArns", ".arn", "arn:aws:iam::aws:policy/p#"), "at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10"},
		{"AssumeRole", nth(10, "PolicyArns", ".arn", "arn:aws:iam::aws:policy/p#"), ""},
		{"AssumeRole", nth(1, "PolicyArns", ".arn", "arn:aws:iam::aws:p"), "at 'policyArns.1.member.arn' failed"},
		{"AssumeRole", nth(51, "Tags", ".Key", "k#", ".Value", "v"), "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{"AssumeRole", nth(50, "Tags", ".Key", "k#", ".Value", "v"), ""},
		{"AssumeRole", nth(1, "Tags", ".Value", "v"), "null at 'tags.1.member.key'"},
		{"AssumeRole", nth(1, "Tags", ".Key", "k"), "null at 'tags.1.member.value'"},
		{"AssumeRole", nth(1, "Tags", ".Key", x(129), ".Value", "v"), "at 'tags.1.member.key' failed to satisfy constraint: Member must have length less than or equal to 128"},
		{"AssumeRole", nth(1, "Tags", ".Key", "k", ".Value", x(257)), "at 'tags.1.member.value' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{"AssumeRole", nth(1, "Tags", ".Key", "k", ".Value", strings.Repeat("ü", 256)), ""}, // characters, not bytes
		{"AssumeRole", nth(1, "Tags", ".Key", "k;", ".Value", "v"), "regular expression"},
		{"AssumeRole", one("Tags.member.2.Key", "k"), "at 'tags' failed to satisfy constraint: Members must be numbered from 1 on"},
		{"AssumeRole", one("Tags.member.01.Key", "k"), "at 'tags' failed"},
		{"AssumeRole", one("Tags.member.0.Key", "k"), "at 'tags' failed"},
		{"AssumeRole", one("Tags.1.Key", "k"), "at 'tags' failed"},
		{"AssumeRole", one("Tags", "k"), "at 'tags' failed"},
		{"AssumeRole", nth(51, "TransitiveTagKeys", "", "k#"), "at 'transitiveTagKeys' failed"},
		{"AssumeRole", nth(1, "TransitiveTagKeys", "", x(129)), "at 'transitiveTagKeys.1.member' failed"},
		{"AssumeRole", one("ExternalId", "a"), "Value at 'externalId' failed"}, // it may be a secret
		{"AssumeRole", one("ExternalId", x(1225)), "less than or equal to 1224"},
		{"AssumeRole", one("ExternalId", "a:/b"), ""},
		{"AssumeRole", one("ExternalId", "a#b"), "regular expression"},
		{"AssumeRole", one("SourceIdentity", "a"), "at 'sourceIdentity' failed"},
		{"AssumeRole", one("SourceIdentity", x(65)), "at 'sourceIdentity' failed"},
		{"AssumeRole", one("SourceIdentity", "a/b"), "regular expression"},
		{"AssumeRole", one("SerialNumber", "12345678"), "at 'serialNumber' failed"},
		{"AssumeRole", one("SerialNumber", x(257)), "at 'serialNumber' failed"},
		{"AssumeRole", one("TokenCode", "12345"), "Value at 'tokenCode' failed"},
		{"AssumeRole", one("TokenCode", "1234567"), "at 'tokenCode' failed"},
		{"AssumeRole", one("TokenCode", "12345a"), "regular expression"},
		{"AssumeRole", nth(6, "ProvidedContexts", ".ProviderArn", x(20), ".ContextAssertion", "aaaa"), "at 'providedContexts' failed"},
		{"AssumeRole", nth(1, "ProvidedContexts", ".ProviderArn", x(19), ".ContextAssertion", "aaaa"), "at 'providedContexts.1.member.providerArn' failed"},
		{"AssumeRole", nth(1, "ProvidedContexts", ".ProviderArn", x(20), ".ContextAssertion", "aaa"), "Value at 'providedContexts.1.member.contextAssertion' failed"},
		{"AssumeRole", one("MinimumSessionTokenSize", "4097"), "at 'minimumSessionTokenSize' failed"},
		{"AssumeRole", map[string]string{"RoleSessionName": "a", "DurationSeconds": "1"}, "2 validation errors detected: "},
		{"AssumeRoleWithWebIdentity", one("WebIdentityToken", missing), "null at 'webIdentityToken'"},
		{"AssumeRoleWithWebIdentity", one("WebIdentityToken", "aaa"), "Value at 'webIdentityToken' failed"},
		{"AssumeRoleWithWebIdentity", one("WebIdentityToken", x(20001)), "at 'webIdentityToken' failed"},
		{"AssumeRoleWithWebIdentity", one("ProviderId", "aaa"), "at 'providerId' failed"},
		{"AssumeRoleWithWebIdentity", one("ProviderId", "www.amazon.com"), "ProviderId is for OAuth 2.0"},
		{"AssumeRoleWithWebIdentity", one("DurationSeconds", "899"), "at 'durationSeconds' failed"},
		{"AssumeRoleWithSAML", one("PrincipalArn", missing), "null at 'principalArn'"},
		{"AssumeRoleWithSAML", one("SAMLAssertion", missing), "null at 'sAMLAssertion'"},
		{"AssumeRoleWithSAML", one("SAMLAssertion", x(100001)), "Value at 'sAMLAssertion' failed"},
		{"AssumeRoot", one("TargetPrincipal", "11111111111"), "at 'targetPrincipal' failed"},
		{"AssumeRoot", one("TaskPolicyArn.arn", missing), "null at 'taskPolicyArn.arn'"},
		{"AssumeRoot", one("DurationSeconds", "901"), "at 'durationSeconds' failed"},
		{"AssumeRoot", one("DurationSeconds", "-1"), "at 'durationSeconds' failed"},
		{"GetSessionToken", one("DurationSeconds", "129601"), "less than or equal to 129600"},
		{"GetSessionToken", one("DurationSeconds", "129600"), ""},
		{"GetSessionToken", one("TokenCode", "1"), "at 'tokenCode' failed"},
		{"GetFederationToken", one("Name", missing), "null at 'name'"},
		{"GetFederationToken", one("Name", x(33)), "at 'name' failed"},
		{"GetFederationToken", one("Name", "a"), "at 'name' failed"},
		{"GetFederationToken", one("DurationSeconds", "899"), "at 'durationSeconds' failed"},
		{"GetAccessKeyInfo", one("AccessKeyId", "AKIA"), "at 'accessKeyId' failed"},
		{"GetAccessKeyInfo", one("AccessKeyId", x(129)), "at 'accessKeyId' failed"},
		{"GetAccessKeyInfo", one("AccessKeyId", "AKIA-OSFODNN7EXAMPLE"), "regular expression"},
		{"DecodeAuthorizationMessage", one("EncodedMessage", ""), "Value at 'encodedMessage' failed"},
		{"DecodeAuthorizationMessage", one("EncodedMessage", x(10241)), "at 'encodedMessage' failed"},
		{"GetWebIdentityToken", one("Audience.member.1", missing), "null at 'audience'"},
		{"GetWebIdentityToken", nth(11, "Audience", "", "a"), "at 'audience' failed"},
		{"GetWebIdentityToken", nth(1, "Audience", "", x(1001)), "at 'audience.1.member' failed"},
		{"GetWebIdentityToken", one("SigningAlgorithm", missing), "null at 'signingAlgorithm'"},
		{"GetWebIdentityToken", one("SigningAlgorithm", "HS256"), "Member must be one of RS256, ES384"},
		{"GetWebIdentityToken", one("DurationSeconds", "59"), "at 'durationSeconds' failed"},
		{"GetWebIdentityToken", one("DurationSeconds", "3601"), "at 'durationSeconds' failed"},
		{"GetDelegatedAccessToken", one("TradeInToken", missing), "null at 'tradeInToken'"},
	} {
		name := tt.action + " " + tt.want
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			params := good(tt.action)
			for k, v := range tt.with {
				params[k] = v
			}
			var list []string
			for k, v := range params {
				if v != missing {
					list = append(list, k, v)
				}
			}
			creds := ann()
			if strings.Contains(tt.action, "With") {
				creds = aws.Credentials{}
			}
			s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}})
			got := call(t, s, creds, tt.action, list...)
			if tt.want == "" {
				require.Equal(t, 200, got.status, got.body)
				return
			}
			got.refused(400, "ValidationError")
			require.Contains(t, got.field("Message"), tt.want)
			require.Empty(t, s.Sessions())
		})
	}
}
