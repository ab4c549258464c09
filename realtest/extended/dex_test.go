package extended_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sts"
)

// The client of the issuer, and the one person that it knows.
const (
	clientID     = "sts.amazonaws.com"
	clientSecret = "client-secret"
	person       = "pod@example.com"
	password     = "password"
	passwordHash = "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W" // of the word above, as in dex's own examples
)

// An issuer is a running dex.
type issuer struct {
	*running
	lifetime time.Duration // of its tokens
}

func startDex(t testing.TB, lifetime time.Duration) *issuer {
	t.Helper()
	addr := freePort(t)
	config := writeFile(t, t.TempDir(), "dex.yaml",
		"issuer: http://"+addr+"/dex",
		"storage: {type: memory}",
		"web: {http: "+addr+"}",
		"oauth2: {passwordConnector: local, skipApprovalScreen: true}",
		"expiry: {idTokens: "+lifetime.String()+"}",
		"enablePasswordDB: true",
		"staticClients: [{id: "+clientID+", secret: "+clientSecret+", name: extended, redirectURIs: ['http://127.0.0.1/']}]",
		"staticPasswords: [{email: "+person+", hash: '"+passwordHash+"', username: pod, userID: pod}]")
	return &issuer{server{part: dex, addr: addr, ready: "/dex/healthz", args: []string{"serve", config}}.start(t), lifetime}
}

// token signs the person in.
func (i *issuer) token(t testing.TB) string {
	t.Helper()
	form := url.Values{"grant_type": {"password"}, "username": {person}, "password": {password}, "scope": {"openid"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.url()+"/dex/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(clientID, clientSecret)
	resp, err := (&http.Client{Transport: loopback()}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var document struct {
		Token string `json:"id_token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&document))
	require.NotEmpty(t, document.Token)
	return document.Token
}

// minioRoles is how MinIO says which role it has made for the tokens of an issuer.
var minioRoles = regexp.MustCompile(`arn:minio:iam:[^:]*::role/\S+`)

func startMinIOWith(t testing.TB, i *issuer) (server *running, role string) {
	t.Helper()
	server = startMinIO(t, "MINIO_IDENTITY_OPENID_CONFIG_URL="+i.url()+"/dex/.well-known/openid-configuration",
		"MINIO_IDENTITY_OPENID_CLIENT_ID="+clientID, "MINIO_IDENTITY_OPENID_CLIENT_SECRET="+clientSecret,
		"MINIO_IDENTITY_OPENID_ROLE_POLICY=readwrite")
	require.Eventually(t, func() bool {
		role = minioRoles.FindString(server.output.String())
		return role != ""
	}, patience, 10*time.Millisecond, "MinIO names no role:\n%s", server.output.String())
	return server, role
}

// A token of an issuer that nobody here wrote, at an STS that fetches its keys, and the session at S3.
func TestTokenOfDexWorksAtS3(t *testing.T) {
	issuer := startDex(t, time.Hour)
	server, role := startMinIOWith(t, issuer)
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) { require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600)) }
	env := stsAt(server.url())
	env["AWS_WEB_IDENTITY_TOKEN_FILE"], env["AWS_ROLE_ARN"], env["AWS_ROLE_SESSION_NAME"] = file, role, "pod"
	system := machine(t, t.TempDir(), env)

	token := issuer.token(t)
	write(token)
	chain := providers.Default(providers.Config{System: system})
	requireWorks(t, s3Client(server.url(), chain), "orders")
	trace := chain.Explain(t.Context())
	require.NotContains(t, trace.String(), token)

	t.Run("with a new token in the file", func(t *testing.T) {
		before, err := retrieve(t, chain)
		require.NoError(t, err)
		write(issuer.token(t))
		chain.Invalidate()
		after, err := retrieve(t, chain)
		require.NoError(t, err)
		require.NotEqual(t, before.AccessKeyID, after.AccessKeyID)
		requireWorks(t, s3Client(server.url(), chain), "more-orders")
	})
	t.Run("by a profile", func(t *testing.T) {
		home := t.TempDir()
		writeFile(t, home, ".aws/config", "[profile pod]", "role_arn = "+role, "web_identity_token_file = "+file, "duration_seconds = 1800")
		chain := providers.Default(providers.Config{Profile: "pod", System: machine(t, home, stsAt(server.url()))})
		creds, err := retrieve(t, chain)
		require.NoError(t, err)
		require.Greater(t, time.Until(creds.Expires), 10*time.Minute)
		requireWorks(t, s3Client(server.url(), chain), "by-profile")
	})
	t.Run("not if the signature is wrong", func(t *testing.T) {
		i := (strings.LastIndexByte(token, '.') + len(token)) / 2
		other := "A"
		if token[i] == 'A' {
			other = "B"
		}
		write(token[:i] + other + token[i+1:])
		_, err := retrieve(t, providers.Default(providers.Config{System: system}))
		requireFinal(t, err, "AWS_WEB_IDENTITY_TOKEN_FILE", role)
		var refusal *sts.Error
		require.ErrorAs(t, err, &refusal)
		require.Contains(t, []sts.Class{sts.ClassDenied, sts.ClassInput}, refusal.Class(), "code %s", refusal.Code)
		require.NotContains(t, err.Error(), token[:40])
	})
	t.Run("not for a role that is not there", func(t *testing.T) {
		write(token)
		_, err := retrieve(t, &providers.WebIdentity{TokenFile: file, RoleARN: role[:len(role)-3] + "AAA", System: machine(t, t.TempDir(), stsAt(server.url()))})
		requireFinal(t, err)
		require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	})
}

// A token is short-lived here, so that one can be seen to end.
func TestExpiredTokenOfDexIsRefused(t *testing.T) {
	issuer := startDex(t, 3*time.Second)
	server, role := startMinIOWith(t, issuer)
	file := filepath.Join(t.TempDir(), "token")
	token := issuer.token(t)
	require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
	ended := time.Now().Add(issuer.lifetime + time.Second)
	p := &providers.WebIdentity{TokenFile: file, RoleARN: role, System: machine(t, t.TempDir(), stsAt(server.url()))}
	for time.Now().Before(ended) { // by the clock that the servers go by as well
		time.Sleep(50 * time.Millisecond)
	}
	_, err := retrieve(t, p)
	requireSTSRefuses(t, err, "InvalidParameterValue", sts.ClassInput) // so MinIO; AWS says ExpiredTokenException
	require.ErrorContains(t, err, "expired")
	require.NotContains(t, err.Error(), token)

	require.NoError(t, os.WriteFile(file, []byte(issuer.token(t)), 0o600))
	_, err = retrieve(t, p)
	require.NoError(t, err, "the file is read anew")
}
