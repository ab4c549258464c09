package sigv4

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// appendSignature4a appends the ECDSA signature of text, in hexadecimal. It is the deterministic one of RFC 6979, which
// needs no random numbers; any other would be as valid.
func (s *Signer) appendSignature4a(dst []byte, creds aws.Credentials, text []byte) ([]byte, error) {
	if err := checkScope(creds.AccessKeyID, "-", s.Service); err != nil {
		return dst, err
	}
	if strings.ContainsFunc(s.RegionSet, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return dst, errors.New("the region set has a character that cannot be in one")
	}
	key, err := s.keys4a.get(keyID4a{creds.AccessKeyID, creds.SecretAccessKey}, deriveSigningKey4a)
	if err != nil {
		return dst, err
	}
	hash := sha256.Sum256(text)
	signature, err := key.private.Sign(nil, hash[:], crypto.SHA256)
	if err != nil {
		return dst, errors.New("SigV4a: the signature could not be made")
	}
	return hex.AppendEncode(dst, signature), nil
}
