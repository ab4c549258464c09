package realtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	sdksso "github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	oidctypes "github.com/aws/aws-sdk-go-v2/service/ssooidc/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sso"
)

const (
	ssoRegion   = "eu-west-1"
	ssoStartURL = "https://example.awsapps.com/start"
)

// A posting is a request with a body of JSON, as far as a service is concerned.
type posting struct {
	Method, URI, Media string
	Body               map[string]any
	proof              string // header DPoP
}

// postings notes the requests to a service.
type postings struct {
	service http.Handler
	mu      sync.Mutex
	seen    []posting
}

func (p *postings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s := posting{Method: r.Method, URI: r.URL.Path + "?" + r.URL.Query().Encode(), Media: media(r.Header.Get("Content-Type")), proof: r.Header.Get("DPoP")}
	_ = json.Unmarshal(body, &s.Body) // a body that is no JSON is seen as none
	p.mu.Lock()
	p.seen = append(p.seen, s)
	p.mu.Unlock()
	p.service.ServeHTTP(w, r)
}

func (p *postings) take() []posting {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.seen
	p.seen = nil
	return taken
}

// A centre is an Identity Center of its own. Two of them give the same tokens for the same requests.
type centre struct {
	*awstest.SSO
	*postings
	url, home string
}

func startCentre(t testing.TB) *centre {
	t.Helper()
	reader := awstest.Temporary("reader", time.Now().Add(time.Hour))
	service := &awstest.SSO{Interval: time.Second, Roles: []awstest.SSORole{{AccountID: diffAccount, Name: "reader", Credentials: reader}}}
	p := &postings{service: service}
	return &centre{service, p, awstest.Serve(t, p), t.TempDir()}
}

// file is where the session is kept.
func (c *centre) file() string {
	return filepath.Join(c.home, ".aws", "sso", "cache", sso.CacheFile("corp"))
}

func (c *centre) write(t testing.TB, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(c.file()), 0o700))
	require.NoError(t, os.WriteFile(c.file(), []byte(text), 0o600))
}

func (c *centre) token(t testing.TB) sso.Token {
	t.Helper()
	raw, err := os.ReadFile(c.file())
	require.NoError(t, err)
	token, err := sso.ParseToken(raw)
	require.NoError(t, err)
	return token
}

// expire makes the access token in the file look as if it had ended.
func (c *centre) expire(t testing.TB) {
	t.Helper()
	token := c.token(t)
	token.Expires = time.Now().Add(-time.Minute)
	raw, err := token.File()
	require.NoError(t, err)
	c.write(t, string(raw))
}

func (c *centre) sdk() aws.CredentialsProvider {
	config := sdkConfig(c.url, nil)
	config.Region = ssoRegion
	return ssocreds.New(sdksso.NewFromConfig(config), diffAccount, "reader", ssoStartURL, func(o *ssocreds.Options) {
		o.SSOTokenProvider = ssocreds.NewSSOTokenProvider(ssooidc.NewFromConfig(config), c.file())
	})
}

func (c *centre) ours(t testing.TB, role string) *providers.SSO {
	t.Helper()
	system := machine(t, map[string]string{"AWS_ENDPOINT_URL": c.url}, newWire())
	system.Home = func() (string, error) { return c.home, nil }
	return &providers.SSO{Session: "corp", StartURL: ssoStartURL, Region: ssoRegion, AccountID: diffAccount, RoleName: role, System: system}
}

// TestSSOProviderIsTheSDKs: the fake takes the SDK's provider for what it is, and ours does the same as that, also
// with a session that has to be refreshed, and with the file that the other one has left.
func TestSSOProviderIsTheSDKs(t *testing.T) {
	t.Parallel()
	one, other := startCentre(t), startCentre(t)
	both := func(theirs, ours *centre) {
		t.Helper()
		want, err := retrieve(t, theirs.sdk())
		require.NoError(t, err)
		got, err := retrieve(t, ours.ours(t, "reader"))
		require.NoError(t, err)
		requireSame(t, want, got)
		require.True(t, want.Expires.Equal(got.Expires), "%s, and we say %s", want.Expires, got.Expires)
		require.Equal(t, want.AccountID, got.AccountID)
		require.Equal(t, theirs.take(), ours.take())
	}
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	one.write(t, one.Session(soon).File())
	other.write(t, other.Session(soon).File())
	both(one, other)
	require.Zero(t, one.Calls("CreateToken"))

	one.expire(t)
	other.expire(t)
	both(one, other)
	require.Equal(t, 1, one.Calls("CreateToken refresh_token"))
	require.Equal(t, one.token(t).AccessToken, other.token(t).AccessToken)
	require.Equal(t, one.token(t).RefreshToken, other.token(t).RefreshToken)

	one.home, other.home = other.home, one.home // each goes on with the other one's file
	both(one, other)
	require.Equal(t, 1, other.Calls("CreateToken"))
	one.expire(t)
	other.expire(t)
	both(one, other)
	require.Equal(t, 2, other.Calls("CreateToken refresh_token"))
}

