package sigv4_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

var session = aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret+/of=session", SessionToken: "token/+=of session"}

func part(t testing.TB, err error) sigv4.Part {
	t.Helper()
	var refused *sigv4.VerifyError
	require.ErrorAs(t, err, &refused)
	return refused.Part
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for n := range 300 {
		g := generate(n)
		g.request.ContentLength = 0 // there is no body
		if g.s3 {
			g.payload = sigv4.UnsignedPayload
		} else {
			g.payload = emptyHash
		}
		for _, key := range []string{"Transfer-Encoding", "Content-Length", "Date", "Expect"} { // which net/http does not let through
			g.request.Header.Del(key)
		}
		v := verifier(g.creds)
		v.Path, v.Service, v.Region = g.signer().Path, g.service, g.region

		p, err := g.signer().Presign(t.Context(), g.request, static(g.creds), sigv4.PresignInput{Expires: g.expires, PayloadHash: g.payload}, g.at)
		require.NoError(t, err)
		got, err := v.Verify(fetched(t, p), g.at.Add(g.expires-time.Second))
		require.NoErrorf(t, err, "request %d: %s", n, p.URL)
		require.Equal(t, g.creds.AccessKeyID, got.AccessKeyID)
		require.Equal(t, p.Expires, got.Expires)
		_, err = v.Verify(fetched(t, p), g.at.Add(g.expires))
		require.Equal(t, sigv4.PartTime, part(t, err))

		require.NoError(t, g.signer().Sign(g.request, g.creds, g.payload, g.at))
		got, err = v.Verify(sent(t, g.request), g.at)
		require.NoErrorf(t, err, "request %d: %s %v", n, g.request.URL, g.request.Header)
		require.Equal(t, g.creds.AccessKeyID, got.AccessKeyID)
		require.True(t, got.Expires.IsZero())
	}
}

