package sigv4

import (
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// EncodeChunks encodes a body whose first signature is given.
func (s *Signer) EncodeChunks(body io.ReadCloser, length int64, in ChunkedInput, creds aws.Credentials, first string, now time.Time) (io.Reader, error) {
	if _, err := in.check(s); err != nil {
		return nil, err
	}
	t, err := newMoment(now)
	if err != nil {
		return nil, err
	}
	key, err := s.key(creds, t)
	if err != nil {
		return nil, err
	}
	w := chunkWriter{in: in, length: length, left: length}
	w.chain = &chain{key: key, t: t, previous: first}
	return w.over(body), nil
}

// PublicKey4a is the public key of SigV4a as an uncompressed point.
func PublicKey4a(creds aws.Credentials) ([]byte, error) {
	key, err := deriveSigningKey4a(keyID4a{creds.AccessKeyID, creds.SecretAccessKey})
	if err != nil {
		return nil, err
	}
	return key.private.PublicKey.Bytes()
}

// Keys is the number of derived keys that are remembered.
func (s *Signer) Keys() int { return len(s.keys.entries()) }

const MaxKeys = maxKeys

// Leftovers is what the buffers for the next request hold.
func (s *Signer) Leftovers() string {
	c := s.take()
	defer s.giveBack(c)
	var all []byte
	for _, b := range [][]byte{c.buf, c.arena, c.out} {
		all = append(all, b[:cap(b)]...)
	}
	return string(all)
}

// CanonicalURI, CanonicalQueryString and Trimall are the specification's functions.
func CanonicalURI(path string, rule PathRule) (string, error) {
	b, err := appendCanonicalURI(nil, path, rule)
	return string(b), err
}

func CanonicalQueryString(raw string) (string, error) {
	var c canonical
	if err := c.addQuery(raw, nil); err != nil {
		return "", err
	}
	return string(c.appendCanonicalQueryString(nil)), nil
}

func Trimall(v string) string { return string(appendTrimAll(nil, v)) }

func Redact(text string, secrets ...string) string { return redact(text, secrets) }

func Checksum(name string, data []byte) []byte {
	h := checksum(name)
	h.Write(data)
	return h.Sum(nil)
}
