package sigv4_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/sigv4"
)

// renewing gives credentials that live for the first of its lifetimes, and after Invalidate for the next.
type renewing struct {
	lifetimes []time.Duration
	rejected  int
	err       error
}

func (p *renewing) Retrieve(context.Context) (aws.Credentials, error) {
	creds := session
	creds.CanExpire, creds.Expires = true, at2015.Add(p.lifetimes[min(p.rejected, len(p.lifetimes)-1)])
	return creds, p.err
}

func (p *renewing) Reject(aws.Credentials) { p.rejected++ }

func TestPresignExpiry(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	for _, tt := range []struct {
		name           string
		asked, atLeast time.Duration
		lifetimes      []time.Duration
		want           time.Duration
		limit          sigv4.Limit
		renewed        int
		remaining      time.Duration // of the error
	}{
		{"as asked", 10 * minute, 0, []time.Duration{60 * minute}, 10 * minute, sigv4.LimitedByRequest, 0, 0},
		{"the default", 0, 0, []time.Duration{60 * minute}, 15 * minute, sigv4.LimitedByRequest, 0, 0},
		{"as long as the credentials", 60 * minute, 0, []time.Duration{10 * minute}, 10 * minute, sigv4.LimitedByCredentials, 0, 0},
		{"both at once", 60 * minute, 0, []time.Duration{60 * minute}, 60 * minute, sigv4.LimitedByRequest, 0, 0},
		{"long enough", 60 * minute, 10 * minute, []time.Duration{10 * minute}, 10 * minute, sigv4.LimitedByCredentials, 0, 0},
		{"renewed first", 60 * minute, 30 * minute, []time.Duration{10 * minute, 45 * minute}, 45 * minute, sigv4.LimitedByCredentials, 1, 0},
		{"renewed once only", 60 * minute, 30 * minute, []time.Duration{10 * minute, 20 * minute, 60 * minute}, 0, "", 1, 20 * minute},
		{"expired, and renewed", 60 * minute, 0, []time.Duration{0, 20 * minute}, 20 * minute, sigv4.LimitedByCredentials, 1, 0},
		{"expired for good", 60 * minute, 0, []time.Duration{-minute}, 0, "", 1, -minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
			provider := &renewing{lifetimes: tt.lifetimes}
			p, err := s.Presign(t.Context(), request(t, "GET", "https://bucket.example/key"), provider,
				sigv4.PresignInput{Expires: tt.asked, MinValidity: tt.atLeast}, at2015)
			require.Equal(t, tt.renewed, provider.rejected)
			if tt.limit == "" {
				var short *sigv4.ValidityError
				require.ErrorAs(t, err, &short)
				require.Equal(t, sigv4.ValidityError{Expires: at2015.Add(tt.remaining), Remaining: tt.remaining, MinValidity: tt.atLeast, Renewed: true}, *short)
				require.ErrorContains(t, err, "expire")
				require.Zero(t, p)
				return
			}
			require.NoError(t, err)
			require.Equal(t, at2015.Add(tt.want), p.Expires)
			require.Equal(t, tt.limit, p.LimitedBy)
		})
	}
}

// TestPresignOverAChain: URLs that must work for longer than the chain's credentials do cost its source one call, and the
// others who use the chain nothing, even if the source is away.
func TestPresignOverAChain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls, down := 0, false
		chain := credchain.New(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			if calls++; down {
				return aws.Credentials{}, errors.New("the service is away")
			}
			creds := session
			creds.CanExpire, creds.Expires = true, time.Now().Add(20*time.Minute)
			return creds, nil
		}))
		s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
		presign := func() error {
			_, err := s.Presign(t.Context(), request(t, "GET", "https://bucket.example/key"), chain,
				sigv4.PresignInput{Expires: time.Hour, MinValidity: 30 * time.Minute}, time.Now())
			return err
		}
		var short *sigv4.ValidityError
		for range 50 {
			require.ErrorAs(t, presign(), &short)
		}
		require.Equal(t, 2, calls)
		time.Sleep(time.Minute)
		down = true
		require.ErrorAs(t, presign(), &short)
		require.Equal(t, 3, calls, "it was asked")
		_, err := chain.Retrieve(t.Context())
		require.NoError(t, err, "what is valid is served")
	})
}

