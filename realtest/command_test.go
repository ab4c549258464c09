package realtest_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// commandEnv is the whole environment of a program that a test runs.
func commandEnv(home string, more ...string) []string {
	return append([]string{"HOME=" + home, "PATH=/usr/bin:/bin", "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region}, more...)
}

// The SDK takes what the command prints: the other side of credential_process.
func TestSDKTakesTheCommandAsItsCredentialProcess(t *testing.T) {
	t.Parallel()
	given := instanceCredentials()
	simulator := instance{v2only: true, credentials: given}.start(t)
	command, home := credchainCLI.path(t), t.TempDir()
	got, err := retrieve(t, processcreds.NewProviderCommand(processcreds.NewCommandBuilderFunc(
		func(ctx context.Context) (*exec.Cmd, error) {
			cmd := exec.CommandContext(ctx, command, "export", "--format", "process")
			cmd.Env = commandEnv(home, metadataEndpoint+"="+simulator.url())
			return cmd, nil
		})))
	require.NoError(t, err)
	require.Equal(t, given["AccessKeyId"], got.AccessKeyID)
	require.Equal(t, given["SecretAccessKey"], got.SecretAccessKey)
	require.Equal(t, given["Token"], got.SessionToken)
	require.True(t, got.CanExpire)
	require.Equal(t, given["Expiration"], got.Expires.UTC().Format(time.RFC3339))
}

// No proxy can reach this machine's metadata service or container endpoint: it would reach its own, or nothing.
func TestCommandAsksTheFixedAddressesWithoutAProxy(t *testing.T) {
	t.Parallel()
	withAddresses(t, []string{metadataAddress, ecsAddress}, []program{metadataMock, ecsAgent, credchainCLI}, func(t *testing.T) {
		instance{v2only: true, addr: metadataAddress + ":80"}.start(t)
		startECSAgent(t, ecsAddress+":80")
		env := []string{"HOME=" + t.TempDir(), "HTTP_PROXY=http://127.0.0.1:9", "http_proxy=http://127.0.0.1:9"}
		for _, tt := range []struct {
			env  []string
			want any
		}{
			{env, instanceCredentials()["AccessKeyId"]},
			{append(env, relativeURI+"="+taskPath), taskCredentials.AccessKeyId},
		} {
			stdout, stderr, err := run(t, tt.env, credchainCLI.path(t), "export", "--format", "process")
			require.NoError(t, err, stderr)
			var document struct{ AccessKeyId string }
			require.NoError(t, json.Unmarshal([]byte(stdout), &document))
			require.Equal(t, tt.want, document.AccessKeyId)
		}
	})
}

// findAWS returns the AWS CLI and the directory that its launcher may need on PATH.
func findAWS(t testing.TB) (aws, dir string) {
	t.Helper()
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skipf("skipped: no AWS CLI: %v", err)
	}
	return aws, filepath.Dir(aws)
}

// The AWS CLI runs the command for its credentials, signs with them, and STS knows whose they are.
func TestAWSCLITakesTheCommandAsItsCredentialProcess(t *testing.T) {
	t.Parallel()
	aws, dir := findAWS(t)
	iam := startIAM(t)
	arn, id, secret := iam.createUser(t, "hana")
	home := t.TempDir()
	writeFile(t, home, ".aws/credentials", "[source]", "aws_access_key_id = "+id, "aws_secret_access_key = "+secret)
	writeFile(t, home, ".aws/config", "[profile through]",
		"credential_process = "+credchainCLI.path(t)+" export --profile source --format process")
	env := commandEnv(home, "AWS_PROFILE=through", "AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS="+iam.url())
	env = append(env, "PATH="+dir+":/usr/bin:/bin")

	// The flag says what the variable says, for versions that do not read it: they would ask AWS.
	stdout, stderr, err := run(t, env, aws, "sts", "get-caller-identity", "--output", "json", "--endpoint-url", iam.url())
	require.NoError(t, err, stderr)
	var identity struct{ Arn string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &identity))
	require.Equal(t, arn, identity.Arn)

	iam.deactivate(t, "hana", id)
	_, stderr, err = run(t, env, aws, "sts", "get-caller-identity", "--output", "json", "--endpoint-url", iam.url())
	require.Error(t, err)
	require.Contains(t, stderr, "InvalidClientTokenId")
}

