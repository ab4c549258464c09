package entry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store/internal/entry"
)

const cli = `{"Credentials": {"AccessKeyId": "ASIA1", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2026-01-02T12:00:00UTC"}, ` +
	`"AssumedRoleUser": {"AssumedRoleId": "AROA:x", "Arn": "arn:aws:sts::210987654321:assumed-role/r/x"}, "ResponseMetadata": {"RetryAttempts": 0}}`

func TestTimes(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for at, want := range map[string]time.Time{
		"2026-01-02T12:00:00UTC": noon, "2026-01-02T12:00:00Z": noon, "2026-01-02T14:00:00+02:00": noon, "2026-01-02T14:00:00+0200": noon,
		"2026-01-02T12:00:00.5UTC": noon.Add(time.Second / 2),
		"2026-01-02T12:00:00":      {}, "2026-01-02T12:00:00UTCUTC": {}, "UTC": {}, "": {}, "0001-01-01T00:00:00Z": {}, "9999-12-31T23:59:59-01:00": {},
	} {
		e, err := entry.Parse([]byte(strings.Replace(cli, "2026-01-02T12:00:00UTC", at, 1)), "k", true)
		require.Equal(t, want.IsZero(), err != nil, at)
		require.Equal(t, want, e.Credentials.Expires, at)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(cli), "k", true)
	f.Add([]byte(strings.Replace(cli, `"ResponseMetadata"`, `"Credchain":{"Version":1,"Key":"k","Source":"x"},"ResponseMetadata"`, 1)), "k", false)
	f.Add([]byte(`{"Credchain":{"Version":2}}`), "", false)
	f.Add(entry.Write("k", aws.Credentials{AccessKeyID: "A", SecretAccessKey: "<&>\u2028", SessionToken: "t", CanExpire: true, Expires: time.Unix(1, 5)}), "k", false)
	f.Fuzz(func(t *testing.T, data []byte, key string, foreign bool) {
		e, err := entry.Parse(data, key, foreign)
		if err != nil {
			require.Zero(t, e)
			require.Less(t, len(err.Error()), 100, "it may quote")
			return
		}
		require.True(t, entry.Keepable(e.Credentials))
		require.True(t, foreign || !e.Foreign)
		again, err := entry.Parse(entry.Write("other", e.Credentials), "other", false)
		require.NoError(t, err)
		e.Credentials.Expires = e.Credentials.Expires.Truncate(time.Second)
		require.Equal(t, e.Credentials, again.Credentials)
	})
}
