package realtest_test

import (
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/providers"
)

// startS3 starts an S3 gateway that knows the users of the given account.
func startS3(t testing.TB, users *ledger) *running {
	t.Helper()
	data := t.TempDir()
	return server{program: versitygw, ready: "/healthz", args: func(host, port string) []string {
		return []string{"-q", "--health", "/healthz", "-p", host + ":" + port, "-a", rootKey, "-s", rootSecret,
			"--iam-standalone-endpoint", users.socket, "posix", data}
	}}.start(t)
}

func s3Client(endpoint string, credentials aws.CredentialsProvider) *s3.Client {
	return s3.NewFromConfig(sdkConfig(endpoint, credentials), func(o *s3.Options) { o.UsePathStyle = true })
}

// An ordinary program: the SDK's S3 client with a chain for its credentials, which come from a shared file.
func TestS3ClientWorksWithAChain(t *testing.T) {
	t.Parallel()
	iam := startIAM(t)
	gateway := startS3(t, iam)
	_, id, secret := iam.createUser(t, "emeka")
	system := machine(t, map[string]string{"AWS_PROFILE": "work", "AWS_EC2_METADATA_DISABLED": "true"}, newWire())
	home, err := system.Home()
	require.NoError(t, err)
	writeFile(t, home, ".aws/credentials", "[work]", "aws_access_key_id = "+id, "aws_secret_access_key = "+secret)
	chain := providers.Default(providers.Config{System: system})
	client := s3Client(gateway.url(), chain)

	bucket, key := aws.String("papers"), aws.String("2026/a b+c~d/€.txt")
	_, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket})
	require.NoError(t, err)
	_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("kept")})
	require.NoError(t, err)
	object, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	require.NoError(t, err)
	defer object.Body.Close()
	body, err := io.ReadAll(object.Body)
	require.NoError(t, err)
	require.Equal(t, "kept", string(body))

	iam.deactivate(t, "emeka", id)
	_, err = client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	var refusal smithy.APIError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "InvalidAccessKeyId", refusal.ErrorCode())
}

func TestS3RefusesAWrongSecretFromAChain(t *testing.T) {
	t.Parallel()
	iam := startIAM(t)
	gateway := startS3(t, iam)
	_, id, secret := iam.createUser(t, "farah")
	chain, _ := newChain(t, environmentKeys(id, secret+"x"))
	_, err := s3Client(gateway.url(), chain).ListBuckets(t.Context(), nil)
	var refusal smithy.APIError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "SignatureDoesNotMatch", refusal.ErrorCode())
	require.NotContains(t, err.Error(), secret)
}