// TestTampering changes each part of a signed request. The first change is none.
func TestTampering(t *testing.T) {
	t.Parallel()
	const day, skew = 24 * time.Hour, 15 * time.Minute
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		at     time.Duration
		want   sigv4.Part
	}{
		{"nothing", func(*http.Request) {}, 0, ""},
		{"within the skew", func(*http.Request) {}, skew, ""},
		{"within the skew, before", func(*http.Request) {}, -skew, ""},
		{"later", func(*http.Request) {}, skew + time.Second, sigv4.PartTime},
		{"earlier", func(*http.Request) {}, -skew - time.Second, sigv4.PartTime},
		{"method", func(r *http.Request) { r.Method = "PUT" }, 0, sigv4.PartMethod},
		{"an unusual method", func(r *http.Request) { r.Method = "PATCH" }, 0, sigv4.PartMethod},
		{"path", func(r *http.Request) { r.URL.Path += "x"; r.URL.RawPath = "" }, 0, sigv4.PartUnknown},
		{"another escape in the path", func(r *http.Request) { r.URL.RawPath = "/a%2Fb c" }, 0, sigv4.PartUnknown},
		{"parameter", func(r *http.Request) { r.URL.RawQuery = "Action=DeleteUser&Version=2" }, 0, sigv4.PartUnknown},
		{"one more parameter", func(r *http.Request) { r.URL.RawQuery += "&x=1" }, 0, sigv4.PartUnknown},
		{"one more value", func(r *http.Request) { r.URL.RawQuery += "&Version=2" }, 0, sigv4.PartUnknown},
		{"order of parameters", func(r *http.Request) { r.URL.RawQuery = "Version=2&Action=ListUsers" }, 0, ""},
		{"host", func(r *http.Request) { r.Host = "evil.example" }, 0, sigv4.PartUnknown},
		{"port of the host", func(r *http.Request) { r.Host += ":8080" }, 0, sigv4.PartHeaders},
		{"signed header", func(r *http.Request) { r.Header.Set("X-A", "2") }, 0, sigv4.PartUnknown},
		{"one more value of a header", func(r *http.Request) { r.Header.Add("X-A", "2") }, 0, sigv4.PartUnknown},
		{"signed header gone", func(r *http.Request) { r.Header.Del("X-A") }, 0, sigv4.PartSignedHeaders},
		{"unsigned header of AWS", func(r *http.Request) { r.Header.Set("X-Amz-Target", "x") }, 0, sigv4.PartSignedHeaders},
		{"unsigned header", func(r *http.Request) { r.Header.Set("Via", "x") }, 0, ""},
		{"user agent", func(r *http.Request) { r.Header.Set("User-Agent", "x") }, 0, ""},
		{"body", body("{}!!!!"), 0, sigv4.PartUnknown},
		{"length of the body", func(r *http.Request) { r.ContentLength = 5 }, 0, sigv4.PartPayload},
		{"no body", func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0 }, 0, sigv4.PartUnknown},
		{"token", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") }, 0, sigv4.PartSessionToken},
		{"no token", func(r *http.Request) { r.Header.Del("X-Amz-Security-Token") }, 0, sigv4.PartSignedHeaders},
		{"date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123601Z") }, 0, sigv4.PartUnknown},
		{"day of the date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150831T123600Z") }, day, sigv4.PartTime},
		{"two dates", func(r *http.Request) { r.Header.Add("X-Amz-Date", "20150830T123600Z") }, 0, sigv4.PartAuthorization},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 0, sigv4.PartAuthorization},
		{"fraction of a second", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123600.0Z") }, 0, sigv4.PartAuthorization},
		{"region", authorization("us-east-1", "us-east-2"), 0, sigv4.PartScope},
		{"service", authorization("/iam/", "/sts/"), 0, sigv4.PartScope},
		{"terminator", authorization("aws4_request", "aws5_request"), 0, sigv4.PartAuthorization},
		{"key", authorization("ASIAEXAMPLE", "ASIAOTHER"), 0, sigv4.PartAccessKey},
		{"algorithm", authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), 0, sigv4.PartAuthorization},
		{"signature", authorization("Signature=", "Signature=0"), 0, sigv4.PartAuthorization},
		{"a digit of the signature", lastDigit, 0, sigv4.PartUnknown},
		{"host not signed", authorization("host;", ""), 0, sigv4.PartSignedHeaders},
		{"token not signed", authorization(";x-amz-security-token", ""), 0, sigv4.PartSignedHeaders},
		{"header not signed", authorization(";x-a;", ";"), 0, sigv4.PartUnknown},
		{"headers not sorted", authorization("host;x-a", "x-a;host"), 0, sigv4.PartAuthorization},
		{"header twice", authorization("x-a;", "x-a;x-a;"), 0, sigv4.PartAuthorization},
		{"header in capitals", authorization("x-a;", "X-A;"), 0, sigv4.PartAuthorization},
		{"two authorizations", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, 0, sigv4.PartAuthorization},
		{"signature in the query too", func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=00" }, 0, sigv4.PartAuthorization},
		{"none", func(r *http.Request) { r.Header.Del("Authorization") }, 0, sigv4.PartAuthorization},
		{"field twice", authorization("Signature=", "Credential=x, Signature="), 0, sigv4.PartAuthorization},
		{"another hash than the body's", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", emptyHash) }, 0, sigv4.PartSignedHeaders},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequest("POST", "https://iam.example/a%2Fb%20c?Action=ListUsers&Version=2", strings.NewReader("{...}!"))
			require.NoError(t, err)
			r.Header.Set("X-A", "1")
			s := &sigv4.Signer{Service: "iam", Region: "us-east-1"}
			require.NoError(t, s.Sign(r, session, "", at2015))
			require.Equal(t, "{...}!", readAll(t, must(r.GetBody())), "the body was consumed")
			got := sent(t, r)
			tt.change(got)
			v := verifier(session)
			v.Service, v.Region = "iam", "us-east-1"
			verified, err := v.Verify(got, at2015.Add(tt.at))
			if tt.want != "" {
				require.Equal(t, tt.want, part(t, err), "error: %v", err)
				require.NotContains(t, err.Error(), session.SessionToken)
				require.Zero(t, verified)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "{...}!", readAll(t, got.Body), "the body was not put back")
			require.Equal(t, []string{"content-length", "host", "x-a", "x-amz-date", "x-amz-security-token"}, verified.SignedHeaders)
			require.Equal(t, "iam us-east-1 ASIAEXAMPLE", verified.Service+" "+verified.Region+" "+verified.AccessKeyID)
			require.Equal(t, at2015, verified.Time)
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func body(to string) func(*http.Request) {
	return func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(to)) }
}

