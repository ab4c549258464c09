// Package ini reads the AWS shared config and credentials files.
//
// It knows their grammar and nothing of what the keys mean. [Read] makes one
// pass and keeps only the sections it is asked for, so a file of ten thousand
// profiles costs little more than reading it. Every key carries its line.
//
// # Sections
//
// In the config file "[default]" and "[profile NAME]" are profiles; beside them
// stand "[sso-session NAME]" and "[services NAME]". "[profile default]" replaces
// "[default]", whichever comes first. A NAME is one word, or one shell word in
// quotes. In the credentials file "[NAME]" is a profile. Names are
// case-sensitive. After the closing bracket only a comment may stand. Sections
// that recur are merged.
//
// A malformed header starts a section of its own, whose keys are dropped: they
// never end up in the section above it.
//
// # Keys
//
// "name = value", split at the first "=". Names are lower-cased. "#" or ";" after
// a blank starts a comment, in a value; as the first character, on a whole line.
// Quotes, "%", "$" and "~" are literal. The later of two keys wins.
//
// A line indented deeper than the key above it continues that key's value, even
// if it looks like a header: this is the rule of the AWS CLI. After an empty
// value it is a nested key instead. Blank lines and comment lines do not count.
// Comments are not cut off in continuations and nested values.
//
// # Bounds
//
// Memory holds the wanted sections and one buffer of at most 32 KiB. A line or a
// value of a wanted section may take 1 MiB, a file 256 MiB.
package ini

import (
	"io"
	"slices"
)

// Style says which of the two files is read: their section headers differ.
type Style uint8

// The styles. The zero value is Config.
const (
	Config      Style = iota // ~/.aws/config: [default], [profile NAME], [sso-session NAME], [services NAME]
	Credentials              // ~/.aws/credentials: [NAME]
)

// Kind is the kind of a section.
type Kind uint8

// The kinds. The zero value is Profile.
const (
	Profile    Kind = iota
	SSOSession      // [sso-session NAME], config file only
	Services        // [services NAME], config file only
	Other           // a section the grammar does not name
)

// Ref names a section. For Other, Name is the whole text between the brackets,
// with each run of blanks made one space, such as "profile foo" for a
// "[profile foo]" that strayed into the credentials file.
type Ref struct {
	Kind Kind
	Name string
}

// Key is one "name = value" line with the lines that continue it.
type Key struct {
	Name  string // lower-cased
	Value string // trimmed; continuation lines are joined by "\n"
	Line  int    // from 1
	Sub   []Key  // nested keys, only after an empty value
}

// Section is one section of a file. Pieces that recur are merged.
type Section struct {
	Ref
	Line int   // of its first header, from 1
	Keys []Key // in the order of their lines, each name once: the last one wins
	Err  error // the first malformed line in it, an *Error; nil if there is none
}

// Get returns the key of that name, which must be lower-case.
func (s *Section) Get(key string) (Key, bool) {
	for _, k := range s.Keys {
		if k.Name == key {
			return k, true
		}
	}
	return Key{}, false
}

// Document is what [Read] found in one file.
type Document struct {
	// Sections holds the wanted sections that are there, in the order asked.
	Sections []*Section
	// Unplaced holds what belongs to no section for certain: malformed headers,
	// and the first line of text before the first section. At most 8 are kept.
	Unplaced []*Error
}

// Section returns the section of that name, nil if it was not found or not
// asked for. It looks through all of Sections.
func (d *Document) Section(ref Ref) *Section {
	for _, s := range d.Sections {
		if s.Ref == ref {
			return s
		}
	}
	return nil
}

// Stray returns the first line of text before the first section, nil if there
// is none. Such keys belong to nobody, and somebody may count on them.
func (d *Document) Stray() *Error {
	if len(d.Unplaced) > 0 && d.Unplaced[0].Msg == homeless.message() {
		return d.Unplaced[0] // nothing in the file comes before it
	}
	return nil
}

// Read reads the file in one pass and returns the wanted sections. file is the
// name to use in errors.
//
// A malformed line is no error of Read: one in a wanted section is that
// section's Err, one in another section is passed over, and a malformed header
// is also kept in Unplaced. Read fails only if r does, or past 256 MiB.
func Read(r io.Reader, file string, style Style, want ...Ref) (*Document, error) {
	return readWithin(defaultLimits, r, file, style, want)
}

func readWithin(l limits, r io.Reader, file string, style Style, want []Ref) (*Document, error) {
	w := newWanted(want)
	return w.document(newParser(l, r, file, style, w.place))
}

// ReadText is Read for a file that is in memory. The document keeps nothing of text.
func ReadText(text []byte, file string, style Style, want ...Ref) (*Document, error) {
	w := newWanted(want)
	p := &parser{scanner: scanner{limits: defaultLimits, buf: text, w: len(text), err: io.EOF}, file: file, style: style, place: w.place}
	return w.document(p)
}

func (w *wanted) document(p *parser) (*Document, error) {
	if err := p.run(); err != nil {
		return nil, err
	}
	return &Document{Sections: w.found(), Unplaced: p.unplaced}, nil
}

// Name is a section in a listing.
type Name struct {
	Ref
	Line int // of its first header, from 1
}

// Names lists the sections of the file in the order of their lines, each once,
// with the line that [Read] gives it. A section with a malformed header is in
// the list if its name can be guessed. It fails as Read does.
func Names(r io.Reader, file string, style Style) ([]Name, error) {
	return namesWithin(defaultLimits, r, file, style)
}

func namesWithin(l limits, r io.Reader, file string, style Style) ([]Name, error) {
	var names []Name
	seen := make(map[Ref]bool)
	bare := -1        // where [default] is in names
	prefixed := false // [profile default] is there too
	place := func(p *parser, h header) *Section {
		ref := Ref{h.kind, string(h.name)}
		switch {
		case h.bare && bare < 0:
			bare = len(names)
		case h.bare, seen[ref], len(h.name) == 0:
			return nil
		default:
			seen[ref] = true
			prefixed = prefixed || ref == Ref{Profile, "default"}
		}
		names = append(names, Name{ref, p.lastLine()})
		return nil
	}
	if err := newParser(l, r, file, style, place).run(); err != nil {
		return nil, err
	}
	if bare >= 0 && prefixed {
		names = slices.Delete(names, bare, bare+1)
	}
	return names, nil
}
