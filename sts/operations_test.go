package sts_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

const (
	roleARN   = "arn:aws:iam::123456789012:role/demo"
	policyARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	policy    = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`
	mfaARN    = "arn:aws:iam::123456789012:mfa/user"
)

// operation is a call with what goes out and what comes back.
type operation struct {
	name     string
	call     func(context.Context, *sts.Client) (any, error)
	unsigned bool
	form     string // the whole form, after Action and Version
	answer   string
	want     any
}

// credentialsOf are the document's credentials.
func credentialsOf(operation, account string) aws.Credentials {
	return aws.Credentials{
		AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "canary/secret+key", SessionToken: "canary/session+token==",
		CanExpire: true, Expires: time.Date(2026, 7, 15, 23, 28, 33, 359e6, time.UTC),
		Source: "sts." + operation, AccountID: account,
	}
}

const assumedXML = `<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/demo/s1</Arn><AssumedRoleId>AROA3XFRBF535:s1</AssumedRoleId></AssumedRoleUser>`

var assumed = sts.AssumedRole{ARN: "arn:aws:sts::123456789012:assumed-role/demo/s1", ID: "AROA3XFRBF535:s1"}

// operations are all of STS's, with each of their parameters, in the wire form of the STS API reference.
func operations() []operation {
	return []operation{
		{
			name: "AssumeRole, all",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.AssumeRole(ctx, sts.AssumeRoleInput{
					RoleARN: roleARN, SessionName: "s1", Duration: 12 * time.Hour, Policy: policy, PolicyARNs: []string{policyARN, policyARN},
					Tags:              []sts.Tag{{Key: "Team", Value: "blue + green"}, {Key: "Empty"}},
					TransitiveTagKeys: []string{"Team", "Empty"}, ExternalID: "ext:1/2", SourceIdentity: "ann@x", SerialNumber: mfaARN, TokenCode: "123456",
					ProvidedContexts:        []sts.ProvidedContext{{ProviderARN: "arn:aws:iam::aws:contextProvider/IdentityCenter", ContextAssertion: "canary"}},
					MinimumSessionTokenSize: 2048,
				})
			},
			form: "RoleArn=" + roleARN + "&RoleSessionName=s1&DurationSeconds=43200&Policy=" + url.QueryEscape(policy) +
				"&PolicyArns.member.1.arn=" + policyARN + "&PolicyArns.member.2.arn=" + policyARN +
				"&Tags.member.1.Key=Team&Tags.member.1.Value=blue+%2B+green&Tags.member.2.Key=Empty&Tags.member.2.Value=" +
				"&TransitiveTagKeys.member.1=Team&TransitiveTagKeys.member.2=Empty&ExternalId=ext:1/2&SourceIdentity=ann@x" +
				"&SerialNumber=" + mfaARN + "&TokenCode=123456&ProvidedContexts.member.1.ProviderArn=arn:aws:iam::aws:contextProvider/IdentityCenter" +
				"&ProvidedContexts.member.1.ContextAssertion=canary&MinimumSessionTokenSize=2048",
			answer: xmlAnswer("AssumeRole", "<SourceIdentity>ann@x</SourceIdentity>", assumedXML, xmlCredentials, xmlSizes),
			want: sts.AssumeRoleOutput{
				Credentials: credentialsOf("AssumeRole", "123456789012"), AssumedRole: assumed, SourceIdentity: "ann@x",
				PackedPolicySize: 6, SessionTokenSize: 1024, SessionTokenUtilization: 25,
			},
		},
		{
			name: "AssumeRole, least",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.AssumeRole(ctx, sts.AssumeRoleInput{RoleARN: roleARN, SessionName: "s1"})
			},
			form:   "RoleArn=" + roleARN + "&RoleSessionName=s1",
			answer: xmlAnswer("AssumeRole", xmlCredentials),
			want:   sts.AssumeRoleOutput{Credentials: credentialsOf("AssumeRole", "")},
		},
		{
			name: "AssumeRoleWithWebIdentity, all", unsigned: true,
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.AssumeRoleWithWebIdentity(ctx, sts.AssumeRoleWithWebIdentityInput{
					RoleARN: roleARN, SessionName: "s1", Token: "canary.e30.x\n", ProviderID: "www.amazon.com", Duration: 15 * time.Minute,
					Policy: policy, PolicyARNs: []string{policyARN}, MinimumSessionTokenSize: 4096,
				})
			},
			form: "RoleArn=" + roleARN + "&RoleSessionName=s1&WebIdentityToken=canary.e30.x%0A&ProviderId=www.amazon.com&DurationSeconds=900&Policy=" +
				url.QueryEscape(policy) + "&PolicyArns.member.1.arn=" + policyARN + "&MinimumSessionTokenSize=4096",
			answer: xmlAnswer("AssumeRoleWithWebIdentity", "<SubjectFromWebIdentityToken>amzn1.account</SubjectFromWebIdentityToken><Audience>client.5498841531868486423.1548@apps.example.com</Audience>",
				assumedXML, xmlCredentials, xmlSizes, "<Provider>www.amazon.com</Provider><SourceIdentity>ann</SourceIdentity>"),
			want: sts.AssumeRoleWithWebIdentityOutput{
				Credentials: credentialsOf("AssumeRoleWithWebIdentity", "123456789012"), AssumedRole: assumed,
				Subject: "amzn1.account", Audience: "client.5498841531868486423.1548@apps.example.com", Provider: "www.amazon.com", SourceIdentity: "ann",
				PackedPolicySize: 6, SessionTokenSize: 1024, SessionTokenUtilization: 25,
			},
		},
		{
			name: "AssumeRoleWithWebIdentity, least", unsigned: true,
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.AssumeRoleWithWebIdentity(ctx, sts.AssumeRoleWithWebIdentityInput{RoleARN: roleARN, SessionName: "s1", Token: "canary"})
			},
			form:   "RoleArn=" + roleARN + "&RoleSessionName=s1&WebIdentityToken=canary",
			answer: xmlAnswer("AssumeRoleWithWebIdentity", assumedXML, xmlCredentials),
			want: sts.AssumeRoleWithWebIdentityOutput{
				Credentials: credentialsOf("AssumeRoleWithWebIdentity", "123456789012"), AssumedRole: assumed,
			},
		},
		{
			name: "AssumeRoleWithSAML, all", unsigned: true,
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.AssumeRoleWithSAML(ctx, sts.AssumeRoleWithSAMLInput{
					RoleARN: roleARN, PrincipalARN: "arn:aws:iam::123456789012:saml-provider/idp", Assertion: "canary+/==", Duration: time.Hour,
					Policy: policy, PolicyARNs: []string{policyARN}, MinimumSessionTokenSize: 1,
				})
			},
			form: "RoleArn=" + roleARN + "&PrincipalArn=arn:aws:iam::123456789012:saml-provider/idp&SAMLAssertion=canary%2B%2F%3D%3D&DurationSeconds=3600&Policy=" +
				url.QueryEscape(policy) + "&PolicyArns.member.1.arn=" + policyARN + "&MinimumSessionTokenSize=1",
			answer: xmlAnswer("AssumeRoleWithSAML", "<Issuer>https://integ.example.com/idp/shibboleth</Issuer>", assumedXML, xmlCredentials, xmlSizes,
				"<Audience>https://signin.aws.amazon.com/saml</Audience><SubjectType>transient</SubjectType><NameQualifier>SbdGOnUkh1i4+EXAMPLExL/jEvs=</NameQualifier>"+
					"<SourceIdentity>ann</SourceIdentity><Subject>SamlExample</Subject>"),
			want: sts.AssumeRoleWithSAMLOutput{
				Credentials: credentialsOf("AssumeRoleWithSAML", "123456789012"), AssumedRole: assumed,
				Audience: "https://signin.aws.amazon.com/saml", Issuer: "https://integ.example.com/idp/shibboleth",
				NameQualifier: "SbdGOnUkh1i4+EXAMPLExL/jEvs=", Subject: "SamlExample", SubjectType: "transient", SourceIdentity: "ann",
				PackedPolicySize: 6, SessionTokenSize: 1024, SessionTokenUtilization: 25,
			},
		},
		{
			name: "AssumeRoot",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.AssumeRoot(ctx, sts.AssumeRootInput{
					TargetPrincipal: "111122223333", TaskPolicyARN: "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy",
					Duration: time.Second, MinimumSessionTokenSize: 7,
				})
			},
			form: "TargetPrincipal=111122223333&TaskPolicyArn.arn=arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy" +
				"&DurationSeconds=1&MinimumSessionTokenSize=7",
			answer: xmlAnswer("AssumeRoot", xmlCredentials, xmlSizes, "<SourceIdentity>ann</SourceIdentity>"),
			want: sts.AssumeRootOutput{
				Credentials: credentialsOf("AssumeRoot", "111122223333"), SourceIdentity: "ann", SessionTokenSize: 1024, SessionTokenUtilization: 25,
			},
		},
		{
			name: "AssumeRoot of an ARN",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.AssumeRoot(ctx, sts.AssumeRootInput{
					TargetPrincipal: "arn:aws-us-gov:iam::111122223333:root", TaskPolicyARN: "arn:aws-us-gov:iam::aws:policy/root-task/SQSUnlockQueuePolicy",
				})
			},
			form:   "TargetPrincipal=arn:aws-us-gov:iam::111122223333:root&TaskPolicyArn.arn=arn:aws-us-gov:iam::aws:policy/root-task/SQSUnlockQueuePolicy",
			answer: xmlAnswer("AssumeRoot", xmlCredentials),
			want:   sts.AssumeRootOutput{Credentials: credentialsOf("AssumeRoot", "111122223333")},
		},
		{
			name: "GetSessionToken",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.GetSessionToken(ctx, sts.GetSessionTokenInput{
					Duration: 36 * time.Hour, SerialNumber: "GAHT12345678", TokenCode: "654321", MinimumSessionTokenSize: 3,
				})
			},
			form:   "DurationSeconds=129600&SerialNumber=GAHT12345678&TokenCode=654321&MinimumSessionTokenSize=3",
			answer: xmlAnswer("GetSessionToken", xmlCredentials, xmlSizes),
			want:   credentialsOf("GetSessionToken", "123456789012"), // the user's own
		},
		{
			name: "GetSessionToken, least",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.GetSessionToken(ctx, sts.GetSessionTokenInput{})
			},
			answer: xmlAnswer("GetSessionToken", xmlCredentials),
			want:   credentialsOf("GetSessionToken", "123456789012"),
		},
		{
			name: "GetFederationToken",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.GetFederationToken(ctx, sts.GetFederationTokenInput{
					Name: "Jean", Policy: policy, PolicyARNs: []string{policyARN}, Tags: []sts.Tag{{Key: "k", Value: "v"}},
					Duration: 15 * time.Minute, MinimumSessionTokenSize: 5,
				})
			},
			form: "Name=Jean&Policy=" + url.QueryEscape(policy) + "&PolicyArns.member.1.arn=" + policyARN +
				"&Tags.member.1.Key=k&Tags.member.1.Value=v&DurationSeconds=900&MinimumSessionTokenSize=5",
			answer: xmlAnswer("GetFederationToken", xmlCredentials,
				"<FederatedUser><Arn>arn:aws:sts::123456789012:federated-user/Jean</Arn><FederatedUserId>123456789012:Jean</FederatedUserId></FederatedUser>", xmlSizes),
			want: sts.GetFederationTokenOutput{
				Credentials:      credentialsOf("GetFederationToken", "123456789012"),
				FederatedUser:    sts.FederatedUser{ARN: "arn:aws:sts::123456789012:federated-user/Jean", ID: "123456789012:Jean"},
				PackedPolicySize: 6, SessionTokenSize: 1024, SessionTokenUtilization: 25,
			},
		},
		{
			name: "GetCallerIdentity",
			call: func(ctx context.Context, c *sts.Client) (any, error) { return c.GetCallerIdentity(ctx) },
			answer: xmlAnswer("GetCallerIdentity",
				"<Arn>arn:aws:iam::123456789012:user/Alice</Arn><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>123456789012</Account>"),
			want: sts.Identity{Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/Alice", UserID: "AIDACKCEVSQ6C2EXAMPLE"},
		},
		{
			name: "GetAccessKeyInfo",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.GetAccessKeyInfo(ctx, "AKIAI44QH8DHBEXAMPLE")
			},
			form:   "AccessKeyId=AKIAI44QH8DHBEXAMPLE",
			answer: xmlAnswer("GetAccessKeyInfo", "<Account>111122223333</Account>"),
			want:   "111122223333",
		},
		{
			name: "DecodeAuthorizationMessage",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.DecodeAuthorizationMessage(ctx, "encoded-message")
			},
			form:   "EncodedMessage=encoded-message",
			answer: xmlAnswer("DecodeAuthorizationMessage", `<DecodedMessage>{"allowed":false,"explicitDeny":true,"context":{"action":"ec2:RunInstances"}}</DecodedMessage>`),
			want: sts.AuthorizationMessage{
				Raw: `{"allowed":false,"explicitDeny":true,"context":{"action":"ec2:RunInstances"}}`, ExplicitDeny: true, Action: "ec2:RunInstances",
			},
		},
		{
			name: "GetWebIdentityToken",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.GetWebIdentityToken(ctx, sts.GetWebIdentityTokenInput{
					Audiences: []string{"https://api.example.com", "b"}, SigningAlgorithm: "ES384", Duration: time.Minute, Tags: []sts.Tag{{Key: "k", Value: "v"}},
				})
			},
			form:   "Audience.member.1=https://api.example.com&Audience.member.2=b&SigningAlgorithm=ES384&DurationSeconds=60&Tags.member.1.Key=k&Tags.member.1.Value=v",
			answer: xmlAnswer("GetWebIdentityToken", "<WebIdentityToken>canary.payload.sig</WebIdentityToken><Expiration>2026-07-15T23:28:33Z</Expiration>"),
			want:   sts.GetWebIdentityTokenOutput{Token: "canary.payload.sig", Expires: time.Date(2026, 7, 15, 23, 28, 33, 0, time.UTC)},
		},
		{
			name: "GetDelegatedAccessToken",
			call: func(ctx context.Context, c *sts.Client) (any, error) {
				return c.GetDelegatedAccessToken(ctx, sts.GetDelegatedAccessTokenInput{TradeInToken: "canary=="})
			},
			form:   "TradeInToken=canary%3D%3D",
			answer: xmlAnswer("GetDelegatedAccessToken", xmlCredentials, "<AssumedPrincipal>arn:aws:iam::123456789012:root</AssumedPrincipal>", xmlSizes),
			want: sts.GetDelegatedAccessTokenOutput{
				Credentials: credentialsOf("GetDelegatedAccessToken", "123456789012"), AssumedPrincipal: "arn:aws:iam::123456789012:root", PackedPolicySize: 6,
			},
		},
	}
}

// action is the operation's name on the wire.
func (o operation) action() string {
	action, _, _ := strings.Cut(strings.ReplaceAll(o.name, ",", ""), " ")
	return action
}

// What goes out and what comes back, by the STS API reference.
func TestOperations(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, op := range operations() {
		seen[op.action()] = true
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			h := &scripted{answers: []answer{{body: op.answer}}}
			signer := user
			signer.AccountID = "123456789012"
			c := client(h, signer)
			if op.unsigned {
				c.Credentials = nil
			}
			got, err := op.call(t.Context(), c)
			require.NoError(t, err)
			if diff := cmp.Diff(op.want, got); diff != "" {
				t.Error(diff)
			}
			want, err := url.ParseQuery("Action=" + op.action() + "&Version=2011-06-15&" + op.form)
			require.NoError(t, err)
			require.Len(t, h.requests, 1)
			if diff := cmp.Diff(want, h.form(0)); diff != "" {
				t.Error(diff)
			}
			r := h.requests[0]
			require.Equal(t, "POST /", r.Method+" "+r.URL.String())
			require.Equal(t, "application/x-www-form-urlencoded; charset=utf-8", r.Header.Get("Content-Type"))
			if op.unsigned {
				for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
					require.NotContains(t, r.Header, name)
				}
				return
			}
			require.Contains(t, r.Header.Get("Authorization"), "Credential="+user.AccessKeyID+"/")
			require.Contains(t, r.Header.Get("Authorization"), "/eu-west-1/sts/aws4_request")
		})
	}
	require.Len(t, seen, 11)
}

// Credentials that a client has are not touched by a call that needs none.
func TestUnsignedCallsAskNoProvider(t *testing.T) {
	t.Parallel()
	for _, op := range operations() {
		if !op.unsigned {
			continue
		}
		h := &scripted{answers: []answer{{body: op.answer}}}
		c := client(h, user)
		creds := awstest.Script(awstest.Result{Credentials: user})
		c.Credentials = creds
		_, err := op.call(t.Context(), c)
		require.NoError(t, err)
		require.Zero(t, creds.Calls())
		require.NotContains(t, h.requests[0].Header, "Authorization")
	}
}

func TestSessionNameIsMade(t *testing.T) {
	t.Parallel()
	h := &scripted{answers: []answer{{body: xmlAnswer("AssumeRole", xmlCredentials)}, {body: xmlAnswer("AssumeRoleWithWebIdentity", xmlCredentials)}}}
	c := client(h, user)
	_, err := c.AssumeRole(t.Context(), sts.AssumeRoleInput{RoleARN: roleARN})
	require.NoError(t, err)
	_, err = c.AssumeRoleWithWebIdentity(t.Context(), sts.AssumeRoleWithWebIdentityInput{RoleARN: roleARN, Token: "canary"})
	require.NoError(t, err)
	for i := range 2 {
		require.Regexp(t, `^credchain-\d{10,}$`, h.form(i).Get("RoleSessionName"))
	}
}

// An answer without complete credentials is an error that does not quote it.
func TestIncompleteAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, new, want string }{
		{"no key ID", "ASIAIOSFODNN7EXAMPLE", "", "have no AccessKeyId"},
		{"no secret", "canary/secret+key", "", "have no SecretAccessKey"},
		{"no session token", "canary/session+token==", "", "have no SessionToken"},
		{"no expiry", "2026-07-15T23:28:33.359Z", "", "have no Expiration"},
		{"another time", "2026-07-15T23:28:33.359Z", "canary", "Expiration is no time"},
		{"a line end in the token", "canary/session+token==", "canary\nx", "SessionToken has a character that none can have"},
		{"a letter beyond ASCII", "canary/secret+key", "canäry", "SecretAccessKey has a character that none can have"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, op := range operations() {
				if !strings.Contains(op.answer, "<Credentials>") {
					continue
				}
				c := client(says(200, strings.Replace(op.answer, tt.old, tt.new, 1)), user)
				got, err := op.call(t.Context(), c)
				require.ErrorContains(t, err, "sts: "+op.action()+": the answer's ", op.name)
				require.ErrorContains(t, err, tt.want)
				require.NotRegexp(t, "can[aä]r", err.Error())
				require.NotContains(t, fmt.Sprintf("%#v", got), "ASIA")
			}
		})
	}
	for operation, parts := range map[string]string{
		"GetAccessKeyInfo":           "<Account/>",
		"GetCallerIdentity":          "<Account>1</Account>",
		"DecodeAuthorizationMessage": "<DecodedMessage/>",
		"GetWebIdentityToken":        "<WebIdentityToken>canary x</WebIdentityToken><Expiration>2026-07-15T23:28:33Z</Expiration>",
	} {
		for _, op := range operations() {
			if op.action() == operation {
				_, err := op.call(t.Context(), client(says(200, xmlAnswer(operation, parts)), user))
				require.ErrorContains(t, err, "sts: "+operation+": the answer")
				require.NotContains(t, err.Error(), "canary")
			}
		}
	}
	c := client(says(200, xmlAnswer("GetWebIdentityToken", "<WebIdentityToken>canary</WebIdentityToken><Expiration>canary</Expiration>")), user)
	_, err := c.GetWebIdentityToken(t.Context(), sts.GetWebIdentityTokenInput{Audiences: []string{"a"}, SigningAlgorithm: "RS256"})
	require.EqualError(t, err, "sts: GetWebIdentityToken: the answer's Expiration is no time")
}

// Sizes are told for information: one that cannot be read spoils no credentials. Servers that imitate STS name
// no account, or none of AWS's form.
func TestLenientAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, parts, account string }{
		{"size", "<PackedPolicySize>x</PackedPolicySize><SessionTokenSize>-1</SessionTokenSize><SessionTokenUtilization/>", ""},
		{"empty ARN", "<AssumedRoleUser><Arn></Arn><AssumeRoleId></AssumeRoleId></AssumedRoleUser>", ""},
		{"short account", "<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>", ""},
		{"account of letters", "<AssumedRoleUser><Arn>arn:aws:sts::12345678901x:assumed-role/r/s</Arn></AssumedRoleUser>", ""},
		{"no ARN", "<AssumedRoleUser><Arn>urn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>", ""},
		{"colons", "<AssumedRoleUser><Arn>arn:aws:sts::000000000000:assumed-role/r/s:t:u</Arn></AssumedRoleUser>", "000000000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, err := client(says(200, xmlAnswer("AssumeRole", xmlCredentials, tt.parts)), user).
				AssumeRole(t.Context(), sts.AssumeRoleInput{RoleARN: roleARN})
			require.NoError(t, err)
			require.Equal(t, credentialsOf("AssumeRole", tt.account), out.Credentials)
			require.Zero(t, out.PackedPolicySize+out.SessionTokenSize+out.SessionTokenUtilization)
		})
	}
}

// GetSessionToken and GetFederationToken take the keys of users alone.
func TestLongTermKeysOnly(t *testing.T) {
	t.Parallel()
	h := &scripted{answers: []answer{{status: 500}}}
	c := client(h, awstest.Temporary("role", time.Now().Add(time.Hour)))
	_, first := c.GetSessionToken(t.Context(), sts.GetSessionTokenInput{})
	_, second := c.GetFederationToken(t.Context(), sts.GetFederationTokenInput{Name: "Jean"})
	for _, err := range []error{first, second} {
		var in *sts.InputError
		require.ErrorAs(t, err, &in)
		require.Equal(t, "Credentials", in.Field)
	}
	require.EqualError(t, first, "sts: GetSessionToken: Credentials: they are temporary, and GetSessionToken takes only the long-term keys of a user")
	require.Empty(t, h.requests)
}
