package dpop_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/dpop"
)

var now = time.Unix(1789000000, 999e6)

const target = "https://eu-west-1.signin.aws.amazon.com/v1/token"

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func generate(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func sec1(t testing.TB, key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	return block("EC PRIVATE KEY", der)
}

func pkcs8(t testing.TB, key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return block("PRIVATE KEY", der)
}

// short returns a key whose X, or Y, begins with a zero byte: one in 256 does.
func short(t testing.TB, y bool) *ecdsa.PrivateKey {
	for range 100_000 {
		key := generate(t, elliptic.P256())
		if public := uncompressed(t, key); public[1] == 0 && !y || public[33] == 0 && y {
			return key
		}
	}
	t.Fatal("no such key")
	return nil
}

func uncompressed(t testing.TB, key *ecdsa.PrivateKey) []byte {
	public, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	require.Len(t, public, 65)
	return public
}

func decode(t testing.TB, part string) []byte {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	require.NoError(t, err)
	return raw
}

// verify takes a proof apart by the standards alone, and returns its claims.
func verify(t testing.TB, proof string, public []byte) map[string]any {
	parts := strings.Split(proof, ".")
	require.Len(t, parts, 3)

	var head map[string]any
	require.NoError(t, json.Unmarshal(decode(t, parts[0]), &head))
	key, ok := head["jwk"].(map[string]any)
	require.True(t, ok)
	x, y := decode(t, key["x"].(string)), decode(t, key["y"].(string))
	require.Equal(t, public[1:33], x)
	require.Equal(t, public[33:], y)
	delete(key, "x")
	delete(key, "y")
	require.Equal(t, map[string]any{
		"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]any{"kty": "EC", "crv": "P-256"},
	}, head, "nothing else, and above all not the private part")

	verifier, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, append(x, y...)...))
	require.NoError(t, err)
	signature := decode(t, parts[2])
	require.Len(t, signature, 64)
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	require.True(t, ecdsa.Verify(verifier, digest[:], r, s))

	var claims map[string]any
	require.NoError(t, json.Unmarshal(decode(t, parts[1]), &claims))
	return claims
}

func TestProof(t *testing.T) {
	t.Parallel()
	ordinary := generate(t, elliptic.P256())
	parameters := block("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7})
	for name, tt := range map[string]struct {
		key  *ecdsa.PrivateKey
		file []byte
	}{
		"SEC 1":                    {ordinary, sec1(t, ordinary)},
		"PKCS 8":                   {ordinary, pkcs8(t, ordinary)},
		"after its parameters":     {ordinary, append(parameters, sec1(t, ordinary)...)},
		"with words around it":     {ordinary, append(append([]byte("the key:\r\n"), sec1(t, ordinary)...), "end"...)},
		"X begins with a zero":     {nil, nil},
		"Y begins with a zero":     {nil, nil},
		"X begins with a zero, P8": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.key == nil {
				tt.key = short(t, name[0] == 'Y')
				tt.file = sec1(t, tt.key)
				if strings.HasSuffix(name, "P8") {
					tt.file = pkcs8(t, tt.key)
				}
			}
			public := uncompressed(t, tt.key)
			proof, err := dpop.Proof(tt.file, "POST", target, now)
			require.NoError(t, err)
			claims := verify(t, proof, public)
			id, _ := claims["jti"].(string)
			require.GreaterOrEqual(t, len(id), 20)
			delete(claims, "jti")
			require.Equal(t, map[string]any{"htm": "POST", "htu": target, "iat": 1789000000.0}, claims)
		})
	}
}

// Halves of a signature that are short numbers keep their place: one in 128 signatures has such a half.
func TestSignaturesHaveTheirLength(t *testing.T) {
	t.Parallel()
	key := generate(t, elliptic.P256())
	file, public := sec1(t, key), uncompressed(t, key)
	seen := make(map[any]bool)
	var shortHalves int
	for range 2000 {
		proof, err := dpop.Proof(file, "POST", target, now)
		require.NoError(t, err)
		signature := decode(t, proof[strings.LastIndexByte(proof, '.')+1:])
		switch {
		case signature[0] == 0 || signature[32] == 0:
			shortHalves++
		case signature[31] == 0 || signature[63] == 0: // could be one that is out of its place
		case len(seen) > 50:
			continue // verifying is slow; the odd ones are what counts
		}
		id := verify(t, proof, public)["jti"]
		require.False(t, seen[id], "a proof's ID is used twice")
		seen[id] = true
	}
	require.NotZero(t, shortHalves, "luck, once in some million runs")
}

