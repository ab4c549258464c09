package awstest_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const samlARN = "arn:aws:iam::" + account + ":saml-provider/corp"

func samlPeople() (*awstest.STS, awstest.SAMLProvider) {
	p := awstest.SAMLProvider{ARN: samlARN}
	s := people(awstest.Role{ARN: roleARN, SAML: []string{samlARN}}, awstest.Role{ARN: roleARN + "2", Trust: []string{"*"}})
	s.SAMLProviders = []awstest.SAMLProvider{{ARN: samlARN + "2", Issuer: "https://else.example"}, p}
	return s, p
}

func TestAssumeRoleWithSAML(t *testing.T) {
	t.Parallel()
	s, p := samlPeople()
	got := call(t, s, aws.Credentials{}, "AssumeRoleWithSAML", "RoleArn", roleARN, "PrincipalArn", samlARN,
		"SAMLAssertion", p.Assertion(awstest.SAMLSubject{Name: "ann", Roles: []string{"x", roleARN}, SessionName: "ann@corp"}))
	creds := got.credentials()
	require.Equal(t, "arn:aws:sts::"+account+":assumed-role/deploy/ann@corp", got.field("Arn"))
	require.Equal(t, "ann", got.field("Subject"))
	require.Equal(t, "persistent", got.field("SubjectType"))
	require.Equal(t, "https://idp.example.com", got.field("Issuer"))
	require.Equal(t, "https://signin.aws.amazon.com/saml", got.field("Audience"))
	require.Len(t, got.field("NameQualifier"), 28)
	require.Equal(t, got.field("Arn"), call(t, s, creds, "GetCallerIdentity").field("Arn"))
}

func TestSAMLRefused(t *testing.T) {
	t.Parallel()
	edit := func(old, replacement string) func(string) string {
		return func(text string) string {
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				panic(err)
			}
			return base64.StdEncoding.EncodeToString([]byte(replace(old, replacement)(string(data))))
		}
	}
	later := time.Now().Add(time.Hour)
	ok := awstest.SAMLSubject{Name: "ann", Roles: []string{roleARN}, Expires: later}
	for _, tt := range []struct {
		name      string
		subject   awstest.SAMLSubject
		role      string // "" = roleARN
		principal string // "" = samlARN
		change    func(string) string
		code      string // "" = accepted
	}{
		{name: "good", subject: ok},
		{name: "the other order of role and provider", subject: ok, change: edit(roleARN+","+samlARN, samlARN+","+roleARN)},
		{name: "audience that is the recipient", subject: awstest.SAMLSubject{Name: "ann", Roles: []string{roleARN}, Audience: "https://signin.aws.amazon.com/saml"}},
		{name: "another audience", subject: awstest.SAMLSubject{Name: "ann", Roles: []string{roleARN}, Audience: "https://app.example"}, code: "InvalidIdentityToken"},
		{name: "expired", subject: awstest.SAMLSubject{Name: "ann", Roles: []string{roleARN}, Expires: time.Now().Add(-time.Second)}, code: "ExpiredTokenException"},
		{name: "another recipient", subject: ok, change: edit("https://signin.aws.amazon.com/saml", "https://app.example"), code: "InvalidIdentityToken"},
		{name: "another confirmation", subject: ok, change: edit(":cm:bearer", ":cm:sender-vouches"), code: "InvalidIdentityToken"},
		{name: "another issuer", subject: ok, change: edit("https://idp.example.com", "https://idq.example.com"), code: "InvalidIdentityToken"},
		{name: "not successful", subject: ok, change: edit("status:Success", "status:Requester"), code: "InvalidIdentityToken"},
		{name: "another version", subject: ok, change: edit(`Version="2.0"`, `Version="1.1"`), code: "InvalidIdentityToken"},
		{name: "not valid yet", subject: ok, change: edit(`NotBefore="2`, `NotBefore="3`), code: "InvalidIdentityToken"},
		{name: "no session name", subject: awstest.SAMLSubject{Roles: []string{roleARN}}, code: "InvalidIdentityToken"},
		{name: "a session name with blanks", subject: awstest.SAMLSubject{Name: "ann b", Roles: []string{roleARN}}, code: "InvalidIdentityToken"},
		{name: "no role", subject: awstest.SAMLSubject{Name: "ann"}, code: "AccessDenied"},
		{name: "another role", subject: ok, role: roleARN + "2", code: "AccessDenied"},
		{name: "a role that does not trust the provider", subject: awstest.SAMLSubject{Name: "ann", Roles: []string{roleARN + "2"}}, role: roleARN + "2", code: "AccessDenied"},
		{name: "a role that is not there", subject: awstest.SAMLSubject{Name: "ann", Roles: []string{roleARN + "3"}}, role: roleARN + "3", code: "AccessDenied"},
		{name: "unknown provider", subject: ok, principal: samlARN + "3", code: "InvalidIdentityToken"},
		{name: "another provider", subject: ok, principal: samlARN + "2", code: "InvalidIdentityToken"},
		{name: "no base64", subject: ok, change: func(s string) string { return "<" + s }, code: "InvalidIdentityToken"},
		{name: "no XML", subject: ok, change: func(string) string { return "aGVsbG8=" }, code: "InvalidIdentityToken"},
		{name: "no assertion", subject: ok, change: func(string) string {
			return base64.StdEncoding.EncodeToString([]byte(`<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol" Version="2.0"><Status><StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></Status></Response>`))
		}, code: "InvalidIdentityToken"},
		{name: "another namespace", subject: ok, change: edit("SAML:2.0:protocol", "SAML:3.0:protocol"), code: "InvalidIdentityToken"},
		{name: "something after it", subject: ok, change: edit("</Response>", "</Response><x/>"), code: "InvalidIdentityToken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			or := func(v, otherwise string) string {
				if v == "" {
					return otherwise
				}
				return v
			}
			s, p := samlPeople()
			assertion := p.Assertion(tt.subject)
			if tt.change != nil {
				assertion = tt.change(assertion)
			}
			got := call(t, s, aws.Credentials{}, "AssumeRoleWithSAML",
				"RoleArn", or(tt.role, roleARN), "PrincipalArn", or(tt.principal, samlARN), "SAMLAssertion", assertion)
			if tt.code == "" {
				got.credentials()
				return
			}
			got.refused(map[bool]int{true: 403, false: 400}[tt.code == "AccessDenied"], tt.code)
			require.Empty(t, s.Sessions())
		})
	}
}

func FuzzSAML(f *testing.F) {
	s, p := samlPeople()
	f.Add("<Response>")
	f.Add(`<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol" Version="2.0"><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/></Response>`)
	data, err := base64.StdEncoding.DecodeString(p.Assertion(awstest.SAMLSubject{Name: "ann", Roles: []string{roleARN}}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Fuzz(func(t *testing.T, text string) {
		got := call(t, s, aws.Credentials{}, "AssumeRoleWithSAML", "RoleArn", roleARN, "PrincipalArn", samlARN,
			"SAMLAssertion", base64.StdEncoding.EncodeToString([]byte(text)))
		require.True(t, got.status != 200 || strings.Contains(text, roleARN), "accepted: %q", text)
	})
}
