package sigv4_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

func TestCanonicalURI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ path, once, normalized, twice string }{
		{"", "/", "/", "/"},
		{"/", "/", "/", "/"},
		{"//", "//", "/", "//"},
		{"/a/b", "/a/b", "/a/b", "/a/b"},
		{"/a/b/", "/a/b/", "/a/b/", "/a/b/"},
		{"/a//b", "/a//b", "/a/b", "/a//b"},
		{"/./a", "/./a", "/a", "/./a"},
		{"/a/.", "/a/.", "/a", "/a/."},
		{"/a/./", "/a/./", "/a/", "/a/./"},
		{"/a/..", "/a/..", "/", "/a/.."},
		{"/a/../b", "/a/../b", "/b", "/a/../b"},
		{"/../../b", "/../../b", "/b", "/../../b"},
		{"/a/b/../../c/", "/a/b/../../c/", "/c/", "/a/b/../../c/"},
		{"/...", "/...", "/...", "/..."},
		{"/.a", "/.a", "/.a", "/.a"},
		{"/a%20b", "/a%20b", "/a%2520b", "/a%2520b"},
		{"/a%2fb", "/a%2Fb", "/a%252fb", "/a%252fb"},
		{"/%41%7e", "/A~", "/%2541%257e", "/%2541%257e"},
		{"/a+b:c@d", "/a%2Bb%3Ac%40d", "/a%2Bb%3Ac%40d", "/a%2Bb%3Ac%40d"},
		{"/-._~", "/-._~", "/-._~", "/-._~"},
	} {
		for rule, want := range map[sigv4.PathRule]string{sigv4.PathOnce: tt.once, sigv4.PathNormalized: tt.normalized, sigv4.PathTwice: tt.twice} {
			got, err := sigv4.CanonicalURI(tt.path, rule)
			require.NoError(t, err)
			require.Equal(t, want, got, "%s by rule %d", tt.path, rule)
		}
	}
	_, err := sigv4.CanonicalURI("/a%2", sigv4.PathOnce)
	require.ErrorContains(t, err, "hexadecimal")
	_, err = sigv4.CanonicalURI("*", sigv4.PathNormalized)
	require.ErrorContains(t, err, "slash")
}

func TestCanonicalQueryString(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                "",
		"&&":              "",
		"a":               "a=",
		"a=":              "a=",
		"=a":              "=a",
		"b=2&a=1":         "a=1&b=2",
		"a=2&a=1&A=3":     "A=3&a=1&a=2",
		"a=1+2":           "a=1%202",
		"a=1%202":         "a=1%202",
		"a=1%2B2":         "a=1%2B2",
		"a=%2f%7e":        "a=%2F~",
		"a=1=2":           "a=1%3D2",
		"a=/*'()":         "a=%2F%2A%27%28%29",
		"a=1;b=2":         "a=1%3Bb%3D2",
		"a=b-&a=b%2F":     "a=b%2F&a=b-", // sorted after encoding
		"a-=1&a=2&a%2F=3": "a=2&a%2F=3&a-=1",
		"ü=€":             "%C3%BC=%E2%82%AC",
	} {
		got, err := sigv4.CanonicalQueryString(raw)
		require.NoError(t, err)
		require.Equal(t, want, got, raw)
	}
	for _, raw := range []string{"a=%", "a=%1", "a=%1g", "%=1"} {
		_, err := sigv4.CanonicalQueryString(raw)
		require.ErrorContains(t, err, "hexadecimal", raw)
	}
}

