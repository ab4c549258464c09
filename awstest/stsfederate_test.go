package awstest_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const issuerURL = "https://oidc.example.com"

// tampered returns a token with another header, or other claims, and the signature that it had.
func tampered(token string, part int, change func(string) string) string {
	parts := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		panic(err)
	}
	parts[part] = base64.RawURLEncoding.EncodeToString([]byte(change(string(text))))
	return strings.Join(parts, ".")
}

func replace(old, replacement string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("nothing to replace in " + s)
		}
		return strings.Replace(s, old, replacement, 1)
	}
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"", "RS256", "ES256", "ES384"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			o := &awstest.OIDC{Audiences: []string{"sts.amazonaws.com", "app"}}
			s := people(awstest.Role{ARN: roleARN, MaxDuration: 12 * time.Hour, WebIdentity: []awstest.WebIdentityTrust{
				{Issuer: issuerURL, Subject: "other"}, {Issuer: issuerURL, Subject: "system:serviceaccount:app:*", Audience: "app"},
			}})
			s.Issuers = []*awstest.OIDC{{Issuer: "https://another.example"}, o}
			token := o.Token(awstest.Claims{Subject: "system:serviceaccount:app:a/b", Audience: []string{"x", "app"}, Algorithm: algorithm,
				More: map[string]any{"https://aws.amazon.com/source_identity": "ann"}})
			got := call(t, s, aws.Credentials{}, "AssumeRoleWithWebIdentity", assume(roleARN, "WebIdentityToken", token, "DurationSeconds", "43200")...)
			creds := got.credentials()
			require.Equal(t, "arn:aws:sts::"+account+":assumed-role/deploy/s1", got.field("Arn"))
			require.Equal(t, "system:serviceaccount:app:a/b", got.field("SubjectFromWebIdentityToken"))
			require.Equal(t, issuerURL, got.field("Provider"))
			require.Equal(t, "x", got.field("Audience"))
			require.Equal(t, "ann", got.field("SourceIdentity"))
			require.Equal(t, 12*time.Hour, s.Sessions()[0].Duration)
			require.Empty(t, s.Sessions()[0].Caller)
			require.False(t, s.Requests()[0].Authorized)
			require.Equal(t, got.field("Arn"), call(t, s, creds, "GetCallerIdentity").field("Arn"))
		})
	}
}

