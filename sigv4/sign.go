package sigv4

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// The headers that signing sets, and their names in a canonical request.
const (
	headerAuthorization = "Authorization"
	headerDate          = "X-Amz-Date"
	headerToken         = "X-Amz-Security-Token"
	headerS3Session     = "X-Amz-S3session-Token"
	headerContentHash   = "X-Amz-Content-Sha256"
	headerRegionSet     = "X-Amz-Region-Set"

	lowerDate        = "x-amz-date"
	lowerToken       = "x-amz-security-token"
	lowerS3Session   = "x-amz-s3session-token"
	lowerContentHash = "x-amz-content-sha256"
	lowerRegionSet   = "x-amz-region-set"
)

// seed is what the signatures of a payload's chunks go on from.
type seed struct {
	signature string // in hexadecimal
	t         moment
}

// check finds what cannot be signed by anyone.
func (s *Signer) check(r *http.Request, creds aws.Credentials) error {
	switch {
	case r.URL == nil:
		return errors.New("the request has no URL")
	case creds.AccessKeyID == "" || creds.SecretAccessKey == "":
		return errors.New("the credentials are empty, and an anonymous request is never made of a signed one")
	case s.Service == "":
		return errors.New("the signer has no Service")
	case s.Region == "" && s.RegionSet == "":
		return errors.New("the signer has no Region")
	}
	return checkValue(headerToken, creds.SessionToken)
}

// tokenHeader is where the token of creds is sent, signed; "" if nowhere.
func (s *Signer) tokenHeader(creds aws.Credentials) (key, lower string) {
	switch {
	case creds.SessionToken == "":
	case s.SessionToken == TokenSigned:
		return headerToken, lowerToken
	case s.SessionToken == TokenS3Session:
		return headerS3Session, lowerS3Session
	}
	return "", ""
}

// signHeaders signs r, and changes it only once nothing can fail any more.
func (s *Signer) signHeaders(r *http.Request, creds aws.Credentials, payloadHash string, now time.Time) (seed, error) {
	result, err := s.trySignHeaders(r, creds, payloadHash, now)
	if err != nil {
		return seed{}, fmt.Errorf("sigv4: %w", err)
	}
	return result, nil
}

func (s *Signer) trySignHeaders(r *http.Request, creds aws.Credentials, payloadHash string, now time.Time) (seed, error) {
	if err := s.check(r, creds); err != nil {
		return seed{}, err
	}
	t, err := newMoment(now)
	if err != nil {
		return seed{}, err
	}
	host, err := sentHost(r)
	if err != nil {
		return seed{}, err
	}
	c := s.take()
	defer s.giveBack(c)

	tokenKey, tokenLower := s.tokenHeader(creds)
	sendHash := len(payloadHash) != len(emptyHash) || likeS3(s.Service)
	err = c.addRequestHeaders(r.Header, func(key string, lower []byte) verdict {
		replaced, by := false, ""
		switch string(lower) {
		case lowerDate:
			replaced, by = true, headerDate
		case lowerContentHash:
			sendHash = true
			replaced, by = true, headerContentHash
		case lowerToken:
			replaced, by = s.SessionToken != TokenOmitted, tokenKey
		case lowerS3Session:
			replaced, by = tokenKey == headerS3Session, tokenKey
		case lowerRegionSet:
			replaced = true
			if s.RegionSet != "" {
				by = headerRegionSet
			}
		}
		switch {
		case !replaced:
			return toSign
		case key == by:
			return ignored
		}
		return gone
	})
	if err != nil {
		return seed{}, err
	}
	values := make([]string, 5) // of all headers that are set
	c.addHeader(lowerDate, string(t.text[:]))
	c.addHeader("host", host)
	c.addContentLength(r.ContentLength)
	if tokenKey != "" {
		values[0] = creds.SessionToken
		c.headers = append(c.headers, field{name: c.hold(tokenLower), values: values[:1:1]})
	}
	if sendHash {
		c.addHeader(lowerContentHash, payloadHash)
	}
	if s.RegionSet != "" {
		c.addHeader(lowerRegionSet, s.RegionSet)
	}
	if err := c.addQuery(r.URL.RawQuery, nil); err != nil {
		return seed{}, err
	}
	c.sortHeaders()
	rule, path := s.Path.byService(s.Service), sentPath(r.URL)
	if err := c.build(r.Method, path, rule, payloadHash); err != nil {
		return seed{}, err
	}

	// Everything that is handed out is cut from one string: date, Authorization, signature.
	region := s.Region
	name := algorithm
	if s.RegionSet != "" {
		name, region = algorithm4a, ""
	}
	start := len(c.arena)
	c.arena = t.appendScope(c.arena, region, s.Service)
	scope := c.arena[start:len(c.arena):len(c.arena)]
	out := append(make([]byte, 0, 512), t.text[:]...)
	out = append(append(append(out, name...), " Credential="...), creds.AccessKeyID...)
	out = append(append(append(out, '/'), scope...), ", SignedHeaders="...)
	out = append(append(out, c.signedHeaders...), ", Signature="...)
	signatureStart := len(out)
	if out, err = s.appendSignature(out, c, creds, t, name, scope); err != nil {
		return seed{}, err
	}
	text := string(out)

	c.send(r, host, path, rule)
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	for _, key := range c.stale {
		delete(r.Header, key)
	}
	set := func(i int, key, value string) {
		values[i] = value
		r.Header[key] = values[i : i+1 : i+1]
	}
	switch {
	case tokenKey != "":
		set(0, tokenKey, creds.SessionToken)
	case s.SessionToken == TokenUnsigned && creds.SessionToken != "":
		set(0, headerToken, creds.SessionToken)
	}
	if sendHash {
		set(1, headerContentHash, payloadHash)
	}
	if s.RegionSet != "" {
		set(2, headerRegionSet, s.RegionSet)
	}
	set(3, headerDate, text[:len(t.text)])
	set(4, headerAuthorization, text[len(t.text):])
	return seed{text[signatureStart:], t}, nil
}

// appendSignature appends the signature, in hexadecimal, of the canonical request in c.
func (s *Signer) appendSignature(dst []byte, c *canonical, creds aws.Credentials, t moment, algorithm string, scope []byte) ([]byte, error) {
	start := len(c.arena)
	c.arena = c.appendStringToSign(c.arena, algorithm, t, scope)
	text := c.arena[start:]
	if s.RegionSet != "" {
		return s.appendSignature4a(dst, creds, text)
	}
	key, err := s.key(creds, t)
	if err != nil {
		return dst, err
	}
	start = len(c.arena)
	c.arena = key.appendSignature(c.arena, text)
	return hex.AppendEncode(dst, c.arena[start:]), nil
}

// send gives r the form that was signed. The URL may be shared with another request, so it is replaced.
func (c *canonical) send(r *http.Request, host, path string, rule PathRule) {
	if sent := r.Host; sent != host && (sent != "" || r.URL.Host != host) {
		r.Host = host
	}
	samePath := rule != PathOnce || r.URL.Opaque != "" || path == "" || string(c.uri) == path
	if samePath && r.URL.RawQuery == string(c.query) {
		return
	}
	u := new(url.URL)
	*u = *r.URL
	u.RawQuery = string(c.query)
	if !samePath {
		u.RawPath = string(c.uri)
	}
	r.URL = u
}
