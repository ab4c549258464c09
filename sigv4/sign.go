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

	lowerAuthorization = "authorization"
	lowerDate          = "x-amz-date"
	lowerToken         = "x-amz-security-token"
	lowerS3Session     = "x-amz-s3session-token"
	lowerContentHash   = "x-amz-content-sha256"
	lowerRegionSet     = "x-amz-region-set"
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
	t, err := s.moment(now)
	if err != nil {
		return seed{}, err
	}
	host, err := sentHost(r)
	if err != nil {
		return seed{}, err
	}
	by, err := s.authority(creds, t)
	if err != nil {
		return seed{}, err
	}
	c := s.take()
	defer s.giveBack(c)
	missingHash, err := s.addSigned(c, r, creds, host, payloadHash, t)
	if err != nil {
		return seed{}, err
	}
	rule, path := s.Path.byService(s.Service), sentPath(r.URL)
	if err := c.build(r.Method, path, rule, payloadHash); err != nil {
		return seed{}, err
	}

	// Date, Authorization and the signature are cut from one string.
	out := append(append(append(c.out, t.text[:]...), by.algorithm...), " Credential="...)
	out = append(append(out, by.text...), ", SignedHeaders="...)
	out = append(append(out, c.built(c.signedHeaders)...), ", Signature="...)
	signatureStart := len(out)
	if c.out, err = s.appendSignature(out, c, creds, t, by); err != nil {
		return seed{}, err
	}
	text := string(c.out)
	if !missingHash {
		payloadHash = ""
	}
	c.rewrite(r, host, path, rule)
	s.setHeaders(r, c.stale, creds, payloadHash, text[:len(t.text)], text[len(t.text):])
	return seed{text[signatureStart:], t}, nil
}

// addSigned adds to c all headers and parameters that are signed, and reports whether r lacks the header with the hash.
func (s *Signer) addSigned(c *canonical, r *http.Request, creds aws.Credentials, host, payloadHash string, t moment) (missingHash bool, err error) {
	tokenKey, tokenLower := s.tokenHeader(creds)
	hasHash := false
	sendHash := len(payloadHash) != len(emptyHash) || likeS3(s.Service)
	err = c.addRequestHeaders(r.Header, func(key string, lower []byte, values []string) verdict {
		replaced, as := false, "" // by a header of this key
		switch string(lower) {
		case lowerAuthorization:
			replaced, as = true, headerAuthorization
		case lowerDate:
			replaced, as = true, headerDate
		case lowerContentHash:
			sendHash = true
			hasHash = key == headerContentHash && len(values) == 1 && values[0] == payloadHash
			replaced, as = true, headerContentHash
		case lowerToken:
			replaced, as = s.SessionToken != TokenOmitted, tokenKey
		case lowerS3Session:
			replaced, as = tokenKey == headerS3Session, tokenKey
		case lowerRegionSet:
			replaced = true
			if s.RegionSet != "" {
				as = headerRegionSet
			}
		}
		switch {
		case !replaced:
			return toSign
		case key == as:
			return ignored
		}
		return gone
	})
	if err != nil {
		return false, err
	}
	c.addContentLength(r.ContentLength)
	c.addHeader("host", host)
	if sendHash {
		c.addHeader(lowerContentHash, payloadHash)
	}
	c.addHeader(lowerDate, string(t.text[:]))
	if s.RegionSet != "" {
		c.addHeader(lowerRegionSet, s.RegionSet)
	}
	if tokenKey != "" {
		c.headers = append(c.headers, field{name: c.hold(tokenLower), value: c.holdValues([]string{creds.SessionToken})})
	}
	c.sortHeaders()
	return sendHash && !hasHash, c.addQuery(r.URL.RawQuery, nil)
}

// setHeaders takes the stale headers from r and sets those of a signature. No payloadHash sets none.
func (s *Signer) setHeaders(r *http.Request, stale []string, creds aws.Credentials, payloadHash, date, authorization string) {
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	for _, key := range stale {
		delete(r.Header, key)
	}
	tokenKey, _ := s.tokenHeader(creds)
	if s.SessionToken == TokenUnsigned {
		tokenKey = headerToken
	}
	if creds.SessionToken != "" && tokenKey != "" {
		r.Header[tokenKey] = []string{creds.SessionToken}
	}
	if payloadHash != "" {
		r.Header[headerContentHash] = []string{payloadHash}
	}
	if s.RegionSet != "" {
		r.Header[headerRegionSet] = []string{s.RegionSet}
	}
	values := []string{date, authorization}
	r.Header[headerDate], r.Header[headerAuthorization] = values[:1:1], values[1:]
}

// appendSignature appends the signature, in hexadecimal, of the canonical request in c.
func (s *Signer) appendSignature(dst []byte, c *canonical, creds aws.Credentials, t moment, by authority) ([]byte, error) {
	start := len(c.arena)
	c.arena = c.appendStringToSign(c.arena, by.algorithm, t, by.scope)
	text := c.arena[start:]
	if by.key == nil {
		return s.appendSignature4a(dst, creds, text)
	}
	start = len(c.arena)
	c.arena = by.key.appendSignature(c.arena, text)
	return hex.AppendEncode(dst, c.arena[start:]), nil
}

// rewrite gives r the form that was signed. The URL may be shared with another request, so it is replaced.
func (c *canonical) rewrite(r *http.Request, host, path string, rule PathRule) {
	if sent := r.Host; sent != host && (sent != "" || r.URL.Host != host) {
		r.Host = host
	}
	samePath := rule != PathOnce || r.URL.Opaque != "" || path == "" || string(c.built(c.uri)) == path
	if samePath && r.URL.RawQuery == string(c.built(c.query)) {
		return
	}
	u := new(url.URL)
	*u = *r.URL
	u.RawQuery = string(c.built(c.query))
	if !samePath {
		u.RawPath = string(c.built(c.uri))
	}
	r.URL = u
}
