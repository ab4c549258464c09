package sigv4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// MaxExpires is the longest time for which a URL can be presigned: 7 days, the longest that a signing key is valid.
const MaxExpires = 7 * 24 * time.Hour

const defaultExpires = 15 * time.Minute

// PresignInput says what a presigned URL must be. The zero value is one for 15 minutes.
type PresignInput struct {
	// Expires is for how long the URL shall work, in whole seconds, up to [MaxExpires]. 0 means 15 minutes. A URL never
	// works longer than the credentials that signed it.
	Expires time.Duration

	// MinValidity is for how long the URL must work at least. Credentials that expire sooner are renewed first, if the
	// provider has a method Reject, as a Chain has: it asks its source, though not again and again, and waits for it for a few
	// seconds. If that brings no better ones, Presign fails with a [*ValidityError]. 0 asks only for credentials that have
	// not expired.
	MinValidity time.Duration

	// PayloadHash is the SHA-256 of the body that will be sent, in lower-case hex, or a constant such as
	// [UnsignedPayload]. If it is "", S3 gets UnsignedPayload, and for other services the body of the request is hashed,
	// which is usually none.
	PayloadHash string
}

// Presigned is a URL that carries a signature. Whoever has the URL can use it, so treat it as a secret.
type Presigned struct {
	// Method is the method that was signed.
	Method string

	// URL has the signature, and the session token if there is one.
	URL string

	// Header has the headers that must be sent as they are here, since they were signed. Host is among them only if it is
	// not that of the URL. Nil is none.
	Header http.Header

	// Expires is when the URL stops working: the end that was asked for or that of the credentials, whichever is earlier.
	Expires time.Time

	// LimitedBy says which of the two Expires is.
	LimitedBy Limit
}

// Limit is what ends the validity of a presigned URL.
type Limit string

const (
	LimitedByRequest     Limit = "request"     // the time that was asked for
	LimitedByCredentials Limit = "credentials" // the credentials expire earlier
)

// ValidityError says that credentials expire too soon for a presigned URL, and could not be renewed for long enough.
type ValidityError struct {
	// Expires is when the credentials expire.
	Expires time.Time

	// Remaining is how long they are valid yet; 0 or less if they have expired.
	Remaining time.Duration

	// MinValidity is how long the URL had to work.
	MinValidity time.Duration

	// Renewed says whether the provider was told to get better ones.
	Renewed bool
}

// Error names the expiry and what was asked for.
func (e *ValidityError) Error() string {
	renewed := "their provider cannot be made to renew them"
	if e.Renewed {
		renewed = "their provider has given no better ones yet"
	}
	if e.Remaining <= 0 {
		return fmt.Sprintf("the credentials expired at %s; %s", e.Expires.UTC().Format(time.RFC3339), renewed)
	}
	return fmt.Sprintf("the credentials expire at %s, in %s, and the URL must work for %s; %s",
		e.Expires.UTC().Format(time.RFC3339), e.Remaining.Round(time.Second), e.MinValidity, renewed)
}

// Presign returns r's URL with a signature in its query, dated now. It does not change r. Headers that begin with X-Amz-
// and that the service takes from the query as well are moved there; the others are signed, and must be sent.
//
// What r has of an earlier signature, or by the name of a parameter that belongs to one, such as X-Amz-Expires, is left out,
// be it a header or in the query: the URL is as in and the credentials say.
func (s *Signer) Presign(ctx context.Context, r *http.Request, provider aws.CredentialsProvider, in PresignInput, now time.Time) (Presigned, error) {
	p, err := s.presign(ctx, r, provider, in, now)
	if err != nil {
		return Presigned{}, fmt.Errorf("sigv4: presign: %w", err)
	}
	return p, nil
}

func (in *PresignInput) check() error {
	if in.Expires == 0 {
		in.Expires = defaultExpires
	}
	switch {
	case in.Expires < time.Second || in.Expires%time.Second != 0:
		return fmt.Errorf("the field Expires is %s: want whole seconds", in.Expires)
	case in.Expires > MaxExpires:
		return fmt.Errorf("the field Expires is %s: no presigned URL works for more than 7 days", in.Expires)
	case in.MinValidity < 0 || in.MinValidity > in.Expires:
		return fmt.Errorf("the field MinValidity is %s: want at most Expires, which is %s", in.MinValidity, in.Expires)
	}
	return nil
}

