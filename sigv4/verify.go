package sigv4

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// maxSkew is how far the time of a signature may be from the verifier's: AWS's 15 minutes.
const maxSkew = 15 * time.Minute

const defaultMaxBody = 10 << 20

// Verifier is the server's side of signing: it finds out who signed a request, or in which part signature and request
// differ. It takes signatures in Authorization and in the query, of Signature Version 4 and of SigV4a. The time of one in
// Authorization may be 15 minutes off. Credentials must be set. A Verifier is safe for concurrent use; it must not be copied,
// nor its fields changed, after first use.
type Verifier struct {
	// Credentials looks up an access key ID. The credentials that it returns must have that ID, the secret access key, and
	// the session token that belongs to it; sessionToken is what the request says, for those who keep no state. A token
	// that is not the one returned is refused. Credentials that have expired are refused. An error means that the key is
	// not known, or not to be used: the request is refused, and the error is wrapped.
	Credentials func(ctx context.Context, accessKeyID, sessionToken string) (aws.Credentials, error)

	// Service is the only service whose requests are accepted, by its signing name. "" accepts any.
	Service string

	// Region is the only region whose requests are accepted. "" accepts any. A region set of SigV4a must include it.
	Region string

	// Path says how the path is made canonical, as in [Signer].
	Path PathRule

	// UnsignedPayload accepts payloads that are not signed for other services than S3, whose are always accepted, and
	// event streams, whose messages the handler has to verify.
	UnsignedPayload bool

	// MaxBody is how many bytes of a body are read to compare its hash. 0 means 10 MiB. A longer body is refused. It does
	// not limit unsigned payloads, nor payloads in chunks.
	MaxBody int64

	signer Signer // for its keys and buffers
}

// Verified says who signed a request and how.
type Verified struct {
	// AccessKeyID is who.
	AccessKeyID string

	// Service and Region are the signature's scope. With SigV4a, Region is the region set.
	Service, Region string

	// Time is the date of the signature.
	Time time.Time

	// Expires is when a presigned URL stops working; zero for a signature in Authorization.
	Expires time.Time

	// SignedHeaders are the headers that the signature covers, in lower case. Others can be anyone's.
	SignedHeaders []string

	// Payload is the SHA-256 of the body, or the constant that stood for it: [UnsignedPayload], or one that begins with
	// STREAMING-.
	Payload string
}

// Verify checks the signature of a request that net/http received, at the time now. It fails with a [*VerifyError].
//
// A body whose hash is signed is read, compared and put back. One that comes in signed chunks is replaced by one that
// checks each chunk, before a byte of it is read, and ends with a [*VerifyError] where a chunk is not as it was signed; read
// it to its end. Its ContentLength and Content-Encoding become those of the payload.
func (v *Verifier) Verify(r *http.Request, now time.Time) (Verified, error) {
	verified, err := v.verify(r, now)
	if err != nil {
		return Verified{}, err
	}
	return verified, nil
}

func (v *Verifier) verify(r *http.Request, now time.Time) (Verified, error) {
	a, err := parseRequest(r)
	if err != nil {
		return Verified{}, verifyError(PartAuthorization, err)
	}
	if err := v.checkScopeOf(a); err != nil {
		return Verified{}, verifyError(PartScope, err)
	}
	if err := a.checkTime(now); err != nil {
		return Verified{}, verifyError(PartTime, err)
	}
	if err := a.checkNames(r.Header); err != nil {
		return Verified{}, verifyError(PartSignedHeaders, err)
	}
	if v.Credentials == nil {
		return Verified{}, verifyError(PartAccessKey, errors.New("the verifier has no Credentials to look up"))
	}
	creds, err := v.Credentials(r.Context(), a.accessKeyID, a.token)
	switch {
	case err != nil:
		return Verified{}, verifyError(PartAccessKey, err)
	case creds.AccessKeyID != a.accessKeyID || creds.SecretAccessKey == "":
		return Verified{}, verifyError(PartAccessKey, errors.New("the look-up returned no credentials for this access key ID"))
	case subtle.ConstantTimeCompare([]byte(creds.SessionToken), []byte(a.token)) == 0:
		return Verified{}, verifyError(PartSessionToken, errors.New("the session token is missing, or is not the one of this access key ID"))
	}
	payload, err := v.checkSigned(r, a, creds)
	if err != nil {
		return Verified{}, err
	}
	if creds.CanExpire && !now.Before(creds.Expires) {
		return Verified{}, verifyError(PartSessionToken, errors.New("the credentials have expired"))
	}
	verified := Verified{
		AccessKeyID: a.accessKeyID, Service: a.service, Region: a.region + a.regionSet,
		Time: a.at, SignedHeaders: a.names, Payload: payload,
	}
	if a.presigned {
		verified.Expires = a.at.Add(a.expires)
	}
	return verified, nil
}

