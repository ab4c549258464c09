package awstest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const signInURL = "https://signin.aws.amazon.com/v1/token"

// proofOf is a DPoP proof to be made, right where nothing else is said.
type proofOf struct {
	key                *ecdsa.PrivateKey
	header, jwk, claim fields // replaces members; nil takes one away
	jti                string
	unpadded, derSig   bool
}

func merge(into, with fields) fields {
	for k, v := range with {
		if v == nil {
			delete(into, k)
		} else {
			into[k] = v
		}
	}
	return into
}

func (p proofOf) make(t *testing.T) string {
	t.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	point, err := p.key.PublicKey.Bytes()
	require.NoError(t, err)
	x, y := point[1:33], point[33:]
	if p.unpadded {
		x, y = new(big.Int).SetBytes(x).Bytes(), new(big.Int).SetBytes(y).Bytes()
	}
	jwk := merge(fields{"kty": "EC", "crv": "P-256", "x": enc(x), "y": enc(y)}, p.jwk)
	header := merge(fields{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}, p.header)
	if p.jti == "" {
		p.jti = rand.Text()
	}
	claims := merge(fields{"jti": p.jti, "htm": "POST", "htu": signInURL, "iat": time.Now().Unix()}, p.claim)
	h, err := json.Marshal(header)
	require.NoError(t, err)
	c, err := json.Marshal(claims)
	require.NoError(t, err)
	text := enc(h) + "." + enc(c)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	require.NoError(t, err)
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	if p.derSig {
		sig, err = ecdsa.SignASN1(rand.Reader, p.key, sum[:])
		require.NoError(t, err)
	}
	return text + "." + enc(sig)
}

func keyOf(t *testing.T, l awstest.LoginSession) *ecdsa.PrivateKey {
	t.Helper()
	block, rest := pem.Decode([]byte(l.DPoPKey))
	require.NotNil(t, block)
	require.Empty(t, rest)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	require.NoError(t, err)
	return key
}

func refreshing(l awstest.LoginSession) fields {
	return fields{"clientId": l.ClientID, "grantType": "refresh_token", "refreshToken": l.RefreshToken}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sts := &awstest.STS{}
		s := &awstest.SignIn{Account: account, ARN: userARN, STS: sts}
		w := newSSO(t, s)
		l := s.Session(time.Now().Add(time.Minute))
		require.Equal(t, account, l.Credentials.AccountID)
		require.Equal(t, userARN, call(t, sts, l.Credentials, "GetCallerIdentity").field("Arn"))
		require.Equal(t, time.Now().Add(time.Minute), l.Credentials.Expires.Local())

		status, got := w.post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l)}.make(t))
		require.Equal(t, 200, status, got)
		require.Equal(t, "aws_sigv4", got["tokenType"])
		require.InDelta(t, 900, got["expiresIn"], 0)
		require.NotContains(t, got, "idToken")
		creds := l.Credentials
		access := got["accessToken"].(fields)
		creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken = access["accessKeyId"].(string), access["secretAccessKey"].(string), access["sessionToken"].(string)
		require.NotEqual(t, l.Credentials.AccessKeyID, creds.AccessKeyID)
		require.Equal(t, userARN, call(t, sts, creds, "GetCallerIdentity").field("Arn"))

		status, got2 := w.post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l)}.make(t))
		require.Equal(t, 400, status)
		require.Equal(t, "TOKEN_EXPIRED", got2["error"], "a refresh token is good once")
		l.RefreshToken = got["refreshToken"].(string)
		status, _ = w.post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l)}.make(t))
		require.Equal(t, 200, status)
		require.Equal(t, 3, s.Calls("CreateOAuth2Token"))
		require.Equal(t, awstest.Request{Method: "POST", Path: "/v1/token", Authorized: true, Status: 400,
			Operation: "CreateOAuth2Token", Code: "TOKEN_EXPIRED"}, s.Requests()[1])
	})
}

