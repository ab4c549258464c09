// Package profile reads and edits the shared config and credentials files of the AWS tools, and keeps every byte
// that an edit does not concern: comments, order, blank lines, line ends, a byte order mark, a missing last line
// end, keys and sections it does not know, and lines that are malformed.
//
//	err := profile.Edit(ctx, path, profile.Config, func(f *profile.File) error {
//		return f.Set(profile.Section{Name: "dev"}, "region", "eu-central-1")
//	})
//
// A value is what the credential chain of this module reads, which is what the AWS CLI reads but for comments
// behind values. Where a key or a section recurs, the one that counts is read and changed.
//
// A key with a dot in it, such as "s3.max_concurrent_requests", is one that is nested below another:
//
//	s3 =
//	    max_concurrent_requests = 20
package profile

import (
	"bytes"
	"context"
	"strings"

	"github.com/credchain/credchain/internal/ini"
	"github.com/credchain/credchain/internal/safefile"
)

// Style says which of the two shared files a file is: their section headers differ.
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
	SSOSession      // [sso-session NAME], in the config file alone
	Services        // [services NAME], in the config file alone
	Other           // any other section, such as [plugins]; its name is all that stands between the brackets
)

// Section names a section: Section{Name: "dev"} is the profile dev. Names are case-sensitive.
type Section struct {
	Kind Kind
	Name string
}

// String returns what a person calls the section, such as "profile dev".
func (s Section) String() string {
	switch s.Kind {
	case Profile:
		return "profile " + s.Name
	case SSOSession:
		return "sso-session " + s.Name
	case Services:
		return "services " + s.Name
	}
	return "section " + s.Name
}

// Key is a key with its value. Printing one shows no secret; Value is the value itself.
type Key struct {
	Name  string // lower-case
	Value string // without the blanks around it; lines that continue it are joined by "\n"
	Line  int    // where it is, from 1
	Sub   []Key  // the keys nested below it; its own value is empty then
}

// String returns the key as a file has it, with its value masked if that is a secret.
func (k Key) String() string { return k.Name + " = " + Mask(k.Name, k.Value) }

// GoString is String: %#v shows no secret either.
func (k Key) GoString() string { return k.String() }

// File is the text of a shared file. It is not safe for concurrent use.
type File struct {
	name  string
	style Style
	data  []byte
}

// Parse returns the file of that text. name is for errors. No text is refused: what is malformed in it concerns
// only the sections it stands in.
func Parse(name string, data []byte, style Style) *File {
	return &File{name: name, style: style, data: bytes.Clone(data)}
}

// Read reads a file. One that is not there is empty. One that is no regular file, or larger than 16 MiB, is an
// error.
func Read(path string, style Style) (*File, error) {
	data, err := safefile.Read(path)
	if err != nil {
		return nil, err
	}
	return &File{name: path, style: style, data: data}, nil
}

// Edit reads a file, calls edit, and writes what has changed, as one step: nobody else edits the file meanwhile
// by this function, and a reader sees the old text or the new one, even if the process is killed. It waits for
// others until ctx ends. An error of edit is returned as it is, and nothing is written then.
//
// The credentials file ends up with no permissions for anybody but its owner, even if the edit changes nothing; the
// config file keeps its mode; a new file has 0600, and missing directories are made with 0700. Of a symbolic link
// the target is written. A file that is read-only or in a place that cannot be written to, and a directory in its
// place, is an error before edit is called, and a full disk is one after it. They name the file, and leave it as it
// was. The lock is a file beside it, with .lock at the end of the name.
func Edit(ctx context.Context, path string, style Style, edit func(*File) error) error {
	return safefile.Update(ctx, path, style == Credentials, func(old []byte) ([]byte, error) {
		f := Parse(path, old, style)
		if err := edit(f); err != nil || bytes.Equal(f.data, old) {
			return nil, err
		}
		return f.data, nil
	})
}

// Bytes returns the whole text.
func (f *File) Bytes() []byte { return bytes.Clone(f.data) }

// Sections returns the sections in the order in which they begin, each once. [profile default] replaces
// [default]. A malformed header names no section here: what it was meant to say is anybody's guess.
func (f *File) Sections() []Section {
	names, _ := ini.Names(bytes.NewReader(f.data), f.name, ini.Style(f.style)) // fails past 256 MiB alone
	doc, err := ini.Read(bytes.NewReader(f.data), f.name, ini.Style(f.style))
	var good map[ini.Ref]bool // nil: all of them
	if err == nil && len(doc.Unplaced) > 0 {
		good = f.wellFormed()
	}
	var all []Section
	for _, n := range names {
		if good == nil || good[n.Ref] {
			all = append(all, Section{Kind(n.Kind), n.Name})
		}
	}
	return all
}

// Keys returns the keys of a section in the order of their lines, each once: of keys that recur the last one. The
// error is that of the first malformed line in the section, with its file and line; the keys are returned with it.
func (f *File) Keys(s Section) ([]Key, error) {
	section := f.section(s)
	if section == nil {
		return nil, nil
	}
	return keys(section.Keys), section.Err
}

// Get returns a key of a section; a dot in its name stands before a nested key. Upper and lower case are one.
// Malformed lines elsewhere in the section do not matter.
func (f *File) Get(s Section, key string) (Key, bool) {
	section := f.section(s)
	if section == nil {
		return Key{}, false
	}
	name, sub, nested := strings.Cut(lower(key), ".")
	k, ok := section.Get(name)
	if nested && ok {
		k, ok = subKey(k, sub)
	}
	if !ok {
		return Key{}, false
	}
	return keys([]ini.Key{k})[0], true
}

// section returns a section as the chain reads it, nil if it is not there.
func (f *File) section(s Section) *ini.Section {
	ref := ini.Ref{Kind: ini.Kind(s.Kind), Name: s.Name}
	doc, err := ini.Read(bytes.NewReader(f.data), f.name, ini.Style(f.style), ref)
	if err != nil { // past 256 MiB
		return nil
	}
	return doc.Section(ref)
}

func subKey(k ini.Key, name string) (ini.Key, bool) {
	return (&ini.Section{Keys: k.Sub}).Get(name)
}

func keys(in []ini.Key) []Key {
	if len(in) == 0 {
		return nil
	}
	out := make([]Key, len(in))
	for i, k := range in {
		out[i] = Key{k.Name, k.Value, k.Line, keys(k.Sub)}
	}
	return out
}

// lower makes ASCII letters lower-case, as the grammar does with keys.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}