func authorization(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		before := r.Header.Get("Authorization")
		if !strings.Contains(before, from) {
			panic("nothing to change in " + before)
		}
		r.Header.Set("Authorization", strings.Replace(before, from, to, 1))
	}
}

func lastDigit(r *http.Request) {
	a := r.Header.Get("Authorization")
	last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(a, "0")]
	r.Header.Set("Authorization", a[:len(a)-1]+last)
}

func TestTamperingWithURL(t *testing.T) {
	t.Parallel()
	replace := func(from, to string) func(string) string {
		return func(u string) string {
			if !strings.Contains(u, from) {
				panic("nothing to change in " + u)
			}
			return strings.Replace(u, from, to, 1)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(string) string
		after  time.Duration
		want   sigv4.Part
	}{
		{"nothing", replace("", ""), 0, ""},
		{"until it expires", replace("", ""), time.Hour - 1, ""},
		{"expired", replace("", ""), time.Hour, sigv4.PartTime},
		{"six days old", replace("X-Amz-Expires=3600", "X-Amz-Expires=604800"), 6 * 24 * time.Hour, sigv4.PartUnknown},
		{"from the future", replace("", ""), -15*time.Minute - 1, sigv4.PartTime},
		{"more than 7 days", replace("X-Amz-Expires=3600", "X-Amz-Expires=604801"), 0, sigv4.PartAuthorization},
		{"no time at all", replace("X-Amz-Expires=3600", "X-Amz-Expires=0"), 0, sigv4.PartAuthorization},
		{"a negative time", replace("X-Amz-Expires=3600", "X-Amz-Expires=-1"), 0, sigv4.PartAuthorization},
		{"no expiry", replace("X-Amz-Expires=3600&", ""), 0, sigv4.PartAuthorization},
		{"expiry twice", replace("X-Amz-Expires=3600", "X-Amz-Expires=3600&X-Amz-Expires=3600"), 0, sigv4.PartAuthorization},
		{"path", replace("/key", "/other"), 0, sigv4.PartUnknown},
		{"parameter", replace("versionId=1", "versionId=2"), 0, sigv4.PartUnknown},
		{"one more parameter", replace("versionId=1", "versionId=1&a=b"), 0, sigv4.PartUnknown},
		{"token gone", replace("X-Amz-Security-Token=token%2F%2B%3Dof%20session&", ""), 0, sigv4.PartSessionToken},
		{"token", replace("token%2F", "Token%2F"), 0, sigv4.PartSessionToken},
		{"signature", replace("X-Amz-Signature=", "X-Amz-Signature=zz"), 0, sigv4.PartAuthorization},
		{"signature gone", replace("&X-Amz-Signature=", "&x="), 0, sigv4.PartAuthorization},
		{"algorithm", replace("AWS4-HMAC-SHA256", "none"), 0, sigv4.PartAuthorization},
		{"signed headers", replace("SignedHeaders=host", "SignedHeaders="), 0, sigv4.PartAuthorization},
		{"date", replace("20150830T123600Z", "20150830T123601Z"), 0, sigv4.PartUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
			p, err := s.Presign(t.Context(), request(t, "GET", "https://bucket.example/key?versionId=1"), static(session),
				sigv4.PresignInput{Expires: time.Hour}, at2015)
			require.NoError(t, err)
			p.URL = tt.change(p.URL)
			got, err := verifier(session).Verify(fetched(t, p), at2015.Add(tt.after))
			if tt.want != "" {
				require.Equal(t, tt.want, part(t, err), "error: %v", err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, at2015.Add(time.Hour), got.Expires)
			require.Equal(t, sigv4.UnsignedPayload, got.Payload)
		})
	}
}

func TestVerifierRefuses(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	post := func(t *testing.T, payload string) *http.Request {
		r, err := http.NewRequest("POST", "https://host.example/", strings.NewReader("0123456789"))
		require.NoError(t, err)
		require.NoError(t, s.Sign(r, session, payload, at2015))
		return sent(t, r)
	}
	t.Run("a look-up that fails", func(t *testing.T) {
		t.Parallel()
		v := &sigv4.Verifier{Credentials: func(context.Context, string, string) (aws.Credentials, error) { return aws.Credentials{}, errUnknown }}
		_, err := v.Verify(post(t, ""), at2015)
		require.Equal(t, sigv4.PartAccessKey, part(t, err))
		require.ErrorIs(t, err, errUnknown)
		require.NotErrorIs(t, err, sigv4.ErrUnsigned)
	})
	t.Run("a look-up of another key", func(t *testing.T) {
		t.Parallel()
		v := &sigv4.Verifier{Credentials: func(context.Context, string, string) (aws.Credentials, error) { return documented, nil }}
		_, err := v.Verify(post(t, ""), at2015)
		require.Equal(t, sigv4.PartAccessKey, part(t, err))
	})
	t.Run("no look-up", func(t *testing.T) {
		t.Parallel()
		_, err := new(sigv4.Verifier).Verify(post(t, ""), at2015)
		require.Equal(t, sigv4.PartAccessKey, part(t, err))
	})
	t.Run("nothing signed", func(t *testing.T) {
		t.Parallel()
		_, err := verifier(session).Verify(sent(t, request(t, "GET", "https://host.example/")), at2015)
		require.ErrorIs(t, err, sigv4.ErrUnsigned)
	})
	t.Run("expired credentials", func(t *testing.T) {
		t.Parallel()
		creds := session
		creds.CanExpire, creds.Expires = true, at2015
		_, err := verifier(creds).Verify(post(t, ""), at2015)
		require.Equal(t, sigv4.PartSessionToken, part(t, err))
		_, err = verifier(creds).Verify(post(t, ""), at2015.Add(-1))
		require.NoError(t, err)
	})
	t.Run("a body that is too long", func(t *testing.T) {
		t.Parallel()
		v := verifier(session)
		v.MaxBody = 9
		_, err := v.Verify(post(t, ""), at2015)
		require.Equal(t, sigv4.PartPayload, part(t, err))
		v.MaxBody = 10
		_, err = v.Verify(post(t, ""), at2015)
		require.NoError(t, err)
	})
	t.Run("another body than its hash says", func(t *testing.T) {
		t.Parallel()
		r := post(t, "")
		body("9876543210")(r)
		_, err := verifier(session).Verify(r, at2015)
		require.Equal(t, sigv4.PartPayload, part(t, err))
	})
	t.Run("a payload that is not signed, but for S3", func(t *testing.T) {
		t.Parallel()
		r := request(t, "GET", "https://host.example/")
		lattice := &sigv4.Signer{Service: "vpc-lattice-svcs", Region: "us-east-1", UnsignedPayload: true}
		require.NoError(t, lattice.Sign(r, session, "", at2015))
		v := verifier(session)
		_, err := v.Verify(sent(t, r), at2015)
		require.Equal(t, sigv4.PartPayload, part(t, err))
		v.UnsignedPayload = true
		got, err := v.Verify(sent(t, r), at2015)
		require.NoError(t, err)
		require.Equal(t, sigv4.UnsignedPayload, got.Payload)
	})
	t.Run("a constant that is not known", func(t *testing.T) {
		t.Parallel()
		_, err := verifier(session).Verify(post(t, "STREAMING-NOTHING"), at2015)
		require.Equal(t, sigv4.PartPayload, part(t, err))
	})
}

// TestMistakes wants the verifier to find what a client got wrong.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, url string
		sign      func(*http.Request) // and send something else
		part      sigv4.Part
		says      string
	}{
		{"S3's path rule", "https://host.example/a%20b", signedBy(sigv4.PathOnce, nil), sigv4.PartPath, "as for S3"},
		{"empty segments kept", "https://host.example/a%20b//c", signedBy(sigv4.PathTwice, nil), sigv4.PartPath, "empty and dot segments"},
		{"query added later", "https://host.example/", signedBy(sigv4.PathByService, func(r *http.Request) { r.URL.RawQuery = "a=1" }), sigv4.PartQuery, "not signed"},
		{"host with port", "https://host.example:8443/", signedBy(sigv4.PathByService, func(r *http.Request) { r.Host = "host.example" }), sigv4.PartUnknown, "does not match"},
		{"host with the default port", "http://host.example:443/", signedBy(sigv4.PathByService, func(r *http.Request) { r.Host = "host.example" }), sigv4.PartHeaders, "with the port"},
		{"host without port", "https://host.example/", signedBy(sigv4.PathByService, func(r *http.Request) { r.Host = "host.example:9000" }), sigv4.PartHeaders, "without the port"},
		{"host in capitals", "https://host.example/", signedBy(sigv4.PathByService, func(r *http.Request) { r.Host = "HOST.example" }), sigv4.PartHeaders, "another case"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, "GET", tt.url)
			tt.sign(r)
			_, err := verifier(documented).Verify(sent(t, r), at2015)
			require.Equal(t, tt.part, part(t, err), "error: %v", err)
			require.ErrorContains(t, err, tt.says)
		})
	}
	for _, secret := range []string{documented.SecretAccessKey + "\n", documented.SecretAccessKey + "\r\n", " " + documented.SecretAccessKey} {
		r := request(t, "GET", "https://host.example/")
		s := &sigv4.Signer{Service: "es", Region: "us-east-1"}
		require.NoError(t, s.Sign(r, aws.Credentials{AccessKeyID: documented.AccessKeyID, SecretAccessKey: secret}, "", at2015))
		_, err := verifier(documented).Verify(sent(t, r), at2015)
		require.Equal(t, sigv4.PartSecret, part(t, err))
		require.NotContains(t, err.Error(), documented.SecretAccessKey)
	}
}

