package sigv4_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// onceOnly is a body that can be read once, as that of a pipe.
type onceOnly struct{ io.Reader }

func (onceOnly) Close() error { return nil }

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	good := func() *sigv4.Signer { return &sigv4.Signer{Service: "es", Region: "us-east-1"} }
	for _, tt := range []struct {
		name   string
		signer *sigv4.Signer
		change func(*http.Request)
		creds  aws.Credentials
		hash   string
		says   string
	}{
		{"no service", &sigv4.Signer{Region: "us-east-1"}, nil, documented, "", "no Service"},
		{"no region", &sigv4.Signer{Service: "es"}, nil, documented, "", "no Region"},
		{"a region that is none", &sigv4.Signer{Service: "es", Region: "us/east"}, nil, documented, "", "region"},
		{"a service that is none", &sigv4.Signer{Service: "e s", Region: "us-east-1"}, nil, documented, "", "service"},
		{"a region set that is none", &sigv4.Signer{Service: "es", RegionSet: "us-east-1, us-west-2"}, nil, documented, "", "region set"},
		{"no credentials", good(), nil, aws.Credentials{}, "", "anonymous"},
		{"half of the keys", good(), nil, aws.Credentials{AccessKeyID: "AKIA"}, "", "anonymous"},
		{"an access key ID with a line end", good(), nil, aws.Credentials{AccessKeyID: "AKIA\n", SecretAccessKey: "canary"}, "", "access key ID"},
		{"a token with a line end", good(), nil, aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "canary", SessionToken: "canary\n"}, "", "control character"},
		{"no URL", good(), func(r *http.Request) { r.URL = nil }, documented, emptyHash, "no URL"},
		{"no host", good(), func(r *http.Request) { r.URL.Host, r.Host = "", "" }, documented, "", "no host"},
		{"a host in another script", good(), func(r *http.Request) { r.Host = "exämple.com" }, documented, "", "Punycode"},
		{"a host with a line end", good(), func(r *http.Request) { r.Host = "a\nb" }, documented, "", "cannot be sent"},
		{"a relative path", good(), func(r *http.Request) { r.URL.Path = "a/b" }, documented, "", "slash"},
		{"a hash in capitals", good(), nil, documented, strings.ToUpper(emptyHash), "payload hash"},
		{"a hash that is short", good(), nil, documented, emptyHash[1:], "payload hash"},
		{"a constant in lower case", good(), nil, documented, "unsigned-payload", "payload hash"},
		{"a hash with UnsignedPayload", &sigv4.Signer{Service: "es", Region: "us-east-1", UnsignedPayload: true}, nil, documented, emptyHash, "UnsignedPayload"},
		{"a body of another length", good(), func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("abc")), 4
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("abc")), nil }
		}, documented, "", "3 bytes, and the request says 4"},
		{"a body that fails", good(), func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("abc"))
			r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("disk on fire") }
		}, documented, "", "disk on fire"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, "GET", "https://host.example/?b=1&a=2", "X-Amz-Date", "old", "Authorization", "old")
			if tt.change != nil {
				tt.change(r)
			}
			header, host := r.Header.Clone(), r.Host
			err := tt.signer.Sign(r, tt.creds, tt.hash, at2015)
			require.ErrorContains(t, err, tt.says)
			require.ErrorContains(t, err, "sigv4: ")
			require.NotContains(t, err.Error(), "canary")
			require.Equal(t, header, r.Header, "the request was changed")
			require.Equal(t, host, r.Host, "the request was changed")
		})
	}
}

func TestSignYear(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "es", Region: "us-east-1"}
	require.ErrorContains(t, s.Sign(request(t, "GET", "https://host.example/"), documented, "", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), "year")
}

// TestBodies wants each kind of body hashed in full, and left to be sent in full.
func TestBodies(t *testing.T) {
	t.Parallel()
	const text = "all of it"
	file := func(t *testing.T) *os.File {
		name := filepath.Join(t.TempDir(), "body")
		require.NoError(t, os.WriteFile(name, []byte("skipped "+text), 0o600))
		f, err := os.Open(name)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		_, err = f.Seek(8, io.SeekStart)
		require.NoError(t, err)
		return f
	}
	for _, tt := range []struct {
		name string
		body func(*testing.T) io.Reader
		want error
	}{
		{"strings.Reader", func(*testing.T) io.Reader { return strings.NewReader(text) }, nil},
		{"bytes.Buffer", func(*testing.T) io.Reader { return bytes.NewBufferString(text) }, nil},
		{"a file, from where it stands", func(t *testing.T) io.Reader { return file(t) }, nil},
		{"a reader", func(*testing.T) io.Reader { return onceOnly{strings.NewReader(text)} }, sigv4.ErrNotReplayable},
		{"a pipe of the system, which is a file", func(t *testing.T) io.Reader {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			t.Cleanup(func() { r.Close() })
			_, err = w.WriteString(text)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			return r
		}, sigv4.ErrNotReplayable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequest("PUT", "https://host.example/", tt.body(t))
			require.NoError(t, err)
			s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
			err = s.Sign(r, documented, "", at2015)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				require.Empty(t, r.Header)
				explicitly := &sigv4.Signer{Service: "s3", Region: "us-east-1", UnsignedPayload: true}
				require.NoError(t, explicitly.Sign(r, documented, "", at2015))
				require.Equal(t, "UNSIGNED-PAYLOAD", r.Header.Get("X-Amz-Content-Sha256"))
			} else {
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("%x", sha256.Sum256([]byte(text))), r.Header.Get("X-Amz-Content-Sha256"))
			}
			require.Equal(t, text, readAll(t, r.Body), "the body was consumed")
		})
	}
}

