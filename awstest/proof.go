package awstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"net/http"
	"time"
)

// proofWindow is how old or early a proof may be.
const proofWindow = 5 * time.Minute

// proof is a DPoP proof whose signature and claims are right.
type proof struct {
	id         string // the jti
	thumbprint string // of the key
}

// parseProof makes the checks of RFC 9449, section 4.3, that need no memory. u is what htu must be; "" means the
// request's own URL, of which a server does not know the scheme.
func parseProof(r *http.Request, u string, now time.Time) (proof, error) {
	headers := r.Header.Values("DPoP")
	if len(headers) != 1 {
		return proof{}, errors.New("there must be one DPoP header")
	}
	t, err := parseJWT(headers[0])
	if err != nil {
		return proof{}, err
	}
	key, thumbprint, err := proofKey(t)
	if err != nil {
		return proof{}, err
	}
	if text(t.header, "typ") != "dpop+jwt" || text(t.header, "alg") != "ES256" || !signed("ES256", key, t.signed, t.signature) {
		return proof{}, errors.New("it is not a JWT of type dpop+jwt, signed by ES256 with the key in its header")
	}
	own := r.Host + r.URL.EscapedPath()
	htu := text(t.claims, "htu")
	iat := t.at("iat")
	switch {
	case text(t.claims, "htm") != r.Method:
		return proof{}, errors.New("htm is not the method")
	case u != "" && htu != u, u == "" && htu != "https://"+own && htu != "http://"+own:
		return proof{}, errors.New("htu is not the URL")
	case iat.IsZero() || now.Sub(iat).Abs() > proofWindow:
		return proof{}, errors.New("iat is not the time")
	case text(t.claims, "jti") == "":
		return proof{}, errors.New("jti is missing")
	}
	return proof{text(t.claims, "jti"), thumbprint}, nil
}

// proofKey reads the public key in the header: a point on P-256, with 32 bytes for each coordinate (RFC 7518,
// section 6.2.1.2), and nothing of the private key.
func proofKey(t jwt) (*ecdsa.PublicKey, string, error) {
	bad := errors.New("its header has no jwk that is a public key of P-256, with coordinates of 32 bytes each")
	k, _ := t.header["jwk"].(map[string]any)
	x, errX := unb64(text(k, "x"))
	y, errY := unb64(text(k, "y"))
	if text(k, "kty") != "EC" || text(k, "crv") != "P-256" || errX != nil || errY != nil || len(x) != 32 || len(y) != 32 || k["d"] != nil {
		return nil, "", bad
	}
	point := append(append([]byte{4}, x...), y...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, "", bad
	}
	return key, jwkOf(key).thumbprint(), nil
}
