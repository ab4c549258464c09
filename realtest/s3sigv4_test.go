package realtest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// oddKey has what canonicalisation goes wrong with.
const oddKey = "a b/c+d~e(1)!'*@=$/€"

var rootCreds = aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: rootSecret}

// gateway is an S3 server that verifies signatures, with a bucket.
type gateway struct {
	*running
	signer *sigv4.Signer
}

func startGateway(t testing.TB) *gateway {
	t.Helper()
	data := t.TempDir()
	g := &gateway{signer: &sigv4.Signer{Service: "s3", Region: region}, running: server{program: versitygw, ready: "/healthz", args: func(host, port string) []string {
		return []string{"-q", "--health", "/healthz", "-p", host + ":" + port, "-a", rootKey, "-s", rootSecret, "posix", data}
	}}.start(t)}
	r := g.request(t, http.MethodPut, "", "")
	require.NoError(t, g.signer.Sign(r, rootCreds, "", time.Now()))
	status, answer := g.send(t, r)
	require.Equal(t, http.StatusOK, status, answer)
	return g
}

// request is one for a key in the bucket, or for the bucket.
func (g *gateway) request(t testing.TB, method, key, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.url(), nil)
	require.NoError(t, err)
	r.URL.Path = "/papers"
	if key != "" {
		r.URL.Path += "/" + key
	}
	if body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	}
	return r
}

// send sends a request and returns the status, and the error code of a refusal or else the body.
func (g *gateway) send(t testing.TB, r *http.Request) (status int, answer string) {
	t.Helper()
	resp, err := httpClient().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if _, after, ok := strings.Cut(string(body), "<Code>"); ok && resp.StatusCode >= 400 {
		code, _, _ := strings.Cut(after, "</Code>")
		return resp.StatusCode, code
	}
	return resp.StatusCode, string(body)
}

// get reads an object with our transport.
func (g *gateway) get(t testing.TB, key string) string {
	t.Helper()
	client := &http.Client{Transport: &sigv4.Transport{Credentials: static(rootKey, rootSecret), Signer: g.signer, Base: newWire()}}
	resp, err := client.Do(g.request(t, http.MethodGet, key, ""))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	return string(body)
}

// TestS3TakesOurTransport with bodies of all kinds.
func TestS3TakesOurTransport(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	long := strings.Repeat("0123456789abcdef", 100_000) // 1.6 MB
	client := &http.Client{Transport: &sigv4.Transport{Credentials: static(rootKey, rootSecret), Signer: g.signer, Base: newWire(), Limiter: sigv4.S3Limits()}}
	for name, tt := range map[string]struct {
		body   string
		pipe   bool
		header map[string]string
	}{
		"in memory":            {body: "kept"},
		"empty":                {},
		"a small pipe":         {body: "kept", pipe: true},
		"unsigned":             {body: long, pipe: true, header: map[string]string{"X-Amz-Content-Sha256": sigv4.UnsignedPayload}},
		"signed chunks":        {body: long, pipe: true, header: map[string]string{"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}},
		"chunks and a trailer": {body: long, header: map[string]string{"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "X-Amz-Trailer": "x-amz-checksum-sha256"}},
		"an unsigned trailer":  {body: long, header: map[string]string{"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Trailer": "x-amz-checksum-crc32c"}},
	} {
		t.Run(name, func(t *testing.T) {
			key := oddKey + name
			r := g.request(t, http.MethodPut, key, tt.body)
			if tt.pipe {
				r.GetBody = nil
				reader, writer := io.Pipe()
				go func() { io.WriteString(writer, tt.body); writer.Close() }()
				r.Body = reader
			}
			r.Header.Set("X-Amz-Meta-Words", "two  blanks")
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			resp, err := client.Do(r)
			require.NoError(t, err)
			answer, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode, string(answer))
			require.True(t, g.get(t, key) == tt.body)
		})
	}
}

// TestS3RefusesWhatIsNotAsSigned: tampered, expired and skewed requests.
func TestS3RefusesWhatIsNotAsSigned(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	for name, tt := range map[string]struct {
		at     time.Duration
		creds  aws.Credentials
		signer *sigv4.Signer
		change func(*http.Request)
		code   string // "" if it is taken
	}{
		"as signed":        {},
		"14 minutes old":   {at: -14 * time.Minute},
		"16 minutes old":   {at: -16 * time.Minute, code: "RequestTimeTooSkewed"},
		"16 minutes ahead": {at: 16 * time.Minute, code: "RequestTimeTooSkewed"},
		"another body":     {change: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("sent")) }, code: "XAmzContentSHA256Mismatch"},
		"another key":      {change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/papers/other", "" }, code: "SignatureDoesNotMatch"},
		"another method":   {change: func(r *http.Request) { r.Method = http.MethodDelete }, code: "SignatureDoesNotMatch"},
		"another query":    {change: func(r *http.Request) { r.URL.RawQuery = "x-id=PutObject" }, code: "SignatureDoesNotMatch"},
		"another header":   {change: func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "two") }, code: "SignatureDoesNotMatch"},
		"another secret":   {creds: aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: "wrong"}, code: "SignatureDoesNotMatch"},
		"another region":   {signer: &sigv4.Signer{Service: "s3", Region: "eu-west-1"}, code: "AuthorizationHeaderMalformed"},
		"another service":  {signer: &sigv4.Signer{Service: "sqs", Region: region}, code: "AuthorizationHeaderMalformed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.request(t, http.MethodPut, oddKey, "kept")
			r.Header.Set("X-Amz-Meta-A", "one")
			signer, creds := g.signer, rootCreds
			if tt.signer != nil {
				signer = tt.signer
			}
			if tt.creds.AccessKeyID != "" {
				creds = tt.creds
			}
			require.NoError(t, signer.Sign(r, creds, "", time.Now().Add(tt.at)))
			if tt.change != nil {
				tt.change(r)
			}
			status, answer := g.send(t, r)
			if tt.code == "" {
				require.Equal(t, http.StatusOK, status, answer)
				return
			}
			require.GreaterOrEqual(t, status, 400)
			require.Equal(t, tt.code, answer)
		})
	}
}

