package realtest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

// The issuer needs an address that versitygw agrees to fetch keys from, which a loopback one is not. This one is
// nobody's: it is for documentation (RFC 5737).
const (
	issuerAddress = "203.0.113.10"
	issuerURL     = "https://" + issuerAddress + "/id/CLUSTER"
	podSubject    = "system:serviceaccount:shop:cart"
	podAudience   = "sts.amazonaws.com"
)

// startIssuer serves issuer over TLS at its address, and returns the thumbprint by which IAM knows the certificate.
func startIssuer(t testing.TB, issuer *awstest.OIDC) (thumbprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	certificate := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(issuerAddress)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	require.NoError(t, err)
	l, err := tls.Listen("tcp", issuerAddress+":443", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	require.NoError(t, err)
	s := &http.Server{Handler: issuer, ReadHeaderTimeout: time.Minute}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	sum := sha1.Sum(der)
	return hex.EncodeToString(sum[:])
}

// trustIssuer makes the issuer known to the account, and a role that trusts its tokens for one subject.
func (a *ledger) trustIssuer(t testing.TB, thumbprint string) (provider string) {
	t.Helper()
	p, err := a.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(issuerURL), ClientIDList: []string{podAudience}, ThumbprintList: []string{thumbprint}})
	require.NoError(t, err)
	return *p.OpenIDConnectProviderArn
}

