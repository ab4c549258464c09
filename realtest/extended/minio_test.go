package extended_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sts"
)

// MinIO looks at a role's ARN no further than at its form: a session has the permissions of whoever has assumed it.
const minioRole = "arn:aws:iam::123456789012:role/uploads"

// startMinIO starts STS and S3 in one, which verify every signature.
func startMinIO(t testing.TB, env ...string) *running {
	t.Helper()
	addr := freePort(t)
	r := server{part: minio, addr: addr, ready: "/minio/health/live",
		args: []string{"server", "--address", addr, t.TempDir()},
		env: append([]string{"MINIO_ROOT_USER=" + rootKey, "MINIO_ROOT_PASSWORD=" + rootSecret, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
			"MINIO_SITE_REGION=" + region}, env...)}.start(t)
	// It answers before it has read its users.
	client := &sts.Client{Region: region, Endpoint: r.url(), Credentials: static(rootKey, rootSecret), Transport: loopback(), MaxAttempts: 1}
	require.Eventually(t, func() bool {
		_, err := client.AssumeRole(t.Context(), sts.AssumeRoleInput{RoleARN: minioRole})
		return err == nil || !strings.Contains(err.Error(), "Server not initialized")
	}, patience, 20*time.Millisecond, "MinIO does not get ready:\n%s", r.output.String())
	return r
}

// stsAt has the variables of a machine whose STS is at url.
func stsAt(url string) map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL_STS": url, "AWS_REGION": region, "AWS_EC2_METADATA_DISABLED": "true"}
}

// requireSTSRefuses checks the code and the class of an error of STS.
func requireSTSRefuses(t testing.TB, err error, code string, class sts.Class) {
	t.Helper()
	requireFinal(t, err)
	var refusal *sts.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, code, refusal.Code, err)
	require.Equal(t, class, refusal.Class())
	require.NotContains(t, err.Error(), rootSecret)
}

func TestRoleFromCodeWorksAtS3(t *testing.T) {
	server := startMinIO(t)
	role := func(p *providers.AssumeRole) *credchain.Chain {
		p.RoleARN, p.System = minioRole, machine(t, t.TempDir(), stsAt(server.url()))
		if p.Source == nil {
			p.Source = static(rootKey, rootSecret)
		}
		return credchain.New(p)
	}
	full := role(&providers.AssumeRole{SessionName: "full", Duration: 20 * time.Minute})
	creds, err := retrieve(t, full)
	require.NoError(t, err)
	require.NotEqual(t, rootKey, creds.AccessKeyID)
	require.NotEmpty(t, creds.SessionToken)
	require.WithinDuration(t, time.Now().Add(20*time.Minute), creds.Expires, time.Minute)
	requireWorks(t, s3Client(server.url(), full), "papers")

	t.Run("cut down by a session policy", func(t *testing.T) {
		reader := s3Client(server.url(), role(&providers.AssumeRole{
			Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::papers"}]}`}))
		_, err := reader.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("papers")})
		require.NoError(t, err)
		_, err = reader.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("papers"), Key: aws.String("k"), Body: strings.NewReader("v")})
		requireS3Refuses(t, err, "AccessDenied")
	})
	t.Run("not without its session token", func(t *testing.T) {
		_, err := s3Client(server.url(), static(creds.AccessKeyID, creds.SecretAccessKey)).ListBuckets(t.Context(), nil)
		require.Error(t, err)
	})
	t.Run("not with another one's session token", func(t *testing.T) {
		other, err := retrieve(t, role(&providers.AssumeRole{SessionName: "other"}))
		require.NoError(t, err)
		mixed := creds
		mixed.SessionToken = other.SessionToken
		_, err = s3Client(server.url(), aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return mixed, nil })).ListBuckets(t.Context(), nil)
		require.Error(t, err)
	})
	t.Run("not with a wrong secret", func(t *testing.T) {
		_, err := retrieve(t, role(&providers.AssumeRole{Source: static(rootKey, rootSecret+"x")}))
		requireSTSRefuses(t, err, "AccessDenied", sts.ClassDenied) // MinIO has this code for all of it
		require.ErrorContains(t, err, "signature we calculated does not match")
	})
	t.Run("not with an unknown key", func(t *testing.T) {
		_, err := retrieve(t, role(&providers.AssumeRole{Source: static("AKIAEXTENDEDNOTTHERE", rootSecret)}))
		requireSTSRefuses(t, err, "AccessDenied", sts.ClassDenied)
		require.ErrorContains(t, err, "Access Key Id you provided does not exist")
	})
	t.Run("not from a session", func(t *testing.T) {
		_, err := retrieve(t, role(&providers.AssumeRole{Source: full}))
		requireSTSRefuses(t, err, "AccessDenied", sts.ClassDenied)
	})
	t.Run("not for less time than there is", func(t *testing.T) {
		_, err := retrieve(t, role(&providers.AssumeRole{Duration: time.Minute}))
		var bad *sts.InputError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, "Duration", bad.Field)
	})
}

func TestRoleFromProfileWorksAtS3(t *testing.T) {
	server := startMinIO(t)
	home := t.TempDir()
	writeFile(t, home, ".aws/credentials", "[keys]", "aws_access_key_id = "+rootKey, "aws_secret_access_key = "+rootSecret,
		"[wrong]", "aws_access_key_id = "+rootKey, "aws_secret_access_key = "+rootSecret+"x")
	writeFile(t, home, ".aws/config",
		"[profile uploads]", "role_arn = "+minioRole, "source_profile = keys", "role_session_name = uploader", "duration_seconds = 900",
		"services = here", "region = "+region,
		"[profile wrong-source]", "role_arn = "+minioRole, "source_profile = wrong", "services = here", "region = "+region,
		"[services here]", "sts =", "  endpoint_url = "+server.url())
	env := map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}
	chain := providers.Default(providers.Config{Profile: "uploads", System: machine(t, home, env)})
	requireWorks(t, s3Client(server.url(), chain), "papers")
	creds, err := retrieve(t, chain)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(15*time.Minute), creds.Expires, time.Minute)

	_, err = retrieve(t, providers.Default(providers.Config{Profile: "wrong-source", System: machine(t, home, env)}))
	requireFinal(t, err, "wrong-source", minioRole)
	requireSTSRefuses(t, err, "AccessDenied", sts.ClassDenied)

	// What the command exports, another program signs with.
	out, errs, err := run(t, []string{"HOME=" + home, "PATH=/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED=true"},
		commandPath(t), "export", "--profile", "uploads", "--format", "json")
	require.NoError(t, err, errs)
	var exported struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
		Token  string `json:"session_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &exported))
	other := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: exported.ID, SecretAccessKey: exported.Secret, SessionToken: exported.Token}, nil
	})
	_, err = s3Client(server.url(), other).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("papers")})
	require.NoError(t, err)
}
