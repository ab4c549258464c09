package profile

import (
	"bytes"

	"github.com/credchain/credchain/internal/ini"
)

// lineKind tells what a line is, as package ini takes it.
type lineKind uint8

const (
	blankLine lineKind = iota
	commentLine
	headerLine
	textLine // a key, or what continues one, well-formed or not
)

// line is one line of a file. Its number is its index plus one.
type line struct {
	start, end int // with its end, without a byte order mark
	indent     int // bytes of blanks before its first character
	kind       lineKind
	owner      int // of text: the line of the key that it continues, or its own if it is a key
}

var bom = []byte("\xef\xbb\xbf")

// scan divides a text into lines. Its rule for what continues a key is that of package ini: a line that is
// deeper than the key above it, blank lines and comments aside.
func scan(data []byte) []line {
	lines := make([]line, 0, bytes.Count(data, []byte("\n"))+1)
	pos := 0
	if bytes.HasPrefix(data, bom) {
		pos = len(bom)
	}
	started := false // a header was seen
	key := -1        // the line of the key that a deeper line continues
	for pos < len(data) {
		l := line{start: pos, end: len(data)}
		if i := bytes.IndexByte(data[pos:], '\n'); i >= 0 {
			l.end = pos + i + 1
		}
		pos = l.end
		text := data[l.start:l.end]
		for l.indent < len(text) && blank(text[l.indent]) {
			l.indent++
		}
		deeper := key >= 0 && l.indent > lines[key].indent
		text = bytes.TrimRight(text[l.indent:], " \t\r\n")
		switch {
		case len(text) == 0:
			l.kind = blankLine
		case text[0] == '#' || text[0] == ';':
			l.kind = commentLine
		case text[0] == '[' && !deeper:
			l.kind, started, key = headerLine, true, -1
		default:
			l.kind = textLine
			if !deeper && started {
				key = len(lines)
			}
			l.owner = key
			if key < 0 { // before the first header nothing continues anything
				l.owner = len(lines)
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// continuation returns the lines that continue the key at.
func continuation(lines []line, at int) []int {
	var below []int
	for i := at + 1; i < len(lines); i++ {
		switch l := lines[i]; {
		case l.kind == blankLine || l.kind == commentLine:
		case l.kind == textLine && l.owner == at:
			below = append(below, i)
		default:
			return below
		}
	}
	return below
}

// piece is one stretch of a section: its header, and the lines up to the next one.
type piece struct {
	header, end int // lines; end is the one after its last
}

// pieces returns the pieces of a section that count, in the order of their lines. A malformed header among them
// is an error.
func (f *File) pieces(s Section) ([]piece, error) {
	want := ini.Ref{Kind: ini.Kind(s.Kind), Name: s.Name}
	lines := scan(f.data)
	var counting, bare []piece
	var fault, bareFault error
	for i, l := range lines {
		if l.kind != headerLine {
			continue
		}
		text := bytes.TrimRight(f.data[l.start+l.indent:l.end], " \t\r\n")
		if !mayName(text, s) {
			continue
		}
		ref, err := headerOf(text, f.style)
		if ref != want {
			continue
		}
		if err != nil {
			err = &ini.Error{File: f.name, Line: i + 1, Msg: err.(*ini.Error).Msg}
		}
		p := piece{i, i + 1}
		for p.end < len(lines) && lines[p.end].kind != headerLine {
			p.end++
		}
		at, faultAt := &counting, &fault
		if bytes.HasPrefix(bytes.TrimLeft(text[1:], " \t"), []byte("default")) && s == (Section{Profile, "default"}) {
			at, faultAt = &bare, &bareFault
		}
		*at = append(*at, p)
		if *faultAt == nil {
			*faultAt = err
		}
	}
	if len(counting) == 0 { // [profile default] replaces [default]
		counting, fault = bare, bareFault
	}
	return counting, fault
}

// wellFormed returns what the headers name that are not malformed.
func (f *File) wellFormed() map[ini.Ref]bool {
	good := map[ini.Ref]bool{}
	for _, l := range scan(f.data) {
		if l.kind != headerLine {
			continue
		}
		if ref, err := headerOf(bytes.TrimRight(f.data[l.start+l.indent:l.end], " \t\r\n"), f.style); err == nil {
			good[ref] = true
		}
	}
	return good
}

// mayName tells whether a header may name a section. It spares the parser nearly all headers of a big file.
func mayName(header []byte, s Section) bool {
	return s.Kind == Other || bytes.ContainsAny(header, `"'\`) || bytes.Contains(header, []byte(s.Name))
}

// headerOf returns what a header names, and what is wrong with it, an *ini.Error.
func headerOf(text []byte, style Style) (ini.Ref, error) {
	names, _ := ini.Names(bytes.NewReader(text), "", ini.Style(style)) // a line of a file is no file past 256 MiB
	if len(names) == 0 {
		return ini.Ref{}, nil
	}
	doc, _ := ini.Read(bytes.NewReader(text), "", ini.Style(style))
	if len(doc.Unplaced) > 0 {
		return names[0].Ref, doc.Unplaced[0]
	}
	return names[0].Ref, nil
}

// commentStart returns where in a line the comment behind a value begins, the end of the line if there is none:
// at a "#" or ";" that has a blank before it.
func commentStart(text []byte, from int) int {
	for i := from + 1; i < len(text); i++ {
		if (text[i] == '#' || text[i] == ';') && blank(text[i-1]) {
			return i
		}
	}
	return len(text)
}

func blank(c byte) bool { return c == ' ' || c == '\t' }
