package sigv4_test

import (
	"context"
	"encoding/hex"
	"flag"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// All that the issue asks for: go test ./sigv4 -run Differential -requests 100000
var models = flag.Bool("models", false, "compare with all of botocore's models")

var requests = flag.Int("requests", 2000, "number of requests that the differential tests generate")

// sdkSigner is a new one for each case: it remembers keys by the access key ID, whatever the secret.
func sdkSigner(s3 bool) *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s3 })
}

// TestDifferentialSign wants the very request that the SDK makes.
func TestDifferentialSign(t *testing.T) {
	t.Parallel()
	for n := range *requests {
		g := generate(n)
		theirs := g.request.Clone(context.Background())
		require.NoError(t, sdkSigner(g.s3).SignHTTP(t.Context(), g.creds, theirs, g.payload, g.service, g.region, g.at))
		require.NoErrorf(t, g.signer().Sign(g.request, g.creds, g.payload, g.at), "request %d", n)
		if diff := cmp.Diff(theirs.Header, g.request.Header); diff != "" || theirs.URL.String() != g.request.URL.String() || theirs.Host != g.request.Host {
			t.Fatalf("request %d: %s %s\nheaders (- SDK, + ours):\n%s\nSDK  %s %s\nours %s %s", n, g.request.Method, generate(n).request.URL, diff,
				theirs.Host, theirs.URL, g.request.Host, g.request.URL)
		}
	}
}

func TestDifferentialPresign(t *testing.T) {
	t.Parallel()
	for n := range *requests {
		g := generate(n)
		theirs := g.request.Clone(context.Background())
		expires := "X-Amz-Expires=" + strconv.Itoa(int(g.expires/time.Second)) // which the SDK leaves to its caller
		theirs.URL.RawQuery = strings.TrimPrefix(theirs.URL.RawQuery+"&"+expires, "&")
		want, header, err := sdkSigner(g.s3).PresignHTTP(t.Context(), g.creds, theirs, g.payload, g.service, g.region, g.at)
		require.NoError(t, err)
		got, err := g.signer().Presign(t.Context(), g.request, static(g.creds), sigv4.PresignInput{Expires: g.expires, PayloadHash: g.payload}, g.at)
		require.NoErrorf(t, err, "request %d", n)
		// Our URLs are in the form that is signed: without the scheme's own port, and with a path.
		port := map[string]string{"http": ":80", "https": ":443"}[g.request.URL.Scheme]
		want = strings.Replace(strings.Replace(want, port+"/", "/", 1), port+"?", "?", 1)
		if g.request.URL.Path == "" {
			want = strings.Replace(want, "?", "/?", 1)
		}
		if u, err := url.Parse(got.URL); err == nil && header.Get("Host") == u.Host {
			header.Del("Host") // which whoever gets the URL sends anyway
		}
		if diff := cmp.Diff(header, got.Header, cmpopts.EquateEmpty()); diff != "" || want != got.URL {
			t.Fatalf("request %d: %s %s\nheaders (- SDK, + ours):\n%s\nSDK  %s\nours %s", n, g.request.Method, g.request.URL, diff, want, got.URL)
		}
		require.Equal(t, generate(n).request, g.request, "request %d was changed", n)
	}
}

func TestDifferentialEvents(t *testing.T) {
	t.Parallel()
	for n := range *requests / 20 {
		g := generate(n)
		s := &sigv4.Signer{Service: g.service, Region: g.region}
		events, err := s.SignEvents(g.request, g.creds, g.at)
		require.NoError(t, err)
		require.Equal(t, "STREAMING-AWS4-HMAC-SHA256-EVENTS", g.request.Header.Get("X-Amz-Content-Sha256"))
		seed, err := hex.DecodeString(signature(g.request))
		require.NoError(t, err)
		theirs := v4.NewStreamSigner(g.creds, g.service, g.region, seed)
		at := g.at
		for i := range 4 {
			headers, payload := []byte{5, ':', 'd', 'a', 't', 'e', byte(i)}, []byte(strings.Repeat("audio", i*n))
			want, err := theirs.GetSignature(context.Background(), headers, payload, at)
			require.NoError(t, err)
			got, err := events.Sign(headers, payload, at)
			require.NoError(t, err)
			require.Equal(t, want, got, "stream %d, message %d", n, i)
			at = at.Add(7 * time.Hour) // into the next day
		}
	}
}

