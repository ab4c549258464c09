package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// requestWith is a request that carries a session token.
func requestWith(t testing.TB, token string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "https://b.s3.eu-west-1.amazonaws.com/k", nil)
	require.NoError(t, err)
	r.Header["X-Amz-Security-Token"] = []string{token}
	return r
}

func TestMask(t *testing.T) {
	t.Parallel()
	const token = "IQoJb3JpZ2luX2Vj/canary+canary/canary=="
	r := requestWith(t, token)
	r.Header.Set("X-Amz-Server-Side-Encryption-Customer-Key", "canary-customer-key")
	r.Header.Set("Cookie", "short")
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	r.URL.RawQuery = "api-key=canary-of-the-query&Action=ListQueues"
	quoted, err := json.Marshal(token)
	require.NoError(t, err)
	spaced := strings.TrimSpace(fmt.Sprintf("% x", token))
	for name, tt := range map[string]struct{ answer, want string }{
		"nothing":          {"", ""},
		"no secret":        {"<Error>UNSIGNED-PAYLOAD ListQueues short</Error>", "<Error>UNSIGNED-PAYLOAD ListQueues short</Error>"},
		"as it is":         {"x-amz-security-token:" + token + "\n", "x-amz-security-token:REDACTED\n"},
		"alone":            {token, "REDACTED"},
		"twice":            {token + token, "REDACTEDREDACTED"},
		"in a URL":         {"X-Amz-Security-Token=" + url.QueryEscape(token) + "&x", "X-Amz-Security-Token=REDACTED&x"},
		"in a URL, again":  {url.QueryEscape(url.QueryEscape(token)), "REDACTED"},
		"in lower case":    {strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3D", "%3d").Replace(url.QueryEscape(token)), "REDACTED"},
		"in JSON":          {string(quoted), `"REDACTED"`},
		"in JSON of PHP":   {strings.ReplaceAll(token, "/", `\/`), "REDACTED"},
		"in XML":           {html.EscapeString(token), "REDACTED"},
		"in S3's bytes":    {"<B>47 " + spaced + " 0a</B>", "<B>47 REDACTED 0a</B>"},
		"in hexadecimal":   {hex.EncodeToString([]byte(token)), "REDACTED"},
		"cut short":        {"token " + token[:20] + "...", "token REDACTED..."},
		"too short to be":  {"token " + token[:15], "token " + token[:15]},
		"a key":            {"k:canary-customer-key;", "k:REDACTED;"},
		"a parameter":      {"q=canary-of-the-query", "q=REDACTED"},
		"far into it":      {strings.Repeat("x", 8<<10-5) + token + strings.Repeat("y", 20<<10), strings.Repeat("x", 8<<10-5) + "REDACTED" + strings.Repeat("y", 20<<10)},
		"a false start":    {token[:16] + token, "REDACTEDREDACTED"},
		"begins like that": {"IQoJb3JpZ2luX2V!" + token, "IQoJb3JpZ2luX2V!REDACTED"},
	} {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
		} {
			got, err := io.ReadAll(mask(reader(strings.NewReader(tt.answer)), spellings(r)))
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got), "%s, %s", name, how)
		}
	}
	got, err := io.ReadAll(mask(io.MultiReader(strings.NewReader("a "+token), iotest.ErrReader(io.ErrUnexpectedEOF)), spellings(r)))
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Equal(t, "a REDACTED", string(got))
}

func FuzzMask(f *testing.F) {
	f.Add("token-of-some-length/+=", "before ", " after")
	f.Add("aaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaa", "aaaaaaaa")
	f.Add("abababababababababababab", "ab", "ba")
	f.Fuzz(func(t *testing.T, token, before, after string) {
		token = strings.TrimSpace(token)
		if len(token) < leastSecret || strings.Contains("REDACTED", token[:1]) {
			return
		}
		secrets := spellings(requestWith(t, token))
		text := before + token + after + url.QueryEscape(token)
		whole, err := io.ReadAll(mask(strings.NewReader(text), secrets))
		require.NoError(t, err)
		require.NotContains(t, string(whole), token)
		bytes, err := io.ReadAll(mask(iotest.OneByteReader(strings.NewReader(text)), secrets))
		require.NoError(t, err)
		require.Equal(t, string(whole), string(bytes))
	})
}

// TestCurlMasks what a service repeats when it refuses, on standard output.
func TestCurlMasks(t *testing.T) {
	t.Parallel()
	status := http.StatusForbidden
	parrot := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Amz-Security-Token")
		w.Header().Set("X-Was", token)
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>GET\n/\n\nhost:x\nx-amz-security-token:%s\n</CanonicalRequest><B>% x</B></Error>", token, token)
	})
	m := &machine{env: environment("AWS_EC2_METADATA_DISABLED=true", "AWS_SESSION_TOKEN="+session),
		imds: awstest.Transport(map[string]http.Handler{"sqs.eu-west-1.amazonaws.com": parrot})}
	for _, args := range [][]string{{}, {"-i"}, {"-o", "-"}, {"-i", "-H", "X-Api-Key: " + secret}} {
		out, errs, code := m.run(t, append([]string{"curl", queueURL}, args...)...)
		require.Equal(t, exitFound, code, errs)
		require.NotContains(t, out+errs, "canary")
		require.NotContains(t, out, fmt.Sprintf("% x", "canary"))
		require.Contains(t, out, "x-amz-security-token:REDACTED\n</CanonicalRequest><B>REDACTED</B>")
		if len(args) > 0 && args[0] == "-i" {
			require.Contains(t, out, "X-Was: REDACTED\n")
		}
	}
	name := filepath.Join(t.TempDir(), "answer")
	_, errs, code := m.run(t, "curl", queueURL, "-o", name)
	require.Equal(t, exitFound, code, errs)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(text), session, "a file has the answer as it came")
	status = http.StatusOK
	out, _, _ := m.run(t, "curl", queueURL)
	require.Contains(t, out, session, "so has one of success")
}
