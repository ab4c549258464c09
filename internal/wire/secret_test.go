package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/wire"
)

func TestSecretName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X-Amz-Security-Token", "x-amz-s3session-token", "AccessToken", "access_token", "WebIdentityToken", "TokenCode", "X-Api-Key",
		"api_key", "Cookie", "Set-Cookie", "Authorization", "Proxy-Authorization", "X-Amz-Mfa", "X-Amz-Signature", "client_secret", "Password",
		"X-Amz-Server-Side-Encryption-Customer-Key", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key-Md5", "ClientTokenSecret", "SecretNextToken"} {
		require.True(t, wire.SecretName(name), name)
	}
	for _, name := range []string{"", "Host", "X-Amz-Date", "X-Amz-Credential", "ClientToken", "client-token", "X-Amzn-Client-Token", "ClientRequestToken",
		"NextToken", "nextToken", "next_token", "pageToken", "paginationToken", "continuation-token", "If-Match", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"} {
		require.False(t, wire.SecretName(name), name)
	}
}
