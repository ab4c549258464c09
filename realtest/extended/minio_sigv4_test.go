package extended_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sigv4"
)

// What versitygw says of our signatures is in ../s3sigv4_test.go. MinIO is the second opinion: it looks at session tokens
// and at the time of presigned URLs, which versitygw does not, and answers with S3's own codes.

// oddKey has what canonicalisation goes wrong with.
const oddKey = "a b/c+d~e(1)!'*@=$/€"

var rootCreds = aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: rootSecret}

// storage is a MinIO with a bucket.
type storage struct {
	*running
	signer *sigv4.Signer
}

func startStorage(t testing.TB) *storage {
	t.Helper()
	s := &storage{startMinIO(t), &sigv4.Signer{Service: "s3", Region: region}}
	r := s.request(t, http.MethodPut, "", "")
	require.NoError(t, s.signer.Sign(r, rootCreds, "", time.Now()))
	requireStatus(t, r, http.StatusOK)
	return s
}

// request is one for a key in the bucket, or for the bucket.
func (s *storage) request(t testing.TB, method, key, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url(), strings.NewReader(body)) // "" is no body
	require.NoError(t, err)
	r.URL.Path = "/papers"
	if key != "" {
		r.URL.Path += "/" + key
	}
	return r
}

// presign returns a request for oddKey with the signature in its URL, made at a distance from now.
func (s *storage) presign(t testing.TB, method string, from time.Duration, creds aws.Credentials, in sigv4.PresignInput) *http.Request {
	t.Helper()
	p, err := s.signer.Presign(t.Context(), s.request(t, method, oddKey, ""), staticOf(creds), in, time.Now().Add(from))
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), p.Method, p.URL, nil)
	require.NoError(t, err)
	return r
}

func staticOf(creds aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
}

func setBody(r *http.Request, body string) {
	r.Body, r.GetBody, r.ContentLength = io.NopCloser(strings.NewReader(body)), nil, int64(len(body))
}

// answer sends r and returns the status, and the error code of a refusal or else the body.
func answer(t testing.TB, r *http.Request) (status int, body string) {
	t.Helper()
	transport := loopback()
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if _, after, ok := strings.Cut(string(text), "<Code>"); ok && resp.StatusCode >= 400 {
		code, _, _ := strings.Cut(after, "</Code>")
		return resp.StatusCode, code
	}
	return resp.StatusCode, string(text)
}

func requireStatus(t testing.TB, r *http.Request, status int) {
	t.Helper()
	got, body := answer(t, r)
	require.Equal(t, status, got, body)
}

// requireCode checks that r is refused with a code of S3's; with "", that it is not.
func requireCode(t testing.TB, r *http.Request, code string) {
	t.Helper()
	status, body := answer(t, r)
	if code == "" {
		require.Equal(t, http.StatusOK, status, body)
		return
	}
	require.GreaterOrEqual(t, status, 400)
	require.Less(t, status, 500)
	require.Equal(t, code, body)
}

// requireKept reads an object, and wants this to be all of it.
func (s *storage) requireKept(t testing.TB, key, want string) {
	t.Helper()
	r := s.request(t, http.MethodGet, key, "")
	require.NoError(t, s.signer.Sign(r, rootCreds, "", time.Now()))
	status, body := answer(t, r)
	require.Equal(t, http.StatusOK, status, body)
	require.True(t, body == want, "%d bytes came, and %d were sent", len(body), len(want))
}

// session has MinIO's STS make credentials with a token.
func (s *storage) session(t testing.TB) aws.Credentials {
	t.Helper()
	creds, err := retrieve(t, &providers.AssumeRole{RoleARN: minioRole, Source: static(rootKey, rootSecret), System: machine(t, t.TempDir(), stsAt(s.url()))})
	require.NoError(t, err)
	return creds
}