// TestS3TakesOurPresignedURLs, and refuses them when they have expired or were changed.
func TestS3TakesOurPresignedURLs(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	presign := func(t *testing.T, method string, at time.Duration, in sigv4.PresignInput) *http.Request {
		p, err := g.signer.Presign(t.Context(), g.request(t, method, oddKey, ""), static(rootKey, rootSecret), in, time.Now().Add(at))
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), p.Method, p.URL, nil)
		require.NoError(t, err)
		return r
	}
	put := presign(t, http.MethodPut, 0, sigv4.PresignInput{})
	put.Body, put.ContentLength = io.NopCloser(strings.NewReader("kept")), 4
	status, answer := g.send(t, put)
	require.Equal(t, http.StatusOK, status, answer)
	for name, tt := range map[string]struct {
		at     time.Duration
		in     sigv4.PresignInput
		change func(*http.Request)
		code   string // "" if it is taken
	}{
		"as signed":  {},
		"6 days old": {at: -6 * 24 * time.Hour, in: sigv4.PresignInput{Expires: sigv4.MaxExpires}},
		"expired":    {at: -time.Hour, code: "AccessDenied"},
		"a longer life": {at: -time.Hour, change: func(r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "Expires=900", "Expires=90000", 1)
		}, code: "SignatureDoesNotMatch"},
		"another key":      {change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/papers/other", "" }, code: "SignatureDoesNotMatch"},
		"another method":   {change: func(r *http.Request) { r.Method = http.MethodDelete }, code: "SignatureDoesNotMatch"},
		"without a letter": {change: func(r *http.Request) { r.URL.RawQuery = r.URL.RawQuery[:len(r.URL.RawQuery)-1] }, code: "SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			r := presign(t, http.MethodGet, tt.at, tt.in)
			if tt.change != nil {
				tt.change(r)
			}
			status, answer := g.send(t, r)
			if tt.code == "" {
				require.Equal(t, http.StatusOK, status, answer)
				require.Equal(t, "kept", answer)
				return
			}
			require.Equal(t, http.StatusForbidden, status)
			require.Equal(t, tt.code, answer)
		})
	}
}

// TestS3TakesOurChunks, and refuses a body in which one was changed, and one that is not of this time.
func TestS3TakesOurChunks(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	long := strings.Repeat("0123456789abcdef", 12_000) // 3 chunks
	for name, tt := range map[string]struct {
		in       sigv4.ChunkedInput
		tampered string // code
	}{
		"signed":           {sigv4.ChunkedInput{}, "SignatureDoesNotMatch"},
		"small ones":       {sigv4.ChunkedInput{ChunkSize: 8 << 10}, "SignatureDoesNotMatch"},
		"with a trailer":   {sigv4.ChunkedInput{Trailer: "x-amz-checksum-crc32", Checksum: func() hash.Hash { return crc32.NewIEEE() }}, "SignatureDoesNotMatch"},
		"unsigned trailer": {sigv4.ChunkedInput{Trailer: "x-amz-checksum-sha256", Checksum: sha256.New, Unsigned: true}, "BadDigest"},
	} {
		upload := func(t *testing.T, at time.Duration, change func([]byte)) (status int, answer string) {
			r := g.request(t, http.MethodPut, name, long)
			require.NoError(t, g.signer.SignChunked(r, rootCreds, tt.in, time.Now().Add(at)))
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			change(body)
			r.Body, r.GetBody = io.NopCloser(bytes.NewReader(body)), nil
			return g.send(t, r)
		}
		asSigned := func([]byte) {}
		t.Run(name, func(t *testing.T) {
			status, answer := upload(t, 0, asSigned)
			require.Equal(t, http.StatusOK, status, answer)
			require.True(t, g.get(t, name) == long)
		})
		t.Run(name+", tampered", func(t *testing.T) {
			status, answer := upload(t, 0, func(body []byte) { body[bytes.LastIndex(body, []byte("0123456789abcdef"))] = 'X' })
			require.GreaterOrEqual(t, status, 400)
			require.Equal(t, tt.tampered, answer)
		})
		for _, at := range []time.Duration{-16 * time.Minute, 16 * time.Minute} {
			t.Run(fmt.Sprint(name, " at ", at), func(t *testing.T) {
				status, answer := upload(t, at, asSigned)
				require.Equal(t, http.StatusForbidden, status)
				require.Equal(t, "RequestTimeTooSkewed", answer)
			})
		}
	}
}

