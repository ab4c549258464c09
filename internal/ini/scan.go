package ini

import (
	"bytes"
	"errors"
	"io"
)

// limits bound what one pass takes. Tests set their own.
type limits struct {
	first int   // size of the buffer to begin with, at least 3: the length of a BOM
	most  int   // size of the buffer for files that do not fit in the first one
	line  int   // longest line that is looked into
	total int64 // longest file
}

// The first buffer is small because most files are. The second is the largest
// that Go's allocator hands out cheaply; a larger one gains nothing.
var defaultLimits = limits{first: 8 << 10, most: 32 << 10, line: 1 << 20, total: 256 << 20}

var errTooLarge = errors.New("larger than 256 MiB")

// scanner walks a file through one buffer. Unread bytes are buf[r:w].
//
// It does not count lines as it goes, which would be most of the work. Newlines
// before buf[counted] are in lines, those after it are counted when a number is
// needed or the bytes are about to go.
type scanner struct {
	limits
	src     io.Reader
	buf     []byte
	r, w    int
	counted int
	lines   int
	read    int64
	err     error  // why there is no more to read
	long    []byte // a line that does not fit in buf
	ended   bool   // the line that rest returned last had a newline
}

// fill moves what is unread to the front and reads more. There must be room:
// something was consumed, or buf is not full, or it can still grow. It returns
// false if there is no more.
func (s *scanner) fill() bool {
	if s.err != nil {
		return false
	}
	s.count()
	s.w = copy(s.buf, s.buf[s.r:s.w])
	s.r, s.counted = 0, 0
	if s.canGrow() {
		buf := make([]byte, s.most)
		copy(buf, s.buf[:s.w])
		s.buf = buf
	}
	for range 100 {
		n, err := s.src.Read(s.buf[s.w:])
		s.w += n
		s.read += int64(n)
		switch {
		case s.read > s.total:
			s.err = errTooLarge
			return false
		case err != nil:
			s.err = err
			return n > 0
		case n > 0:
			return true
		}
	}
	s.err = io.ErrNoProgress
	return false
}

func (s *scanner) canGrow() bool { return len(s.buf) < s.most && s.read >= int64(len(s.buf)) }

// count brings lines up to the reading position.
func (s *scanner) count() {
	s.lines += bytes.Count(s.buf[s.counted:s.r], newline)
	s.counted = s.r
}

var newline = []byte{'\n'}

// line returns the number of the line at the reading position.
func (s *scanner) line() int {
	s.count()
	return s.lines + 1
}

// lastLine returns the number of the line that rest has just returned.
func (s *scanner) lastLine() int {
	if s.ended {
		return s.line() - 1
	}
	return s.line()
}

// skipBOM passes over a UTF-8 byte order mark.
func (s *scanner) skipBOM() {
	for s.w-s.r < len(bom) && s.fill() {
	}
	if bytes.HasPrefix(s.buf[s.r:s.w], bom) {
		s.r += len(bom)
	}
}

var bom = []byte("\xef\xbb\xbf")

// indent passes over the blanks at the start of a line and returns how many
// there are and the first byte after them, unread. ok is false at the end.
func (s *scanner) indent() (n int, first byte, ok bool) {
	for {
		for ; s.r < s.w; s.r++ {
			if c := s.buf[s.r]; !blank(c) {
				return n, c, true
			}
			n++
		}
		if !s.fill() {
			return n, 0, false
		}
	}
}

// skipLine passes over the rest of the line.
func (s *scanner) skipLine() {
	for {
		if i := bytes.IndexByte(s.buf[s.r:s.w], '\n'); i >= 0 {
			s.r += i + 1
			return
		}
		s.r = s.w
		if !s.fill() {
			return
		}
	}
}

// skipToBracket passes over everything up to a line that begins with "[". The
// reading position must be inside a line. Looking for the bracket instead of
// for the ends of lines is what makes big files fast.
func (s *scanner) skipToBracket() {
	lineStart := false // whether buf[r] is the first byte of a line
	for {
		for {
			i := bytes.IndexByte(s.buf[s.r:s.w], '[')
			if i < 0 {
				break
			}
			if i > 0 {
				lineStart = s.buf[s.r+i-1] == '\n'
			}
			s.r += i
			if lineStart {
				return
			}
			s.r++
		}
		if s.r < s.w {
			lineStart = s.buf[s.w-1] == '\n'
			s.r = s.w
		}
		if !s.fill() {
			return
		}
	}
}

// rest reads the rest of the line and returns it without its newline and the
// blanks before that. fits is false if the line is too long; it is empty then.
// The result is valid until the next read.
func (s *scanner) rest() (line []byte, fits bool) {
	s.long = s.long[:0]
	over := false
	keep := func(part []byte) {
		if over = over || len(s.long)+len(part) > s.limits.line; !over {
			s.long = append(s.long, part...)
		}
	}
	seen := 0 // bytes after r known to hold no newline
	for {
		i := bytes.IndexByte(s.buf[s.r+seen:s.w], '\n')
		if i >= 0 {
			line = s.buf[s.r : s.r+seen+i]
			s.r += seen + i + 1
			s.ended = true
			break
		}
		seen = s.w - s.r
		if seen == len(s.buf) && !s.canGrow() {
			keep(s.buf[s.r:s.w])
			s.r, seen = s.w, 0
		}
		if !s.fill() {
			line = s.buf[s.r:s.w]
			s.r = s.w
			s.ended = false
			break
		}
	}
	if len(s.long) > 0 {
		keep(line)
		line = s.long
	}
	if over || len(line) > s.limits.line {
		return nil, false
	}
	return trimEnd(line), true
}
