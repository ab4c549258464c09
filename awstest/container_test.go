package awstest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const podIdentity = "http://169.254.170.23"

func container(c *awstest.Container) http.RoundTripper {
	return awstest.Transport(map[string]http.Handler{"169.254.170.23": c})
}

func TestContainerRefusals(t *testing.T) {
	t.Parallel()
	keys := awstest.LongTerm("app")
	for _, tt := range []struct {
		name   string
		fake   *awstest.Container
		method string
		path   string
		header []string
		status int
		code   string
	}{
		{"other path", &awstest.Container{Credentials: keys}, "GET", "/v2/credentials/x", nil, 400, "InvalidIdInRequest"},
		{"default path not used", &awstest.Container{Credentials: keys, Path: "/a"}, "GET", "/v1/credentials", nil, 400, "InvalidIdInRequest"},
		{"method", &awstest.Container{Credentials: keys}, "POST", "/v1/credentials", nil, 405, "MethodNotAllowed"},
		{"no token", &awstest.Container{Credentials: keys, AuthorizationToken: "t"}, "GET", "/v1/credentials", nil, 401, "AuthorizationTokenMissing"},
		{"wrong token", &awstest.Container{Credentials: keys, AuthorizationToken: "t"}, "GET", "/v1/credentials",
			[]string{"Authorization", "T"}, 403, "AuthorizationTokenInvalid"},
		{"a scheme is not added", &awstest.Container{Credentials: keys, AuthorizationToken: "t"}, "GET", "/v1/credentials",
			[]string{"Authorization", "Bearer t"}, 403, "AuthorizationTokenInvalid"},
		{"no keys yet", &awstest.Container{}, "GET", "/v1/credentials", nil, 503, "CredentialsUninitialized"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, container(tt.fake), tt.method, podIdentity+tt.path, tt.header...)
			require.Equal(t, tt.status, got.status)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.Contains(t, got.body, `"code":"`+tt.code+`","message":"`)
			require.NotContains(t, got.body, awstest.Canary)
		})
	}
}

func TestContainerCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		expires := time.Now().Add(time.Hour)
		creds := awstest.Temporary("app", expires)
		creds.AccountID = "111122223333"
		c := &awstest.Container{Path: "/v2/credentials/id", Credentials: creds, RoleARN: "arn:aws:iam::111122223333:role/app"}
		url := podIdentity + "/v2/credentials/id"
		require.Empty(t, cmp.Diff(map[string]string{
			"RoleArn": c.RoleARN, "AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey,
			"Token": creds.SessionToken, "Expiration": expires.UTC().Format(time.RFC3339), "AccountId": "111122223333",
		}, object(t, ask(t, container(c), "GET", url+"?query=ignored"))))

		next := awstest.LongTerm("next")
		c.Rotate(next)
		got := object(t, ask(t, container(c), "GET", url))
		require.Equal(t, next.AccessKeyID, got["AccessKeyId"])
		require.NotContains(t, got, "AccountId")
		require.Equal(t, time.Now().Add(6*time.Hour).UTC().Format(time.RFC3339), got["Expiration"])

		c.SetAuthorizationToken("second")
		require.Equal(t, 401, ask(t, container(c), "GET", url).status)
		require.Equal(t, 200, ask(t, container(c), "GET", url, "Authorization", "second").status)
		require.Equal(t, next.AccessKeyID, object(t, ask(t, container(c), "GET", url, "Authorization", "second"))["AccessKeyId"])
		c.SetAuthorizationToken("third")
		require.Equal(t, 403, ask(t, container(c), "GET", url, "Authorization", "second").status)

		c.Rotate(aws.Credentials{})
		require.Equal(t, 503, ask(t, container(c), "GET", url, "Authorization", "third").status)
		last := c.Requests()[len(c.Requests())-1]
		require.Equal(t, awstest.Request{Method: "GET", Path: "/v2/credentials/id", Authorized: true, Status: 503}, last)
	})
}
