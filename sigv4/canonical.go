package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// canonical builds one canonical request. It is used again, so that signing allocates only what it hands out.
type canonical struct {
	buf     []byte // the canonical request
	arena   []byte // what headers and params point into
	headers []field
	order   []int // of headers, by name
	params  []param
	stale   []string // keys of the request's headers that are to go

	plainQuery []byte // in place of params, if it is not nil

	uri, query, signedHeaders []byte // where they are in buf
}

// field is a header under its lower-case name. It has values, or else one value, which is canonical already.
type field struct {
	name   []byte
	key    string // as in the http.Header, "" for what is not in it
	values []string
	value  []byte
}

// param is one pair of a query, both sides encoded.
type param struct {
	name, value []byte
	hoisted     bool // it was a header, and takes the place of a parameter of its name
}

const maxKept = 512 << 10 // bytes of a buffer that are kept for the next request

func (s *Signer) take() *canonical {
	if c, ok := s.buffers.Get().(*canonical); ok {
		return c
	}
	return &canonical{buf: make([]byte, 0, 1<<10), arena: make([]byte, 0, 1<<10), headers: make([]field, 0, 16), params: make([]param, 0, 16)}
}

func (s *Signer) giveBack(c *canonical) {
	if cap(c.buf)+cap(c.arena) > maxKept || cap(c.headers)+cap(c.params) > 4<<10 {
		return
	}
	clear(c.headers) // the values are the request's
	c.buf, c.arena, c.headers, c.params, c.stale = c.buf[:0], c.arena[:0], c.headers[:0], c.params[:0], nil
	c.plainQuery = nil
	s.buffers.Put(c)
}

// hold keeps s in the arena.
func (c *canonical) hold(s string) []byte {
	start := len(c.arena)
	c.arena = append(c.arena, s...)
	return c.arena[start:len(c.arena):len(c.arena)]
}

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
	c.params = append(c.params, param{name: c.arena[start:middle:middle], value: c.arena[middle:len(c.arena):len(c.arena)]})
}

// verdict is what to do with one of the request's headers.
type verdict int

const (
	toSign  verdict = iota
	ignored         // left as it is, unsigned
	gone            // taken away once the signature is made
)

// addRequestHeaders adds the headers of h for which judge, which sees a name in lower case, says so.
func (c *canonical) addRequestHeaders(h http.Header, judge func(key string, lower []byte) verdict) error {
	for key, values := range h {
		lower, err := c.lower(key)
		if err != nil {
			return err
		}
		if neverSigned(lower) || len(values) == 0 {
			continue
		}
		switch judge(key, lower) {
		case gone:
			c.stale = append(c.stale, key)
		case toSign:
			for _, v := range values {
				if err := checkValue(key, v); err != nil {
					return err
				}
			}
			c.headers = append(c.headers, field{name: lower, key: key, values: values})
		}
	}
	return nil
}

func (c *canonical) lower(key string) ([]byte, error) {
	start := len(c.arena)
	for i := range len(key) {
		b := tokenBytes[key[i]]
		if b == 0 {
			return nil, fmt.Errorf("header %q: not the name of a header", key)
		}
		c.arena = append(c.arena, b)
	}
	if key == "" {
		return nil, errors.New("a header has no name")
	}
	return c.arena[start:len(c.arena):len(c.arena)], nil
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

// neverSigned are the headers that a hop may change, Authorization, and what net/http sends from elsewhere.
func neverSigned(lower []byte) bool {
	switch string(lower) {
	case "authorization", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
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
		p := param{name: c.arena[start:middle:middle], value: c.arena[middle:len(c.arena):len(c.arena)]}
		if replaced == nil || !replaced(p.name) {
			c.params = append(c.params, p)
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
		if d := bytes.Compare(a.name, b.name); d != 0 {
			return d
		}
		if a.hoisted != b.hoisted {
			if a.hoisted {
				return -1
			}
			return 1
		}
		return bytes.Compare(a.value, b.value)
	})
	var header []byte // the name of the last one that was hoisted
	for i, p := range c.params {
		switch {
		case p.hoisted:
			header = p.name
		case header != nil && bytes.Equal(header, p.name):
			continue
		}
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(append(append(dst, p.name...), '='), p.value...)
	}
	return dst
}

// sortHeaders orders by name. Two spellings of one name go in the order in which net/http sends them.
func (c *canonical) sortHeaders() {
	c.order = c.order[:0]
	for i := range c.headers {
		c.order = append(c.order, i)
	}
	slices.SortFunc(c.order, func(i, j int) int {
		a, b := &c.headers[i], &c.headers[j]
		if d := bytes.Compare(a.name, b.name); d != 0 {
			return d
		}
		return strings.Compare(a.key, b.key)
	})
}

// again reports whether the i-th header in order has the name of the one before.
func (c *canonical) again(i int) bool {
	return i > 0 && bytes.Equal(c.headers[c.order[i]].name, c.headers[c.order[i-1]].name)
}

// appendCanonicalHeaders is CanonicalHeaders of the specification; the headers are sorted.
func (c *canonical) appendCanonicalHeaders(dst []byte) []byte {
	for i, at := range c.order {
		h := &c.headers[at]
		if c.again(i) {
			dst[len(dst)-1] = ',' // in place of the line's end
		} else {
			dst = append(append(dst, h.name...), ':')
		}
		for j, v := range h.values {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendTrimAll(dst, v)
		}
		if h.values == nil {
			dst = append(dst, h.value...)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// appendSignedHeaders is SignedHeaders of the specification; the headers are sorted.
func (c *canonical) appendSignedHeaders(dst []byte) []byte {
	for i, at := range c.order {
		if c.again(i) {
			continue
		}
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = append(dst, c.headers[at].name...)
	}
	return dst
}

// appendTrimAll is Trimall of the specification: no blanks around the value, and one in place of several within.
func appendTrimAll(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	for {
		i := strings.Index(v, "  ")
		if i < 0 {
			return append(dst, v...)
		}
		dst = append(dst, v[:i+1]...)
		v = strings.TrimLeft(v[i:], " ")
	}
}

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
	c.uri, c.query, c.signedHeaders = c.buf[uri:uriEnd], c.buf[query:queryEnd], c.buf[names:namesEnd]
	return nil
}

// appendStringToSign is StringToSign of the specification, for the canonical request in c.buf.
func (c *canonical) appendStringToSign(dst []byte, algorithm string, t moment, scope []byte) []byte {
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
		value := c.arena[start:len(c.arena):len(c.arena)]
		c.headers = append(c.headers, field{name: c.hold("content-length"), value: value})
	}
}