func (a *ledger) createRole(t testing.TB, name, provider, subject string) (arn string) {
	t.Helper()
	claim := strings.TrimPrefix(issuerURL, "https://")
	trust := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": %q},
		"Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {%q: %q, %q: %q}}}]}`,
		provider, claim+":sub", subject, claim+":aud", podAudience)
	r, err := a.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	require.NoError(t, err)
	_, err = a.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("all"),
		PolicyDocument: aws.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}`)})
	require.NoError(t, err)
	return *r.Role.Arn
}

// A pod with a service account's token: STS fetches the issuer's keys, verifies the token, asks the role's trust
// policy, and knows the session afterwards.
func TestWebIdentityAtRealSTS(t *testing.T) {
	t.Parallel()
	withAddresses(t, []string{issuerAddress}, []program{versitygw, credchainCLI}, testWebIdentity)
}

func testWebIdentity(t *testing.T) {
	issuer := &awstest.OIDC{Issuer: issuerURL}
	account := startIAM(t)
	provider := account.trustIssuer(t, startIssuer(t, issuer))
	role := account.createRole(t, "pod", provider, podSubject)
	closed := account.createRole(t, "closed", provider, "system:serviceaccount:shop:till")

	home := t.TempDir()
	file := filepath.Join(home, "token")
	write := func(token string) { require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600)) }
	good := func() string { return issuer.Token(awstest.Claims{Subject: podSubject}) }
	env := map[string]string{
		"AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": role, "AWS_ROLE_SESSION_NAME": "cart-7f",
		"AWS_ENDPOINT_URL_STS": account.url(), "AWS_REGION": region, "AWS_EC2_METADATA_DISABLED": "true",
	}
	const session = "arn:aws:sts::000000000000:assumed-role/pod/cart-7f"

	t.Run("the session is known by its name", func(t *testing.T) {
		for _, algorithm := range []string{"ES256", "RS256"} {
			write(issuer.Token(awstest.Claims{Subject: podSubject, Algorithm: algorithm}))
			chain, _ := newChain(t, env)
			creds, err := retrieve(t, chain)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(creds.AccessKeyID, "ASIA"), creds.AccessKeyID)
			require.Equal(t, "000000000000", creds.AccountID)
			require.True(t, creds.CanExpire)
			require.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, 5*time.Minute)
			identity, err := identify(t, account.url(), chain)
			require.NoError(t, err)
			require.Equal(t, session, identity.ARN)

			trace := chain.Explain(t.Context())
			require.Equal(t, credchain.Used, attempt(t, trace, "web-identity").Status)
			requireNoSecrets(t, trace, creds.SecretAccessKey, creds.SessionToken, good())
		}
		require.Positive(t, issuer.Count("GET", "/id/CLUSTER/keys"), "nobody has asked for the issuer's keys")
	})
	t.Run("as with the SDK", func(t *testing.T) {
		write(good())
		client := sdksts.NewFromConfig(sdkConfig(account.url(), nil))
		theirs := stscreds.NewWebIdentityRoleProvider(client, role, stscreds.IdentityTokenFile(file),
			func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = "cart-7f" })
		identity, err := identify(t, account.url(), aws.NewCredentialsCache(theirs))
		require.NoError(t, err)
		require.Equal(t, session, identity.ARN)
	})
	t.Run("and the command says so", func(t *testing.T) {
		write(good())
		stdout, stderr, err := run(t, environ(home, env), credchainCLI.path(t), "whoami")
		require.NoError(t, err, stderr)
		require.Contains(t, stdout, session)
	})
	t.Run("S3 takes the session", func(t *testing.T) {
		write(good())
		gateway := startS3(t, account)
		chain, _ := newChain(t, env)
		_, err := s3Client(gateway.url(), chain).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("orders")})
		require.NoError(t, err)
		stripped := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			creds, err := chain.Retrieve(ctx)
			creds.SessionToken = ""
			return creds, err
		})
		_, err = s3Client(gateway.url(), stripped).ListBuckets(t.Context(), nil)
		require.Error(t, err, "S3 does not look at the session token")
	})
	for _, tt := range []struct {
		name, role, token, code string
		class                   sts.Class
	}{
		{"a role that is not there", role + "s", good(), "AccessDenied", sts.ClassDenied},
		// AWS says AccessDenied of the next two as well.
		{"a role that trusts another", closed, good(), "InvalidIdentityToken", sts.ClassDenied},
		{"a token of somebody else", role, issuer.Token(awstest.Claims{Subject: "system:serviceaccount:shop:thief"}), "InvalidIdentityToken", sts.ClassDenied},
		{"a token for another audience", role, issuer.Token(awstest.Claims{Subject: podSubject, Audience: []string{"vault"}}), "InvalidIdentityToken", sts.ClassDenied},
		{"a corrupted signature", role, corrupted(good()), "InvalidIdentityToken", sts.ClassDenied},
		{"no signature", role, issuer.Token(awstest.Claims{Subject: podSubject, Algorithm: "none"}), "InvalidIdentityToken", sts.ClassDenied},
		{"another issuer's signature", role, (&awstest.OIDC{Issuer: issuerURL}).Token(awstest.Claims{Subject: podSubject}), "InvalidIdentityToken", sts.ClassDenied},
		{"no token at all", role, "not-a-token", "InvalidIdentityToken", sts.ClassDenied},
		{"a token that has expired", role, issuer.Token(awstest.Claims{Subject: podSubject, Issued: time.Now().Add(-2 * time.Hour),
			Expires: time.Now().Add(-time.Hour)}), "ExpiredTokenException", sts.ClassExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(tt.token)
			env := maps.Clone(env)
			env["AWS_ROLE_ARN"] = tt.role
			chain, _ := newChain(t, env)
			_, err := retrieve(t, chain)
			requireFinal(t, err, "AWS_WEB_IDENTITY_TOKEN_FILE", tt.role)
			var refusal *sts.Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, tt.code, refusal.Code)
			require.Equal(t, tt.class, refusal.Class())
			require.NotContains(t, err.Error(), tt.token)

			// In a home of its own: what the command keeps of a session before is another matter.
			_, stderr, err := run(t, environ(t.TempDir(), env), credchainCLI.path(t), "whoami")
			requireExit(t, 3, err, stderr)
			require.Contains(t, stderr, tt.code)
			require.NotContains(t, stderr, tt.token)
		})
	}
	// Kubernetes writes a new token into the file long before the old one ends.
	t.Run("the file is read anew", func(t *testing.T) {
		write(good())
		chain, _ := newChain(t, env)
		before, err := retrieve(t, chain)
		require.NoError(t, err)
		write(corrupted(good()))
		chain.Invalidate()
		_, err = retrieve(t, chain)
		requireFinal(t, err, "InvalidIdentityToken")
		write(good())
		chain.Invalidate() // the failure would be remembered for a moment
		after, err := retrieve(t, chain)
		require.NoError(t, err)
		require.NotEqual(t, before.AccessKeyID, after.AccessKeyID)
		identity, err := identify(t, account.url(), chain)
		require.NoError(t, err)
		require.Equal(t, session, identity.ARN)
	})
}

// corrupted changes one character in the middle of a token's signature.
func corrupted(token string) string {
	i := (strings.LastIndexByte(token, '.') + len(token)) / 2
	other := byte('A')
	if token[i] == other {
		other = 'B'
	}
	return token[:i] + string(other) + token[i+1:]
}

// environ is env as a program gets it.
func environ(home string, env map[string]string) []string {
	list := []string{"HOME=" + home, "PATH=/usr/bin:/bin"}
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}
