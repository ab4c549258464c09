package extended_test

import (
	"net"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// startIAM starts versitygw's IAM, where roles are looked up.
func startIAM(t testing.TB) (*running, *iam.Client) {
	t.Helper()
	addr := freePort(t)
	r := server{part: versitygw, addr: addr, ready: "/healthz",
		args: []string{"-q", "--health", "/healthz", "-p", addr, "-a", rootKey, "-s", rootSecret, "iam", "--dir", t.TempDir()}}.start(t)
	return r, iam.NewFromConfig(sdkConfig(r.url(), static(rootKey, rootSecret)))
}

// startECSLocal starts AWS's stand-in for the endpoints of an ECS task, with the given keys for its own.
func startECSLocal(t testing.TB, env ...string) *running {
	t.Helper()
	addr := freePort(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	return server{part: ecsLocal, addr: addr, ready: "/",
		env: append([]string{"AWS_REGION=" + region, "ECS_LOCAL_METADATA_PORT=" + port}, env...)}.start(t)
}

// AWS's own endpoints look a role up in IAM, assume it at STS, and serve its credentials as an ECS task gets them.
func TestLocalECSEndpointsServeARole(t *testing.T) {
	directory, roles := startIAM(t)
	storage := startMinIO(t)
	trust := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}`
	role, err := roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("task"), AssumeRolePolicyDocument: &trust})
	require.NoError(t, err)
	endpoints := startECSLocal(t, "AWS_ACCESS_KEY_ID="+rootKey, "AWS_SECRET_ACCESS_KEY="+rootSecret,
		"IAM_ENDPOINT="+directory.url(), "STS_ENDPOINT="+storage.url())
	chain := func(path string) *credchain.Chain {
		return providers.Default(providers.Config{System: machine(t, t.TempDir(), map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoints.url() + path, "AWS_EC2_METADATA_DISABLED": "true"})})
	}
	for name, path := range map[string]string{"by-name": "/role/task", "by-arn": "/role-arn/" + *role.Role.Arn} {
		t.Run(name, func(t *testing.T) {
			c := chain(path)
			creds, err := retrieve(t, c)
			require.NoError(t, err)
			require.NotEmpty(t, creds.SessionToken)
			require.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, 10*time.Minute)
			requireWorks(t, s3Client(storage.url(), c), "task-"+name)
		})
	}
	t.Run("not one that is not there", func(t *testing.T) {
		_, err := retrieve(t, chain("/role/nobody"))
		requireFinal(t, err, endpoints.url()+"/role/nobody")
		require.NotContains(t, err.Error(), rootSecret)
	})
	t.Run("of the machine's own session", func(t *testing.T) {
		session, err := retrieve(t, chain("/role/task"))
		require.NoError(t, err)
		relay := startECSLocal(t, "AWS_ACCESS_KEY_ID="+session.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+session.SecretAccessKey,
			"AWS_SESSION_TOKEN="+session.SessionToken, "SHARED_TOKEN_EXPIRATION=1200")
		c := providers.Default(providers.Config{System: machine(t, t.TempDir(), map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": relay.url() + "/creds", "AWS_EC2_METADATA_DISABLED": "true"})})
		creds, err := retrieve(t, c)
		require.NoError(t, err)
		require.Equal(t, session.AccessKeyID, creds.AccessKeyID)
		require.WithinDuration(t, time.Now().Add(20*time.Minute), creds.Expires, time.Minute)
		requireWorks(t, s3Client(storage.url(), c), "relayed")
	})
}