// TestDeliberateDifferences lists all places where our signature is not the SDK's for the same request. In each the SDK
// signs another request than is sent, drops a part of it, or leaves the documented rules.
func TestDeliberateDifferences(t *testing.T) {
	t.Parallel()
	type change = func(*http.Request)
	const direct = "accepted"
	url := func(to string) change {
		return func(r *http.Request) { other := request(t, "GET", to); r.URL, r.Host = other.URL, other.Host }
	}
	header := func(key string, values ...string) change {
		return func(r *http.Request) { r.Header[key] = values }
	}
	for _, tt := range []struct {
		name    string
		service string
		change  change
		is      string // our error; or what the SDK's request is good for, if it is accepted where nothing lies between
	}{
		{"empty and dot segments go, but for S3", "es", url("https://host.example/a//b/./c/../d"), ""},
		{"S3's paths are escaped once more by its rule, whatever net/url leaves", "s3", url("https://host.example/a+b=c@d"), ""},
		{"headers that a hop changes are not signed", "es", header("Connection", "close"), direct},
		{"nor TE", "es", header("Te", "trailers"), direct},
		{"nor Trailer", "es", header("Trailer", "X-Sum"), ""},
		{"nor Keep-Alive", "es", header("Keep-Alive", "timeout=5"), direct},
		{"nor Upgrade", "es", header("Upgrade", "h2c"), direct},
		{"nor Proxy-Authorization", "es", header("Proxy-Authorization", "Basic eDp5"), direct},
		{"nor Proxy-Authenticate", "es", header("Proxy-Authenticate", "Basic"), direct},
		{"in any spelling", "es", header("user-agent", "x"), ""},
		{"a header without a value is not sent, and so not signed", "es", header("X-Empty"), ""},
		{"only the blanks that net/http trims are trimmed", "es", header("X-Wide", "a\u00a0"), ""},
		{"a token of an earlier signature goes", "es", header("X-Amz-Security-Token", "old"), ""},
		{"an IPv6 address keeps its brackets without the default port", "es", url("https://[2001:db8::1]:443/"), direct},
		{"an IPv6 zone is not sent, and so not signed", "es", url("https://[fe80::1%25eth0]:8443/"), ""},
		{"a semicolon in the query is kept", "es", url("https://host.example/?a=1;b=2&c=3"), direct},
		{"a broken escape in the query is not dropped with its pair", "es", url("https://host.example/?a=%zz&c=3"), "the query has"},
		{"a line end in a value would make another header", "es", header("X-A", "1\nx-b:2"), "control character"},
		{"a name that cannot be one", "es", header("X A", "1"), "not the name of a header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, "GET", "https://host.example/")
			tt.change(r)
			payload := emptyHash
			if tt.service == "s3" {
				r.Header.Set("X-Amz-Content-Sha256", payload)
			}
			theirs := r.Clone(context.Background())
			require.NoError(t, sdkSigner(tt.service == "s3").SignHTTP(t.Context(), documented, theirs, payload, tt.service, "us-east-1", at2015))
			s := &sigv4.Signer{Service: tt.service, Region: "us-east-1"}
			before := r.Clone(context.Background())
			err := s.Sign(r, documented, payload, at2015)
			if tt.is != "" && tt.is != direct {
				require.ErrorContains(t, err, tt.is)
				require.Equal(t, before, r, "a request that cannot be signed was changed")
				return
			}
			require.NoError(t, err)
			require.NotEqual(t, signature(theirs), signature(r))
			_, err = verifier(documented).Verify(sent(t, r), at2015)
			require.NoError(t, err)
			if got, err := received(theirs); err == nil {
				_, err = verifier(documented).Verify(got, at2015)
				require.Equal(t, tt.is == direct, err == nil, "the SDK's signature: %v", err)
			}
		})
	}
}

// TestDeliberateDifferencesOfURLs is the list for presigned URLs.
func TestDeliberateDifferencesOfURLs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, url, key, value string
	}{
		{"what an earlier signature left in the query goes", "https://host.example/?X-Amz-Signature=00&X-Amz-Security-Token=old", "", ""},
		{"a header of an earlier signature has no say in the date", "https://host.example/", "X-Amz-Date", "20010101T000000Z"},
		{"nor one with a token", "https://host.example/", "X-Amz-Security-Token", "old"},
		{"X-Amz-Grant-Full-Control is a header: the SDK's list has a slip of the pen", "https://host.example/", "X-Amz-Grant-Full-Control", "id=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, "GET", tt.url)
			if tt.key != "" {
				r.Header.Set(tt.key, tt.value)
			}
			theirs := r.Clone(context.Background())
			theirs.URL.RawQuery = strings.TrimPrefix(theirs.URL.RawQuery+"&X-Amz-Expires=900", "&")
			want, _, err := sdkSigner(true).PresignHTTP(t.Context(), documented, theirs, sigv4.UnsignedPayload, "s3", "us-east-1", at2015)
			require.NoError(t, err)
			s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
			p, err := s.Presign(t.Context(), r, static(documented), sigv4.PresignInput{}, at2015)
			require.NoError(t, err)
			require.NotEqual(t, want, p.URL)
			_, err = verifier(documented).Verify(fetched(t, p), at2015)
			require.NoError(t, err)
		})
	}
}

// fetched is the request of whoever has a presigned URL, as a server receives it.
func fetched(t testing.TB, p sigv4.Presigned) *http.Request {
	t.Helper()
	r := request(t, p.Method, p.URL)
	r.Header = p.Header.Clone()
	r.Host = r.Header.Get("Host")
	r.Header.Del("Host")
	return sent(t, r)
}

// TestKeyOfTheSecret signs with two secrets of one access key ID: the SDK's signer uses the first for both.
func TestKeyOfTheSecret(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "sts", Region: "us-east-1"}
	for _, secret := range []string{"one", "another", "one"} {
		creds := aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: secret}
		r := request(t, "GET", "https://sts.amazonaws.com/")
		require.NoError(t, s.Sign(r, creds, "", at2015))
		_, err := verifier(creds).Verify(sent(t, r), at2015)
		require.NoError(t, err)
	}
}