// signedBy signs by a rule, and then changes the request.
func signedBy(rule sigv4.PathRule, change func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		signer := &sigv4.Signer{Service: "es", Region: "us-east-1", Path: rule}
		if err := signer.Sign(r, documented, "", at2015); err != nil {
			panic(err)
		}
		if change != nil {
			change(r)
		}
	}
}

func TestVerifyErrorShowsNoSecret(t *testing.T) {
	t.Parallel()
	r := request(t, "GET", "https://host.example/?token=canary3", "X-Api-Key", "canary1-key", "Cookie", "canary2-cookie")
	s := &sigv4.Signer{Service: "execute-api", Region: "us-east-1"}
	require.NoError(t, s.Sign(r, session, "", at2015))
	got := sent(t, r)
	got.Method = "PATCH"
	_, err := verifier(session).Verify(got, at2015)
	var refused *sigv4.VerifyError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.CanonicalRequest, "x-amz-security-token:REDACTED\n")
	require.Contains(t, refused.CanonicalRequest, "\nhost:host.example\n")
	require.True(t, strings.HasPrefix(refused.StringToSign, "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/execute-api/aws4_request\n"), refused.StringToSign)
	for _, secret := range []string{session.SessionToken, session.SecretAccessKey, "canary", "of%20session"} {
		require.NotContains(t, refused.CanonicalRequest+refused.StringToSign+refused.Error(), secret)
	}
}

// TestVerifiesTheSDK checks requests of the SDK's signer, with the body that net/http sends.
func TestVerifiesTheSDK(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequest("POST", "https://sts.eu-central-1.amazonaws.com/", strings.NewReader("Action=GetCallerIdentity"))
	require.NoError(t, err)
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), session, r, "b4b2eab8379f56ae8a4197079d53323c1523a50007a3c9b1cb4dccb185d6e267", "sts", "eu-central-1", at2015))
	v := verifier(session)
	v.Service, v.Region = "sts", "eu-central-1"
	_, err = v.Verify(sent(t, r), at2015)
	require.NoError(t, err)
	v.Region = "us-east-1"
	_, err = v.Verify(sent(t, r), at2015)
	require.Equal(t, sigv4.PartScope, part(t, err))
	require.True(t, errors.As(err, new(*sigv4.VerifyError)))
}