func TestSignInRefuses(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	iat := func(d time.Duration) fields { return fields{"iat": time.Now().Add(d).Unix()} }
	for _, tt := range []struct {
		name  string
		proof func(*proofOf)
		form  func(fields)
		after func(string) string // changes the proof's text
		code  string              // "" = accepted
	}{
		{name: "right"},
		{name: "by http", proof: func(p *proofOf) { p.claim = fields{"htu": "http://signin.aws.amazon.com/v1/token"} }},
		{name: "four minutes old", proof: func(p *proofOf) { p.claim = iat(-4 * time.Minute) }},
		{name: "four minutes early", proof: func(p *proofOf) { p.claim = iat(4 * time.Minute) }},
		{name: "six minutes old", proof: func(p *proofOf) { p.claim = iat(-6 * time.Minute) }, code: "INVALID_REQUEST"},
		{name: "six minutes early", proof: func(p *proofOf) { p.claim = iat(6 * time.Minute) }, code: "INVALID_REQUEST"},
		{name: "no iat", proof: func(p *proofOf) { p.claim = fields{"iat": nil} }, code: "INVALID_REQUEST"},
		{name: "iat as text", proof: func(p *proofOf) { p.claim = fields{"iat": fmt.Sprint(time.Now().Unix())} }, code: "INVALID_REQUEST"},
		{name: "another method", proof: func(p *proofOf) { p.claim = fields{"htm": "GET"} }, code: "INVALID_REQUEST"},
		{name: "another host", proof: func(p *proofOf) { p.claim = fields{"htu": "https://signin.example/v1/token"} }, code: "INVALID_REQUEST"},
		{name: "another path", proof: func(p *proofOf) { p.claim = fields{"htu": "https://signin.aws.amazon.com/v1/tokens"} }, code: "INVALID_REQUEST"},
		{name: "a query in htu", proof: func(p *proofOf) { p.claim = fields{"htu": signInURL + "?x"} }, code: "INVALID_REQUEST"},
		{name: "no jti", proof: func(p *proofOf) { p.claim = fields{"jti": nil} }, code: "INVALID_REQUEST"},
		{name: "another type", proof: func(p *proofOf) { p.header = fields{"typ": "JWT"} }, code: "INVALID_REQUEST"},
		{name: "alg none", proof: func(p *proofOf) { p.header = fields{"alg": "none"} }, code: "INVALID_REQUEST"},
		{name: "alg ES384", proof: func(p *proofOf) { p.header = fields{"alg": "ES384"} }, code: "INVALID_REQUEST"},
		{name: "no jwk", proof: func(p *proofOf) { p.header = fields{"jwk": nil} }, code: "INVALID_REQUEST"},
		{name: "the private key as well", proof: func(p *proofOf) { p.jwk = fields{"d": "AAAA"} }, code: "INVALID_REQUEST"},
		{name: "another curve", proof: func(p *proofOf) { p.jwk = fields{"crv": "P-384"} }, code: "INVALID_REQUEST"},
		{name: "another kind of key", proof: func(p *proofOf) { p.jwk = fields{"kty": "RSA"} }, code: "INVALID_REQUEST"},
		{name: "a point that is on no curve", proof: func(p *proofOf) { p.jwk = fields{"y": base64.RawURLEncoding.EncodeToString(make([]byte, 32))} }, code: "INVALID_REQUEST"},
		{name: "coordinates without padding", proof: func(p *proofOf) { p.unpadded = true }, code: "INVALID_REQUEST"},
		{name: "a DER signature", proof: func(p *proofOf) { p.derSig = true }, code: "INVALID_REQUEST"},
		{name: "another key", proof: func(p *proofOf) { p.key = other }, code: "INVALID_REQUEST"},
		{name: "another key's signature", proof: func(p *proofOf) {
			point, err := p.key.PublicKey.Bytes()
			if err != nil {
				panic(err)
			}
			enc := base64.RawURLEncoding.EncodeToString
			p.key, p.jwk = other, fields{"x": enc(point[1:33]), "y": enc(point[33:])}
		}, code: "INVALID_REQUEST"},
		{name: "a coordinate that is too long", proof: func(p *proofOf) {
			point, err := p.key.PublicKey.Bytes()
			if err != nil {
				panic(err)
			}
			p.jwk = fields{"x": base64.RawURLEncoding.EncodeToString(append([]byte{0}, point[1:33]...))}
		}, code: "INVALID_REQUEST"},
		{name: "tampered with", after: func(s string) string { return tampered(s, 1, replace(`"jti":"`, `"jti":"x`)) }, code: "INVALID_REQUEST"},
		{name: "no JWT", after: func(string) string { return "x" }, code: "INVALID_REQUEST"},
		{name: "none", after: func(string) string { return "" }, code: "INVALID_REQUEST"},
		{name: "another client", form: func(in fields) { in["clientId"] = "arn:aws:signin:::devtools/cross-device" }, code: "TOKEN_EXPIRED"},
		{name: "another refresh token", form: func(in fields) { in["refreshToken"] = "x" }, code: "TOKEN_EXPIRED"},
		{name: "no refresh token", form: func(in fields) { delete(in, "refreshToken") }, code: "INVALID_REQUEST"},
		{name: "no client", form: func(in fields) { delete(in, "clientId") }, code: "INVALID_REQUEST"},
		{name: "another grant", form: func(in fields) { in["grantType"] = "authorization_code" }, code: "INVALID_REQUEST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &awstest.SignIn{}
			l := s.ShortKeySession(time.Now())
			p, in := proofOf{key: keyOf(t, l)}, refreshing(l)
			if tt.proof != nil {
				tt.proof(&p)
			}
			if tt.form != nil {
				tt.form(in)
			}
			text := p.make(t)
			if tt.after != nil {
				text = tt.after(text)
			}
			status, got := newSSO(t, s).post(signInURL, in, "DPoP", text)
			require.Equal(t, map[bool]int{true: 200, false: 400}[tt.code == ""], status, got)
			if tt.code != "" {
				require.Equal(t, tt.code, got["error"])
				// None of this has used the refresh token up.
				status, got = newSSO(t, s).post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l)}.make(t))
				require.Equal(t, 200, status, got)
			}
		})
	}
}

func TestProofsAreGoodOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &awstest.SignIn{}
		w := newSSO(t, s)
		l := s.Session(time.Now())
		proof := proofOf{key: keyOf(t, l), jti: "one"}.make(t)
		status, got := w.post(signInURL, refreshing(l), "DPoP", proof)
		require.Equal(t, 200, status)
		l.RefreshToken = got["refreshToken"].(string)
		status, got = w.post(signInURL, refreshing(l), "DPoP", proof)
		require.Equal(t, 400, status)
		require.Equal(t, "Invalid DPoP proof: it was used before", got["message"])
		status, _ = w.post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l), jti: "one"}.make(t))
		require.Equal(t, 400, status, "a new proof with an old jti")
		time.Sleep(11 * time.Minute)
		status, _ = w.post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l), jti: "one"}.make(t))
		require.Equal(t, 200, status, "it is forgotten when no old proof can come any more")
	})
}

func TestSignInReasonsAndURL(t *testing.T) {
	t.Parallel()
	s := &awstest.SignIn{URL: signInURL, Lifetime: time.Minute}
	w := newSSO(t, s)
	l := s.Session(time.Now())
	s.Refuse("USER_CREDENTIALS_CHANGED")
	status, got := w.post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l)}.make(t))
	require.Equal(t, 400, status)
	require.Equal(t, "USER_CREDENTIALS_CHANGED", got["error"])
	s.Refuse("")
	status, _ = w.post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l), claim: fields{"htu": "http://signin.aws.amazon.com/v1/token"}}.make(t))
	require.Equal(t, 400, status, "the URL is given")
	status, got = w.post(signInURL, refreshing(l), "DPoP", proofOf{key: keyOf(t, l)}.make(t))
	require.Equal(t, 200, status)
	require.InDelta(t, 60, got["expiresIn"], 0)
	require.Equal(t, 404, ask(t, w.rt, "GET", signInURL).status)
	status, _ = w.post(signInURL+"s", refreshing(l))
	require.Equal(t, 404, status)
}

func TestLoginSessionFile(t *testing.T) {
	t.Parallel()
	s := &awstest.SignIn{Account: account}
	l := s.ShortKeySession(time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC))
	var got fields
	require.NoError(t, json.Unmarshal([]byte(l.File()), &got))
	require.Equal(t, fields{
		"accessToken": fields{"accessKeyId": l.Credentials.AccessKeyID, "secretAccessKey": l.Credentials.SecretAccessKey,
			"sessionToken": l.Credentials.SessionToken, "accountId": account, "expiresAt": "2027-01-02T03:04:05Z"},
		"tokenType": "aws_sigv4", "clientId": "arn:aws:signin:::devtools/same-device", "refreshToken": l.RefreshToken,
		"idToken": l.IDToken, "dpopKey": l.DPoPKey,
	}, got)
	point, err := keyOf(t, l).PublicKey.Bytes()
	require.NoError(t, err)
	require.True(t, point[1] == 0 || point[33] == 0, "one coordinate is short")
}
