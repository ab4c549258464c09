package sigv4_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// FuzzCanonicalURI: what is canonical by S3's rule stays as it is, means the same path, and needs no more escapes.
func FuzzCanonicalURI(f *testing.F) {
	for _, seed := range []string{"/", "//a/../b/./", "/a%20b+c", "/%2F%2e%zz", "/ü€", "", "a", "/a%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		once, err := sigv4.CanonicalURI(path, sigv4.PathOnce)
		if err != nil {
			_, bad := url.PathUnescape(path)
			require.True(t, bad != nil || path[0] != '/', "%q is refused: %v", path, err)
			return
		}
		again, err := sigv4.CanonicalURI(once, sigv4.PathOnce)
		require.NoError(t, err)
		require.Equal(t, once, again)
		if path != "" {
			before, err := url.PathUnescape(path)
			require.NoError(t, err)
			after, err := url.PathUnescape(once)
			require.NoError(t, err)
			require.Equal(t, before, after)
			require.Equal(t, strings.Count(path, "/"), strings.Count(once, "/"), "a segment came or went")
		}
		normalized, err := sigv4.CanonicalURI(path, sigv4.PathNormalized)
		require.NoError(t, err)
		for segment := range strings.SplitSeq(strings.Trim(normalized, "/"), "/") {
			require.NotContains(t, []string{".", ".."}, segment)
		}
		require.NotContains(t, normalized, "//")
	})
}

// FuzzCanonicalQueryString: it is sorted, stays as it is, and means the same parameters as net/url reads.
func FuzzCanonicalQueryString(f *testing.F) {
	for _, seed := range []string{"", "a=1&b", "a=1+2&a=%2b", "&&=&", "a=%", "a;b", "ü=€", "a=b=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := sigv4.CanonicalQueryString(raw)
		want, parseErr := url.ParseQuery(raw)
		if strings.Contains(raw, ";") { // which net/url refuses
			parseErr = nil
			want = nil
		}
		if err != nil {
			require.True(t, parseErr != nil || want == nil, "%q is refused: %v", raw, err)
			return
		}
		require.NoError(t, parseErr)
		again, err := sigv4.CanonicalQueryString(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
		if want == nil {
			return
		}
		values, err := url.ParseQuery(got)
		require.NoError(t, err)
		require.Len(t, values, len(want))
		for name := range want {
			require.ElementsMatch(t, want[name], values[name])
		}
	})
}

// FuzzVerify: no request panics, and none is accepted but for one that says what was signed.
func FuzzVerify(f *testing.F) {
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	signed := request(f, "GET", "https://host.example/a?b=1")
	require.NoError(f, s.Sign(signed, documented, "", at2015))
	p, err := s.Presign(f.Context(), request(f, "GET", "https://host.example/a?b=1"), static(documented), sigv4.PresignInput{}, at2015)
	require.NoError(f, err)
	f.Add("/a?b=1", signed.Header.Get("Authorization"), "20150830T123600Z", emptyHash, "")
	f.Add(strings.TrimPrefix(p.URL, "https://host.example"), "", "", "", "")
	f.Add("/", "AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20150830/s3/aws4_request, SignedHeaders=host, Signature=3000", "20150830T123600Z", "", "")
	f.Add("/", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=;;,Signature=zz", "x", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "5;chunk-signature=0\r\nhello\r\n")
	f.Fuzz(func(t *testing.T, target, authorization, date, hash, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := &http.Request{Method: "GET", URL: u, Host: "host.example", Header: http.Header{}, Body: onceOnly{strings.NewReader(body)}, ContentLength: -1}
		for key, value := range map[string]string{"Authorization": authorization, "X-Amz-Date": date, "X-Amz-Content-Sha256": hash} {
			if value != "" {
				r.Header.Set(key, value)
			}
		}
		got, err := verifier(documented).Verify(r, at2015)
		if err != nil {
			part(t, err)
			return
		}
		require.Equal(t, documented.AccessKeyID, got.AccessKeyID)
		require.True(t, u.Path == "/a" && u.Query().Get("b") == "1", "accepted: %s", target)
	})
}

// FuzzChunks: a body in chunks that is not the one that was signed never gives more than a beginning of the payload.
func FuzzChunks(f *testing.F) {
	const payload = "0123456789abcdef0123456789abcdef"
	r := chunked(f, sigv4.ChunkedInput{}, len(payload))
	encoded := readAll(f, r.Body)
	f.Add(encoded)
	f.Add("0;chunk-signature=\r\n\r\n")
	f.Add("20\r\n" + payload + "\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		got := r.Clone(t.Context())
		got.Body, got.GetBody = onceOnly{strings.NewReader(body)}, nil
		_, err := verifier(session).Verify(got, at2015)
		require.NoError(t, err)
		read := new(strings.Builder)
		_, err = bufio.NewReader(got.Body).WriteTo(read)
		require.True(t, strings.HasPrefix(payload, read.String()), "read %q", read)
		if err == nil {
			require.Equal(t, payload, read.String())
		} else {
			part(t, err)
		}
	})
}

// FuzzDiagnose: no answer panics, and none shows a secret.
func FuzzDiagnose(f *testing.F) {
	s := &sigv4.Signer{Service: "execute-api", Region: "us-east-1"}
	r := request(f, "GET", "https://api.example/a?b=1")
	require.NoError(f, s.Sign(r, session, "", at2015))
	f.Add(`{"message":"The Canonical String for this request should have been\n'GET\n/a\nb=1\nhost:api.example\nx-amz-security-token:token/+=of session\n\nhost\nx'"}`)
	f.Add("<Code>x</Code><CanonicalRequest>GET\n/\n\n\n\n</CanonicalRequest><StringToSign>AWS4</StringToSign>")
	f.Add("<Message>&#xffffffff;&amp</Message>")
	f.Fuzz(func(t *testing.T, answer string) {
		d := sigv4.Diagnose(s, r, []byte(answer))
		require.NotContains(t, d.String(), session.SessionToken)
		require.NotEmpty(t, d.Part)
	})
}
