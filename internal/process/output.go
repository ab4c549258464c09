package process

import (
	"bytes"
	"io"
	"os"
)

// reader reads one output of a program as it comes.
type reader struct {
	file    *os.File
	kept    []byte        // to be read once done is closed
	tooLong chan struct{} // closed if there is more than may be
	done    chan struct{}
}

func newReader(f *os.File) *reader {
	return &reader{file: f, tooLong: make(chan struct{}), done: make(chan struct{})}
}

// readHead keeps everything up to a limit, and reads no further.
func readHead(f *os.File, limit int) *reader {
	r := newReader(f)
	go func() {
		defer close(r.done)
		r.kept, _ = io.ReadAll(io.LimitReader(f, int64(limit)+1)) // the error of a pipe that is closed
		if len(r.kept) > limit {
			close(r.tooLong)
		}
	}()
	return r
}

// readTail reads everything and keeps the end. Where that starts within a word, the word is dropped: the rest of a
// secret does not look like one.
func readTail(f *os.File, limit int) *reader {
	r := newReader(f)
	go func() {
		defer close(r.done)
		buf := make([]byte, 2*limit)
		n, cut := 0, false
		for {
			m, err := f.Read(buf[n:])
			if n += m; n > limit {
				n, cut = copy(buf, buf[n-limit:n]), true
			}
			if err != nil {
				break
			}
		}
		r.kept = buf[:n]
		if cut {
			r.kept = bytes.TrimLeftFunc(r.kept, func(c rune) bool { return !isEdge(c) })
		}
	}()
	return r
}

// isEdge reports whether c can stand neither in a secret, in whatever coding, nor in a broken character.
func isEdge(c rune) bool {
	switch c {
	case ' ', '\t', '\r', '\n', '"', '\'', ',', ';', ':', '(', ')', '[', ']', '{', '}', '<', '>':
		return true
	}
	return false
}

// stop ends the reading, if a process holds the output still, and returns what there is.
func (r *reader) stop() []byte {
	r.file.Close()
	<-r.done
	return r.kept
}
