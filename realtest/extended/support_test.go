package extended_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// The owner of every server here, and their region.
const (
	rootKey    = "rootkey"
	rootSecret = "rootsecret123"
	region     = "us-east-1"
)

// patience is far more than anything here should take.
const patience = 30 * time.Second

// machine is a System with these variables and files in an empty home, and no way out but to loopback addresses.
func machine(t testing.TB, home string, env map[string]string) providers.System {
	t.Helper()
	return providers.System{
		Getenv:    func(name string) string { return env[name] },
		Home:      func() (string, error) { return home, nil },
		Transport: loopback(),
		LookupHost: func(_ context.Context, host string) ([]string, error) {
			return nil, fmt.Errorf("looked up %s", host)
		},
	}
}

// loopback carries requests to loopback addresses, without a proxy, and refuses any other.
func loopback() *http.Transport {
	dialer := net.Dialer{Timeout: time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().IsLoopback() {
			return fmt.Errorf("a test wanted to connect to %s", address)
		}
		return nil
	}}
	return &http.Transport{DialContext: dialer.DialContext, DisableCompression: true}
}

func static(id, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, Source: "extended"}, nil
	})
}

func sdkConfig(endpoint string, credentials aws.CredentialsProvider) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: &endpoint, Credentials: credentials,
		HTTPClient: &http.Client{Transport: loopback()}, RetryMaxAttempts: 1}
}

func s3Client(endpoint string, credentials aws.CredentialsProvider) *s3.Client {
	return s3.NewFromConfig(sdkConfig(endpoint, credentials), func(o *s3.Options) { o.UsePathStyle = true })
}

// requireWorks does with S3 what a program does: it makes a bucket, puts something into it, and gets it back.
func requireWorks(t testing.TB, client *s3.Client, bucket string) {
	t.Helper()
	key := aws.String("2026/a b+c~d/€.txt")
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err)
	_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: key, Body: strings.NewReader("kept")})
	require.NoError(t, err)
	object, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: key})
	require.NoError(t, err)
	defer object.Body.Close()
	body, err := io.ReadAll(object.Body)
	require.NoError(t, err)
	require.Equal(t, "kept", string(body))
}

// requireS3Refuses checks the code with which S3 refuses a call.
func requireS3Refuses(t testing.TB, err error, code string) {
	t.Helper()
	var refusal smithy.APIError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, code, refusal.ErrorCode())
}

// requireFinal checks that err ends a walk, and says all of what.
func requireFinal(t testing.TB, err error, what ...string) {
	t.Helper()
	require.Error(t, err)
	require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	for _, w := range what {
		require.ErrorContains(t, err, w)
	}
}

func retrieve(t testing.TB, p aws.CredentialsProvider) (aws.Credentials, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return p.Retrieve(ctx)
}

func writeFile(t testing.TB, dir, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}
