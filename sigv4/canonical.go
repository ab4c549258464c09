package sigv4

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// addHeader adds a header that is not in the request yet. The name is in lower case.
func (c *canonical) addHeader(name, value string) {
	c.headers = append(c.headers, field{name: c.hold(name), value: c.hold(value)})
}

// addParam adds a pair to the query.
func (c *canonical) addParam(name, value string) {
	start := len(c.arena)
	c.arena = appendURIEncode(c.arena, name)
	middle := len(c.arena)
	c.arena = appendURIEncode(c.arena, value)
	c.pair(start, middle)
}

// addEncoded adds a pair that needs no encoding, or has it.
func (c *canonical) addEncoded(name, value string) {
	start := len(c.arena)
	c.arena = append(append(c.arena, name...), value...)
	c.pair(start, start+len(name))
}

// pair makes a pair of what is in the arena: a name from start on, and its value from middle on.
func (c *canonical) pair(start, middle int) {
	name := span{start, middle}
	c.params = append(c.params, param{prefix: prefixOf(c.bytes(name)), name: name, value: c.since(middle)})
}

// verdict is what to do with one of the request's headers.
type verdict int

const (
	toSign  verdict = iota
	ignored         // left as it is, unsigned
	gone            // taken away once the signature is made
)

// addRequestHeaders adds the headers of h for which judge, which sees a name in lower case, says so.
func (c *canonical) addRequestHeaders(h http.Header, judge func(key string, lower []byte, values []string) verdict) error {
	for key, values := range h {
		f := field{key: c.hold(key)}
		if err := c.lower(key); err != nil {
			return err
		}
		f.name = c.since(f.key.end)
		lower := c.bytes(f.name)
		if neverSigned(lower) || len(values) == 0 {
			continue
		}
		switch judge(key, lower, values) {
		case gone:
			c.stale = append(c.stale, key)
		case toSign:
			for _, v := range values {
				if err := checkValue(key, v); err != nil {
					return err
				}
			}
			f.value = c.holdValues(values)
			c.headers = append(c.headers, f)
		}
	}
	return nil
}

// lower adds the name of a header, in lower case, to the arena.
func (c *canonical) lower(key string) error {
	if key == "" {
		return errors.New("a header has no name")
	}
	start := len(c.arena)
	c.arena = append(c.arena, key...)
	name := c.arena[start:]
	for i, b := range name {
		if name[i] = tokenBytes[b]; name[i] == 0 {
			return fmt.Errorf("header %q: not the name of a header", key)
		}
	}
	return nil
}

// tokenBytes has the lower case of what the name of a header consists of, and 0 for all else: RFC 9110, 5.6.2.
var tokenBytes = func() (lower [256]byte) {
	for _, b := range []byte("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") {
		lower[b] = b
	}
	for b := byte('A'); b <= 'Z'; b++ {
		lower[b] = b + 'a' - 'A'
	}
	return lower
}()

func checkValue(key, v string) error {
	for i := range len(v) {
		if b := v[i]; b < ' ' && b != '\t' || b == 0x7f {
			return fmt.Errorf("header %s: a control character, which net/http does not send", key)
		}
	}
	return nil
}

// neverSigned are the headers that a hop may change, but for Authorization, which callers look at, and what net/http sends
// from elsewhere.
func neverSigned(lower []byte) bool {
	switch string(lower) {
	case "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
		"transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
		"host", "content-length":
		return true
	}
	return false
}

// addQuery adds the pairs of a query as it is sent. Pairs that replaced names, with their names encoded, are left out.
func (c *canonical) addQuery(raw string, replaced func(name []byte) bool) error {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		start := len(c.arena)
		var err error
		if c.arena, err = appendReencoded(c.arena, name, true); err != nil {
			return fmt.Errorf("the query has %w", err)
		}
		middle := len(c.arena)
		if c.arena, err = appendReencoded(c.arena, value, true); err != nil {
			return fmt.Errorf("the query has %w", err)
		}
		if replaced == nil || !replaced(c.arena[start:middle]) {
			c.pair(start, middle)
		}
	}
	return nil
}

// pathAsSent takes the path as it is sent: a mistake that clients make.
const pathAsSent PathRule = -1

// appendCanonicalURI is CanonicalUri of the specification, for a path as it is sent, which is escaped already.
func appendCanonicalURI(dst []byte, path string, rule PathRule) ([]byte, error) {
	switch {
	case path == "":
		return append(dst, '/'), nil
	case rule == pathAsSent:
		return append(dst, path...), nil
	case path[0] != '/':
		return dst, errors.New("the path does not begin with a slash")
	case rule == PathOnce:
		dst, err := appendReencoded(dst, path, false)
		if err != nil {
			return dst, fmt.Errorf("the path has %w", err)
		}
		return dst, nil
	case rule == PathNormalized && !normal(path):
		return appendURIEncodePath(dst, string(appendNormalized(nil, path))), nil
	}
	return appendURIEncodePath(dst, path), nil
}

// normal reports whether a path has neither empty nor dot segments: a look that spares most paths the work.
func normal(path string) bool {
	for i := range len(path) {
		if path[i] == '/' && i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
			return false
		}
	}
	return true
}

