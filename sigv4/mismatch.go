package sigv4

import (
	"errors"
	"net/http"
	"strings"
)

// Part is a part of a signed request.
type Part string

// The parts, in the order in which a verifier looks at them.
const (
	PartAuthorization Part = "authorization"     // the form of Authorization or of the query's parameters
	PartScope         Part = "scope"             // region or service
	PartTime          Part = "time"              // too old, expired, in the future
	PartSignedHeaders Part = "signed headers"    // which headers are signed
	PartAccessKey     Part = "access key ID"     // not known, or not to be used
	PartSessionToken  Part = "session token"     // missing, wrong or expired
	PartMethod        Part = "method"            // of HTTP
	PartPath          Part = "path"              // how it is escaped
	PartQuery         Part = "query"             // its parameters
	PartHeaders       Part = "headers"           // the value of one
	PartPayload       Part = "payload"           // the body, or its hash
	PartSecret        Part = "secret access key" // what was signed agrees, so the secrets differ
	PartUnknown       Part = "unknown"           // something that was signed, or the secret: the signature alone does not say
)

// VerifyError says why a request is refused.
type VerifyError struct {
	// Part is where signature and request differ.
	Part Part

	// CanonicalRequest and StringToSign are the verifier's, if a signature was computed, for whoever has to find the
	// difference: a service may send them back. Values of headers and parameters that can be secrets are replaced.
	CanonicalRequest, StringToSign string

	// Err says what is wrong. It holds no secret, unless the verifier's Credentials put one into their error.
	Err error
}

// Error names the part and what is wrong with it.
func (e *VerifyError) Error() string { return "sigv4: " + string(e.Part) + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *VerifyError) Unwrap() error { return e.Err }

func verifyError(part Part, err error) *VerifyError { return &VerifyError{Part: part, Err: err} }

// mistake is a way in which clients sign another request than they send.
type mistake struct {
	part   Part
	reason string
	make   func(w *view)
}

// mistakes are tried when a signature does not match. If one explains it, the part is known.
func mistakes() []mistake {
	path := func(rule PathRule, reason string) mistake {
		return mistake{PartPath, reason, func(w *view) { w.rule = rule }}
	}
	method := func(m string) mistake {
		return mistake{PartMethod, "it is signed for " + m, func(w *view) { w.method = m }}
	}
	payload := func(hash, reason string) mistake {
		return mistake{PartPayload, reason, func(w *view) { w.payload = hash }}
	}
	secret := func(change func(string) string) mistake {
		return mistake{PartSecret, "the client's secret access key has a blank or the end of a line around it", func(w *view) { w.secret = change(w.secret) }}
	}
	return []mistake{
		path(PathOnce, "it is signed as for S3, and the service wants the path escaped twice"),
		path(PathTwice, "it is signed with its empty and dot segments, or escaped twice for S3"),
		path(PathNormalized, "it is signed without its empty and dot segments, which count for S3"),
		path(pathAsSent, "it is signed as it was sent, and the service wants it escaped"),
		{PartQuery, "it is signed as it was sent, neither sorted nor encoded", func(w *view) { w.plainQuery = true }},
		{PartQuery, "it is not signed, or came later", func(w *view) { w.query = "" }},
		{PartHeaders, "host is signed with the port", func(w *view) { w.host += ":443" }},
		{PartHeaders, "host is signed with the port", func(w *view) { w.host += ":80" }},
		{PartHeaders, "host is signed without the port", func(w *view) { w.host = portless(w.host) }},
		{PartHeaders, "host is signed in another case", func(w *view) { w.host = strings.ToLower(w.host) }},
		{PartHeaders, "a value is signed with several blanks in a row", func(w *view) { w.keepBlanks = true }},
		payload(emptyHash, "it is signed as if there were none"),
		payload(UnsignedPayload, "it is signed as UNSIGNED-PAYLOAD, and X-Amz-Content-Sha256 does not say so"),
		method(http.MethodGet), method(http.MethodHead), method(http.MethodPost), method(http.MethodPut), method(http.MethodDelete),
		secret(func(s string) string { return s + "\n" }),
		secret(func(s string) string { return s + "\r\n" }),
		secret(func(s string) string { return s + " " }),
		secret(func(s string) string { return " " + s }),
	}
}

// portless is a host without the port that it has.
func portless(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}

// mismatch says where a signature that does not match the request may come from.
func (v *Verifier) mismatch(r *http.Request, a *authorization, w view) *VerifyError {
	c := &canonical{}
	for _, m := range mistakes() {
		tried := w
		m.make(&tried)
		if tried == w || tried.canonicalRequest(c, r, a) != nil {
			continue
		}
		text, err := a.stringToSign(c)
		if err != nil {
			continue
		}
		if ok, err := v.matches(a, tried.secret, text); ok && err == nil {
			return verifyError(m.part, errors.New(m.reason))
		}
	}
	return verifyError(PartUnknown, errors.New("the signature does not match: the request was changed after it was signed, or signed with another secret access key"))
}
