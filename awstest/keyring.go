package awstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
)

// keyring has the keys of somebody who signs tokens, at most one for each algorithm. They are made when they are
// first needed: an RSA key takes a while.
type keyring struct {
	mu   sync.Mutex
	keys map[string]crypto.Signer // by algorithm
}

// signer returns the key for an algorithm, nil if there is no such algorithm.
func (k *keyring) signer(algorithm string) crypto.Signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := k.keys[algorithm]; key != nil {
		return key
	}
	var key crypto.Signer
	var err error
	switch algorithm {
	case "RS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		return nil
	}
	if err != nil {
		panic(err) // there is no randomness: nothing works any more
	}
	if k.keys == nil {
		k.keys = make(map[string]crypto.Signer)
	}
	k.keys[algorithm] = key
	return key
}

// public returns the key that a token names, nil if there is none of that name for that algorithm.
func (k *keyring) public(algorithm, kid string) crypto.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := k.keys[algorithm]
	if key == nil || kid != jwkOf(key.Public()).thumbprint() {
		return nil
	}
	return key.Public()
}

func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = nil
}

// jwks returns the document of RFC 7517, section 5.
func (k *keyring) jwks() map[string][]map[string]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := []map[string]string{}
	for algorithm, key := range k.keys {
		j := jwkOf(key.Public())
		public := map[string]string{"kid": j.thumbprint(), "use": "sig", "alg": algorithm}
		maps.Copy(public, j)
		list = append(list, public)
	}
	slices.SortFunc(list, func(a, b map[string]string) int { return strings.Compare(a["alg"], b["alg"]) })
	return map[string][]map[string]string{"keys": list}
}

// jwk has the members of a public key that RFC 7638 hashes, and no other.
type jwk map[string]string

func jwkOf(key crypto.PublicKey) jwk {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return jwk{"kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, x, y
		if err != nil {
			panic(err) // made by GenerateKey or checked by ParseUncompressedPublicKey: it is on its curve
		}
		size := len(point) / 2
		return jwk{"kty": "EC", "crv": key.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
	}
	panic(fmt.Sprintf("awstest: no JWK for %T", key))
}

// thumbprint is that of RFC 7638. encoding/json sorts the members, as it must be.
func (j jwk) thumbprint() string {
	text, err := json.Marshal(j)
	if err != nil {
		panic(err) // strings: it cannot fail
	}
	sum := sha256.Sum256(text)
	return b64(sum[:])
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// unb64 is strict: encoding/base64 would take line breaks, and bits that no encoder sets.
func unb64(text string) ([]byte, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil && b64(data) != text {
		err = base64.CorruptInputError(0)
	}
	return data, err
}

// sign returns the signature of RFC 7518, section 3: for an elliptic curve both numbers in full length.
func sign(algorithm string, key crypto.Signer, text string) []byte {
	var signature []byte
	var err error
	switch key := key.(type) {
	case *rsa.PrivateKey:
		sum := sha256.Sum256([]byte(text))
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		size := (key.Params().BitSize + 7) / 8
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, key, digest(algorithm, text)); err == nil {
			signature = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
	}
	if err != nil {
		panic(err)
	}
	return signature
}

// signed says whether signature is that of text.
func signed(algorithm string, key crypto.PublicKey, text string, signature []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest(algorithm, text), signature) == nil
	case *ecdsa.PublicKey:
		size := (key.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(key, digest(algorithm, text), r, s)
	}
	return false
}

func digest(algorithm, text string) []byte {
	if algorithm == "ES384" {
		sum := sha512.Sum384([]byte(text))
		return sum[:]
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
