package ini

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// maxUnplaced bounds Document.Unplaced.
const maxUnplaced = 8

// parser is the grammar of lines. place is told every header, which is the line
// that was read last, and returns the section to fill, or nil to pass over it.
type parser struct {
	scanner
	file     string
	style    Style
	place    func(p *parser, h header) *Section
	unplaced []*Error
	scratch  []byte // names that are not written as they read

	started bool     // a header was seen
	stray   bool     // text before it was reported
	cur     *Section // being filled; nil if its lines are passed over

	// The key that a deeper line belongs to.
	hasKey    bool
	keyIndent int
	key       *Key   // the last one of cur; nil if it was malformed
	nested    bool   // its own value is empty
	value     []byte // its value so far, once it is continued
}

func newParser(l limits, r io.Reader, file string, style Style, place func(*parser, header) *Section) *parser {
	return &parser{
		scanner: scanner{limits: l, src: r, buf: make([]byte, l.first)},
		file:    file, style: style, place: place,
	}
}

func (p *parser) run() error {
	p.skipBOM()
	for {
		indent, first, ok := p.indent()
		if !ok {
			break
		}
		deeper := p.hasKey && indent > p.keyIndent
		switch {
		case first == '\n':
			p.r++
		case first == '#' || first == ';':
			p.skipLine()
		case first == '[' && !deeper:
			p.head()
		case p.cur != nil:
			p.text(indent, deeper)
		default:
			p.pass(indent, first, deeper)
		}
	}
	p.endKey()
	return p.failure()
}

// failure is why reading stopped, nil at the end of the file.
func (p *parser) failure() error {
	var pathErr *fs.PathError
	switch {
	case p.err == io.EOF:
		return nil
	case errors.As(p.err, &pathErr):
		return p.err
	}
	return fmt.Errorf("%s: %w", p.file, p.err)
}

// head takes a header line.
func (p *parser) head() {
	p.endKey()
	p.started, p.hasKey = true, false
	line, fits := p.rest()
	h := header{fault: lineTooLong}
	if fits {
		h = p.header(line)
	}
	if h.fault != none {
		p.misplaced(h.fault)
	}
	p.cur = p.place(p, h)
}

// pass goes over a line of a section that is not wanted, and remembers only what
// a later line needs to know whether it is a continuation.
func (p *parser) pass(indent int, first byte, deeper bool) {
	if p.started && !deeper && indent == 0 && first != '\r' {
		// From here to the next header only a bracket in the first column
		// counts: every line is deeper than this one or takes its place.
		p.hasKey, p.keyIndent = true, 0
		p.skipToBracket()
		return
	}
	line, fits := p.rest()
	switch {
	case deeper, fits && len(line) == 0: // "\r\n" is a blank line
	case p.started:
		p.hasKey, p.keyIndent = true, indent
	case !p.stray:
		p.stray = true
		p.misplaced(homeless)
	}
}

// misplaced reports the line read last.
func (p *parser) misplaced(f fault) {
	if len(p.unplaced) < maxUnplaced {
		p.unplaced = append(p.unplaced, p.newError(f))
	}
}