// TestMinIOTakesOurHeaders, and refuses requests that are not as they were signed, too old, or too new.
func TestMinIOTakesOurHeaders(t *testing.T) {
	s := startStorage(t)
	session := s.session(t)
	for name, tt := range map[string]struct {
		from   time.Duration
		creds  aws.Credentials // rootCreds if there are none
		signer *sigv4.Signer
		change func(*http.Request)
		code   string // "" if it is taken
	}{
		"as signed":                 {},
		"with a session":            {creds: session},
		"with its payload unsigned": {signer: &sigv4.Signer{Service: "s3", Region: region, UnsignedPayload: true}},
		"14 minutes old":            {from: -14 * time.Minute},
		"14 minutes ahead":          {from: 14 * time.Minute},
		"16 minutes old":            {from: -16 * time.Minute, code: "RequestTimeTooSkewed"},
		"16 minutes ahead":          {from: 16 * time.Minute, code: "RequestTimeTooSkewed"},
		"another body":              {change: func(r *http.Request) { setBody(r, "sent") }, code: "XAmzContentSHA256Mismatch"},
		"another key":               {change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/papers/other", "" }, code: "SignatureDoesNotMatch"},
		"another method":            {change: func(r *http.Request) { r.Method = http.MethodDelete }, code: "SignatureDoesNotMatch"},
		"another query":             {change: func(r *http.Request) { r.URL.RawQuery = "x-id=PutObject" }, code: "SignatureDoesNotMatch"},
		"another header":            {change: func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "two") }, code: "SignatureDoesNotMatch"},
		"another secret":            {creds: aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: "wrong-secret"}, code: "SignatureDoesNotMatch"},
		"an unknown key":            {creds: aws.Credentials{AccessKeyID: "AKIANOTTHERE", SecretAccessKey: rootSecret}, code: "InvalidAccessKeyId"},
		"a session without token":   {creds: aws.Credentials{AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey}, code: "InvalidTokenId"},
		"another region":            {signer: &sigv4.Signer{Service: "s3", Region: "eu-west-1"}, code: "AuthorizationHeaderMalformed"},
		"another service":           {signer: &sigv4.Signer{Service: "sqs", Region: region}, code: "AuthorizationParametersError"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.request(t, http.MethodPut, oddKey, "kept")
			r.Header.Set("X-Amz-Meta-A", "one  and two")
			signer, creds := s.signer, rootCreds
			if tt.signer != nil {
				signer = tt.signer
			}
			if tt.creds.HasKeys() {
				creds = tt.creds
			}
			require.NoError(t, signer.Sign(r, creds, "", time.Now().Add(tt.from)))
			if tt.change != nil {
				tt.change(r)
			}
			requireCode(t, r, tt.code)
		})
	}
	s.requireKept(t, oddKey, "kept")
}