// checkSigned compares signature and payload. Where the request says what its payload's hash is, the signature goes first,
// so that nobody else's body is read.
func (v *Verifier) checkSigned(r *http.Request, a *authorization, creds aws.Credentials) (string, error) {
	payload := a.payload
	if payload == "" && a.presigned && likeS3(a.service) {
		payload = UnsignedPayload
	}
	if payload != "" {
		if err := v.checkPayloadRule(payload, a.service); err != nil {
			return "", verifyError(PartPayload, err)
		}
		if err := v.checkSignature(r, a, creds, payload); err != nil {
			return "", err
		}
	}
	switch payload {
	case UnsignedPayload, streamingEvents:
		return payload, nil
	case streamingPayload, streamingTrailer, streamingUnsigned:
		if err := v.decodeChunks(r, a, creds, payload); err != nil {
			return "", verifyError(PartPayload, err)
		}
		return payload, nil
	}
	hash, err := v.readBody(r)
	if err != nil {
		return "", verifyError(PartPayload, err)
	}
	if payload != "" && payload != hash {
		return "", verifyError(PartPayload, errors.New("the body is not the one whose hash X-Amz-Content-Sha256 gives"))
	}
	if payload == "" {
		if err := v.checkSignature(r, a, creds, hash); err != nil {
			return "", err
		}
	}
	return hash, nil
}

// checkScopeOf compares the scope of a signature with what is accepted here.
func (v *Verifier) checkScopeOf(a *authorization) error {
	switch {
	case v.Service != "" && a.service != v.Service:
		return fmt.Errorf("it is signed for service %q, and this is %q", a.service, v.Service)
	case a.algorithm == algorithm4a && a.regionSet == "":
		return errors.New("SigV4a without X-Amz-Region-Set")
	case a.algorithm != algorithm4a:
		a.regionSet = ""
	}
	if v.Region == "" || a.region == v.Region {
		return nil
	}
	for pattern := range strings.SplitSeq(a.regionSet, ",") {
		if ok, err := path.Match(strings.TrimSpace(pattern), v.Region); ok && err == nil {
			return nil
		}
	}
	return fmt.Errorf("it is signed for region %q, and this is %q", a.region+a.regionSet, v.Region)
}

func (a *authorization) checkTime(now time.Time) error {
	const form = time.RFC3339
	at, now := a.at.UTC(), now.UTC()
	switch {
	case a.day != at.Format("20060102"):
		return fmt.Errorf("the day in Credential is %s, and the time of the request is %s", a.day, at.Format(timeFormat))
	case at.After(now.Add(maxSkew)):
		return fmt.Errorf("it was signed at %s, which is more than %s after %s", at.Format(form), maxSkew, now.Format(form))
	case a.presigned && !now.Before(at.Add(a.expires)):
		return fmt.Errorf("the URL expired at %s, and it is %s", at.Add(a.expires).Format(form), now.Format(form))
	case !a.presigned && at.Before(now.Add(-maxSkew)):
		return fmt.Errorf("it was signed at %s, which is more than %s before %s", at.Format(form), maxSkew, now.Format(form))
	}
	return nil
}

// checkNames wants the host and all of AWS's own headers to be signed.
func (a *authorization) checkNames(h http.Header) error {
	if _, ok := slices.BinarySearch(a.names, "host"); !ok {
		return errors.New("host is not signed")
	}
	for key := range h {
		lower := strings.ToLower(key)
		if _, ok := slices.BinarySearch(a.names, lower); !ok && strings.HasPrefix(lower, "x-amz-") {
			return fmt.Errorf("header %s is not signed", lower)
		}
	}
	for _, name := range a.names {
		key := http.CanonicalHeaderKey(name)
		switch name {
		case "host", "content-length", "transfer-encoding":
			continue
		}
		if _, ok := h[key]; !ok {
			return fmt.Errorf("header %s is signed, and the request does not have it", name)
		}
	}
	return nil
}

