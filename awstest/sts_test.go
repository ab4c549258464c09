package awstest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const (
	stsURL  = "https://sts.eu-west-1.amazonaws.com/"
	stsForm = "Action=GetCallerIdentity&Version=2011-06-15"
)

// signing is a request to be signed, and what is done to it after that.
type signing struct {
	creds           aws.Credentials
	method          string // "" = POST
	url             string // "" = stsURL
	form            string // "" = stsForm
	service, region string // "" = sts, eu-west-1
	clock           time.Duration
	before, after   func(*http.Request)
}

func (s signing) send(t *testing.T, h http.Handler) answer {
	t.Helper()
	a := s.do(t, h)
	require.NotContains(t, a.body, awstest.Canary)
	return a
}

// do is send for answers with credentials in them.
func (s signing) do(t *testing.T, h http.Handler) answer {
	t.Helper()
	or := func(v, otherwise string) string {
		if v == "" {
			return otherwise
		}
		return v
	}
	form := or(s.form, stsForm)
	if s.method == "GET" {
		form = ""
	}
	req, err := http.NewRequestWithContext(t.Context(), or(s.method, "POST"), or(s.url, stsURL), strings.NewReader(form))
	require.NoError(t, err)
	if s.method != "GET" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	if s.before != nil {
		s.before(req)
	}
	hash := sha256.Sum256([]byte(form))
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), s.creds, req, hex.EncodeToString(hash[:]),
		or(s.service, "sts"), or(s.region, "eu-west-1"), time.Now().Add(s.clock)))
	if s.after != nil {
		s.after(req)
	}
	resp, err := awstest.Transport(map[string]http.Handler{"sts.eu-west-1.amazonaws.com": h}).RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func setHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func replaceAuth(old, replacement string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, replacement, 1))
	}
}

func replaceBody(form string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
	}
}