// appendCanonicalQueryString is CanonicalQueryString of the specification. It sorts what was encoded.
func (c *canonical) appendCanonicalQueryString(dst []byte) []byte {
	if c.plainQuery != nil {
		return append(dst, c.plainQuery...)
	}
	slices.SortFunc(c.params, func(a, b param) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		if d := bytes.Compare(c.bytes(a.name), c.bytes(b.name)); d != 0 {
			return d
		}
		if a.hoisted != b.hoisted {
			if a.hoisted {
				return -1
			}
			return 1
		}
		return bytes.Compare(c.bytes(a.value), c.bytes(b.value))
	})
	var header []byte // the name of the last one that was hoisted
	for i, p := range c.params {
		switch {
		case p.hoisted:
			header = c.bytes(p.name)
		case header != nil && bytes.Equal(header, c.bytes(p.name)):
			continue
		}
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(append(append(dst, c.bytes(p.name)...), '='), c.bytes(p.value)...)
	}
	return dst
}

// sortHeaders orders by name. Two spellings of one name go in the order in which net/http sends them.
func (c *canonical) sortHeaders() {
	c.order = c.order[:0]
	for i := range c.headers {
		c.order = append(c.order, rank{prefixOf(c.bytes(c.headers[i].name)), i})
	}
	slices.SortFunc(c.order, func(i, j rank) int {
		if i.prefix != j.prefix {
			return cmp.Compare(i.prefix, j.prefix)
		}
		a, b := &c.headers[i.field], &c.headers[j.field]
		if d := bytes.Compare(c.bytes(a.name), c.bytes(b.name)); d != 0 {
			return d
		}
		return bytes.Compare(c.bytes(a.key), c.bytes(b.key))
	})
}

// sameNameAsBefore reports whether the i-th header in order has the name of the one before.
func (c *canonical) sameNameAsBefore(i int) bool {
	if i == 0 || c.order[i].prefix != c.order[i-1].prefix {
		return false
	}
	return bytes.Equal(c.bytes(c.headers[c.order[i].field].name), c.bytes(c.headers[c.order[i-1].field].name))
}

// appendCanonicalHeaders is CanonicalHeaders of the specification; the headers are sorted.
func (c *canonical) appendCanonicalHeaders(dst []byte) []byte {
	for i, at := range c.order {
		h := &c.headers[at.field]
		if c.sameNameAsBefore(i) {
			dst[len(dst)-1] = ',' // in place of the line's end
		} else {
			dst = append(append(dst, c.bytes(h.name)...), ':')
		}
		dst = append(append(dst, c.bytes(h.value)...), '\n')
	}
	return dst
}

// appendSignedHeaders is SignedHeaders of the specification; the headers are sorted.
func (c *canonical) appendSignedHeaders(dst []byte) []byte {
	for i, at := range c.order {
		if c.sameNameAsBefore(i) {
			continue
		}
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = append(dst, c.bytes(c.headers[at.field].name)...)
	}
	return dst
}

// appendTrimAll is Trimall of the specification: no blanks around the value, and one in place of several within.
func appendTrimAll(dst []byte, v string) []byte {
	for v != "" && blank(v[0]) {
		v = v[1:]
	}
	for v != "" && blank(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	for {
		i := strings.Index(v, "  ")
		if i < 0 {
			return append(dst, v...)
		}
		dst = append(dst, v[:i+1]...)
		v = strings.TrimLeft(v[i:], " ")
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// build writes the canonical request. The headers are sorted.
func (c *canonical) build(method, path string, rule PathRule, payloadHash string) error {
	if method == "" {
		method = http.MethodGet
	}
	b := append(append(c.buf[:0], method...), '\n')
	uri := len(b)
	b, err := appendCanonicalURI(b, path, rule)
	if err != nil {
		return err
	}
	uriEnd := len(b)
	b = append(b, '\n')
	query := len(b)
	b = c.appendCanonicalQueryString(b)
	queryEnd := len(b)
	b = append(c.appendCanonicalHeaders(append(b, '\n')), '\n')
	names := len(b)
	b = c.appendSignedHeaders(b)
	namesEnd := len(b)
	c.buf = append(append(b, '\n'), payloadHash...)
	c.uri, c.query, c.signedHeaders = span{uri, uriEnd}, span{query, queryEnd}, span{names, namesEnd}
	return nil
}

// appendStringToSign is StringToSign of the specification, for the canonical request in c.buf.
func (c *canonical) appendStringToSign(dst []byte, algorithm string, t moment, scope string) []byte {
	hash := sha256.Sum256(c.buf)
	dst = append(append(dst, algorithm...), '\n')
	dst = append(append(dst, t.text[:]...), '\n')
	dst = append(append(dst, scope...), '\n')
	return hex.AppendEncode(dst, hash[:])
}

// addContentLength signs the length, where there is one to send.
func (c *canonical) addContentLength(n int64) {
	if n > 0 {
		start := len(c.arena)
		c.arena = strconv.AppendInt(c.arena, n, 10)
		value := c.since(start)
		c.headers = append(c.headers, field{name: c.hold("content-length"), value: value})
	}
}