func TestTrimall(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{"": "", " ": "", "a": "a", "  a  b   c ": "a b c", "\t a\t\tb \t": "a\t\tb", `"a   b"`: `"a b"`, "a  ": "a", "a \u00a0": "a \u00a0"} {
		require.Equal(t, want, sigv4.Trimall(v), "%q", v)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	got := sigv4.Redact("GET\n/secret-path/canary0\nX-Amz-Security-Token=canary1&a=1&x-api-key=canary2\nhost:h\nx-amz-security-token:canary3\n"+
		"x-amz-server-side-encryption-customer-key:canary4\n\nhost;x-amz-security-token\nhash", "canary0")
	require.Equal(t, "GET\n/secret-path/REDACTED\nX-Amz-Security-Token=REDACTED&a=1&x-api-key=REDACTED\nhost:h\nx-amz-security-token:REDACTED\n"+
		"x-amz-server-side-encryption-customer-key:REDACTED\n\nhost;x-amz-security-token\nhash", got)
}

// Two spellings of a header are sent as two lines, in the order in which they are signed.
func TestTwoSpellings(t *testing.T) {
	t.Parallel()
	for range 20 { // the order of a map
		r := request(t, "GET", "https://host.example/")
		r.Header["x-lower"], r.Header["X-Lower"], r.Header["X-LOWER"] = []string{"3"}, []string{"2"}, []string{"1", "1b"}
		s := &sigv4.Signer{Service: "es", Region: "us-east-1"}
		require.NoError(t, s.Sign(r, documented, "", at2015))
		require.Contains(t, r.Header.Get("Authorization"), "SignedHeaders=host;x-amz-date;x-lower,")
		_, err := verifier(documented).Verify(sent(t, r), at2015)
		require.NoError(t, err)

		r = request(t, "GET", "https://host.example/")
		r.Header["x-lower"], r.Header["X-Lower"], r.Header["X-LOWER"] = []string{"3"}, []string{"2"}, []string{"1", "1b"}
		p, err := s.Presign(t.Context(), r, static(documented), sigv4.PresignInput{}, at2015)
		require.NoError(t, err)
		require.Equal(t, []string{"1", "1b", "2", "3"}, p.Header["X-Lower"], "in the order in which they are signed")
		_, err = verifier(documented).Verify(fetched(t, p), at2015)
		require.NoError(t, err)
	}
}

// TestStaleAuthorization: whatever the spelling of its name, only one Authorization is sent.
func TestStaleAuthorization(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "es", Region: "us-east-1"}
	for _, key := range []string{"authorization", "AUTHORIZATION", "Authorization"} {
		r := request(t, "GET", "https://host.example/", "Accept", "text/plain")
		r.Header[key] = []string{"AWS4-HMAC-SHA256 stale", "and another"}
		require.NoError(t, s.Sign(r, documented, "", at2015))
		got := sent(t, r)
		require.Len(t, got.Header["Authorization"], 1, key)
		_, err := verifier(documented).Verify(got, at2015)
		require.NoError(t, err, key)
		require.Equal(t, "text/plain", r.Header.Get("Accept"))

		r.Header[key] = []string{"stale"}
		p, err := s.Presign(t.Context(), r, static(documented), sigv4.PresignInput{}, at2015)
		require.NoError(t, err)
		require.Empty(t, p.Header["Authorization"], key)
		require.Equal(t, []string{"stale"}, r.Header[key], "r is as it was")
		_, err = verifier(documented).Verify(fetched(t, p), at2015)
		require.NoError(t, err, key)
	}
}

// TestBuffersKeepNoToken: what is used again for the next request does not hold the last one's session token.
func TestBuffersKeepNoToken(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	creds := documented
	creds.SessionToken = "canary"
	for range 50 { // a pool keeps not every buffer
		require.NoError(t, s.Sign(request(t, "GET", "https://host.example/"), creds, "", at2015))
		require.NotContains(t, s.Leftovers(), creds.SessionToken, "of Sign")
		_, err := s.Presign(t.Context(), request(t, "GET", "https://host.example/"), static(creds), sigv4.PresignInput{}, at2015)
		require.NoError(t, err)
		require.NotContains(t, s.Leftovers(), creds.SessionToken, "of Presign")
	}
}