func TestWebIdentityRefused(t *testing.T) {
	t.Parallel()
	hour := func(n time.Duration) time.Time { return time.Now().Add(n * time.Hour) }
	base := awstest.Claims{Subject: "job"}
	for _, tt := range []struct {
		name   string
		claims awstest.Claims
		change func(string) string // of the token
		setup  func(*awstest.OIDC)
		trust  awstest.WebIdentityTrust
		code   string
	}{
		{name: "no trust", claims: base, trust: awstest.WebIdentityTrust{Issuer: "https://another.example"}, code: "AccessDenied"},
		{name: "another subject", claims: base, trust: awstest.WebIdentityTrust{Subject: "jo"}, code: "AccessDenied"},
		{name: "a pattern that does not match", claims: base, trust: awstest.WebIdentityTrust{Subject: "*bb"}, code: "AccessDenied"},
		{name: "a dot is no pattern", claims: base, trust: awstest.WebIdentityTrust{Subject: "j.b"}, code: "AccessDenied"},
		{name: "an audience that is not trusted", claims: base, trust: awstest.WebIdentityTrust{Audience: "app"}, code: "AccessDenied"},
		{name: "an audience that IAM does not know", claims: awstest.Claims{Subject: "job", Audience: []string{"app"}}, code: "InvalidIdentityToken"},
		{name: "expired", claims: awstest.Claims{Subject: "job", Expires: hour(-1)}, code: "ExpiredTokenException"},
		{name: "issued in the future", claims: awstest.Claims{Subject: "job", Issued: hour(1), Expires: hour(2)}, code: "InvalidIdentityToken"},
		{name: "not yet valid", claims: awstest.Claims{Subject: "job", More: map[string]any{"nbf": hour(1).Unix()}}, code: "InvalidIdentityToken"},
		{name: "no expiry", claims: awstest.Claims{Subject: "job", More: map[string]any{"exp": nil}}, code: "InvalidIdentityToken"},
		{name: "an expiry that is text", claims: awstest.Claims{Subject: "job", More: map[string]any{"exp": "tomorrow"}}, code: "InvalidIdentityToken"},
		{name: "no subject", claims: awstest.Claims{}, code: "InvalidIdentityToken"},
		{name: "no audience", claims: awstest.Claims{Subject: "job", More: map[string]any{"aud": nil}}, code: "InvalidIdentityToken"},
		{name: "another issuer", claims: awstest.Claims{Subject: "job", More: map[string]any{"iss": "https://another.example"}}, code: "InvalidIdentityToken"},
		{name: "alg none", claims: awstest.Claims{Subject: "job", Algorithm: "none"}, code: "InvalidIdentityToken"},
		{name: "alg changed to none", claims: base, change: func(s string) string {
			s = tampered(s, 0, replace("ES256", "none"))
			return s[:strings.LastIndex(s, ".")+1]
		}, code: "InvalidIdentityToken"},
		{name: "alg changed to HS256", claims: base, change: func(s string) string { return tampered(s, 0, replace("ES256", "HS256")) }, code: "InvalidIdentityToken"},
		{name: "alg of another key", claims: base, setup: func(o *awstest.OIDC) { o.Token(awstest.Claims{Algorithm: "ES384"}) },
			change: func(s string) string { return tampered(s, 0, replace("ES256", "ES384")) }, code: "InvalidIdentityToken"},
		{name: "another key's name", claims: base, change: func(s string) string { return tampered(s, 0, replace(`"kid":"`, `"kid":"x`)) }, code: "InvalidIdentityToken"},
		{name: "claims tampered with", claims: base, change: func(s string) string { return tampered(s, 1, replace("job", "jot")) }, code: "InvalidIdentityToken"},
		{name: "RSA claims tampered with", claims: awstest.Claims{Subject: "job", Algorithm: "RS256"},
			change: func(s string) string { return tampered(s, 1, replace("job", "jot")) }, code: "InvalidIdentityToken"},
		{name: "signature cut", claims: base, change: func(s string) string { return s[:len(s)-4] }, code: "InvalidIdentityToken"},
		{name: "signature with something after it", claims: base,
			change: func(s string) string { return tampered(s, 2, func(sig string) string { return sig + "x" }) }, code: "InvalidIdentityToken"},
		{name: "a line break at the end", claims: base, change: func(s string) string { return s + "\n" }, code: "InvalidIdentityToken"},
		{name: "padding", claims: base, change: func(s string) string { return s + "==" }, code: "InvalidIdentityToken"},
		{name: "no JWT", claims: base, change: func(string) string { return "opaque" }, code: "InvalidIdentityToken"},
		{name: "a fourth part", claims: base, change: func(s string) string { return s + ".x" }, code: "InvalidIdentityToken"},
		{name: "claims that are a list", claims: base, change: func(s string) string { return tampered(s, 1, func(string) string { return "[]" }) }, code: "InvalidIdentityToken"},
		{name: "claims that are null", claims: base, change: func(s string) string { return tampered(s, 1, func(string) string { return "null" }) }, code: "InvalidIdentityToken"},
		{name: "two objects of claims", claims: base, change: func(s string) string { return tampered(s, 1, func(c string) string { return c + c }) }, code: "InvalidIdentityToken"},
		{name: "keys rotated", claims: base, change: func(s string) string { return s }, setup: nil, code: ""},
		{name: "issuer down", claims: base, setup: func(o *awstest.OIDC) { o.SetUnreachable(true) }, code: "IDPCommunicationError"},
		{name: "issuer back", claims: base, setup: func(o *awstest.OIDC) { o.SetUnreachable(true); o.SetUnreachable(false) }},
		{name: "revoked", claims: base, setup: func(o *awstest.OIDC) { o.Revoke("job") }, code: "IDPRejectedClaim"},
		{name: "another one revoked", claims: base, setup: func(o *awstest.OIDC) { o.Revoke("jo") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := &awstest.OIDC{Audiences: []string{"sts.amazonaws.com"}}
			trust := tt.trust
			if trust.Issuer == "" {
				trust.Issuer = issuerURL
			}
			s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}, WebIdentity: []awstest.WebIdentityTrust{trust}})
			s.Issuers = []*awstest.OIDC{o}
			token := o.Token(tt.claims)
			if tt.change != nil {
				token = tt.change(token)
			}
			if tt.setup != nil {
				tt.setup(o)
			}
			if tt.name == "keys rotated" {
				o.Rotate()
				o.Token(base)
				tt.code = "InvalidIdentityToken"
			}
			got := call(t, s, aws.Credentials{}, "AssumeRoleWithWebIdentity", assume(roleARN, "WebIdentityToken", token)...)
			if tt.code == "" {
				got.credentials()
				return
			}
			status := 400
			if tt.code == "AccessDenied" || tt.code == "IDPRejectedClaim" {
				status = 403
			}
			got.refused(status, tt.code)
			require.Empty(t, s.Sessions())
		})
	}
}