// TestMinIOTakesOurPresignedURLs, and refuses them when they have expired, have not begun, or were changed.
func TestMinIOTakesOurPresignedURLs(t *testing.T) {
	s := startStorage(t)
	session := s.session(t)
	put := s.presign(t, http.MethodPut, 0, rootCreds, sigv4.PresignInput{})
	setBody(put, "kept")
	requireStatus(t, put, http.StatusOK)
	replaceQuery := func(old, by string) func(*http.Request) {
		return func(r *http.Request) {
			if !strings.Contains(r.URL.RawQuery, old) {
				panic("no " + old)
			}
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, old, by, 1)
		}
	}
	withoutToken := func(r *http.Request) {
		before, after, _ := strings.Cut(r.URL.RawQuery, "&X-Amz-Security-Token=")
		_, after, _ = strings.Cut(after, "&")
		r.URL.RawQuery = before + "&" + after
	}
	for name, tt := range map[string]struct {
		from   time.Duration
		creds  aws.Credentials
		in     sigv4.PresignInput
		change func(*http.Request)
		code   string
	}{
		"as signed":               {},
		"with a session":          {creds: session},
		"6 days old":              {from: -6 * 24 * time.Hour, in: sigv4.PresignInput{Expires: sigv4.MaxExpires}},
		"expired":                 {from: -time.Hour, code: "AccessDenied"},
		"not yet valid":           {from: 16 * time.Minute, code: "AccessDenied"},
		"with a longer life":      {from: -time.Hour, change: replaceQuery("Expires=900", "Expires=90000"), code: "SignatureDoesNotMatch"},
		"for more than 7 days":    {change: replaceQuery("Expires=900", "Expires=604801"), code: "AuthorizationQueryParametersError"},
		"for another key":         {change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/papers/other", "" }, code: "SignatureDoesNotMatch"},
		"for another method":      {change: func(r *http.Request) { r.Method = http.MethodDelete }, code: "SignatureDoesNotMatch"},
		"by another secret":       {creds: aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: "wrong-secret"}, code: "SignatureDoesNotMatch"},
		"cut":                     {change: func(r *http.Request) { r.URL.RawQuery = r.URL.RawQuery[:len(r.URL.RawQuery)-1] }, code: "SignatureDoesNotMatch"},
		"a session without token": {creds: session, change: withoutToken, code: "InvalidTokenId"},
	} {
		t.Run(name, func(t *testing.T) {
			creds := rootCreds
			if tt.creds.HasKeys() {
				creds = tt.creds
			}
			r := s.presign(t, http.MethodGet, tt.from, creds, tt.in)
			if tt.change != nil {
				tt.change(r)
			}
			requireCode(t, r, tt.code)
		})
	}
	s.requireKept(t, oddKey, "kept")

	t.Run("one to write, expired", func(t *testing.T) {
		r := s.presign(t, http.MethodPut, -time.Hour, rootCreds, sigv4.PresignInput{})
		setBody(r, "late")
		requireCode(t, r, "AccessDenied")
		s.requireKept(t, oddKey, "kept")
	})
	t.Run("one to write a body that is signed", func(t *testing.T) {
		in := sigv4.PresignInput{PayloadHash: fmt.Sprintf("%x", sha256.Sum256([]byte("sealed")))}
		r := s.request(t, http.MethodPut, oddKey, "")
		r.Header.Set("X-Amz-Content-Sha256", in.PayloadHash)
		p, err := s.signer.Presign(t.Context(), r, staticOf(rootCreds), in, time.Now())
		require.NoError(t, err)
		for body, code := range map[string]string{"sealed": "", "opened": "XAmzContentSHA256Mismatch"} {
			r, err := http.NewRequestWithContext(t.Context(), p.Method, p.URL, nil)
			require.NoError(t, err)
			r.Header = p.Header.Clone()
			setBody(r, body)
			requireCode(t, r, code)
		}
		s.requireKept(t, oddKey, "sealed")
	})
}

