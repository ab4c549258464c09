package realtest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/sts"
)

// The account owner of every versitygw here, and the account that versitygw has.
const (
	rootKey    = "rootkey"
	rootSecret = "rootsecret123"
	account    = "000000000000"
	region     = "us-east-1"
)

// A ledger is a running versitygw with IAM and STS, which verify every signature.
type ledger struct {
	*running
	socket string // where an S3 gateway asks who a key belongs to
	iam    *iam.Client
}

func startIAM(t testing.TB) *ledger {
	t.Helper()
	dir, err := os.MkdirTemp("", "iam") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	data := t.TempDir()
	r := server{program: versitygw, ready: "/healthz", args: func(host, port string) []string {
		return []string{"-q", "--health", "/healthz", "-p", host + ":" + port, "-a", rootKey, "-s", rootSecret,
			"iam", "--dir", data, "--private-ports", socket}
	}}.start(t)
	return &ledger{r, socket, iam.NewFromConfig(sdkConfig(r.url(), static(rootKey, rootSecret)))}
}

// sdkConfig is how a program sets the SDK up to use a chain. It takes nothing from the environment.
func sdkConfig(endpoint string, credentials aws.CredentialsProvider) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: &endpoint, Credentials: credentials,
		HTTPClient: httpClient(), RetryMaxAttempts: 1}
}

// createUser makes an IAM user who may do anything, and returns the user's ARN and access key.
func (a *ledger) createUser(t testing.TB, name string) (arn, id, secret string) {
	t.Helper()
	user, err := a.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name})
	require.NoError(t, err)
	_, err = a.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("all"),
		PolicyDocument: aws.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`)})
	require.NoError(t, err)
	key, err := a.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	require.NoError(t, err)
	return *user.User.Arn, *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey
}

func (a *ledger) deactivate(t testing.TB, name, id string) {
	t.Helper()
	_, err := a.iam.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: &name, AccessKeyId: &id,
		Status: iamtypes.StatusTypeInactive})
	require.NoError(t, err)
}

// environmentKeys turns the metadata service off, so that nothing but the keys is looked at.
func environmentKeys(id, secret string) map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true"}
}

// identify asks STS whose credentials these are, by our client and by the SDK's, which must agree.
func identify(t testing.TB, endpoint string, credentials aws.CredentialsProvider) (sts.Identity, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ours := &sts.Client{Region: region, Credentials: credentials, Endpoint: endpoint, Transport: newWire()}
	identity, err := ours.GetCallerIdentity(ctx)
	theirs, sdkErr := sdksts.NewFromConfig(sdkConfig(endpoint, credentials)).GetCallerIdentity(ctx, nil)
	if err == nil {
		require.NoError(t, sdkErr)
		require.Equal(t, sts.Identity{Account: *theirs.Account, ARN: *theirs.Arn, UserID: *theirs.UserId}, identity)
		return identity, nil
	}
	var refusal *sts.Error
	var sdkRefusal smithy.APIError
	require.ErrorAs(t, err, &refusal)
	require.ErrorAs(t, sdkErr, &sdkRefusal)
	require.Equal(t, sdkRefusal.ErrorCode(), refusal.Code)
	require.Equal(t, sdkRefusal.ErrorMessage(), refusal.Message)
	return sts.Identity{}, err
}

func requireRefused(t testing.TB, err error, code, secret string) {
	t.Helper()
	var refusal *sts.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, code, refusal.Code)
	require.Equal(t, sts.ClassDenied, refusal.Class())
	require.Equal(t, 403, refusal.StatusCode)
	require.NotEmpty(t, refusal.RequestID)
	require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	require.NotContains(t, err.Error(), secret)
}

func TestSTSKnowsTheUserWhoseKeysTheChainFinds(t *testing.T) {
	t.Parallel()
	iam := startIAM(t)
	arn, id, secret := iam.createUser(t, "amara")
	chain, _ := newChain(t, environmentKeys(id, secret))
	identity, err := identify(t, iam.url(), chain)
	require.NoError(t, err)
	require.Equal(t, arn, identity.ARN)
	require.Equal(t, account, identity.Account)

	t.Run("and the account's owner", func(t *testing.T) {
		t.Parallel()
		chain, _ := newChain(t, environmentKeys(rootKey, rootSecret))
		identity, err := identify(t, iam.url(), chain)
		require.NoError(t, err)
		require.Equal(t, "arn:aws:iam::"+account+":root", identity.ARN)
	})
}

func TestSTSRefuses(t *testing.T) {
	t.Parallel()
	iam := startIAM(t)
	_, id, secret := iam.createUser(t, "bela")
	_, inactive, inactiveSecret := iam.createUser(t, "chidi")
	iam.deactivate(t, "chidi", inactive)
	for _, tt := range []struct{ name, id, secret, code string }{
		{"a wrong secret", id, secret + "x", "SignatureDoesNotMatch"},
		{"another user's secret", id, inactiveSecret, "SignatureDoesNotMatch"},
		{"an unknown key", "AKIAREALTESTNOTTHERE", secret, "InvalidClientTokenId"},
		{"an inactive key", inactive, inactiveSecret, "InvalidClientTokenId"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			chain, _ := newChain(t, environmentKeys(tt.id, tt.secret))
			_, err := identify(t, iam.url(), chain)
			requireRefused(t, err, tt.code, tt.secret)
		})
	}
	t.Run("a session token that it did not issue", func(t *testing.T) {
		t.Parallel()
		env := environmentKeys(id, secret)
		env["AWS_SESSION_TOKEN"] = "not-a-session-token"
		chain, _ := newChain(t, env)
		_, err := identify(t, iam.url(), chain)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "not-a-session-token")
	})
	t.Run("a request for another region", func(t *testing.T) {
		t.Parallel()
		chain, _ := newChain(t, environmentKeys(id, secret))
		client := &sts.Client{Region: "eu-central-1", Credentials: chain, Endpoint: iam.url(), Transport: newWire()}
		_, err := client.GetCallerIdentity(t.Context())
		var refusal *sts.Error
		require.ErrorAs(t, err, &refusal)
	})
}

// A key that is deactivated, and a secret that changes, take effect at once: nothing that was derived from the
// old secret may be remembered under the access key's ID.
func TestSTSClientSignsWithTheCredentialsOfTheMoment(t *testing.T) {
	t.Parallel()
	iam := startIAM(t)
	arn, id, secret := iam.createUser(t, "dana")
	env := environmentKeys(id, secret)
	chain, _ := newChain(t, env)
	client := &sts.Client{Region: region, Credentials: chain, Endpoint: iam.url(), Transport: newWire()}
	identity, err := client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, arn, identity.ARN)

	env["AWS_SECRET_ACCESS_KEY"] = secret + "x"
	chain.Invalidate()
	_, err = client.GetCallerIdentity(t.Context())
	requireRefused(t, err, "SignatureDoesNotMatch", secret)

	env["AWS_SECRET_ACCESS_KEY"] = secret
	chain.Invalidate()
	_, err = client.GetCallerIdentity(t.Context())
	require.NoError(t, err)

	iam.deactivate(t, "dana", id)
	_, err = client.GetCallerIdentity(t.Context())
	requireRefused(t, err, "InvalidClientTokenId", secret)
}
