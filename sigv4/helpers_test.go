package sigv4_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// The credentials of AWS's documentation: of its general examples, and of those for S3.
var (
	documented   = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	documentedS3 = aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
)

var (
	at2015 = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	at2013 = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func request(t testing.TB, method, url string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// signature is the last part of Authorization.
func signature(r *http.Request) string {
	_, s, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	return s
}

func static(creds aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
}

// sent is r as a server receives it.
func sent(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	got, err := received(r)
	require.NoError(t, err)
	return got
}

// verifier looks up creds alone.
func verifier(creds aws.Credentials) *sigv4.Verifier {
	return &sigv4.Verifier{Credentials: func(_ context.Context, id, _ string) (aws.Credentials, error) {
		if id != creds.AccessKeyID {
			return aws.Credentials{}, errUnknown
		}
		return creds, nil
	}}
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}