func TestSTSVerifies(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	user, role := awstest.LongTerm("user"), awstest.Temporary("role", later)
	badSecret, noToken, otherToken, extraToken := user, role, role, user
	badSecret.SecretAccessKey = awstest.LongTerm("other").SecretAccessKey
	noToken.SessionToken = ""
	otherToken.SessionToken = awstest.Temporary("other", later).SessionToken
	extraToken.SessionToken = role.SessionToken
	expired := awstest.Temporary("expired", time.Now().Add(-time.Second))
	sorted := strings.Replace(stsForm, "2011-06-15", "2011-06-16", 1)

	for _, tt := range []struct {
		name    string
		request signing
		status  int
		code    string // "" = the identity
	}{
		{"user", signing{creds: user}, 200, ""},
		{"role", signing{creds: role}, 200, ""},
		{"14 minutes slow", signing{creds: user, clock: -14 * time.Minute}, 200, ""},
		{"14 minutes fast", signing{creds: user, clock: 14 * time.Minute}, 200, ""},
		{"another signed header", signing{creds: user, before: setHeader("X-Amz-Test", "a  b")}, 200, ""},
		{"a header that is not signed", signing{creds: user, after: setHeader("Accept", "*/*")}, 200, ""},
		{"GET", signing{creds: user, method: "GET", url: stsURL + "?" + stsForm}, 200, ""},

		{"unsigned", signing{creds: user, after: func(r *http.Request) { r.Header.Del("Authorization") }}, 403, "MissingAuthenticationToken"},
		{"another scheme", signing{creds: user, after: setHeader("Authorization", "Bearer x")}, 400, "IncompleteSignature"},
		{"no date", signing{creds: user, after: func(r *http.Request) { r.Header.Del("X-Amz-Date") }}, 400, "IncompleteSignature"},
		{"half an Authorization", signing{creds: user, after: replaceAuth("SignedHeaders=", "Signed=")}, 400, "IncompleteSignature"},
		{"a short scope", signing{creds: user, after: replaceAuth("/aws4_request", "")}, 400, "IncompleteSignature"},
		{"another end of the scope", signing{creds: user, after: replaceAuth("/aws4_request", "/aws5_request")}, 400, "IncompleteSignature"},
		{"unknown key", signing{creds: awstest.LongTerm("stranger")}, 403, "InvalidClientTokenId"},
		{"missing session token", signing{creds: noToken}, 403, "InvalidClientTokenId"},
		{"another session token", signing{creds: otherToken}, 403, "InvalidClientTokenId"},
		{"session token of a user", signing{creds: extraToken}, 403, "InvalidClientTokenId"},
		{"expired", signing{creds: expired}, 403, "ExpiredToken"},
		{"bad secret", signing{creds: badSecret}, 403, "SignatureDoesNotMatch"},
		{"bad secret of an expired key", signing{creds: func() aws.Credentials {
			c := expired
			c.SecretAccessKey = badSecret.SecretAccessKey
			return c
		}()}, 403, "SignatureDoesNotMatch"},
		{"16 minutes slow", signing{creds: user, clock: -16 * time.Minute}, 403, "SignatureDoesNotMatch"},
		{"16 minutes fast", signing{creds: user, clock: 16 * time.Minute}, 403, "SignatureDoesNotMatch"},
		{"service of the scope", signing{creds: user, service: "iam"}, 403, "SignatureDoesNotMatch"},
		{"region of the scope", signing{creds: user, region: "us-east-1"}, 403, "SignatureDoesNotMatch"},
		{"day of the scope", signing{creds: user, after: func(r *http.Request) {
			replaceAuth("/"+r.Header.Get("X-Amz-Date")[:8]+"/", "/20200101/")(r)
		}}, 403, "SignatureDoesNotMatch"},
		{"body tampered with", signing{creds: user, after: replaceBody(sorted)}, 403, "SignatureDoesNotMatch"},
		{"body cut off", signing{creds: user, after: replaceBody(stsForm[:10])}, 403, "SignatureDoesNotMatch"},
		{"body tampered with, hash kept", signing{creds: user, before: func(r *http.Request) {
			hash := sha256.Sum256([]byte(stsForm))
			r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
		}, after: replaceBody(sorted)}, 403, "SignatureDoesNotMatch"},
		{"signed header tampered with", signing{creds: user, before: setHeader("X-Amz-Test", "a"), after: setHeader("X-Amz-Test", "b")}, 403, "SignatureDoesNotMatch"},
		{"signed header removed", signing{creds: user, before: setHeader("X-Test", "a"), after: func(r *http.Request) { r.Header.Del("X-Test") }}, 403, "SignatureDoesNotMatch"},
		{"an x-amz- header added", signing{creds: user, after: setHeader("X-Amz-Test", "b")}, 403, "SignatureDoesNotMatch"},
		{"host not signed", signing{creds: user, after: replaceAuth(";host;", ";")}, 403, "SignatureDoesNotMatch"},
		{"another host", signing{creds: user, after: func(r *http.Request) { r.Host = "elsewhere.example" }}, 403, "SignatureDoesNotMatch"},
		{"query added", signing{creds: user, after: func(r *http.Request) { r.URL.RawQuery = "DurationSeconds=1" }}, 403, "SignatureDoesNotMatch"},
		{"query that is hard to read", signing{creds: user, after: func(r *http.Request) { r.URL.RawQuery = "a;b" }}, 403, "SignatureDoesNotMatch"},
		{"path changed", signing{creds: user, after: func(r *http.Request) { r.URL.Path = "/x" }}, 403, "SignatureDoesNotMatch"},
		{"method changed", signing{creds: user, after: func(r *http.Request) { r.Method = "PUT" }}, 403, "SignatureDoesNotMatch"},
		{"signature changed", signing{creds: user, after: func(r *http.Request) {
			auth := r.Header.Get("Authorization")
			last := map[bool]string{true: "1", false: "0"}[auth[len(auth)-1] == '0']
			r.Header.Set("Authorization", auth[:len(auth)-1]+last)
		}}, 403, "SignatureDoesNotMatch"},

		{"no action", signing{creds: user, form: "Version=2011-06-15"}, 400, "MissingAction"},
		{"content type", signing{creds: user, before: setHeader("Content-Type", "application/json")}, 400, "MissingAction"},
		{"another action", signing{creds: user, form: "Action=Get&Version=2011-06-15"}, 400, "InvalidAction"},
		{"no version", signing{creds: user, form: "Action=GetCallerIdentity"}, 400, "InvalidAction"},
		{"another path", signing{creds: user, url: stsURL + "x"}, 404, "InvalidAction"},
		{"another method", signing{creds: user, method: "PUT"}, 405, "InvalidAction"},
		{"a form that cannot be read", signing{creds: user, form: "Action=%zz"}, 400, "MalformedQueryString"},
		{"who comes before what", signing{creds: badSecret, form: "Action=Get"}, 403, "SignatureDoesNotMatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &awstest.STS{Region: "eu-west-1", Principals: []awstest.Principal{
				{Credentials: user, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/u&v", UserID: "AIDAX"},
				{Credentials: role}, {Credentials: expired},
			}}
			got := tt.request.send(t, s)
			require.Equal(t, tt.status, got.status, got.body)
			require.Equal(t, "text/xml", got.header.Get("Content-Type"))
			if tt.code == "" {
				require.Contains(t, got.body, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`)
			} else {
				require.Contains(t, got.body, "<Code>"+tt.code+"</Code>")
				require.Contains(t, got.body, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`)
			}
			require.Len(t, s.Requests(), 1)
		})
	}
}