// The AWS CLI as somebody whose role the command has assumed for it, at an STS that verifies both signatures.
func TestAWSCLIIsTheRoleThatTheCommandAssumes(t *testing.T) {
	t.Parallel()
	aws, dir := findAWS(t)
	user := awstest.LongTerm("kofi")
	service := &awstest.STS{
		Principals: []awstest.Principal{{ARN: "arn:aws:iam::" + diffAccount + ":user/kofi", Credentials: user}},
		Roles: []awstest.Role{
			{ARN: "arn:aws:iam::" + diffAccount + ":role/hop", Trust: []string{"arn:aws:iam::" + diffAccount + ":user/kofi"}},
			{ARN: "arn:aws:iam::" + diffAccount + ":role/path/deploy", Trust: []string{"arn:aws:iam::" + diffAccount + ":role/hop"}, ExternalID: "third-party"},
		},
	}
	endpoint, home := awstest.Serve(t, service), t.TempDir()
	keyFile(t, home, "keys", user.AccessKeyID, user.SecretAccessKey)
	writeFile(t, home, ".aws/config",
		"[profile hop]", "role_arn = arn:aws:iam::"+diffAccount+":role/hop", "source_profile = keys",
		"[profile deploy]", "role_arn = arn:aws:iam::"+diffAccount+":role/path/deploy", "source_profile = hop", "external_id = third-party", "role_session_name = release-7",
		"[profile through]", "credential_process = "+credchainCLI.path(t)+" export --profile deploy",
		"[profile refused]", "credential_process = "+credchainCLI.path(t)+" export --profile stranger",
		"[profile stranger]", "role_arn = arn:aws:iam::"+diffAccount+":role/path/deploy", "source_profile = keys", "external_id = third-party")
	env := commandEnv(home, "AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS="+endpoint)
	env = append(env, "PATH="+dir+":/usr/bin:/bin")

	stdout, stderr, err := run(t, env, aws, "sts", "get-caller-identity", "--profile", "through", "--output", "json", "--endpoint-url", endpoint)
	require.NoError(t, err, stderr)
	var identity struct{ Arn, Account string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &identity))
	require.Equal(t, "arn:aws:sts::"+diffAccount+":assumed-role/deploy/release-7", identity.Arn)
	require.Equal(t, diffAccount, identity.Account)
	require.Equal(t, 2, service.Calls("AssumeRole"))
	require.Equal(t, 1, service.Calls("GetCallerIdentity"))

	// Its own chain comes to the same.
	stdout, stderr, err = run(t, env, aws, "sts", "get-caller-identity", "--profile", "deploy", "--output", "json", "--endpoint-url", endpoint)
	require.NoError(t, err, stderr)
	require.Contains(t, stdout, identity.Arn)

	_, stderr, err = run(t, env, aws, "sts", "get-caller-identity", "--profile", "refused", "--output", "json", "--endpoint-url", endpoint)
	require.Error(t, err)
	require.Contains(t, stderr, "AccessDenied", "the AWS CLI shows what the command has written to standard error")
	require.NotContains(t, stderr, user.SecretAccessKey)
}

// What the command says of the instance's role, the AWS CLI must find as well, and nothing else.
func TestCommandExplainsWhatTheAWSCLIFinds(t *testing.T) {
	t.Parallel()
	aws, dir := findAWS(t)
	simulator := instance{v2only: true}.start(t)
	home := t.TempDir()
	env := commandEnv(home, metadataEndpoint+"="+simulator.url()+"/") // the slash is for versions that append to it
	stdout, stderr, err := run(t, append(env, "PATH="+dir+":/usr/bin:/bin"), aws, "configure", "list")
	require.NoError(t, err, stderr)
	require.Contains(t, stdout, "iam-role")

	stdout, stderr, err = run(t, env, credchainCLI.path(t), "explain", "--json")
	require.NoError(t, err, stderr)
	require.Equal(t, "instance-profile", usedLink(t, stdout))
	for _, secret := range []string{"instance-secret", "instance-session-token"} {
		require.NotContains(t, stdout+stderr, secret)
	}
}

// usedLink returns the one link that a report of explain calls used.
func usedLink(t testing.TB, report string) string {
	t.Helper()
	var document struct {
		Attempts []struct{ Provider, Status string }
	}
	require.NoError(t, json.Unmarshal([]byte(report), &document))
	var used []string
	for _, a := range document.Attempts {
		if a.Status == "used" {
			used = append(used, a.Provider)
		}
	}
	require.Len(t, used, 1)
	return used[0]
}