// TestMinIOTakesOurChunks, and refuses a body in which one was changed, left out or cut, and one that is too old.
func TestMinIOTakesOurChunks(t *testing.T) {
	s := startStorage(t)
	const word = "0123456789abcdef"
	long := strings.Repeat(word, 12_000) // 3 chunks, and no more than a Go server reads of a body that it refuses
	last := func(body []byte) []byte {
		body[bytes.LastIndex(body, []byte(word))] = 'X'
		return body
	}
	first := func(body []byte) []byte {
		body[bytes.Index(body, []byte(word))] = 'X'
		return body
	}
	signature := func(body []byte) []byte { // of the second chunk
		at := bytes.Index(body[100:], []byte("chunk-signature=")) + 100 + len("chunk-signature=")
		if body[at]++; body[at] == '9'+1 || body[at] == 'f'+1 {
			body[at] = '0'
		}
		return body
	}
	trailer := func(body []byte) []byte {
		at := bytes.LastIndex(body, []byte("x-amz-checksum-")) + len("x-amz-checksum-crc32:")
		copy(body[at:], "AAAA")
		return body
	}
	for name, tt := range map[string]struct {
		in     sigv4.ChunkedInput
		header string            // X-Amz-Content-Sha256
		code   map[string]string // by what was changed
		old    string            // code of what is 16 minutes old
	}{
		"signed": {header: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", old: "RequestTimeTooSkewed",
			code: map[string]string{"first": "SignatureDoesNotMatch", "last": "SignatureDoesNotMatch", "signature": "SignatureDoesNotMatch"}},
		"signed, small": {in: sigv4.ChunkedInput{ChunkSize: 8 << 10}, header: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", old: "RequestTimeTooSkewed",
			code: map[string]string{"first": "SignatureDoesNotMatch", "last": "SignatureDoesNotMatch", "signature": "SignatureDoesNotMatch"}},
		"signed, with a trailer": {in: sigv4.ChunkedInput{Trailer: "x-amz-checksum-crc32", Checksum: func() hash.Hash { return crc32.NewIEEE() }},
			header: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", old: "RequestTimeTooSkewed",
			code: map[string]string{"first": "SignatureDoesNotMatch", "last": "SignatureDoesNotMatch", "signature": "SignatureDoesNotMatch", "trailer": "SignatureDoesNotMatch"}},
		"unsigned, with a trailer": {in: sigv4.ChunkedInput{Trailer: "x-amz-checksum-crc32", Checksum: func() hash.Hash { return crc32.NewIEEE() }, Unsigned: true},
			header: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", // whose time MinIO does not look at; versitygw does
			code:   map[string]string{"first": "XAmzContentChecksumMismatch", "last": "XAmzContentChecksumMismatch", "trailer": "XAmzContentChecksumMismatch"}},
	} {
		upload := func(t *testing.T, from time.Duration, change func([]byte) []byte) *http.Request {
			r := s.request(t, http.MethodPut, name, long)
			require.NoError(t, s.signer.SignChunked(r, rootCreds, tt.in, time.Now().Add(from)))
			require.Equal(t, tt.header, r.Header.Get("X-Amz-Content-Sha256"))
			if change != nil {
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				setBody(r, string(change(body)))
			}
			return r
		}
		t.Run(name, func(t *testing.T) {
			for part, change := range map[string]func([]byte) []byte{"first": first, "last": last, "signature": signature, "trailer": trailer} {
				code, ok := tt.code[part]
				if !ok {
					continue
				}
				t.Run("but for the "+part, func(t *testing.T) { requireCode(t, upload(t, 0, change), code) })
			}
			other := upload(t, 0, nil)
			other.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(len(long)-1))
			requireCode(t, other, "SignatureDoesNotMatch")
			if tt.old != "" {
				requireCode(t, upload(t, -16*time.Minute, nil), tt.old)
			}
			missing := s.request(t, http.MethodGet, name, "")
			require.NoError(t, s.signer.Sign(missing, rootCreds, "", time.Now()))
			requireCode(t, missing, "NoSuchKey") // nothing of what was refused is kept
			requireCode(t, upload(t, 0, nil), "")
			s.requireKept(t, name, long)
		})
	}
}

// TestMinIOTakesOurTransport with bodies of all kinds, and a session.
func TestMinIOTakesOurTransport(t *testing.T) {
	s := startStorage(t)
	base := loopback()
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: &sigv4.Transport{Credentials: staticOf(s.session(t)), Signer: s.signer, Base: base}}
	long := strings.Repeat("0123456789abcdef", 100_000) // 1.6 MB
	for name, tt := range map[string]struct {
		body, payload, trailer string
	}{
		"in memory":            {body: "kept"},
		"empty":                {},
		"unsigned":             {body: long, payload: sigv4.UnsignedPayload},
		"signed chunks":        {body: long, payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
		"chunks and a trailer": {body: long, payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", trailer: "x-amz-checksum-sha256"},
		"an unsigned trailer":  {body: long, payload: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", trailer: "x-amz-checksum-crc32c"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.request(t, http.MethodPut, name, tt.body)
			for key, value := range map[string]string{"X-Amz-Content-Sha256": tt.payload, "X-Amz-Trailer": tt.trailer} {
				if value != "" {
					r.Header.Set(key, value)
				}
			}
			resp, err := client.Do(r)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode, string(text))
			s.requireKept(t, name, tt.body)
		})
	}
}