func TestSTSIdentities(t *testing.T) {
	t.Parallel()
	user, role := awstest.LongTerm("user"), awstest.Temporary("role", time.Now().Add(time.Hour))
	role.AccountID = "444455556666"
	s := &awstest.STS{Principals: []awstest.Principal{
		{Credentials: user, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/u&v", UserID: "AIDAX"},
		{Credentials: role},
	}}
	got := signing{creds: user}.send(t, s).body
	require.Contains(t, got, "<Arn>arn:aws:iam::111122223333:user/u&amp;v</Arn>")
	require.Contains(t, got, "<UserId>AIDAX</UserId>")
	require.Contains(t, got, "<Account>111122223333</Account>")
	got = signing{creds: role, region: "us-gov-west-1"}.send(t, s).body // no Region: any will do
	require.Contains(t, got, "<Arn>arn:aws:sts::444455556666:assumed-role/tester/session</Arn>")
	require.Contains(t, got, ":session</UserId>")
	require.Contains(t, got, "<Account>444455556666</Account>")
}

func TestSTSKnowsNewPrincipals(t *testing.T) {
	t.Parallel()
	before, after := awstest.LongTerm("user"), awstest.LongTerm("user")
	after.SecretAccessKey = awstest.LongTerm("next").SecretAccessKey
	s := &awstest.STS{}
	require.Contains(t, signing{creds: before}.send(t, s).body, "InvalidClientTokenId")
	s.Add(awstest.Principal{Credentials: before})
	require.Equal(t, 200, signing{creds: before}.send(t, s).status)
	// The same key with another secret: no signer may remember the old one.
	s.Add(awstest.Principal{Credentials: after})
	require.Contains(t, signing{creds: before}.send(t, s).body, "SignatureDoesNotMatch")
	require.Equal(t, 200, signing{creds: after}.send(t, s).status)
}

func TestSTSClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		role := awstest.Temporary("role", time.Now().Add(time.Hour))
		s := &awstest.STS{Principals: []awstest.Principal{{Credentials: role}}}
		require.Equal(t, 200, signing{creds: role, clock: -15 * time.Minute}.send(t, s).status)
		require.Contains(t, signing{creds: role, clock: -15*time.Minute - time.Second}.send(t, s).body, "Signature expired: ")
		require.Equal(t, 200, signing{creds: role, clock: 15 * time.Minute}.send(t, s).status)
		require.Contains(t, signing{creds: role, clock: 15*time.Minute + time.Second}.send(t, s).body, "Signature not yet current: ")
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, 200, signing{creds: role}.send(t, s).status)
		time.Sleep(time.Second)
		require.Contains(t, signing{creds: role}.send(t, s).body, "<Code>ExpiredToken</Code>")
	})
}

func TestSTSClockOffset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hour = time.Hour
		s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}})
		s.ClockOffset = hour
		got := signing{creds: ann()}.send(t, s)
		require.Contains(t, got.body, "SignatureDoesNotMatch")
		require.Equal(t, time.Now().Add(hour).UTC().Format(http.TimeFormat), got.header.Get("Date"))
		require.Equal(t, 200, signing{creds: ann(), clock: hour}.send(t, s).status)
		form := "Action=AssumeRole&Version=2011-06-15&RoleArn=" + roleARN + "&RoleSessionName=s1"
		assumed := result{signing{creds: ann(), clock: hour, form: form}.do(t, s), t}
		require.Equal(t, time.Now().Add(2*hour), assumed.credentials().Expires.Local())
	})
}

func FuzzSTSAuthorization(f *testing.F) {
	user := awstest.LongTerm("user")
	s := &awstest.STS{Principals: []awstest.Principal{{Credentials: user}}}
	f.Add("AWS4-HMAC-SHA256 Credential="+user.AccessKeyID+"/20260101/us-east-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20260101T000000Z", "a=b")
	f.Add("AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=", "", "%")
	f.Fuzz(func(t *testing.T, auth, date, query string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", stsURL, http.NoBody)
		require.NoError(t, err)
		req.URL.RawQuery = query
		req.Header["Authorization"] = []string{auth}
		req.Header["X-Amz-Date"] = []string{date}
		w := newDiscard()
		s.ServeHTTP(w, req)
		require.NotEqual(t, 200, w.status, "accepted: %q %q %q", auth, date, query)
	})
}

type discard struct {
	header http.Header
	status int
}

func newDiscard() *discard { return &discard{header: make(http.Header)} }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
