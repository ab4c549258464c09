package sigv4_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

const mismatchWords = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. " +
	"Consult the service documentation for details."

func escapeXML(t *testing.T, s string) string {
	var b strings.Builder
	require.NoError(t, xml.EscapeText(&b, []byte(s)))
	return b.String()
}

// The forms in which services say what they read.
var forms = map[string]func(t *testing.T, canonical, toSign string) string{
	"S3": func(t *testing.T, canonical, toSign string) string {
		return `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>SignatureDoesNotMatch</Code><Message>" + mismatchWords + "</Message><StringToSign>" +
			escapeXML(t, toSign) + "</StringToSign><CanonicalRequest>" + escapeXML(t, canonical) + "</CanonicalRequest></Error>"
	},
	"query": func(t *testing.T, canonical, toSign string) string {
		return `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>` +
			escapeXML(t, inWords(canonical, toSign)) + "</Message></Error></ErrorResponse>"
	},
	"JSON": func(t *testing.T, canonical, toSign string) string {
		b, err := json.Marshal(map[string]string{"__type": "com.amazon.coral.service#InvalidSignatureException", "message": inWords(canonical, toSign)})
		require.NoError(t, err)
		return string(b)
	},
}

func inWords(canonical, toSign string) string {
	return mismatchWords + "\n\nThe Canonical String for this request should have been\n'" + canonical + "'\n\nThe String-to-Sign should have been\n'" + toSign + "'\n"
}

// refusal is what a service that reads changed, in place of the request that was sent, answers.
func refusal(t *testing.T, received *http.Request, rule sigv4.PathRule, form string) string {
	var canonical, toSign string
	v := &sigv4.Verifier{Path: rule, UnsignedPayload: true, Credentials: func(_ context.Context, id, token string) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: "another", SessionToken: token}, nil
	}}
	_, err := v.Verify(received, at2015)
	var refused *sigv4.VerifyError
	require.ErrorAs(t, err, &refused)
	canonical, toSign = refused.CanonicalRequest, refused.StringToSign
	require.NotEmpty(t, canonical, "refused earlier: %v", err)
	// A service does not redact.
	canonical = strings.ReplaceAll(canonical, "x-amz-security-token:REDACTED", "x-amz-security-token:"+received.Header.Get("X-Amz-Security-Token"))
	return forms[form](t, canonical, toSign)
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		rule         sigv4.PathRule // of the service
		change       func(*http.Request)
		part         sigv4.Part
		ours, theirs string
		cause        string
	}{
		{"the secret", sigv4.PathNormalized, func(*http.Request) {}, sigv4.PartSecret, "", "", "the secret access key is not the one of ASIAEXAMPLE"},
		{"double encoding", sigv4.PathOnce, func(*http.Request) {}, sigv4.PartPath, "/a%2520b", "/a%20b", "double encoding: the service escapes the path once"},
		{"a path rewritten", sigv4.PathNormalized, func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/prefix/a b", "" }, sigv4.PartPath, "/a%2520b", "/prefix/a%2520b", "rewrote"},
		{"method", sigv4.PathNormalized, func(r *http.Request) { r.Method = "GET" }, sigv4.PartMethod, "POST", "GET", "method"},
		{"parameter added", sigv4.PathNormalized, func(r *http.Request) { r.URL.RawQuery += "&utm=1" }, sigv4.PartQuery, "q=a%20b", "q=a%20b&utm=1", "parameter"},
		{"a plus sign", sigv4.PathNormalized, func(r *http.Request) { r.URL.RawQuery = "q=a%2Bb" }, sigv4.PartQuery, "q=a%20b", "q=a%2Bb", "plus sign"},
		{"a query escaped twice", sigv4.PathNormalized, func(r *http.Request) { r.URL.RawQuery = "q=a%2520b" }, sigv4.PartQuery, "q=a%20b", "q=a%2520b", "double encoding"},
		{"host", sigv4.PathNormalized, func(r *http.Request) { r.Host = "backend.internal:8080" }, sigv4.PartHeaders, "host:api.example", "host:backend.internal:8080", "load balancer"},
		{"a header changed", sigv4.PathNormalized, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain; charset=utf-8") }, sigv4.PartHeaders,
			"content-type:text/plain", "content-type:text/plain; charset=utf-8", "by a proxy"},
		{"blanks", sigv4.PathNormalized, func(r *http.Request) { r.Header.Set("X-Words", "a\tb") }, sigv4.PartHeaders, "x-words:a b", `x-words:a\tb`, "blanks"},
		{"body", sigv4.PathNormalized, body("hellO"), sigv4.PartPayload,
			"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "04a6f55face2f46be8c23f627d539827615851e10751b63ec59db6d2c706b770", "body"},
		{"token", sigv4.PathNormalized, func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "canary-of-another") }, sigv4.PartHeaders, "", "", "not shown"},
		{"time", sigv4.PathNormalized, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123700Z") }, sigv4.PartTime,
			"x-amz-date:20150830T123600Z", "x-amz-date:20150830T123700Z", "time"},
		{"region", sigv4.PathNormalized, authorization("us-east-1", "eu-west-1"), sigv4.PartScope,
			"20150830/us-east-1/execute-api/aws4_request", "20150830/eu-west-1/execute-api/aws4_request", "wrong region"},
	} {
		for form := range forms {
			t.Run(tt.name+" in the form of "+form, func(t *testing.T) {
				t.Parallel()
				r, err := http.NewRequest("POST", "https://api.example/a%20b?q=a+b", strings.NewReader("hello"))
				require.NoError(t, err)
				r.Header.Set("Content-Type", "text/plain")
				r.Header.Set("X-Words", "a  b")
				s := &sigv4.Signer{Service: "execute-api", Region: "us-east-1"}
				require.NoError(t, s.Sign(r, session, "", at2015))
				got := sent(t, r)
				tt.change(got)
				answer := refusal(t, got, tt.rule, form)
				d := sigv4.Diagnose(s, r, []byte(answer))
				require.Equal(t, tt.part, d.Part, "%s\n%s", d, answer)
				require.Contains(t, d.Cause, tt.cause)
				require.Equal(t, tt.ours, d.Ours)
				require.Equal(t, tt.theirs, d.Theirs)
				require.NotEmpty(t, d.Code)
				for _, secret := range []string{session.SecretAccessKey, session.SessionToken, "canary"} {
					require.NotContains(t, fmt.Sprintf("%s %+v %#v", d, d, d), secret)
				}
			})
		}
	}
}

func TestDiagnoseWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer, code string
		part         sigv4.Part
		cause        string
	}{
		{`<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message>` +
			`<RequestTime>20150830T123600Z</RequestTime><ServerTime>2015-08-30T12:56:00Z</ServerTime></Error>`, "RequestTimeTooSkewed", sigv4.PartTime, "20m0s behind"},
		{`<Error><Code>RequestTimeTooSkewed</Code><RequestTime>20150830T123600Z</RequestTime><ServerTime>2015-08-30T12:16:00Z</ServerTime></Error>`,
			"RequestTimeTooSkewed", sigv4.PartTime, "20m0s ahead"},
		{`{"__type":"InvalidSignatureException","message":"Signature expired: 20150830T123600Z is now earlier than 20150830T124100Z"}`, "InvalidSignatureException", sigv4.PartTime, "clock"},
		{`<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>` +
			`<Region>eu-west-1</Region></Error>`, "AuthorizationHeaderMalformed", sigv4.PartScope, "wrong region"},
		{`{"code":"X","Message":"Credential should be scoped to a valid region, not 'us-east-1'. "}`, "X", sigv4.PartScope, "wrong region"},
		{`{"message":"Credential should be scoped to correct service: 'execute-api'. "}`, "", sigv4.PartScope, "wrong service"},
		{`<Error><Code>InvalidAccessKeyId</Code></Error>`, "InvalidAccessKeyId", sigv4.PartAccessKey, "not known"},
		{`<Error><Code>ExpiredToken</Code></Error>`, "ExpiredToken", sigv4.PartSessionToken, "expired"},
		{`<Error><Code>SignatureDoesNotMatch</Code></Error>`, "SignatureDoesNotMatch", sigv4.PartUnknown, "does not show"},
		{`{"message":"` + mismatchWords + `\n\nThe Canonical String for this request should have been\n'GET\n/"}`, "", sigv4.PartUnknown, "cut short"},
		{"", "", sigv4.PartUnknown, "does not show"},
		{"{", "", sigv4.PartUnknown, "does not show"},
		{"<Code>" + strings.Repeat("x", 3000) + "</Code>", strings.Repeat("x", 2048) + "...", sigv4.PartUnknown, ""},
		{"<Code>a\nb&amp;&lt;&gt;&quot;&apos;&#65;&#x42;&unknown;&</Code>", `a\nb&<>\"'AB&unknown;&`, sigv4.PartUnknown, ""},
		{"<Code>" + session.SessionToken + "</Code>", "REDACTED", sigv4.PartUnknown, ""},
	} {
		r := request(t, "GET", "https://api.example/")
		s := &sigv4.Signer{Service: "execute-api", Region: "us-east-1"}
		require.NoError(t, s.Sign(r, session, "", at2015))
		d := sigv4.Diagnose(s, r, []byte(tt.answer))
		require.Equal(t, tt.part, d.Part, tt.answer)
		require.Equal(t, tt.code, d.Code)
		require.Contains(t, d.Cause, tt.cause)
		require.Contains(t, d.String(), d.Cause)
	}
	d := sigv4.Diagnose(&sigv4.Signer{}, request(t, "GET", "https://api.example/"), []byte("x"))
	require.Equal(t, sigv4.PartAuthorization, d.Part)
}