func TestProofLeavesTheQueryOut(t *testing.T) {
	t.Parallel()
	key := generate(t, elliptic.P256())
	for url, want := range map[string]string{
		target: target, target + "?a=b#c": target, target + "#c?d": target, "http://localhost:8080/": "http://localhost:8080/",
		"http://localhost/a&b<c>": "http://localhost/a&b<c>",
	} {
		proof, err := dpop.Proof(sec1(t, key), "GET", url, now)
		require.NoError(t, err)
		claims := verify(t, proof, uncompressed(t, key))
		require.Equal(t, want, claims["htu"])
		require.Equal(t, "GET", claims["htm"])
	}
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	key := generate(t, elliptic.P256())
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	good := sec1(t, key)
	broken := append([]byte(nil), pkcs8(t, key)...)
	copy(broken[60:], "AAAAAAAAAAAA")
	point := uncompressed(t, key)
	zero, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	clear(zero[7:39]) // the number itself
	for name, tt := range map[string]struct {
		file []byte
		err  string
	}{
		"nothing":          {nil, "no private key in PEM form"},
		"no PEM":           {[]byte("canary"), "no private key in PEM form"},
		"cut":              {good[:len(good)-20], "no private key in PEM form"},
		"a public key":     {block("PUBLIC KEY", point), "no private key in PEM form"},
		"an endless one":   {[]byte(strings.Repeat("canary", 3000)), "the key is longer than 16384 bytes"},
		"not SEC 1":        {block("EC PRIVATE KEY", []byte("canary")), "the EC PRIVATE KEY is no key in the form of SEC 1"},
		"zero":             {block("EC PRIVATE KEY", zero), "dpop: the"},
		"not PKCS 8":       {block("PRIVATE KEY", []byte("canary")), "the PRIVATE KEY is no key in the form of PKCS #8"},
		"broken PKCS 8":    {broken, "dpop: "},
		"Ed25519":          {pkcs8(t, edwards), "the PRIVATE KEY is not one for an elliptic curve"},
		"P-384":            {sec1(t, generate(t, elliptic.P384())), "the key is not for the curve P-256"},
		"P-521 in PKCS 8":  {pkcs8(t, generate(t, elliptic.P521())), "the key is not for the curve P-256"},
		"encrypted PKCS 8": {block("ENCRYPTED PRIVATE KEY", []byte("canary")), "the key is encrypted"},
		"encrypted SEC 1": {pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("canary"),
			Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,canary"}}), "the key is encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proof, err := dpop.Proof(tt.file, "POST", target, now)
			require.ErrorContains(t, err, "dpop: ")
			require.ErrorContains(t, err, tt.err)
			require.Empty(t, proof)
			requireNothingOf(t, tt.file, err)
		})
	}
}

// requireNothingOf checks that no run of twelve characters of the file is in the error, but for PEM's words.
func requireNothingOf(t testing.TB, file []byte, err error) {
	text := string(file)
	for _, word := range []string{"ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "PUBLIC KEY"} {
		text = strings.ReplaceAll(text, word, "\x00")
	}
	for i := 0; i+12 <= len(text); i++ {
		require.NotContains(t, err.Error(), text[i:i+12])
	}
	require.NotContains(t, err.Error(), "canary")
}

func FuzzProof(f *testing.F) {
	key := generate(f, elliptic.P256())
	f.Add(sec1(f, key), "POST", target)
	f.Add(pkcs8(f, key), "\x00\"", "?#")
	f.Add(block("EC PRIVATE KEY", []byte("x")), "GET", "\xff")
	f.Fuzz(func(t *testing.T, file []byte, method, url string) {
		proof, err := dpop.Proof(file, method, url, now)
		if err != nil {
			require.Empty(t, proof)
			require.Less(t, len(err.Error()), 100)
			return
		}
		var head struct {
			Key struct{ X, Y string } `json:"jwk"`
		}
		require.NoError(t, json.Unmarshal(decode(t, strings.Split(proof, ".")[0]), &head))
		public := append([]byte{4}, append(decode(t, head.Key.X), decode(t, head.Key.Y)...)...)
		require.Len(t, public, 65)
		verify(t, proof, public)
	})
}
