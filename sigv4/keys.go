package sigv4

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// maxKeys bounds how many derived keys are remembered. What is dropped costs a few microseconds when it is needed again.
const maxKeys = 64

// cache remembers what is costly to derive. Its zero value is ready.
type cache[K comparable, V any] struct {
	last atomic.Pointer[entry[K, V]] // most programs have one identity
	mu   sync.Mutex
	all  atomic.Pointer[map[K]*entry[K, V]] // guarded by mu; behind a pointer that fmt does not follow, since it has secrets
}

// entries returns the map, which c.mu guards.
func (c *cache[K, V]) entries() map[K]*entry[K, V] {
	if c.all.Load() == nil {
		c.all.Store(&map[K]*entry[K, V]{})
	}
	return *c.all.Load()
}

type entry[K comparable, V any] struct {
	id    K
	value V
}

func (c *cache[K, V]) get(id K, derive func(K) (V, error)) (*V, error) {
	if e := c.last.Load(); e != nil && e.id == id {
		return &e.value, nil
	}
	c.mu.Lock()
	e := c.entries()[id]
	c.mu.Unlock()
	if e == nil {
		v, err := derive(id)
		if err != nil {
			return nil, err
		}
		e = &entry[K, V]{id, v}
		c.add(e)
	}
	c.last.Store(e)
	return &e.value, nil
}

func (c *cache[K, V]) add(e *entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.entries()
	for id := range all { // the order of a map is random, so whoever floods the cache cannot aim
		if len(all) < maxKeys {
			break
		}
		delete(all, id)
	}
	all[e.id] = e
}

// keyID is all that a signing key depends on.
type keyID struct {
	day                                  [8]byte
	accessKeyID, secret, region, service string
}

// signingKey holds HMACs with the key, which are costly to set up, and what it is for.
type signingKey struct {
	macs *sync.Pool
	credential
}

// credential is the access key ID, a slash and the credential scope; encoded is the same for a query.
type credential struct{ text, scope, encoded string }

func newCredential(accessKeyID string, scope []byte) credential {
	text := accessKeyID + "/" + string(scope)
	return credential{text, text[len(accessKeyID)+1:], string(appendURIEncode(nil, text))}
}

// appendSignature appends the HMAC of text.
func (k *signingKey) appendSignature(dst, text []byte) []byte {
	m := k.macs.Get().(hash.Hash)
	m.Reset()
	m.Write(text)
	dst = m.Sum(dst)
	k.macs.Put(m)
	return dst
}

// deriveSigningKey is DateKey, DateRegionKey, DateRegionServiceKey and SigningKey of the specification.
func deriveSigningKey(id keyID) (signingKey, error) {
	if err := checkScope(id.accessKeyID, id.region, id.service); err != nil {
		return signingKey{}, err
	}
	key := hmacSHA256([]byte("AWS4"+id.secret), string(id.day[:]))
	for _, part := range []string{id.region, id.service, terminator} {
		key = hmacSHA256(key, part)
	}
	pool := &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	t := moment{}
	copy(t.text[:], id.day[:])
	return signingKey{pool, newCredential(id.accessKeyID, t.appendScope(nil, id.region, id.service))}, nil
}

func hmacSHA256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// checkScope refuses what would make a credential scope ambiguous.
func checkScope(accessKeyID, region, service string) error {
	for _, part := range []struct{ name, value string }{
		{"access key ID", accessKeyID}, {"region", region}, {"service", service},
	} {
		if part.value == "" || strings.ContainsFunc(part.value, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '/' || c == ',' }) {
			return errors.New("the " + part.name + " is empty, or has a character that cannot be in a credential scope")
		}
	}
	return nil
}

// keyID4a is all that a key of SigV4a depends on.
type keyID4a struct{ accessKeyID, secret string }

type signingKey4a struct{ private *ecdsa.PrivateKey }

// deriveSigningKey4a makes a P-256 key of a secret access key by the counter mode of NIST SP 800-108, as AWS's signers
// for SigV4a do: the first candidate that is at most the order of the curve less two, plus one.
func deriveSigningKey4a(id keyID4a) (signingKey4a, error) {
	const bits = "\x00\x00\x01\x00" // 256, the length of the output
	limit := new(big.Int).Sub(elliptic.P256().Params().N, big.NewInt(2))
	for counter := byte(1); counter < 255; counter++ {
		candidate := new(big.Int).SetBytes(hmacSHA256([]byte("AWS4A"+id.secret),
			"\x00\x00\x00\x01"+algorithm4a+"\x00"+id.accessKeyID+string([]byte{counter})+bits))
		if candidate.Cmp(limit) > 0 {
			continue
		}
		d := candidate.Add(candidate, big.NewInt(1)).FillBytes(make([]byte, 32))
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
		if err != nil {
			break
		}
		return signingKey4a{private}, nil
	}
	return signingKey4a{}, errors.New("no key of SigV4a can be derived from the secret access key")
}

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

// authority is what vouches for a signature: an algorithm, a credential, and the key, if the algorithm is not SigV4a's.
type authority struct {
	algorithm string
	credential
	key *signingKey
}

func (s *Signer) authority(creds aws.Credentials, t moment) (authority, error) {
	if s.RegionSet != "" {
		return authority{algorithm: algorithm4a, credential: newCredential(creds.AccessKeyID, t.appendScope(nil, "", s.Service))}, nil
	}
	key, err := s.key(creds, t)
	if err != nil {
		return authority{}, err
	}
	return authority{algorithm, key.credential, key}, nil
}

func (s *Signer) key(creds aws.Credentials, t moment) (*signingKey, error) {
	return s.keys.get(keyID{[8]byte(t.day()), creds.AccessKeyID, creds.SecretAccessKey, s.Region, s.Service}, deriveSigningKey)
}

// sameSignature compares in constant time.
func sameSignature(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
