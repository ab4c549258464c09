package realtest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sts"
)

// Who and what there is at the STS of these tests.
const (
	diffAccount  = "111122223333"
	diffMember   = "444455556666"
	diffRole     = "arn:aws:iam::" + diffAccount + ":role/team/reader"
	diffSerial   = "arn:aws:iam::" + diffAccount + ":mfa/nadia"
	diffPolicy   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`
	diffTradeIn  = "canary/trade-in-token"
	diffDocument = `{"allowed":false,"context":{"action":"ec2:RunInstances"}}`
)

var diffPolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/job-function/Billing"}

// A sent request is one, as far as STS is concerned. Headers are each client's own affair.
type sent struct {
	Method, Path, ContentType string
	Form                      url.Values
	Scope                     string // of the signature: date, region, service; "" if there is none
	Key                       string
}

// A witness notes the requests to the STS behind it.
type witness struct {
	sts  http.Handler
	mu   sync.Mutex
	seen []sent
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	s := sent{Method: r.Method, Path: r.URL.RequestURI(), ContentType: r.Header.Get("Content-Type"), Form: form}
	if _, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		rest, _, _ = strings.Cut(rest, ",")
		s.Key, s.Scope, _ = strings.Cut(rest, "/")
	}
	w.mu.Lock()
	w.seen = append(w.seen, s)
	w.mu.Unlock()
	w.sts.ServeHTTP(rw, r)
}

// only returns the one request that was seen.
func (w *witness) only(t testing.TB) sent {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(t, w.seen, 1)
	return w.seen[0]
}

// A twin is one of two equal services, which hand out equal credentials: one for the SDK, and one for us.
type twin struct {
	*awstest.STS
	*witness
	url string
}

// shared is what both twins know.
type shared struct {
	issuer, outbound *awstest.OIDC
	saml             awstest.SAMLProvider
	user             aws.Credentials
}

func newShared() *shared {
	return &shared{issuer: &awstest.OIDC{}, outbound: &awstest.OIDC{Issuer: "https://outbound.example.com"},
		saml: awstest.SAMLProvider{ARN: "arn:aws:iam::" + diffAccount + ":saml-provider/corp"}, user: awstest.LongTerm("nadia")}
}

func (s *shared) twin(t testing.TB) *twin {
	t.Helper()
	service := &awstest.STS{
		Principals: []awstest.Principal{{Account: diffAccount, ARN: "arn:aws:iam::" + diffAccount + ":user/nadia", Credentials: s.user}},
		Roles: []awstest.Role{{ARN: diffRole, Trust: []string{"*"}, MaxDuration: 12 * time.Hour,
			WebIdentity: []awstest.WebIdentityTrust{{Issuer: "https://oidc.example.com"}}, SAML: []string{s.saml.ARN}}},
		MFADevices:    []awstest.MFADevice{{Serial: diffSerial, Codes: []string{"123456"}}},
		Issuers:       []*awstest.OIDC{s.issuer},
		SAMLProviders: []awstest.SAMLProvider{s.saml},
		Organization:  awstest.Organization{Management: diffAccount, Members: []string{diffMember}},
		TradeIns:      []awstest.TradeIn{{Token: diffTradeIn, Principal: "arn:aws:iam::" + diffAccount + ":role/partner"}},
		Outbound:      s.outbound,
	}
	w := &witness{sts: service}
	return &twin{service, w, awstest.Serve(t, w)}
}

func (tw *twin) ours(creds aws.CredentialsProvider) *sts.Client {
	return &sts.Client{Region: region, Endpoint: tw.url, Credentials: creds, Transport: newWire()}
}

func (tw *twin) sdk(creds aws.CredentialsProvider) *sdksts.Client {
	return sdksts.NewFromConfig(sdkConfig(tw.url, creds))
}

// TestSTSRequestsAreTheSDKs: every operation, with as little and with as much as it takes, is the same request from
// the SDK's client as from ours, and both read the same from the answer.
func TestSTSRequestsAreTheSDKs(t *testing.T) {
	t.Parallel()
	s := newShared()
	token := s.issuer.Token(awstest.Claims{Subject: "pod & co", More: map[string]any{"https://aws.amazon.com/source_identity": "nadia"}})
	assertion := s.saml.Assertion(awstest.SAMLSubject{Name: "nadia", Roles: []string{diffRole}})
	message := (&awstest.STS{}).AuthorizationMessage(diffDocument)
	tags := []sts.Tag{{Key: "Team", Value: "a b+c/=@"}, {Key: "empty", Value: ""}, {Key: "größe", Value: "ü"}}
	const task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"

	for _, tt := range []comparison{
		callerIdentity(),
		accessKeyInfo(s.user.AccessKeyID),
		decodeMessage(message),
		delegatedToken(diffTradeIn),
		assumeRole("no more than it needs", sts.AssumeRoleInput{RoleARN: diffRole, SessionName: "nadia"}),
		assumeRole("all at once", sts.AssumeRoleInput{
			RoleARN: diffRole, SessionName: "nadia+=,.@-_", Duration: 2 * time.Hour, Policy: diffPolicy, PolicyARNs: diffPolicyARNs, Tags: tags,
			TransitiveTagKeys: []string{"Team", "empty"}, ExternalID: "a+b=c,d.e@f:g/h-i", SourceIdentity: "nadia", SerialNumber: diffSerial, TokenCode: "123456",
			ProvidedContexts:        []sts.ProvidedContext{{ProviderARN: "arn:aws:iam::aws:contextProvider/IdentityCenter", ContextAssertion: "an/assertion+="}},
			MinimumSessionTokenSize: 2000,
		}),
		webIdentity("no more than it needs", sts.AssumeRoleWithWebIdentityInput{RoleARN: diffRole, SessionName: "pod", Token: token}),
		webIdentity("all at once", sts.AssumeRoleWithWebIdentityInput{RoleARN: diffRole, SessionName: "pod", Token: token, Duration: 15 * time.Minute,
			Policy: diffPolicy, PolicyARNs: diffPolicyARNs, MinimumSessionTokenSize: 1}),
		withSAML("no more than it needs", sts.AssumeRoleWithSAMLInput{RoleARN: diffRole, PrincipalARN: s.saml.ARN, Assertion: assertion}),
		withSAML("all at once", sts.AssumeRoleWithSAMLInput{RoleARN: diffRole, PrincipalARN: s.saml.ARN, Assertion: assertion, Duration: 90 * time.Minute,
			Policy: diffPolicy, PolicyARNs: diffPolicyARNs, MinimumSessionTokenSize: 4096}),
		assumeRoot("no more than it needs", sts.AssumeRootInput{TargetPrincipal: diffMember, TaskPolicyARN: task}),
		assumeRoot("all at once", sts.AssumeRootInput{TargetPrincipal: "arn:aws:iam::" + diffMember + ":root", TaskPolicyARN: task, Duration: time.Minute, MinimumSessionTokenSize: 9}),
		sessionToken("no more than it needs", sts.GetSessionTokenInput{}),
		sessionToken("all at once", sts.GetSessionTokenInput{Duration: 36 * time.Hour, SerialNumber: diffSerial, TokenCode: "123456", MinimumSessionTokenSize: 1000}),
		federationToken("no more than it needs", sts.GetFederationTokenInput{Name: "bob"}),
		federationToken("all at once", sts.GetFederationTokenInput{Name: "bob", Duration: time.Hour, Policy: diffPolicy, PolicyARNs: diffPolicyARNs, Tags: tags, MinimumSessionTokenSize: 7}),
		outboundToken("no more than it needs", s.outbound, sts.GetWebIdentityTokenInput{Audiences: []string{"https://a.example"}, SigningAlgorithm: "ES384"}),
		outboundToken("all at once", s.outbound, sts.GetWebIdentityTokenInput{Audiences: []string{"https://a.example", "b c"}, SigningAlgorithm: "RS256",
			Duration: time.Hour, Tags: tags[:2]}),
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			one, other := s.twin(t), s.twin(t)
			for _, service := range []*twin{one, other} {
				require.Equal(t, message, service.AuthorizationMessage(diffDocument))
			}
			user := static(s.user.AccessKeyID, s.user.SecretAccessKey)
			theirs, err := tt.theirs(t.Context(), one.sdk(user))
			require.NoError(t, err)
			ours, err := tt.ours(t.Context(), other.ours(user))
			require.NoError(t, err)

			want, got := one.only(t), other.only(t)
			want.ContentType, got.ContentType = media(want.ContentType), media(got.ContentType)
			require.Equal(t, want, got)
			requireSame(t, theirs.Credentials, ours.Credentials)
			require.WithinDuration(t, theirs.Credentials.Expires, ours.Credentials.Expires, 5*time.Second)
			require.Equal(t, theirs.Values, ours.Values)
			require.Equal(t, theirs.Sizes, ours.Sizes)
		})
	}
}

// media is a content type without parameters.
func media(contentType string) string {
	name, _, _ := strings.Cut(contentType, ";")
	return name
}

// What STS refuses is the same error to a program, whichever client it has.
func TestSTSRefusalsAreTheSDKs(t *testing.T) {
	t.Parallel()
	s := newShared()
	good := s.issuer.Token(awstest.Claims{Subject: "pod"})
	expired := s.issuer.Token(awstest.Claims{Subject: "pod", Issued: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)})
	user := static(s.user.AccessKeyID, s.user.SecretAccessKey)
	for _, tt := range []struct {
		comparison
		signer aws.CredentialsProvider
		code   string
		class  sts.Class
	}{
		{callerIdentity(), static(s.user.AccessKeyID, s.user.SecretAccessKey+"x"), "SignatureDoesNotMatch", sts.ClassDenied},
		{callerIdentity(), static("AKIAREALTESTNOTTHERE", "secret"), "InvalidClientTokenId", sts.ClassDenied},
		{assumeRole("of nobody", sts.AssumeRoleInput{RoleARN: diffRole + "s", SessionName: "nadia"}), user, "AccessDenied", sts.ClassDenied},
		{assumeRole("a wrong code", sts.AssumeRoleInput{RoleARN: diffRole, SessionName: "nadia", SerialNumber: diffSerial, TokenCode: "000000"}), user, "AccessDenied", sts.ClassDenied},
		{assumeRole("too long", sts.AssumeRoleInput{RoleARN: "arn:aws:iam::" + diffAccount + ":user/nobody", SessionName: "nadia"}), user, "ValidationError", sts.ClassInput},
		{assumeRole("a bad policy", sts.AssumeRoleInput{RoleARN: diffRole, SessionName: "nadia", Policy: `{"Version":`}), user, "MalformedPolicyDocument", sts.ClassInput},
		{webIdentity("expired", sts.AssumeRoleWithWebIdentityInput{RoleARN: diffRole, SessionName: "pod", Token: expired}), user, "ExpiredTokenException", sts.ClassExpired},
		{webIdentity("another role", sts.AssumeRoleWithWebIdentityInput{RoleARN: diffRole + "s", SessionName: "pod", Token: good}), user, "AccessDenied", sts.ClassDenied},
		{webIdentity("no token", sts.AssumeRoleWithWebIdentityInput{RoleARN: diffRole, SessionName: "pod", Token: "no token"}), user, "InvalidIdentityToken", sts.ClassDenied},
		{assumeRoot("of a stranger", sts.AssumeRootInput{TargetPrincipal: "777788889999", TaskPolicyARN: "arn:aws:iam::aws:policy/root-task/SQSUnlockQueuePolicy"}), user, "AccessDenied", sts.ClassDenied},
		{delegatedToken("another"), user, "AccessDenied", sts.ClassDenied},
		{decodeMessage("bm9uc2Vuc2U"), user, "InvalidAuthorizationMessageException", sts.ClassInput},
	} {
		t.Run(tt.name+" "+tt.code, func(t *testing.T) {
			t.Parallel()
			one, other := s.twin(t), s.twin(t)
			_, sdkErr := tt.theirs(t.Context(), one.sdk(tt.signer))
			client := other.ours(tt.signer)
			client.MaxAttempts = 1
			_, err := tt.ours(t.Context(), client)
			require.Equal(t, one.only(t).Form, other.only(t).Form)
			var theirs smithy.APIError
			require.ErrorAs(t, sdkErr, &theirs)
			var ours *sts.Error
			require.ErrorAs(t, err, &ours)
			require.Equal(t, tt.code, ours.Code)
			require.Equal(t, theirs.ErrorCode(), ours.Code)
			require.Equal(t, strings.TrimSpace(theirs.ErrorMessage()), ours.Message)
			require.Equal(t, tt.class, ours.Class())
			require.ErrorContains(t, sdkErr, ours.RequestID)
		})
	}
}

// The SDK's provider of a role's credentials and ours ask the same for the same, and get the same.
func TestAssumeRoleProviderIsTheSDKs(t *testing.T) {
	t.Parallel()
	s := newShared()
	user := static(s.user.AccessKeyID, s.user.SecretAccessKey)
	one, other := s.twin(t), s.twin(t)
	theirs, err := retrieve(t, stscreds.NewAssumeRoleProvider(one.sdk(user), diffRole, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration, o.ExternalID = "nadia", 30*time.Minute, aws.String("third-party")
		o.Policy, o.PolicyARNs, o.SourceIdentity = aws.String(diffPolicy), descriptors(diffPolicyARNs), aws.String("nadia")
		o.Tags, o.TransitiveTagKeys = []types.Tag{{Key: aws.String("Team"), Value: aws.String("shop")}}, []string{"Team"}
	}))
	require.NoError(t, err)
	ours, err := retrieve(t, &providers.AssumeRole{Source: user, RoleARN: diffRole, SessionName: "nadia", Duration: 30 * time.Minute, ExternalID: "third-party",
		Policy: diffPolicy, PolicyARNs: diffPolicyARNs, SourceIdentity: "nadia", Tags: []sts.Tag{{Key: "Team", Value: "shop"}}, TransitiveTagKeys: []string{"Team"},
		Region: region, System: machine(t, map[string]string{"AWS_ENDPOINT_URL_STS": other.url}, newWire())})
	require.NoError(t, err)
	require.Equal(t, one.only(t).Form, other.only(t).Form)
	requireSame(t, theirs, ours)
	require.Equal(t, theirs.AccountID, ours.AccountID)
	require.WithinDuration(t, theirs.Expires, ours.Expires, 5*time.Second)
}

func TestWebIdentityProviderIsTheSDKs(t *testing.T) {
	t.Parallel()
	s := newShared()
	one, other := s.twin(t), s.twin(t)
	token := s.issuer.Token(awstest.Claims{Subject: "pod"})
	file := writeFile(t, t.TempDir(), "token", token)
	theirs, err := retrieve(t, stscreds.NewWebIdentityRoleProvider(one.sdk(nil), diffRole, oneLine(file), func(o *stscreds.WebIdentityRoleOptions) {
		o.RoleSessionName, o.Duration, o.Policy, o.PolicyARNs = "pod", time.Hour, aws.String(diffPolicy), descriptors(diffPolicyARNs)
	}))
	require.NoError(t, err)
	ours, err := retrieve(t, &providers.WebIdentity{TokenFile: file, RoleARN: diffRole, SessionName: "pod", Duration: time.Hour, Policy: diffPolicy, PolicyARNs: diffPolicyARNs,
		Region: region, System: machine(t, map[string]string{"AWS_ENDPOINT_URL_STS": other.url}, newWire())})
	require.NoError(t, err)
	require.Equal(t, one.only(t).Form, other.only(t).Form)
	require.Empty(t, one.only(t).Key+other.only(t).Key, "it needs no signature")
	requireSame(t, theirs, ours)
	require.Equal(t, theirs.AccountID, ours.AccountID)
}

// oneLine is a token file as the SDK needs it: it sends what is in a file as it is, line end and all.
type oneLine string

func (f oneLine) GetIdentityToken() ([]byte, error) {
	token, err := stscreds.IdentityTokenFile(f).GetIdentityToken()
	return bytes.TrimSpace(token), err
}

// With a device, ours opens a session first, which serves other roles as well. The SDK's sends the code with the role.
func TestMFACodeGoesToSTSOnce(t *testing.T) {
	t.Parallel()
	s := newShared()
	user := static(s.user.AccessKeyID, s.user.SecretAccessKey)
	one, other := s.twin(t), s.twin(t)
	_, err := retrieve(t, stscreds.NewAssumeRoleProvider(one.sdk(user), diffRole, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.SerialNumber = "nadia", aws.String(diffSerial)
		o.TokenProvider = func() (string, error) { return "123456", nil }
	}))
	require.NoError(t, err)
	require.Equal(t, "123456", one.only(t).Form.Get("TokenCode"))

	system := machine(t, map[string]string{"AWS_ENDPOINT_URL_STS": other.url}, newWire())
	asked := 0
	system.Prompt = func(_ context.Context, question string) (string, error) {
		asked++
		require.Contains(t, question, diffSerial)
		return "123456", nil
	}
	sessions := new(providers.Sessions)
	for range 3 {
		_, err := retrieve(t, &providers.AssumeRole{Source: user, RoleARN: diffRole, SerialNumber: diffSerial, Sessions: sessions, Region: region, System: system})
		require.NoError(t, err)
	}
	require.Equal(t, 1, asked)
	codes := 0
	for _, r := range other.seen {
		if r.Form.Has("TokenCode") {
			codes++
		}
	}
	require.Equal(t, 1, codes)
	require.Len(t, other.seen, 4)
}
