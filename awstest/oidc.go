package awstest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OIDC is a fake of an OpenID Connect issuer, as a Kubernetes cluster or a CI system is one. It mints tokens, and
// as a handler it answers with its configuration and its public keys, at /.well-known/openid-configuration and
// /keys below the issuer's path.
//
// An [STS] that has it among its Issuers verifies its tokens without a request.
type OIDC struct {
	// Issuer is its URL; "" means https://oidc.example.com.
	Issuer string

	// Audiences are the client IDs with which IAM knows it; nil means that any will do.
	Audiences []string

	record
	keys    keyring
	changed oidcState // guarded by record.mu
}

// oidcState is what can change while the fake is in use.
type oidcState struct {
	unreachable bool
	revoked     []string
}

// Claims are what a token of an [OIDC] says.
type Claims struct {
	// Subject is the sub claim.
	Subject string

	// Audience is the aud claim; nil means sts.amazonaws.com. One is written as a string, more as a list.
	Audience []string

	// Issued is the iat claim; zero means now.
	Issued time.Time

	// Expires is the exp claim; zero means an hour from now.
	Expires time.Time

	// Algorithm signs it: RS256, ES256, ES384, or "none" for a token without a signature, which nobody must
	// accept; "" means ES256.
	Algorithm string

	// More has other claims, and goes before those above.
	More map[string]any
}

func (o *OIDC) issuer() string { return orElse(o.Issuer, "https://oidc.example.com") }

// Token returns a token in compact form. It panics for an algorithm that is not known.
func (o *OIDC) Token(c Claims) string {
	claims := map[string]any{"iss": o.issuer(), "sub": c.Subject, "aud": c.Audience}
	switch len(c.Audience) {
	case 0:
		claims["aud"] = "sts.amazonaws.com"
	case 1:
		claims["aud"] = c.Audience[0]
	}
	issued, expires := c.Issued, c.Expires
	if issued.IsZero() {
		issued = time.Now()
	}
	if expires.IsZero() {
		expires = time.Now().Add(time.Hour)
	}
	claims["iat"], claims["exp"] = issued.Unix(), expires.Unix()
	maps.Copy(claims, c.More)
	algorithm := orElse(c.Algorithm, "ES256")
	if algorithm == "none" {
		return encodeJWT(map[string]any{"typ": "JWT", "alg": algorithm}, claims) + "."
	}
	key := o.keys.signer(algorithm)
	if key == nil {
		panic(fmt.Sprintf("awstest: the algorithm %q is not known", algorithm))
	}
	unsigned := encodeJWT(map[string]any{"typ": "JWT", "alg": algorithm, "kid": jwkOf(key.Public()).thumbprint()}, claims)
	return unsigned + "." + b64(sign(algorithm, key, unsigned))
}

// Rotate replaces the keys: tokens that were signed before do not verify any more.
func (o *OIDC) Rotate() { o.keys.forget() }

// SetUnreachable makes the issuer out of reach of an STS (IDPCommunicationError), or brings it back.
func (o *OIDC) SetUnreachable(yes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed.unreachable = yes
}

// Revoke makes the issuer reject a subject's tokens (IDPRejectedClaim).
func (o *OIDC) Revoke(subject string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed.revoked = append(o.changed.revoked, subject)
}

func (o *OIDC) state() (unreachable bool, revoked []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed.unreachable, slices.Clone(o.changed.revoked)
}

// Verify returns the claims of a token that this issuer signed for an audience and that holds now. Numbers are
// of the type json.Number.
func (o *OIDC) Verify(token, audience string) (map[string]any, error) {
	t, err := parseJWT(token)
	if err != nil {
		return nil, err
	}
	if err := o.verify(t, time.Now()); err != nil {
		return nil, err
	}
	if !slices.Contains(t.list("aud"), audience) {
		return nil, fmt.Errorf("the token is not for the audience %q", audience)
	}
	return t.claims, nil
}

var (
	errNoKey      = errors.New("the token is not signed with a key of the issuer")
	errSignature  = errors.New("the token's signature is not right")
	errNotYet     = errors.New("the token is not valid yet")
	errIncomplete = errors.New("the token lacks one of the claims sub, aud, exp and iat")
)

// expiredToken says when a token ended.
type expiredToken struct{ now, expires time.Time }

func (e *expiredToken) Error() string {
	return fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d", e.now.Unix(), e.expires.Unix())
}

// verify checks all but who may use the token for what.
func (o *OIDC) verify(t jwt, now time.Time) error {
	algorithm := text(t.header, "alg")
	key := o.keys.public(algorithm, text(t.header, "kid"))
	switch {
	case text(t.claims, "iss") != o.issuer() || key == nil:
		return errNoKey
	case !signed(algorithm, key, t.signed, t.signature):
		return errSignature
	}
	issued, expires := t.at("iat"), t.at("exp")
	switch {
	case text(t.claims, "sub") == "" || len(t.list("aud")) == 0 || issued.IsZero() || expires.IsZero():
		return errIncomplete
	case !now.Before(expires):
		return &expiredToken{now, expires}
	case now.Before(issued) || now.Before(t.at("nbf")):
		return errNotYet
	}
	return nil
}

// ServeHTTP answers with the configuration or the keys.
func (o *OIDC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.send(w, r, false, o.answer(r))
}

func (o *OIDC) answer(r *http.Request) reply {
	unreachable, _ := o.state()
	base := ""
	if u, err := url.Parse(o.issuer()); err == nil {
		base = strings.TrimSuffix(u.Path, "/")
	}
	switch {
	case unreachable:
		panic(http.ErrAbortHandler)
	case r.Method != http.MethodGet:
		return jsonReply(http.StatusMethodNotAllowed, map[string]string{"error": "only GET is allowed"})
	case r.URL.Path == base+"/.well-known/openid-configuration":
		return jsonReply(http.StatusOK, map[string]any{
			"issuer": o.issuer(), "jwks_uri": strings.TrimSuffix(o.issuer(), "/") + "/keys",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "ES384"},
		})
	case r.URL.Path == base+"/keys":
		return jsonReply(http.StatusOK, o.keys.jwks())
	}
	return jsonReply(http.StatusNotFound, map[string]string{"error": "not found"})
}
