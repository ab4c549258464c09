package main

import (
	"compress/gzip"
	"encoding/base64"
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

// longToken is as long as a real one, and has what is escaped.
var longToken = "IQoJb3JpZ2luX2Vj" + strings.Repeat("EJr//canary+wEaCWV1LXdlc3QtMSJIMEYCIQDx/7Qm+canary9Pz0vK2", 12) + "lastOfTheToken/canary+A=="

func escapeAll(format, s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func TestMask(t *testing.T) {
	t.Parallel()
	token := longToken
	r := requestWith(t, token)
	r.Header.Set("X-Amz-Server-Side-Encryption-Customer-Key", "canary-customer-key")
	r.Header.Set("Cookie", "short")
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	r.Header.Set("X-Amz-Mfa", "arn:aws:iam::123456789012:mfa/u 424242")
	r.URL.RawQuery = "api-key=canary-of-the-query&Action=ListQueues&ClientToken=launch-2026-11-24-of-the-day"
	quoted, err := json.Marshal(token)
	require.NoError(t, err)
	spaced := strings.TrimSpace(fmt.Sprintf("% x", token))
	for name, tt := range map[string]struct{ answer, want string }{
		"nothing":           {"", ""},
		"no secret":         {"<Error>UNSIGNED-PAYLOAD ListQueues short launch-2026-11-24-of-the-day</Error>", "<Error>UNSIGNED-PAYLOAD ListQueues short launch-2026-11-24-of-the-day</Error>"},
		"as it is":          {"x-amz-security-token:" + token + "\n", "x-amz-security-token:REDACTED\n"},
		"alone":             {token, "REDACTED"},
		"twice":             {token + " " + token, "REDACTED REDACTED"},
		"in a URL":          {"X-Amz-Security-Token=" + url.QueryEscape(token) + "&x", "X-Amz-Security-Token=REDACTED&x"},
		"in a URL, again":   {url.QueryEscape(url.QueryEscape(token)), "REDACTED"},
		"in lower case":     {strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3D", "%3d").Replace(url.QueryEscape(token)), "REDACTED"},
		"in JSON":           {string(quoted), `"REDACTED"`},
		"in JSON of PHP":    {strings.ReplaceAll(token, "/", `\/`), "REDACTED"},
		"in XML":            {html.EscapeString(token), "REDACTED"},
		"in S3's bytes":     {"<B>47 " + spaced + " 0a</B>", "<B>47 REDACTED 0a</B>"},
		"in hexadecimal":    {hex.EncodeToString([]byte(token)), "REDACTED"},
		"cut short":         {"token " + token[:20] + "...", "token REDACTED..."},
		"everybody's part":  {"token " + token[:16], "token " + token[:16]},
		"all escaped":       {"t=" + escapeAll("%%%02X", token) + "&a=1", "t=REDACTED&a=1"},
		"all, lower case":   {escapeAll("%%%02x", token), "REDACTED"},
		"all, in JSON":      {escapeAll(`\u%04x`, token), "REDACTED"},
		"all, in XML":       {"<T>" + escapeAll("&#%d;", token) + "</T>", "<T>REDACTED</T>"},
		"all, in XML, hex":  {"<T>" + escapeAll("&#x%X;", token) + "</T>", "<T>REDACTED</T>"},
		"as Python quotes":  {"t=" + strings.ReplaceAll(url.QueryEscape(token), "%2F", "/") + "&a=1", "t=REDACTED&a=1"},
		"lower, twice":      {strings.ReplaceAll(lowerEscapes.Replace(url.QueryEscape(token)), "%", "%25"), "REDACTED"},
		"a mix":             {strings.NewReplacer("/", `\/`, "+", `\u002b`, "=", "&#61;").Replace(token) + `\nhost:x`, `REDACTED\nhost:x`},
		"a mix of cases":    {strings.Replace(lowerEscapes.Replace(url.QueryEscape(token)), "%2f", "%2F", 1), "REDACTED"},
		"JSON in JSON":      {`{\"t\":\"` + strings.ReplaceAll(token, "/", `\\/`) + `\"}`, `{\"t\":\"REDACTED\"}`},
		"XML in a URL":      {url.QueryEscape("<T>" + strings.ReplaceAll(token, "+", "&amp;#43;") + "</T>"), "%3CT%3EREDACTED%3C%2FT%3E"},
		"blanks for +":      {strings.ReplaceAll(token, "+", " "), "REDACTED"},
		"base64 of a URL":   {strings.NewReplacer("+", "-", "/", "_").Replace(token), "REDACTED"},
		"an unknown escape": {"t:" + strings.ReplaceAll(token, "/", "=2F") + ";x", "t:REDACTED;x"},
		"its end":           {"... " + token[len(token)-40:] + " x", "... REDACTED x"},
		"its middle":        {"<T>" + token[100:140] + "</T>", "<T>REDACTED</T>"},
		"its middle, of JS": {"<T>" + strings.ReplaceAll(token[90:140], "/", "%u002F") + "</T>", "<T>REDACTED</T>"},
		"a strange start":   {"t:" + strings.ReplaceAll(token[16:], "/", "%u002F"), "t:REDACTED"},
		"in capitals":       {strings.ToUpper(hex.EncodeToString([]byte(token))), "REDACTED"},
		"bytes in capitals": {"47 " + strings.ToUpper(spaced) + " 0A", "47 REDACTED 0A"},
		"a cut URL":         {"t=" + url.QueryEscape(token)[:60] + "&Action=ListQueues", "t=REDACTED&Action=ListQueues"},
		"a cut parameter":   {"t=" + token[:60] + "&amp;Action=ListQueues", "t=REDACTED&amp;Action=ListQueues"},
		"what is like it":   {"id=" + strings.ToLower(token[40:70]) + " " + token[40:55], "id=" + strings.ToLower(token[40:70]) + " " + token[40:55]},
		"an MFA code":       {"arn:aws:iam::123456789012:mfa/u%20424242, 1424242, 424242", "arn:aws:iam::123456789012:mfa/u%20REDACTED, 1424242, REDACTED"},
		"a key":             {"k:canary-customer-key;", "k:REDACTED;"},
		"a parameter":       {"q=canary-of-the-query", "q=REDACTED"},
		"far into it":       {strings.Repeat("x", 8<<10-5) + token + strings.Repeat("y", 20<<10), strings.Repeat("x", 8<<10-5) + "REDACTED" + strings.Repeat("y", 20<<10)},
		"a false start":     {token[:16] + token, "REDACTED"},
		"far, in two":       {strings.Repeat("x", segment-40) + token + "y", strings.Repeat("x", segment-40) + "REDACTEDREDACTEDy"},
		"far, with a line":  {strings.Repeat("x", segment-40) + "\n" + token + "y", strings.Repeat("x", segment-40) + "\nREDACTEDy"},
		"begins like that":  {"IQoJb3JpZ2luX2V!" + token, "IQoJb3JpZ2luX2V!REDACTED"},
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

// TestMaskBase64 hides the token in whatever is encoded around it.
func TestMaskBase64(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "x", "xy", "xyz", "GET\n/\n\nx-amz-security-token:"} {
		for _, coding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding} {
			text := coding.EncodeToString([]byte(before + longToken + "\nhost"))
			got, err := io.ReadAll(mask(strings.NewReader("<B>"+text+"</B>"), spellings(requestWith(t, longToken))))
			require.NoError(t, err)
			require.Regexp(t, `^<B>.{0,56}REDACTED.{0,12}</B>$`, string(got))
		}
	}
}

// TestCurlUnpacks a refusal that is compressed, since nothing can be replaced in it.
func TestCurlUnpacks(t *testing.T) {
	t.Parallel()
	coding, pack, status := "gzip", true, http.StatusForbidden
	parrot := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", coding)
		w.WriteHeader(status)
		text := "<Error><Code>SignatureDoesNotMatch</Code><Token>" + r.Header.Get("X-Amz-Security-Token") + "</Token></Error>"
		if !pack {
			io.WriteString(w, text)
			return
		}
		z := gzip.NewWriter(w)
		io.WriteString(z, text)
		z.Close()
	})
	m := &machine{env: environment("AWS_EC2_METADATA_DISABLED=true", "AWS_SESSION_TOKEN="+longToken),
		imds: awstest.Transport(map[string]http.Handler{"sqs.eu-west-1.amazonaws.com": parrot})}
	out, errs, code := m.run(t, "curl", "-i", "-H", "Accept-Encoding: gzip", queueURL)
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, "<Token>REDACTED</Token></Error>")
	require.NotContains(t, out, "Content-Encoding")
	require.Contains(t, errs, "SignatureDoesNotMatch: ", "it is explained as well")

	for _, coding = range []string{"br", "gzip"} { // neither is what it says
		pack = false
		out, errs, code = m.run(t, "curl", "-H", "Accept-Encoding: "+coding, queueURL)
		require.Equal(t, exitFailed, code, errs)
		require.Empty(t, out)
		require.Contains(t, errs, "status 403, and its answer ("+coding+") cannot be shown")
	}

	coding = "br"
	out, errs, code = m.run(t, "curl", "-I", queueURL)
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, "Content-Encoding: br\n")

	name := filepath.Join(t.TempDir(), "answer")
	_, errs, code = m.run(t, "curl", "-o", name, queueURL)
	require.Equal(t, exitFound, code, errs)
	pack, status = true, http.StatusOK
	out, _, code = m.run(t, "curl", "-H", "Accept-Encoding: gzip", queueURL)
	require.Equal(t, exitFound, code)
	require.True(t, strings.HasPrefix(out, "\x1f\x8b"), "an answer of success is as it came")
}