// What the portal and the OIDC service refuse has the same name with both.
func TestSSORefusalsAreTheSDKs(t *testing.T) {
	t.Parallel()
	c := startCentre(t)
	session := c.Session(time.Now().Add(time.Hour))
	client := &sso.Client{Region: ssoRegion, Endpoint: c.url, OIDCEndpoint: c.url, Transport: newWire(), MaxAttempts: 1}
	config := sdkConfig(c.url, nil)
	portal, oidc := sdksso.NewFromConfig(config), ssooidc.NewFromConfig(config)
	for _, tt := range []struct{ name, token, role, code string }{
		{"an unknown access token", "nonsense", "reader", "UnauthorizedException"},
		{"a role of others", session.AccessToken, "writer", "ForbiddenException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, sdkErr := portal.GetRoleCredentials(t.Context(), &sdksso.GetRoleCredentialsInput{AccessToken: &tt.token, AccountId: aws.String(diffAccount), RoleName: &tt.role})
			_, err := client.RoleCredentials(t.Context(), tt.token, diffAccount, tt.role)
			var theirs smithy.APIError
			require.ErrorAs(t, sdkErr, &theirs)
			var ours *sso.Error
			require.ErrorAs(t, err, &ours)
			require.Equal(t, tt.code, ours.Code)
			require.Equal(t, theirs.ErrorCode(), ours.Code)
			require.Equal(t, theirs.ErrorMessage(), ours.Message)
			require.NotContains(t, err.Error(), session.AccessToken)
		})
	}
	t.Run("a refresh token that was used", func(t *testing.T) {
		token, err := sso.ParseToken([]byte(session.File()))
		require.NoError(t, err)
		_, err = client.Refresh(t.Context(), token)
		require.NoError(t, err)
		_, err = client.Refresh(t.Context(), token)
		var ours *sso.Error
		require.ErrorAs(t, err, &ours)
		require.True(t, ours.NeedsSignIn())
		_, sdkErr := oidc.CreateToken(t.Context(), &ssooidc.CreateTokenInput{ClientId: &token.ClientID, ClientSecret: &token.ClientSecret,
			RefreshToken: &token.RefreshToken, GrantType: aws.String("refresh_token")})
		var theirs *oidctypes.InvalidGrantException
		require.ErrorAs(t, sdkErr, &theirs)
		require.Equal(t, *theirs.Error_, ours.Code)
		require.Equal(t, *theirs.Error_description, ours.Message)
	})
}

// The device sign-in sends what the SDK's client of the OIDC service sends for it.
func TestDeviceSignInIsTheSDKs(t *testing.T) {
	t.Parallel()
	one, other := startCentre(t), startCentre(t)
	config := sdkConfig(one.url, nil)
	config.Region = ssoRegion
	oidc := ssooidc.NewFromConfig(config)
	registered, err := oidc.RegisterClient(t.Context(), &ssooidc.RegisterClientInput{ClientName: aws.String("realtest"), ClientType: aws.String("public"),
		Scopes: []string{"sso:account:access"}, GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}})
	require.NoError(t, err)
	device, err := oidc.StartDeviceAuthorization(t.Context(), &ssooidc.StartDeviceAuthorizationInput{ClientId: registered.ClientId,
		ClientSecret: registered.ClientSecret, StartUrl: aws.String(ssoStartURL)})
	require.NoError(t, err)
	require.True(t, one.Approve(*device.UserCode))
	theirs, err := oidc.CreateToken(t.Context(), &ssooidc.CreateTokenInput{ClientId: registered.ClientId, ClientSecret: registered.ClientSecret,
		DeviceCode: device.DeviceCode, GrantType: aws.String("urn:ietf:params:oauth:grant-type:device_code")})
	require.NoError(t, err)

	client := &sso.Client{Region: ssoRegion, OIDCEndpoint: other.url, Transport: newWire()}
	ours, err := client.SignIn(t.Context(), sso.SignInInput{ClientName: "realtest", StartURL: ssoStartURL, Show: func(d sso.Device) error {
		require.Equal(t, *device.UserCode, d.UserCode)
		require.Equal(t, *device.VerificationUri, d.VerificationURI)
		require.Equal(t, *device.VerificationUriComplete, d.VerificationURIComplete)
		require.True(t, other.Approve(d.UserCode))
		return nil
	}})
	require.NoError(t, err)
	require.Equal(t, one.take(), other.take())
	require.True(t, *theirs.AccessToken == ours.AccessToken && *theirs.RefreshToken == ours.RefreshToken, "the tokens differ")
	require.Equal(t, registered.ClientSecretExpiresAt, ours.RegistrationExpires.Unix())
}
