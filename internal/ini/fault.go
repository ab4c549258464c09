package ini

import "fmt"

// Error is a malformed line. It never holds text of the file, which may be
// secret.
type Error struct {
	File string
	Line int // from 1
	Msg  string
}

// Error returns "file:line: what is wrong".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg) }

// fault is what can be wrong with a line.
type fault uint8

const (
	none fault = iota
	unclosed
	junkAfter
	noName
	unfinished
	homeless
	noEquals
	noKey
	lineTooLong
	valueTooLong
)

func (f fault) message() string {
	switch f {
	case unclosed:
		return `section header without a closing "]"`
	case junkAfter:
		return `text after the closing "]" of a section header`
	case noName:
		return "section header without a name"
	case unfinished:
		return "section header with an unfinished quote"
	case homeless:
		return "text before the first section header"
	case noEquals:
		return `key without "="`
	case noKey:
		return `no key name before "="`
	case lineTooLong:
		return "line longer than 1 MiB"
	case valueTooLong:
		return "value longer than 1 MiB"
	}
	return ""
}

// newError reports the line read last.
func (p *parser) newError(f fault) *Error { return &Error{p.file, p.lastLine(), f.message()} }