func TestPresignSubSecond(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	p, err := s.Presign(t.Context(), request(t, "GET", "https://bucket.example/key"), static(session), sigv4.PresignInput{Expires: time.Minute}, at2015.Add(999*time.Millisecond))
	require.NoError(t, err)
	require.Equal(t, at2015.Add(time.Minute), p.Expires, "the signature's date has no fractions")
}

// The provider cannot be made to renew.
func TestPresignCannotRenew(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	creds := session
	creds.CanExpire, creds.Expires = true, at2015.Add(time.Minute)
	_, err := s.Presign(t.Context(), request(t, "GET", "https://bucket.example/key"), static(creds), sigv4.PresignInput{Expires: time.Hour, MinValidity: 2 * time.Minute}, at2015)
	var short *sigv4.ValidityError
	require.ErrorAs(t, err, &short)
	require.False(t, short.Renewed)
	require.EqualError(t, err, "sigv4: presign: the credentials expire at 2015-08-30T12:37:00Z, in 1m0s, and the URL must work for 2m0s; "+
		"their provider cannot be made to renew them")
}

func TestPresignRefuses(t *testing.T) {
	t.Parallel()
	boom := errors.New("no way to STS")
	for _, tt := range []struct {
		name, url string
		provider  aws.CredentialsProvider
		in        sigv4.PresignInput
		says      string
	}{
		{"more than 7 days", "https://h.example/", static(session), sigv4.PresignInput{Expires: sigv4.MaxExpires + time.Second}, "7 days"},
		{"a part of a second", "https://h.example/", static(session), sigv4.PresignInput{Expires: 1500 * time.Millisecond}, "whole seconds"},
		{"no time", "https://h.example/", static(session), sigv4.PresignInput{Expires: -time.Second}, "whole seconds"},
		{"more validity than asked for", "https://h.example/", static(session), sigv4.PresignInput{Expires: time.Minute, MinValidity: time.Hour}, "MinValidity"},
		{"negative validity", "https://h.example/", static(session), sigv4.PresignInput{MinValidity: -1}, "MinValidity"},
		{"no provider", "https://h.example/", nil, sigv4.PresignInput{}, "no credentials provider"},
		{"a provider that fails", "https://h.example/", &renewing{lifetimes: []time.Duration{time.Hour}, err: boom}, sigv4.PresignInput{}, "no way to STS"},
		{"empty credentials", "https://h.example/", static(aws.Credentials{}), sigv4.PresignInput{}, "anonymous"},
		{"no scheme", "//h.example/", static(session), sigv4.PresignInput{}, "no scheme"},
		{"a user", "https://u:p@h.example/", static(session), sigv4.PresignInput{}, "has a user"},
		{"no host", "https:/x", static(session), sigv4.PresignInput{}, "no host"},
		{"a hash that is none", "https://h.example/", static(session), sigv4.PresignInput{PayloadHash: "x"}, "payload hash"},
		{"a bad query", "https://h.example/?a=%", static(session), sigv4.PresignInput{}, "the query has"},
		{"a bad year", "https://h.example/", static(session), sigv4.PresignInput{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
			p, err := s.Presign(t.Context(), request(t, "GET", tt.url), tt.provider, tt.in, at2015)
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.says)
			require.Zero(t, p)
			require.NotContains(t, err.Error(), "of session")
		})
	}
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	p, err := s.Presign(t.Context(), request(t, "GET", "https://h.example/"), static(session), sigv4.PresignInput{Expires: sigv4.MaxExpires}, at2015)
	require.NoError(t, err)
	require.Equal(t, at2015.Add(7*24*time.Hour), p.Expires)
}

