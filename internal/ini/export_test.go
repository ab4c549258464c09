package ini

import "io"

// Bounds lets tests shrink what Read is bounded by.
type Bounds struct {
	Buffer, Grown, Line int
	Total               int64
}

func (b Bounds) limits() limits {
	l := defaultLimits
	if b.Buffer > 0 {
		l.first, l.most = b.Buffer, max(b.Buffer, b.Grown)
	}
	if b.Line > 0 {
		l.line = b.Line
	}
	if b.Total > 0 {
		l.total = b.Total
	}
	return l
}

func (b Bounds) Read(r io.Reader, file string, style Style, want ...Ref) (*Document, error) {
	return readWithin(b.limits(), r, file, style, want)
}

func (b Bounds) Names(r io.Reader, file string, style Style) ([]Name, error) {
	return namesWithin(b.limits(), r, file, style)
}
