package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A service that refuses a signature often repeats the whole canonical request, in which the session token stands, and such
// answers end up in tickets and logs.

const (
	leastSecret = 8  // bytes; what is shorter is found everywhere
	partSecret  = 16 // so many bytes of its beginning are taken for a secret that the service cuts short
)

// spelling is a secret in one of the forms in which an answer can repeat it.
type spelling struct {
	text  []byte
	least int // bytes of it that are enough
}

// spellings returns the secrets that a request carries: what signing added, and what its headers and parameters have under a
// name for secrets. The signature is none, as it is worth nothing without the rest, and the answer may be about it.
func spellings(r *http.Request) []spelling {
	var all []spelling
	seen := make(map[string]bool)
	add := func(secret string) {
		if len(secret) < leastSecret {
			return
		}
		for _, text := range forms(secret) {
			if !seen[text] {
				seen[text] = true
				all = append(all, spelling{[]byte(text), max(1, len(text)*min(partSecret, len(secret))/len(secret))})
			}
		}
	}
	for _, named := range []map[string][]string{r.Header, r.URL.Query()} {
		for name, values := range named {
			if secretName(name) {
				for _, v := range values {
					add(strings.TrimSpace(v))
				}
			}
		}
	}
	return all
}

// secretName reports whether a header or parameter of this name holds a secret.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"token", "secret", "password", "cookie", "api-key", "customer-key"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// forms are the secret as it is, in a URL, in a URL in a URL, in JSON and XML, and in the hexadecimal of S3's
// CanonicalRequestBytes.
func forms(secret string) []string {
	escaped := strings.ReplaceAll(url.QueryEscape(secret), "+", "%20")
	lower := strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d", "%3A", "%3a").Replace(escaped)
	all := []string{secret, escaped, lower, url.QueryEscape(escaped), strings.ReplaceAll(secret, "/", `\/`),
		strings.NewReplacer("+", `\u002b`, "=", `\u003d`).Replace(secret), strings.NewReplacer("+", `\u002B`, "=", `\u003D`).Replace(secret)}
	if quoted, err := json.Marshal(secret); err == nil {
		all = append(all, strings.Trim(string(quoted), `"`))
	}
	var b bytes.Buffer
	if xml.EscapeText(&b, []byte(secret)) == nil {
		all = append(all, b.String())
	}
	for _, text := range all[:len(all):len(all)] {
		all = append(all, hex.EncodeToString([]byte(text)), fmt.Sprintf("% x", text))
	}
	return all
}

// masked reads an answer with REDACTED in the place of secrets.
type masked struct {
	from    io.Reader
	secrets []spelling
	longest int

	held []byte // was read, and may be the beginning of a secret
	out  []byte // is fit to be shown
	err  error
}

func mask(from io.Reader, secrets []spelling) io.Reader {
	m := &masked{from: from, secrets: secrets}
	for _, s := range secrets {
		m.longest = max(m.longest, len(s.text))
	}
	if m.longest == 0 {
		return from
	}
	return m
}

func (m *masked) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		var chunk [8 << 10]byte
		n, err := m.from.Read(chunk[:])
		m.held, m.err = append(m.held, chunk[:n]...), err
		m.sort()
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// sort moves what is known to be no secret from held to out.
func (m *masked) sort() {
	last := m.err != nil
	for {
		at, n := m.find()
		switch {
		case n == 0:
			at = len(m.held)
			if !last {
				at = max(0, at-m.longest+1)
			}
			fallthrough
		case !last && at+m.longest > len(m.held): // it may go on
			m.out, m.held = append(m.out, m.held[:at]...), m.held[at:]
			return
		}
		m.out, m.held = append(append(m.out, m.held[:at]...), "REDACTED"...), m.held[at+n:]
	}
}

// find returns the place of the first secret and its length, 0 if there is none.
func (m *masked) find() (at, n int) {
	at = len(m.held)
	for _, s := range m.secrets {
		i := bytes.Index(m.held[:min(len(m.held), at+s.least)], s.text[:s.least])
		if i < 0 {
			continue
		}
		same := s.least
		for same < len(s.text) && i+same < len(m.held) && s.text[same] == m.held[i+same] {
			same++
		}
		if i < at || same > n {
			at, n = i, same
		}
	}
	return at, n
}