func (s *Signer) presign(ctx context.Context, r *http.Request, provider aws.CredentialsProvider, in PresignInput, now time.Time) (Presigned, error) {
	if err := in.check(); err != nil {
		return Presigned{}, err
	}
	creds, err := lasting(ctx, provider, in.MinValidity, now)
	if err != nil {
		return Presigned{}, err
	}
	if err := s.check(r, creds); err != nil {
		return Presigned{}, err
	}
	t, err := s.moment(now)
	if err != nil {
		return Presigned{}, err
	}
	host, err := sentHost(r)
	if err != nil {
		return Presigned{}, err
	}
	switch {
	case r.URL.Scheme == "":
		return Presigned{}, errors.New("the URL has no scheme")
	case r.URL.Opaque != "" || r.URL.User != nil:
		return Presigned{}, errors.New("the URL is opaque, or has a user")
	}
	if in.PayloadHash == "" && likeS3(s.Service) {
		in.PayloadHash = UnsignedPayload
	}
	if in.PayloadHash, err = s.payloadHash(r, in.PayloadHash); err != nil {
		return Presigned{}, err
	}
	by, err := s.authority(creds, t)
	if err != nil {
		return Presigned{}, err
	}
	c := s.take()
	defer s.giveBack(c)
	if err := s.addPresigned(c, r, creds, host, in, t, by); err != nil {
		return Presigned{}, err
	}
	p := Presigned{Method: r.Method, Header: c.presignedHeader(r, host, in.PayloadHash), LimitedBy: LimitedByRequest}
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	p.Expires = time.Unix(now.Unix(), 0).UTC().Add(in.Expires)
	if creds.CanExpire && creds.Expires.Before(p.Expires) {
		p.Expires, p.LimitedBy = creds.Expires, LimitedByCredentials
	}
	p.URL, err = s.presignedURL(c, r, creds, host, in, t, by)
	return p, err
}

// lasting returns credentials that are valid for at least as long as asked, renewed if need be.
func lasting(ctx context.Context, provider aws.CredentialsProvider, least time.Duration, now time.Time) (aws.Credentials, error) {
	if provider == nil {
		return aws.Credentials{}, errors.New("no credentials provider")
	}
	renewed := false
	for {
		creds, err := provider.Retrieve(ctx)
		if err != nil {
			return aws.Credentials{}, fmt.Errorf("credentials: %w", err)
		}
		remaining := creds.Expires.Sub(now)
		if !creds.CanExpire || remaining > 0 && remaining >= least {
			return creds, nil
		}
		renewer, ok := provider.(interface{ Reject(aws.Credentials) })
		if !ok || renewed {
			return aws.Credentials{}, &ValidityError{Expires: creds.Expires, Remaining: remaining, MinValidity: least, Renewed: renewed}
		}
		// And not Invalidate: others use these credentials, and are to have them if there are no better ones.
		renewer.Reject(creds)
		renewed = true
	}
}

// addPresigned adds to c all headers and parameters that are signed.
func (s *Signer) addPresigned(c *canonical, r *http.Request, creds aws.Credentials, host string, in PresignInput, t moment, by authority) error {
	sendHash := false
	tokenKey, _ := s.tokenHeader(creds)
	err := c.addRequestHeaders(r.Header, func(key string, lower []byte, values []string) verdict {
		switch {
		case string(lower) == lowerContentHash:
			sendHash = true
			return ignored
		case string(lower) == lowerAuthorization, authParam(lower): // of this URL, as in the query
			return ignored
		case !hoisted(lower):
			return toSign
		}
		for _, v := range values {
			c.addParam(hoistedName(key, lower), v)
			c.params[len(c.params)-1].hoisted = true
		}
		return ignored
	})
	if err != nil {
		return err
	}
	c.addHeader("host", host)
	c.addContentLength(r.ContentLength)
	if sendHash {
		c.addHeader(lowerContentHash, in.PayloadHash)
	}
	if err := c.addQuery(r.URL.RawQuery, authParam); err != nil {
		return err
	}
	c.sortHeaders()
	if s.RegionSet != "" {
		c.addParam(headerRegionSet, s.RegionSet)
	}
	c.addEncoded("X-Amz-Algorithm", by.algorithm)
	c.addEncoded("X-Amz-Credential", by.encoded)
	c.addEncoded("X-Amz-Date", string(t.text[:]))
	var small [128]byte
	c.addEncoded("X-Amz-Expires", string(strconv.AppendInt(small[:0], int64(in.Expires/time.Second), 10)))
	c.addParam("X-Amz-SignedHeaders", string(c.appendSignedHeaders(small[:0])))
	if tokenKey != "" {
		c.addParam(tokenKey, creds.SessionToken)
	}
	return nil
}

