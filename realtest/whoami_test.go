package realtest_test

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/providers"
)

// requireExit checks that the command has failed as a source that is configured and does not work.
func requireExit(t testing.TB, code int, err error, stderr string) {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, stderr)
	require.Equal(t, code, exit.ExitCode(), stderr)
}

// keyFile writes a credentials file with one profile.
func keyFile(t testing.TB, home, profile, id, secret string) {
	t.Helper()
	writeFile(t, home, ".aws/credentials", "["+profile+"]", "aws_access_key_id = "+id, "aws_secret_access_key = "+secret)
}

func TestWhoamiSaysWhatIAMKnows(t *testing.T) {
	t.Parallel()
	account := startIAM(t)
	arn, id, secret := account.createUser(t, "ines")
	home := t.TempDir()
	keyFile(t, home, "work", id, secret)
	env := commandEnv(home, "AWS_PROFILE=work", "AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS="+account.url())
	whoami := func(more ...string) (string, string, error) {
		return run(t, env, credchainCLI.path(t), append([]string{"whoami"}, more...)...)
	}

	stdout, stderr, err := whoami()
	require.NoError(t, err, stderr)
	require.Contains(t, stdout, arn)
	stdout, stderr, err = whoami("--json")
	require.NoError(t, err, stderr)
	var document struct{ Account, ARN string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &document))
	require.Equal(t, arn, document.ARN)
	require.Equal(t, "000000000000", document.Account)
	require.NotContains(t, stdout+stderr, secret)

	keyFile(t, home, "work", id, secret+"x")
	stdout, stderr, err = whoami()
	requireExit(t, 3, err, stderr)
	require.Contains(t, stderr, "SignatureDoesNotMatch")
	require.NotContains(t, stdout+stderr, secret)

	keyFile(t, home, "work", "AKIAREALTESTNOTTHERE", secret)
	_, stderr, err = whoami()
	requireExit(t, 3, err, stderr)
	require.Contains(t, stderr, "InvalidClientTokenId")
	require.Contains(t, stderr, "does not know this access key")

	keyFile(t, home, "work", id, secret)
	account.deactivate(t, "ines", id)
	_, stderr, err = whoami()
	requireExit(t, 3, err, stderr)
	require.Contains(t, stderr, "InvalidClientTokenId")
	require.NotContains(t, stderr, secret)
}

// Keys are rotated as AWS advises: make the second, use it, take the first out of use.
func TestRotatedKeysAreTakenUp(t *testing.T) {
	t.Parallel()
	account := startIAM(t)
	arn, first, firstSecret := account.createUser(t, "jomo")
	system := machine(t, map[string]string{"AWS_PROFILE": "work", "AWS_REGION": region, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_STS": account.url()}, newWire())
	home, err := system.Home()
	require.NoError(t, err)
	keyFile(t, home, "work", first, firstSecret)
	chain := providers.Default(providers.Config{System: system})
	client, err := providers.STS(t.Context(), providers.Config{System: system})
	require.NoError(t, err)
	client.Credentials = chain
	identity, err := client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, arn, identity.ARN)

	key, err := account.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("jomo")})
	require.NoError(t, err)
	second, secondSecret := *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey
	keyFile(t, home, "work", second, secondSecret)
	account.deactivate(t, "jomo", first)
	_, err = client.GetCallerIdentity(t.Context())
	requireRefused(t, err, "InvalidClientTokenId", firstSecret)
	chain.Invalidate()
	identity, err = client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, arn, identity.ARN)
	creds, err := retrieve(t, chain)
	require.NoError(t, err)
	require.Equal(t, second, creds.AccessKeyID)

	_, err = account.iam.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("jomo"), AccessKeyId: &second})
	require.NoError(t, err)
	_, err = client.GetCallerIdentity(t.Context())
	requireRefused(t, err, "InvalidClientTokenId", secondSecret)
}