func TestSignAgain(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	r := request(t, "GET", "https://host.example:443/a+b?x&a=1+2", "X-Amz-Meta-A", "1", "x-amz-date", "old", "X-Amz-Region-Set", "*")
	r.Header["x-amz-security-token"] = []string{"old"}
	shared := r.URL
	require.NoError(t, s.Sign(r, session, "", at2015))
	require.Equal(t, "https://host.example:443/a%2Bb?a=1%202&x=", r.URL.String())
	require.Equal(t, "/a+b", r.URL.Path)
	require.Equal(t, "https://host.example:443/a+b?x&a=1+2", shared.String(), "another request's URL was changed")
	first := r.Header.Clone()
	require.Len(t, first, 5) // one of ours, four of the signature's
	require.Equal(t, []string{session.SessionToken}, first["X-Amz-Security-Token"])
	require.NoError(t, s.Sign(r, documented, "", at2015.Add(time.Hour)))
	require.NotContains(t, r.Header, "X-Amz-Security-Token")
	_, err := verifier(documented).Verify(sent(t, r), at2015.Add(time.Hour))
	require.NoError(t, err)
	require.NoError(t, s.Sign(r, session, "", at2015))
	require.Equal(t, first, r.Header)
}

func TestTokenRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rule   sigv4.TokenRule
		header string
		signed bool
	}{
		{sigv4.TokenSigned, "X-Amz-Security-Token", true},
		{sigv4.TokenUnsigned, "X-Amz-Security-Token", false},
		{sigv4.TokenS3Session, "X-Amz-S3session-Token", true},
		{sigv4.TokenOmitted, "", false},
	} {
		s := &sigv4.Signer{Service: "s3express", Region: "us-east-1", SessionToken: tt.rule}
		r := request(t, "GET", "https://host.example/")
		require.NoError(t, s.Sign(r, session, "", at2015))
		for _, key := range []string{"X-Amz-Security-Token", "X-Amz-S3session-Token"} {
			_, there := r.Header[key]
			require.Equal(t, key == tt.header, there, "%d: %s", tt.rule, key)
			require.Equal(t, key == tt.header && tt.signed, strings.Contains(r.Header.Get("Authorization"), strings.ToLower(key)))
		}
		p, err := s.Presign(t.Context(), request(t, "GET", "https://host.example/"), static(session), sigv4.PresignInput{}, at2015)
		require.NoError(t, err)
		u, err := url.Parse(p.URL)
		require.NoError(t, err)
		require.Equal(t, tt.header != "", u.Query().Has(tt.header) && tt.header != "")
		if tt.header != "" {
			require.Equal(t, session.SessionToken, u.Query().Get(tt.header))
			_, afterwards, _ := strings.Cut(p.URL, "X-Amz-Signature=")
			require.Equal(t, !tt.signed, strings.Contains(afterwards, tt.header))
		}
		if tt.signed {
			_, err = verifier(session).Verify(fetched(t, p), at2015)
			require.NoError(t, err)
			_, err = verifier(session).Verify(sent(t, r), at2015)
			require.NoError(t, err)
		}
	}
	// A token that the caller sends otherwise is left to the caller.
	s := &sigv4.Signer{Service: "es", Region: "us-east-1", SessionToken: sigv4.TokenOmitted}
	r := request(t, "GET", "https://host.example/", "X-Amz-Security-Token", "mine")
	require.NoError(t, s.Sign(r, session, "", at2015))
	require.Equal(t, []string{"mine"}, r.Header["X-Amz-Security-Token"])
	require.Contains(t, r.Header.Get("Authorization"), "x-amz-security-token")
}

func TestContentHashHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		signer *sigv4.Signer
		has    string // before
		want   string
	}{
		{&sigv4.Signer{Service: "sts"}, "", ""},
		{&sigv4.Signer{Service: "sts"}, "stale", emptyHash},
		{&sigv4.Signer{Service: "s3"}, "", emptyHash},
		{&sigv4.Signer{Service: "s3-outposts"}, "stale", emptyHash},
		{&sigv4.Signer{Service: "sts", UnsignedPayload: true}, "", "UNSIGNED-PAYLOAD"},
	} {
		tt.signer.Region = "us-east-1"
		r := request(t, "GET", "https://host.example/")
		if tt.has != "" {
			r.Header.Set("X-Amz-Content-Sha256", tt.has)
		}
		require.NoError(t, tt.signer.Sign(r, documented, "", at2015))
		require.Equal(t, tt.want, r.Header.Get("X-Amz-Content-Sha256"))
		require.Equal(t, tt.want != "", strings.Contains(r.Header.Get("Authorization"), "x-amz-content-sha256"))
	}
}

// TestConcurrent signs with more identities at once than keys are remembered.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	v := &sigv4.Verifier{Credentials: verifyAny}
	var wg sync.WaitGroup
	for i := range 2 * sigv4.MaxKeys {
		wg.Go(func() {
			for range 3 {
				r, err := http.NewRequest("GET", "https://host.example/", nil)
				if err == nil {
					err = s.Sign(r, aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: strings.Repeat("x", i+1), SessionToken: strings.Repeat("x", i+1)}, "", at2015)
				}
				if err == nil {
					r, err = received(r)
				}
				if err == nil {
					_, err = v.Verify(r, at2015)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, s.Keys(), sigv4.MaxKeys)
}
