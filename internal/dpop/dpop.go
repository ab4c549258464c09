// Package dpop makes the proofs of RFC 9449, by which a client shows that it holds the key that its token is
// bound to. It knows the one kind that AWS's sign-in service takes: ES256.
package dpop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	coordinate = 32       // bytes of a coordinate of P-256, and of each half of a signature
	maxKey     = 16 << 10 // bytes of a PEM file that are read; a key has about 230
)

// jwk is a public key of RFC 7517. X and Y have always 32 bytes: RFC 7518, 6.2.1.2. Without the zeros in front,
// one key in 128 would be refused.
type jwk struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

type header struct {
	Type      string `json:"typ"`
	Algorithm string `json:"alg"`
	Key       jwk    `json:"jwk"`
}

type claims struct {
	ID       string `json:"jti"`
	Method   string `json:"htm"`
	URL      string `json:"htu"`
	IssuedAt int64  `json:"iat"` // seconds
}

// Proof returns the value of the header DPoP for one request: a JWT that names the method and the URL and is
// signed at the time now. Each proof has a random ID of its own, and serves for one request alone. The query
// and the fragment of the URL stay out of it (RFC 9449, 4.2).
//
// The key is a private key for P-256 in PEM, as SEC 1 (EC PRIVATE KEY) or PKCS #8 (PRIVATE KEY); other blocks
// before it, such as EC PARAMETERS, are passed over. An error never quotes it.
func Proof(pemKey []byte, method, url string, now time.Time) (string, error) {
	key, err := parseKey(pemKey)
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	public, err := publicKey(key)
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	if end := strings.IndexAny(url, "?#"); end >= 0 {
		url = url[:end]
	}
	signed := encode(header{"dpop+jwt", "ES256", public}) + "." +
		encode(claims{rand.Text(), method, url, now.Unix()})
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", errors.New("dpop: the key does not sign")
	}
	// JWS has the two numbers side by side, not in ASN.1: RFC 7518, 3.4.
	signature := make([]byte, 2*coordinate)
	r.FillBytes(signature[:coordinate])
	s.FillBytes(signature[coordinate:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// publicKey goes by way of the uncompressed point, whose coordinates have their full length.
func publicKey(key *ecdsa.PrivateKey) (jwk, error) {
	public, err := key.PublicKey.ECDH()
	if err != nil {
		return jwk{}, errors.New("the key's public half is not on the curve")
	}
	point := public.Bytes() // 4, x, y
	x, y := point[1:1+coordinate], point[1+coordinate:]
	return jwk{"EC", "P-256", base64.RawURLEncoding.EncodeToString(x), base64.RawURLEncoding.EncodeToString(y)}, nil
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	if len(text) > maxKey {
		return nil, fmt.Errorf("the key is longer than %d bytes", maxKey)
	}
	var key *ecdsa.PrivateKey
	for key == nil {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("no private key in PEM form")
		}
		switch block.Type {
		case "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errors.New("the key is encrypted")
			}
			var err error
			if key, err = x509.ParseECPrivateKey(block.Bytes); err != nil { // its words are of the key's structure, and not worth a risk
				return nil, errors.New("the EC PRIVATE KEY is no key in the form of SEC 1")
			}
		case "PRIVATE KEY":
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("the PRIVATE KEY is no key in the form of PKCS #8")
			}
			var ok bool
			if key, ok = parsed.(*ecdsa.PrivateKey); !ok {
				return nil, errors.New("the PRIVATE KEY is not one for an elliptic curve")
			}
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the key is encrypted")
		}
	}
	if key.Curve != elliptic.P256() {
		return nil, errors.New("the key is not for the curve P-256")
	}
	return key, nil
}

// encode is base64url without padding, of JSON that cannot fail.
func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // structs of strings and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}
