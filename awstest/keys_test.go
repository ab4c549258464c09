package awstest_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

func TestKeysHaveTheShapeOfRealOnes(t *testing.T) {
	t.Parallel()
	expires := time.Date(2030, 1, 2, 3, 4, 5, 678, time.UTC)
	long, temporary := awstest.LongTerm("app"), awstest.Temporary("app", expires)
	require.Regexp(t, regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`), long.AccessKeyID)
	require.Regexp(t, regexp.MustCompile(`^ASIA[A-Z2-7]{16}$`), temporary.AccessKeyID)
	require.Len(t, long.SecretAccessKey, 40)
	require.Len(t, temporary.SecretAccessKey, 40)
	require.Empty(t, long.SessionToken)
	require.False(t, long.CanExpire)
	require.True(t, temporary.CanExpire)
	require.Equal(t, expires.Truncate(time.Second), temporary.Expires)
	for _, secret := range []string{long.SecretAccessKey, temporary.SecretAccessKey, temporary.SessionToken} {
		require.True(t, strings.HasPrefix(secret, awstest.Canary))
	}
	require.NotContains(t, strings.ToLower(long.AccessKeyID+temporary.AccessKeyID), awstest.Canary)
}

func TestKeysDependOnTheNameAlone(t *testing.T) {
	t.Parallel()
	require.Equal(t, awstest.LongTerm("a"), awstest.LongTerm("a"))
	seen := make(map[string]bool)
	for _, name := range []string{"a", "b"} {
		long, temporary := awstest.LongTerm(name), awstest.Temporary(name, time.Time{})
		for _, value := range []string{
			long.AccessKeyID, long.SecretAccessKey,
			temporary.AccessKeyID, temporary.SecretAccessKey, temporary.SessionToken,
		} {
			require.False(t, seen[value], value)
			seen[value] = true
		}
	}
}
