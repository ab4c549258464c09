package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/credchain/credchain/internal/wire"
)

// A service that refuses a signature often repeats the whole canonical request, in which the session token stands, and such
// answers end up in tickets and logs. Each service, and what stands before it, escapes what it repeats in its own way, or in
// several. So an answer is compared after all escapes are undone, and a part of a secret is enough.

const (
	leastSecret = 8  // bytes; what is shorter is found everywhere
	partSecret  = 16 // so many bytes of a secret in a row are taken for a part of it

	// tokenPrefix is what the session tokens of STS begin with. By itself it is in everybody's, and tells nothing.
	tokenPrefix = "IQoJb3JpZ2luX2Vj"

	segment = 256 << 10 // bytes of an answer that are looked at together
)

// spelling is a form of a secret that no undoing of escapes leads to, so it is looked for as well.
type spelling struct {
	text   string
	part   int // bytes of it in a row that are enough
	prefix int // bytes at its beginning that are not enough by themselves
	word   bool
}

// spellings returns the secrets that a request carries: what signing added, and what its headers and parameters have under a
// name for secrets. The signature is none, as it is worth nothing without the rest, and the answer may be about it.
func spellings(r *http.Request) []spelling {
	var all []spelling
	for _, named := range []map[string][]string{r.Header, r.URL.Query()} {
		for name, values := range named {
			if !wire.SecretName(name) || name == "Authorization" || name == "X-Amz-Signature" {
				continue
			}
			for _, v := range values {
				v = strings.TrimSpace(v)
				if strings.Contains(strings.ToLower(name), "mfa") {
					all = append(all, mfaSpelling(v)...)
				} else {
					all = append(all, forms(v)...)
				}
			}
		}
	}
	return all
}

// mfaSpelling is for an MFA device's ARN and a code. The code is the secret; parts of the ARN are in all answers.
func mfaSpelling(v string) []spelling {
	code := v[strings.LastIndexByte(v, ' ')+1:]
	if len(code) < 6 {
		return nil
	}
	return []spelling{{text: code, part: len(code), word: true}}
}

// forms are the secret as it is, in base64 with whatever stands before it, and in hexadecimal as in S3's CanonicalRequestBytes:
// of the secret, and of the secret in a URL.
func forms(secret string) []spelling {
	if len(secret) < leastSecret {
		return nil
	}
	prefix := 0
	if strings.HasPrefix(secret, tokenPrefix) && len(secret) >= 2*partSecret {
		prefix = len(tokenPrefix)
	}
	all := []spelling{{text: secret, part: min(partSecret, len(secret)), prefix: prefix}}
	for skipped := range 3 {
		whole := (len(secret) - skipped) / 3 * 3
		text := base64.StdEncoding.EncodeToString([]byte(secret[skipped : skipped+whole]))
		all = append(all, spelling{text: text, part: min(20, len(text)), prefix: prefix * 4 / 3})
	}
	escaped := url.QueryEscape(secret)
	for i, text := range []string{secret, escaped, lowerEscapes.Replace(escaped)} {
		if i > 0 && text == secret {
			break
		}
		half := min(partSecret/2, len(text)) // a run of so much hexadecimal is no accident
		for _, format := range []string{"%x", "%X"} {
			all = append(all, spelling{text: fmt.Sprintf(format, text), part: 2 * half, prefix: 2 * prefix})
		}
		for _, format := range []string{"% x", "% X"} {
			all = append(all, spelling{text: fmt.Sprintf(format, text), part: 3*half - 1, prefix: 3 * prefix})
		}
	}
	return all
}

var lowerEscapes = strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d", "%3A", "%3a")

// masked reads an answer with REDACTED in the place of secrets.
type masked struct {
	from    io.Reader
	secrets *parts

	held []byte // was read, and not looked at
	out  []byte // is fit to be shown
	err  error
}

func mask(from io.Reader, secrets []spelling) io.Reader {
	if len(secrets) == 0 {
		return from
	}
	return &masked{from: from, secrets: partsOf(secrets)}
}

func (m *masked) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		var chunk [8 << 10]byte
		for m.err == nil && len(m.held) < segment {
			var n int
			n, m.err = m.from.Read(chunk[:min(len(chunk), segment-len(m.held))])
			m.held = append(m.held, chunk[:n]...)
		}
		end := len(m.held)
		if m.err == nil {
			// A secret that is cut in two is known by its parts, but for a little of it.
			if i := bytes.LastIndexAny(m.held[segment/2:], "\n<>\""); i >= 0 {
				end = segment/2 + i
			}
		}
		m.out, m.held = m.secrets.hide(m.held[:end]), append([]byte(nil), m.held[end:]...)
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}