func TestDiagnosisString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "SignatureDoesNotMatch: the difference is in: headers\n  signed here:    host:a\n  service read:   (nothing)\nwhy",
		sigv4.Diagnosis{Code: "SignatureDoesNotMatch", Part: sigv4.PartHeaders, Ours: "host:a", Cause: "why"}.String())
}

// A presigned URL's signature, and one whose body is gone.
func TestDiagnoseURLAndStream(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	p, err := s.Presign(t.Context(), request(t, "GET", "https://bucket.example/key"), static(session), sigv4.PresignInput{}, at2015)
	require.NoError(t, err)
	got := fetched(t, p)
	got.URL.Path = "/other"
	d := sigv4.Diagnose(s, request(t, "GET", p.URL), []byte(refusal(t, got, sigv4.PathOnce, "S3")))
	require.Equal(t, sigv4.PartPath, d.Part)
	require.Equal(t, "/key /other", d.Ours+" "+d.Theirs)

	api := &sigv4.Signer{Service: "execute-api", Region: "us-east-1"}
	r, err := http.NewRequest("POST", "https://api.example/", onceOnly{strings.NewReader("hello")})
	require.NoError(t, err)
	require.NoError(t, api.Sign(r, session, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", at2015))
	d = sigv4.Diagnose(api, r, []byte(refusal(t, sent(t, r), sigv4.PathNormalized, "JSON")))
	require.Equal(t, sigv4.PartSecret, d.Part, "%s", d)
}
