package wire_test

import (
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/wire"
)

func TestClean(t *testing.T) {
	t.Parallel()
	const secret = "canary/+wJalrXUtnFEMI/K7MDENG/bPxRfiCYKEY=="
	for _, tt := range []struct {
		name, s string
		secrets []string
		want    string
	}{
		{"plain", "User is not authorized", nil, "User is not authorized"},
		{"empty secret", "abc", []string{""}, "abc"},
		{"whole", "a " + secret + " b", []string{secret}, "a REDACTED b"},
		{"twice", secret + ", " + secret, []string{secret}, "REDACTED, REDACTED"},
		{"escaped", "x=" + url.QueryEscape(secret) + "&", []string{secret}, "x=REDACTED&"},
		{"its beginning", "a " + secret[:12] + "... b", []string{secret}, "a REDACTED... b"},
		{"its end", "a ..." + secret[len(secret)-12:], []string{secret}, "a ...REDACTED"},
		{"too little of it", "a " + secret[:11], []string{secret}, "a " + secret[:11]},
		{"two secrets", "second secret, first secret!", []string{"first secret!", "second secret"}, "REDACTED, REDACTED"},
		{"code", "code 123456 of 123456789012, 9123456", []string{"123456"}, "code REDACTED of 123456789012, 9123456"},
		{"code alone", "123456", []string{"123456"}, "REDACTED"},
		{"code in a row", "123456123456 123456", []string{"123456"}, "123456123456 REDACTED"},
		{"code in quotes", "'123456','123456'", []string{"123456"}, "'REDACTED','REDACTED'"},
		{"lines", " a\r\n\tb\x1b[31m\u202e \x00", nil, "a   b [31m"},
		{"not UTF-8", "a\xffb", nil, "a\ufffdb"},
		{"long", strings.Repeat("x", 600), nil, strings.Repeat("x", 509) + "..."},
		{"long, cut in a rune", strings.Repeat("x", 508) + "äöü", nil, strings.Repeat("x", 508) + "..."},
		{"just short enough", strings.Repeat("x", 512), nil, strings.Repeat("x", 512)},
		{"secret over the cut", strings.Repeat("x", 500) + secret, []string{secret}, strings.Repeat("x", 500) + "REDACTED"},
		{"too long to be looked at", strings.Repeat(" ", 8<<10) + "x", nil, ""},
		{"secret over the first cut", strings.Repeat(" ", 8<<10-20) + secret, []string{secret}, "REDACTED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, wire.Clean(tt.s, tt.secrets...))
		})
	}
}

// What a hostile service says must not cost time: nor a long answer, nor one that repeats what was sent.
func TestCleanIsQuick(t *testing.T) {
	t.Parallel()
	done := make(chan string)
	go func() { done <- wire.Clean(strings.Repeat("a", 1<<20), strings.Repeat("a", 4<<20)) }()
	select {
	case got := <-done:
		require.Equal(t, "REDACTED", got)
	case <-time.After(time.Minute): // a second would do; the naive way takes an hour
		t.Fatal("Clean does not end")
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a token-token-token b", "token-token-token")
	f.Add("123456", "123456")
	f.Add("a%2Bb%2Fc%3Dd-0123456789", "a+b/c=d-0123456789")
	f.Add("\xff\x00\u202e", "\xff")
	f.Fuzz(func(t *testing.T, s, secret string) {
		got := wire.Clean(s, secret)
		require.LessOrEqual(t, len(got), 512)
		require.Equal(t, strings.TrimSpace(got), got)
		require.Less(t, strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }), 0, "%q", got)
		if len(secret) >= 24 && !strings.Contains(secret, "REDACTED") {
			require.NotContains(t, got, secret)
		}
	})
}
