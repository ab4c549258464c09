package profile

import (
	"bytes"
	"strings"
)

// Set gives a key a value. If it is there, the line that counts is changed, its comment is kept, and lines that
// continue the old value are removed. Otherwise the key comes after the last one of its section, and a section
// that is not there comes at the end of the file. A dot in the name of the key stands before a nested key.
//
// A value that would not read back as it is, and a name that some AWS tool would take for something else, is an
// [*InputError]. A section whose header is malformed is an error with the file and line of the header.
func (f *File) Set(s Section, key, value string) error {
	name, sub, nested := strings.Cut(lower(key), ".")
	if err := checkValue(key, value); err != nil {
		return err
	}
	if old, ok := f.Get(s, key); ok && old.Value == value && len(old.Sub) == 0 {
		return nil
	}
	pieces, err := f.pieces(s)
	if err != nil {
		return err
	}
	edited := File{f.name, f.style, bytes.Clone(f.data)}
	switch {
	case len(pieces) == 0:
		err = edited.appendSection(s, key, value)
	case nested:
		err = edited.setNested(s, pieces[len(pieces)-1], name, sub, value)
	default:
		err = edited.setPlain(s, pieces[len(pieces)-1], name, value)
	}
	if err != nil {
		return err
	}
	// Whatever was overlooked above must not become a wrong value.
	if k, ok := edited.Get(s, key); !ok || k.Value != value {
		return &InputError{key, "the value would not read back as it is"}
	}
	f.data = edited.data
	return nil
}

// Unset removes a key, wherever it recurs, with the lines that continue it and the keys nested below it. It
// reports whether the key was there.
func (f *File) Unset(s Section, key string) bool {
	removed := false
	for {
		k, ok := f.Get(s, key)
		if !ok {
			return removed
		}
		lines := scan(f.data)
		at := k.Line - 1
		f.removeContinuation(lines, at)
		f.splice(lines[at].start, lines[at].end, "")
		removed = true
	}
}

// InputError is an input that cannot be written. It holds nothing of a value.
type InputError struct {
	Name string // the key or the section
	Msg  string
}

func (e *InputError) Error() string { return e.Name + ": " + e.Msg }

// setPlain sets a key that is not nested.
func (f *File) setPlain(s Section, last piece, name, value string) error {
	k, ok := f.section(s).Get(name)
	if !ok {
		return f.insertKey(last, name, name+" = "+value)
	}
	lines := scan(f.data)
	at := k.Line - 1
	if k.Value == "" && len(continuation(lines, at)) > 0 {
		return &InputError{name, "it has nested keys, and can have no value of its own"}
	}
	f.removeContinuation(lines, at)
	f.replaceValue(lines[at], value, true)
	return nil
}

// setNested sets a key below another one.
func (f *File) setNested(s Section, last piece, name, sub, value string) error {
	parent, ok := f.section(s).Get(name)
	if !ok {
		if err := f.insertKey(last, name, name+" ="); err != nil {
			return err
		}
		parent, _ = f.section(s).Get(name)
	}
	if parent.Value != "" {
		return &InputError{name, "it has a value of its own, and can have no nested keys"}
	}
	lines := scan(f.data)
	if k, ok := subKey(parent, sub); ok {
		f.replaceValue(lines[k.Line-1], value, false)
		return nil
	}
	if err := checkKey(sub); err != nil {
		return err
	}
	at := parent.Line - 1
	indent := f.indent(lines[at]) + "    "
	if below := continuation(lines, at); len(below) > 0 {
		at = below[len(below)-1]
		indent = f.indent(lines[at])
	}
	f.insert(lines, at, indent+sub+" = "+value)
	return nil
}

// insertKey adds the line of a key below the last key of a piece. It is as deep as that: a deeper line would
// continue it.
func (f *File) insertKey(p piece, name, line string) error {
	if err := checkKey(name); err != nil {
		return err
	}
	lines := scan(f.data)
	for at := p.end - 1; at > p.header; at-- {
		if l := lines[at]; l.kind == textLine {
			f.insert(lines, at, f.indent(lines[l.owner])+line)
			return nil
		}
	}
	// The next header must not be deeper than its first key either.
	indent := ""
	if p.end < len(lines) {
		indent = f.indent(lines[p.end])
	}
	f.insert(lines, p.header, indent+line)
	return nil
}

// appendSection adds a section with one key at the end of the file.
func (f *File) appendSection(s Section, key, value string) error {
	header, err := f.header(s)
	if err != nil {
		return err
	}
	name, sub, nested := strings.Cut(lower(key), ".")
	if err := checkKey(name); err != nil {
		return err
	}
	add := []string{header, name + " = " + value}
	if nested {
		if err := checkKey(sub); err != nil {
			return err
		}
		add = []string{header, name + " =", "    " + sub + " = " + value}
	}
	lines := scan(f.data)
	if len(lines) == 0 {
		f.data = append(f.data, strings.Join(add, "\n")+"\n"...)
		return nil
	}
	last := len(lines) - 1
	if lines[last].kind != blankLine {
		add = append([]string{""}, add...)
	}
	f.insert(lines, last, add...)
	return nil
}

// insert adds lines below the line at. A last line that has no end still has none afterwards.
func (f *File) insert(lines []line, at int, add ...string) {
	eol := f.lineEnd(lines, at)
	text := strings.Join(add, eol)
	if end := lines[at].end; f.data[end-1] == '\n' {
		f.splice(end, end, text+eol)
	} else {
		f.splice(end, end, eol+text)
	}
}

// lineEnd returns how the line at ends, or if it is the last one and has no end, how the first one does.
func (f *File) lineEnd(lines []line, at int) string {
	for _, i := range [...]int{at, 0} {
		switch text := f.data[lines[i].start:lines[i].end]; {
		case bytes.HasSuffix(text, []byte("\r\n")):
			return "\r\n"
		case bytes.HasSuffix(text, []byte("\n")):
			return "\n"
		}
	}
	return "\n"
}

// removeContinuation removes the lines that continue the key at, but neither comments nor blank lines among them.
func (f *File) removeContinuation(lines []line, at int) {
	below := continuation(lines, at)
	for i := len(below) - 1; i >= 0; i-- {
		f.splice(lines[below[i]].start, lines[below[i]].end, "")
	}
}

// replaceValue changes the value on the line of a key. What stands around it stays: the blanks, and a comment,
// which only a key that is not nested can have.
func (f *File) replaceValue(l line, value string, comments bool) {
	text := f.data[l.start:l.end]
	from := bytes.IndexByte(text, '=') + 1
	to := len(bytes.TrimRight(text, " \t\r\n"))
	if comments {
		to = commentStart(text[:to], from)
	}
	comment := to < len(text) && (text[to] == '#' || text[to] == ';')
	for from < to && blank(text[from]) && from < len(text) {
		from++
	}
	for to > from && blank(text[to-1]) {
		to--
	}
	before, after := "", ""
	if from == to && from >= 2 && text[from-1] == '=' && blank(text[from-2]) {
		before = " " // "k =" becomes "k = v"
	}
	if comment && (to == len(text) || !blank(text[to])) {
		after = " "
	}
	f.splice(l.start+from, l.start+to, before+value+after)
}

// splice replaces a part of the text.
func (f *File) splice(from, to int, with string) {
	f.data = append(append(append([]byte(nil), f.data[:from]...), with...), f.data[to:]...)
}

// indent returns the blanks at the start of a line.
func (f *File) indent(l line) string { return string(f.data[l.start : l.start+l.indent]) }