// presignedURL signs what is in c, and writes the URL.
func (s *Signer) presignedURL(c *canonical, r *http.Request, creds aws.Credentials, host string, in PresignInput, t moment, by authority) (string, error) {
	rule, path := s.Path.byService(s.Service), sentPath(r.URL)
	if err := c.build(r.Method, path, rule, in.PayloadHash); err != nil {
		return "", err
	}
	out := append(append(c.out, r.URL.Scheme...), "://"...)
	if to := r.URL.Host; to != "" { // another host than the one to connect to may be signed
		out = append(out, strings.ReplaceAll(withoutDefaultPort(to, r.URL.Scheme), "%", "%25")...)
	} else {
		out = append(out, host...)
	}
	switch {
	case rule == PathOnce:
		out = append(out, c.built(c.uri)...)
	case path == "":
		out = append(out, '/')
	default:
		out = append(out, path...)
	}
	out = append(append(append(out, '?'), c.built(c.query)...), "&X-Amz-Signature="...)
	out, err := s.appendSignature(out, c, creds, t, by)
	if err != nil {
		return "", err
	}
	if s.SessionToken == TokenUnsigned && creds.SessionToken != "" {
		out = appendURIEncode(append(append(append(out, '&'), headerToken...), '='), creds.SessionToken)
	}
	c.out = out
	return string(out), nil
}

// presignedHeader returns the headers in c, under the names that net/http uses, but for a Host that the URL says.
func (c *canonical) presignedHeader(r *http.Request, host, payloadHash string) http.Header {
	asURL := r.URL.Host == "" || host == withoutDefaultPort(r.URL.Host, r.URL.Scheme)
	if asURL && len(c.headers) == 1 {
		return nil
	}
	header := make(http.Header, len(c.headers))
	for _, at := range c.order { // in which two spellings of one name are signed
		h := c.headers[at.field]
		switch key, name := c.bytes(h.key), c.bytes(h.name); {
		case len(key) > 0:
			as := http.CanonicalHeaderKey(string(key))
			header[as] = append(header[as], r.Header[string(key)]...)
		case string(name) == "host":
			if !asURL {
				header["Host"] = []string{host}
			}
		case string(name) == lowerContentHash:
			header[headerContentHash] = []string{payloadHash}
		default:
			header.Set(string(name), string(c.bytes(h.value)))
		}
	}
	return header
}

// authParam reports whether a name, of any case, is of a parameter that belongs to a signature. A parameter's is encoded.
func authParam(name []byte) bool {
	if len(name) < len("X-Amz-") || name[0]|0x20 != 'x' {
		return false
	}
	for _, known := range [...]string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
		"X-Amz-Signature", headerToken, headerS3Session, headerRegionSet} {
		if len(known) == len(name) && strings.EqualFold(known, string(name)) {
			return true
		}
	}
	return false
}

// hoisted reports whether a header is moved into the query of a presigned URL: AWS's own headers, except those that
// services take only as headers. The list is aws-sdk-go-v2's.
func hoisted(lower []byte) bool {
	rest, ok := bytes.CutPrefix(lower, []byte("x-amz-"))
	if !ok {
		return false
	}
	switch string(rest) {
	case "acl", "content-sha256", "copy-source", "copy-source-range", "copy-source-if-match", "copy-source-if-modified-since",
		"copy-source-if-none-match", "copy-source-if-unmodified-since",
		"copy-source-server-side-encryption-customer-algorithm", "copy-source-server-side-encryption-customer-key",
		"copy-source-server-side-encryption-customer-key-md5",
		"grant-full-control", "grant-read", "grant-read-acp", "grant-write", "grant-write-acp", "metadata-directive", "mfa",
		"server-side-encryption", "server-side-encryption-aws-kms-key-id", "server-side-encryption-context",
		"server-side-encryption-customer-algorithm", "server-side-encryption-customer-key", "server-side-encryption-customer-key-md5",
		"storage-class", "tagging", "website-redirect-location":
		return false
	}
	for _, kept := range [...]string{"object-lock-", "meta-"} {
		if strings.HasPrefix(string(rest), kept) {
			return false
		}
	}
	return !strings.HasPrefix(string(rest), "checksum-") || strings.HasPrefix(string(rest), "checksum-mode")
}

// hoistedName is a header's name in the query. S3 knows two of them in lower case only.
func hoistedName(key string, lower []byte) string {
	switch string(lower) {
	case "x-amz-expected-bucket-owner", "x-amz-request-payer":
		return string(lower)
	}
	return key
}