// view is a request as a verifier reads it. All but the first five are as a client could have read it by mistake.
type view struct {
	method, path, query, host, payload string

	rule       PathRule
	secret     string
	plainQuery bool // as it came, neither sorted nor encoded
	keepBlanks bool // in headers
}

// canonicalRequest builds, in c, the canonical request for the headers that a names.
func (w view) canonicalRequest(c *canonical, r *http.Request, a *authorization) *VerifyError {
	c.reset()
	for _, name := range a.names {
		key := http.CanonicalHeaderKey(name)
		switch {
		case name == "host":
			c.addHeader(name, w.host)
		case name == "content-length":
			c.addHeader(name, strconv.FormatInt(r.ContentLength, 10))
		case name == "transfer-encoding":
			c.addHeader(name, strings.Join(r.TransferEncoding, ","))
		case w.keepBlanks:
			c.addHeader(name, strings.Join(r.Header[key], ","))
		default:
			c.headers = append(c.headers, field{name: c.hold(name), value: c.holdValues(r.Header[key])})
		}
	}
	c.sortHeaders()
	if w.plainQuery {
		c.plainQuery = []byte(withoutSignature(w.query))
	} else if err := c.addQuery(w.query, isSignature); err != nil {
		return verifyError(PartQuery, err)
	}
	if err := c.build(w.method, w.path, w.rule, w.payload); err != nil {
		return verifyError(PartPath, err)
	}
	return nil
}

// isSignature finds the one parameter that no query is signed with.
func isSignature(name []byte) bool { return string(name) == "X-Amz-Signature" }

func withoutSignature(query string) string {
	pairs := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool { return strings.HasPrefix(pair, "X-Amz-Signature=") })
	return strings.Join(pairs, "&")
}

// stringToSign is the one for the canonical request in c.
func (a *authorization) stringToSign(c *canonical) ([]byte, error) {
	t, err := newMoment(a.at)
	if err != nil {
		return nil, err
	}
	return c.appendStringToSign(nil, a.algorithm, t, string(t.appendScope(nil, a.region, a.service))), nil
}

// matches compares the request's signature with the one for text, in constant time.
func (v *Verifier) matches(a *authorization, secret string, text []byte) (bool, error) {
	if a.algorithm == algorithm4a {
		key, err := v.signer.keys4a.get(keyID4a{a.accessKeyID, secret}, deriveSigningKey4a)
		if err != nil {
			return false, err
		}
		hash := sha256.Sum256(text)
		return ecdsa.VerifyASN1(&key.private.PublicKey, hash[:], a.signature), nil
	}
	key, err := v.keyFor(a, secret)
	if err != nil {
		return false, err
	}
	return hmac.Equal(key.appendSignature(nil, text), a.signature), nil
}

func (v *Verifier) keyFor(a *authorization, secret string) (*signingKey, error) {
	t, err := newMoment(a.at)
	if err != nil {
		return nil, err
	}
	return v.signer.keys.get(keyID{[8]byte(t.day()), a.accessKeyID, secret, a.region, a.service}, deriveSigningKey)
}

// checkSignature compares the signature, and says what differs.
func (v *Verifier) checkSignature(r *http.Request, a *authorization, creds aws.Credentials, payload string) error {
	c := v.signer.take()
	defer v.signer.giveBack(c)
	w := view{
		method: r.Method, path: sentPath(r.URL), query: r.URL.RawQuery, host: r.Host, payload: payload,
		rule: v.Path.byService(a.service), secret: creds.SecretAccessKey,
	}
	if err := w.canonicalRequest(c, r, a); err != nil {
		return err
	}
	text, err := a.stringToSign(c)
	if err != nil {
		return verifyError(PartTime, err)
	}
	switch ok, err := v.matches(a, w.secret, text); {
	case err != nil:
		return verifyError(PartAccessKey, err)
	case ok:
		return nil
	}
	refused := v.mismatch(r, a, w)
	refused.CanonicalRequest, refused.StringToSign = redact(string(c.buf), secretsOf(r)), string(text)
	return refused
}