// Headers that a service takes from the query are moved there; others must be sent, and are returned.
func TestPresignHeaders(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	r := request(t, "PUT", "https://bucket.example/key?x-amz-request-payer=old&partNumber=1", "X-Amz-Request-Payer", "requester", "X-Amz-Security-Token", "stale",
		"Content-Type", "text/plain", "X-Amz-Meta-A", "1", "X-Amz-Meta-A", "2", "X-Amz-Checksum-Mode", "ENABLED", "User-Agent", "x", "X-Amz-Content-Sha256", "stale")
	r.ContentLength = 3
	p, err := s.Presign(t.Context(), r, static(session), sigv4.PresignInput{}, at2015)
	require.NoError(t, err)
	require.Equal(t, "PUT", p.Method)
	require.Equal(t, map[string][]string{"Content-Type": {"text/plain"}, "Content-Length": {"3"}, "X-Amz-Meta-A": {"1", "2"},
		"X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}, map[string][]string(p.Header))
	u, err := url.Parse(p.URL)
	require.NoError(t, err)
	q := u.Query()
	require.Equal(t, []string{"requester"}, q["x-amz-request-payer"])
	require.Equal(t, []string{"ENABLED"}, q["X-Amz-Checksum-Mode"])
	require.Equal(t, []string{session.SessionToken}, q["X-Amz-Security-Token"])
	require.Equal(t, "content-length;content-type;host;x-amz-content-sha256;x-amz-meta-a", q.Get("X-Amz-SignedHeaders"))
	p.Header["Content-Type"][0], p.Header["X-Amz-Meta-A"][0] = "changed", "changed"
	require.Equal(t, "text/plain 1", r.Header.Get("Content-Type")+" "+r.Header.Get("X-Amz-Meta-A"), "the result shares the request's headers")
}

// A header by the name of a parameter that belongs to the signature does not take its place, nor does such a parameter of the request.
func TestPresignOwnParameters(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": "ASIAEXAMPLE/20150830/us-east-1/s3/aws4_request",
		"X-Amz-Date": "20150830T123600Z", "X-Amz-Expires": "600", "X-Amz-SignedHeaders": "host", "X-Amz-Signature": "",
		"X-Amz-Security-Token": session.SessionToken, "X-Amz-S3session-Token": "", "X-Amz-Region-Set": "",
	} {
		for _, key := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			t.Run(key, func(t *testing.T) {
				t.Parallel()
				s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
				r := request(t, "GET", "https://bucket.example/key?"+key+"=604800")
				r.Header[key] = []string{"604800"}
				p, err := s.Presign(t.Context(), r, static(session), sigv4.PresignInput{Expires: 10 * time.Minute}, at2015)
				require.NoError(t, err)
				require.Equal(t, at2015.Add(10*time.Minute), p.Expires)
				require.NotContains(t, p.URL, "604800")
				require.Empty(t, p.Header)
				require.Equal(t, []string{"604800"}, r.Header[key], "r is as it was")
				u, err := url.Parse(p.URL)
				require.NoError(t, err)
				for sent, values := range u.Query() {
					if strings.EqualFold(sent, name) {
						require.Equal(t, name, sent)
						require.Len(t, values, 1)
					}
				}
				if name != "X-Amz-Signature" { // which the verifier looks at
					require.Equal(t, want, u.Query().Get(name))
				}
				_, err = verifier(session).Verify(fetched(t, p), at2015)
				require.NoError(t, err)
			})
		}
	}
}

// A URL to connect to another host than the one that is signed.
func TestPresignHost(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "es", Region: "us-east-1"}
	r := request(t, "GET", "https://[fe80::1%25eth0]:9200/a b")
	r.Host = "search.example"
	p, err := s.Presign(t.Context(), r, static(documented), sigv4.PresignInput{}, at2015)
	require.NoError(t, err)
	u, err := url.Parse(p.URL)
	require.NoError(t, err)
	require.Equal(t, "[fe80::1%eth0]:9200", u.Host)
	require.Equal(t, "/a b", u.Path)
	require.Equal(t, "search.example", p.Header.Get("Host"))
	_, err = verifier(documented).Verify(fetched(t, p), at2015)
	require.NoError(t, err)
}