// TestOurVerifierTakesCurl has curl's own signer send to a server of ours.
func TestOurVerifierTakesCurl(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl")
	}
	v := &sigv4.Verifier{Service: "execute-api", Region: region, Credentials: func(context.Context, string, string) (aws.Credentials, error) { return rootCreds, nil }}
	var mu sync.Mutex
	var last error
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := v.Verify(r, time.Now())
		mu.Lock()
		defer mu.Unlock()
		if last = err; err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer s.Close()
	for name, tt := range map[string]struct {
		args []string
		ok   bool
	}{
		"GET":            {[]string{s.URL + "/pets?a=1&b=2"}, true},
		"POST":           {[]string{s.URL + "/pets", "-d", `{"name":"cat"}`, "-H", "Content-Type: application/json"}, true},
		"PUT":            {[]string{s.URL + "/pets/1", "-X", "PUT", "-d", "x"}, true},
		"another secret": {[]string{s.URL + "/pets", "-u", rootKey + ":wrong"}, false},
		"another region": {[]string{s.URL + "/pets", "--aws-sigv4", "aws:amz:eu-west-1:execute-api"}, false},
	} {
		args := append([]string{"-q", "-sS", "-f", "--noproxy", "*", "--aws-sigv4", "aws:amz:" + region + ":execute-api", "-u", rootKey + ":" + rootSecret}, tt.args...)
		_, errs, err := run(t, commandEnv(t.TempDir()), curl, args...)
		if strings.Contains(errs, "aws-sigv4") {
			t.Skip("this curl has no --aws-sigv4")
		}
		mu.Lock()
		got := last
		mu.Unlock()
		require.Equal(t, tt.ok, got == nil, "%s: %v", name, got)
		require.Equal(t, tt.ok, err == nil, "%s: %s", name, errs)
	}
}

// TestCommandCallsS3: what the command signs, presigns and sends is taken, and curl uses what it writes.
func TestCommandCallsS3(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	command, home := credchainCLI.path(t), t.TempDir()
	file := writeFile(t, home, "report.txt", "pages")
	env := commandEnv(home, "AWS_ACCESS_KEY_ID="+rootKey, "AWS_SECRET_ACCESS_KEY="+rootSecret, "AWS_EC2_METADATA_DISABLED=true")
	object := g.url() + "/papers/report.txt"
	out, errs, err := run(t, env, command, "curl", "--service", "s3", "--fail", "-i", "-T", file, g.url()+"/papers/")
	require.NoError(t, err, errs)
	require.Contains(t, out, "200 OK")
	out, errs, err = run(t, env, command, "curl", "--service", "s3", object)
	require.NoError(t, err, errs)
	require.Equal(t, "pages\n", out)

	out, errs, err = run(t, env, command, "presign", "--service", "s3", object)
	require.NoError(t, err, errs)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSpace(out), nil)
	require.NoError(t, err)
	status, answer := g.send(t, r)
	require.Equal(t, http.StatusOK, status, answer)
	require.Equal(t, "pages\n", answer)
	verified, errs, err := run(t, env, command, "verify", strings.TrimSpace(out))
	require.NoError(t, err, errs)
	require.Contains(t, verified, "signature       good\n")

	out, errs, err = run(t, env, command, "sign", "--service", "s3", "-X", "DELETE", object)
	require.NoError(t, err, errs)
	r, err = http.NewRequestWithContext(t.Context(), http.MethodDelete, object, nil)
	require.NoError(t, err)
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		r.Header.Set(name, value)
	}
	status, answer = g.send(t, r)
	require.Equal(t, http.StatusNoContent, status, answer)
}
