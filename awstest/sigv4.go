package awstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/credchain/credchain/sigv4"
)

// Signature Version 4 as AWS documents it: "Create a signed AWS API request" in the IAM user guide.
const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	amzTime      = "20060102T150405Z"
	maxSkew      = 15 * time.Minute
)

// authorization is an Authorization header taken apart.
type authorization struct {
	accessKeyID, day, region, service string
	signedHeaders                     []string
	signature                         string
}

// parseAuthorization wants "AWS4-HMAC-SHA256 Credential=KEY/DAY/REGION/SERVICE/aws4_request,
// SignedHeaders=a;b, Signature=HEX", with or without blanks after the commas.
func parseAuthorization(header string) (authorization, bool) {
	var a authorization
	rest, ok := strings.CutPrefix(header, sigAlgorithm+" ")
	if !ok {
		return a, false
	}
	fields := make(map[string]string)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || twice {
			return a, false
		}
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(fields) != 3 || len(scope) != 5 || scope[4] != "aws4_request" ||
		fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return a, false
	}
	return authorization{
		accessKeyID: scope[0], day: scope[1], region: scope[2], service: scope[3],
		signedHeaders: strings.Split(fields["SignedHeaders"], ";"), signature: fields["Signature"],
	}, true
}

// verify says who signed r, and for which region, or why nobody did.
func (s *STS) verify(r *http.Request, body []byte, now time.Time) (p Principal, region string, no *refusal) {
	mismatch := func(format string, args ...any) (Principal, string, *refusal) {
		return Principal{}, "", &refusal{http.StatusForbidden, "SignatureDoesNotMatch", fmt.Sprintf(format, args...)}
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return Principal{}, "", &refusal{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	}
	a, ok := parseAuthorization(header)
	at, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
	if !ok || err != nil || len(r.Header.Values("Authorization")) != 1 {
		return Principal{}, "", &refusal{http.StatusBadRequest, "IncompleteSignature",
			"Authorization header or X-Amz-Date is not in the form of Signature Version 4"}
	}
	p, known := s.find(a.accessKeyID)
	token := r.Header.Get("X-Amz-Security-Token")
	if !known || subtle.ConstantTimeCompare([]byte(token), []byte(p.Credentials.SessionToken)) == 0 {
		return Principal{}, "", &refusal{http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."}
	}
	switch {
	case a.service != "sts":
		return mismatch("Credential should be scoped to correct service: 'sts'.")
	case a.region == "" || s.Region != "" && a.region != s.Region:
		return mismatch("Credential should be scoped to a valid region.")
	case a.day != at.Format("20060102"):
		return mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.",
			a.day, at.Format("20060102"))
	case at.Before(now.Add(-maxSkew)):
		return mismatch("Signature expired: %s is now earlier than %s (%s - 15 min.)",
			at.Format(amzTime), now.Add(-maxSkew).UTC().Format(amzTime), now.UTC().Format(amzTime))
	case at.After(now.Add(maxSkew)):
		return mismatch("Signature not yet current: %s is still later than %s (%s + 15 min.)",
			at.Format(amzTime), now.Add(maxSkew).UTC().Format(amzTime), now.UTC().Format(amzTime))
	}
	if name := unsigned(r.Header, a.signedHeaders); name != "" {
		return mismatch("'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
	}
	want, err := resign(r, body, a, p.Credentials, at)
	same := err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(a.signature)) == 1
	switch differs := s.differs(r, body, p.Credentials, now); {
	case same != (differs == nil):
		return Principal{}, "", &refusal{http.StatusInternalServerError, "InternalFailure",
			fmt.Sprintf("awstest is at a loss: by the SDK's signer the signature is right: %t; by sigv4.Verifier: %v", same, differs)}
	case !same:
		return mismatch("The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details. (%v)", differs)
	}
	if p.Credentials.CanExpire && !now.Before(p.Credentials.Expires) {
		return Principal{}, "", &refusal{http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired"}
	}
	return p, a.region, nil
}

// differs says in which part signature and request differ, nil if they do not. It is the library's own opinion, beside that
// of the SDK's signer: the one says more, and the other is independent of what is tested here.
func (s *STS) differs(r *http.Request, body []byte, creds aws.Credentials, now time.Time) error {
	creds.CanExpire = false // that is another refusal
	verifier := sigv4.Verifier{Service: "sts", Credentials: func(context.Context, string, string) (aws.Credentials, error) { return creds, nil }}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	_, err := verifier.Verify(again, now)
	return err
}

// unsigned names a header that the signature had to cover and does not: the host and all of AWS's own.
func unsigned(h http.Header, signed []string) string {
	if !slices.Contains(signed, "host") {
		return "host"
	}
	for name := range h {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return lower
		}
	}
	return ""
}

// resign returns the signature that r should have. It signs a request that has only the headers which the
// client says it signed, and the payload that came, whatever hash the client sent along.
func resign(r *http.Request, body []byte, a authorization, creds aws.Credentials, at time.Time) (string, error) {
	// The signer reads the query with url.URL.Query, which drops what it cannot read: that part would be
	// covered by no signature.
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return "", err
	}
	hash := sha256.Sum256(body)
	payload := hex.EncodeToString(hash[:])
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != "" && sent != payload {
		return "", fmt.Errorf("the body is not the one of X-Amz-Content-Sha256")
	}
	u := *r.URL
	bare := &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: make(http.Header)}
	for _, name := range a.signedHeaders {
		key := http.CanonicalHeaderKey(name)
		switch values, there := r.Header[key]; {
		case name == "content-length":
			if n, err := strconv.ParseInt(r.Header.Get(key), 10, 64); err == nil && n != int64(len(body)) {
				return "", fmt.Errorf("the body does not have the length of Content-Length")
			}
			bare.ContentLength = int64(len(body))
		case there:
			bare.Header[key] = slices.Clone(values)
		}
	}
	// A new signer for each request: it remembers derived keys by access key ID alone, not by the secret.
	if err := v4.NewSigner().SignHTTP(r.Context(), creds, bare, payload, a.service, a.region, at); err != nil {
		return "", err
	}
	again, ok := parseAuthorization(bare.Header.Get("Authorization"))
	if !ok || !slices.Equal(again.signedHeaders, a.signedHeaders) {
		return "", fmt.Errorf("the signed headers are not those of the request, in order")
	}
	return again.signature, nil
}