// A key is looked up by the name in the token, before the signature is.
func TestWebIdentityNamesItsKey(t *testing.T) {
	t.Parallel()
	o := &awstest.OIDC{}
	s := people()
	s.Issuers = []*awstest.OIDC{o}
	token := tampered(o.Token(awstest.Claims{Subject: "x"}), 0, replace(`"kid":"`, `"kid":"x`))
	got := call(t, s, aws.Credentials{}, "AssumeRoleWithWebIdentity", assume(roleARN, "WebIdentityToken", token)...)
	got.refused(400, "InvalidIdentityToken")
	require.Contains(t, got.field("Message"), "Couldn't retrieve verification key")
}

func TestWebIdentityOfUnknownRole(t *testing.T) {
	t.Parallel()
	o := &awstest.OIDC{}
	s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}})
	s.Issuers = []*awstest.OIDC{o}
	for _, arn := range []string{roleARN, roleARN + "2"} { // trusted by AssumeRole alone; not there
		call(t, s, aws.Credentials{}, "AssumeRoleWithWebIdentity", assume(arn, "WebIdentityToken", o.Token(awstest.Claims{Subject: "x"}))...).
			refused(403, "AccessDenied")
	}
	require.Empty(t, s.Sessions())
}

func TestWebIdentityToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &awstest.OIDC{}
		token := o.Token(awstest.Claims{Subject: "x"})
		time.Sleep(time.Hour - time.Second)
		claims, err := o.Verify(token, "sts.amazonaws.com")
		require.NoError(t, err)
		require.Equal(t, "x", claims["sub"])
		_, err = o.Verify(token, "app")
		require.Error(t, err)
		_, err = (&awstest.OIDC{}).Verify(token, "sts.amazonaws.com")
		require.Error(t, err)
		_, err = o.Verify("x", "")
		require.Error(t, err)
		time.Sleep(time.Second)
		_, err = o.Verify(token, "sts.amazonaws.com")
		require.Error(t, err)
		require.Panics(t, func() { o.Token(awstest.Claims{Algorithm: "HS256"}) })
	})
}

func TestOIDCServesItsKeys(t *testing.T) {
	t.Parallel()
	o := &awstest.OIDC{Issuer: issuerURL + "/id/1"}
	o.Token(awstest.Claims{Algorithm: "ES256"})
	o.Token(awstest.Claims{Algorithm: "RS256"})
	rt := awstest.Transport(map[string]http.Handler{"oidc.example.com": o})
	got := ask(t, rt, "GET", issuerURL+"/id/1/.well-known/openid-configuration")
	require.Equal(t, 200, got.status)
	require.Contains(t, got.body, `"jwks_uri":"`+issuerURL+`/id/1/keys"`)
	got = ask(t, rt, "GET", issuerURL+"/id/1/keys")
	require.Equal(t, 200, got.status)
	require.Contains(t, got.body, `"kty":"EC"`)
	require.Contains(t, got.body, `"e":"AQAB"`)
	require.NotContains(t, got.body, `"d"`)
	require.Equal(t, 404, ask(t, rt, "GET", issuerURL+"/keys").status)
	require.Equal(t, 405, ask(t, rt, "POST", issuerURL+"/id/1/keys").status)
	require.Equal(t, 4, o.Count("", "/"))
	o.SetUnreachable(true)
	req, err := http.NewRequestWithContext(t.Context(), "GET", issuerURL+"/id/1/keys", http.NoBody)
	require.NoError(t, err)
	_, err = rt.RoundTrip(req)
	require.Error(t, err)
}

func FuzzWebIdentity(f *testing.F) {
	o := &awstest.OIDC{}
	s := &awstest.STS{Issuers: []*awstest.OIDC{o}, Roles: []awstest.Role{{ARN: roleARN, WebIdentity: []awstest.WebIdentityTrust{{Issuer: issuerURL}}}}}
	good := o.Token(awstest.Claims{Subject: "x"})
	f.Add(good[:len(good)-1])
	f.Add(o.Token(awstest.Claims{Algorithm: "none"}))
	f.Add("e30.e30.")
	f.Add(tampered(good, 1, replace(`"iat":`, `"iat":1e999`)))
	f.Fuzz(func(t *testing.T, token string) {
		got := call(t, s, aws.Credentials{}, "AssumeRoleWithWebIdentity", assume(roleARN, "WebIdentityToken", token)...)
		require.True(t, got.status != 200 || token == good, "accepted: %q", token)
	})
}
