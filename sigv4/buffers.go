package sigv4

import "encoding/binary"

// canonical builds one canonical request. It is used again, so that signing allocates only what it hands out.
type canonical struct {
	buf     []byte // the canonical request
	arena   []byte // what spans are of
	out     []byte // what is handed out
	headers []field
	order   []rank // of headers, by name
	params  []param
	stale   []string // keys of the request's headers that are to go

	plainQuery []byte // in place of params, if it is not nil

	uri, query, signedHeaders span // of buf
}

// span is a part of the arena or of another buffer. Fields and params are made of spans, and not of slices, so that the
// garbage collector has nothing to do with them.
type span struct{ start, end int }

// field is a header under its lower-case name, its value as in a canonical request.
type field struct {
	key, name, value span // key is as in the http.Header, empty for what is not in it
}

// param is one pair of a query, both sides encoded.
type param struct {
	prefix      uint64
	name, value span
	hoisted     bool // it was a header, and takes the place of a parameter of its name
}

// rank is where a field is.
type rank struct {
	prefix uint64
	field  int
}

// prefixOf is the beginning of a name as a number, by which most names can be put in order.
func prefixOf(name []byte) uint64 {
	var b [8]byte
	copy(b[:], name)
	return binary.BigEndian.Uint64(b[:])
}

// What is kept for the next request.
const (
	maxKept       = 512 << 10 // bytes
	maxKeptFields = 4 << 10   // headers and parameters
)

func (s *Signer) take() *canonical {
	if c, ok := s.buffers.Get().(*canonical); ok {
		return c
	}
	return &canonical{buf: make([]byte, 0, 1<<10), arena: make([]byte, 0, 1<<10), out: make([]byte, 0, 1<<10),
		headers: make([]field, 0, 16), order: make([]rank, 0, 16), params: make([]param, 0, 16)}
}

func (s *Signer) giveBack(c *canonical) {
	if cap(c.buf)+cap(c.arena)+cap(c.out) > maxKept || cap(c.headers)+cap(c.params) > maxKeptFields {
		return
	}
	clear(c.buf) // they can hold a session token
	clear(c.arena)
	clear(c.out)
	c.reset()
	s.buffers.Put(c)
}

func (c *canonical) reset() {
	c.buf, c.arena, c.out, c.headers, c.params = c.buf[:0], c.arena[:0], c.out[:0], c.headers[:0], c.params[:0]
	c.stale, c.plainQuery = nil, nil
}

// bytes returns what is at a span, until more is held.
func (c *canonical) bytes(s span) []byte { return c.arena[s.start:s.end] }

// built returns what is at a span of the canonical request.
func (c *canonical) built(s span) []byte { return c.buf[s.start:s.end] }

// since is the span from a former length of the arena to its end.
func (c *canonical) since(start int) span { return span{start, len(c.arena)} }

// hold keeps s in the arena.
func (c *canonical) hold(s string) span {
	start := len(c.arena)
	c.arena = append(c.arena, s...)
	return c.since(start)
}

// holdValues keeps the values of a header as they are in a canonical request.
func (c *canonical) holdValues(values []string) span {
	start := len(c.arena)
	for i, v := range values {
		if i > 0 {
			c.arena = append(c.arena, ',')
		}
		c.arena = appendTrimAll(c.arena, v)
	}
	return c.since(start)
}
