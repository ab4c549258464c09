package ini_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/credchain/credchain/internal/ini"
)

// reference is the grammar again, written for clearness: it holds the whole
// file, splits it into lines and keeps every section. FuzzRead compares.
type reference struct {
	sections map[string]*ini.Section // by showRef; "default" for [default]
	owner    []string                // the section of each line; "" if it has none
	unplaced []string
}

const blanks = " \t"

func refer(file, data string, style ini.Style) *reference {
	r := &reference{sections: map[string]*ini.Section{}}
	var (
		in     *ini.Section // nil: keys are dropped
		owner  string
		began  bool
		key    *ini.Key
		broken bool // the current key is malformed
		indent = -1 // of the current key; -1: there is none
	)
	report := func(line int, msg string) {
		if len(r.unplaced) < 8 {
			r.unplaced = append(r.unplaced, fmt.Sprintf("%s:%d: %s", file, line, msg))
		}
	}
	for i, line := range strings.Split(strings.TrimPrefix(data, "\ufeff"), "\n") {
		number := i + 1
		text := strings.TrimLeft(line, blanks)
		depth := len(line) - len(text)
		text = strings.TrimRight(text, blanks+"\r")
		fail := func(msg string) {
			if in != nil && in.Err == nil {
				in.Err = &ini.Error{File: file, Line: number, Msg: msg}
			}
		}
		deeper := indent >= 0 && depth > indent
		r.owner = append(r.owner, owner)
		switch {
		case text == "", text[0] == '#', text[0] == ';':
		case deeper && (in == nil || broken):
		case deeper && key.Value == "":
			if sub, msg := referKey(text, number, false); msg != "" {
				fail(msg)
			} else {
				key.Sub = append(key.Sub, sub)
			}
		case deeper:
			key.Value += "\n" + text
		case text[0] == '[':
			began, indent, key, in, owner = true, -1, nil, nil, ""
			ref, bare, msg := referHeader(text, style)
			if msg != "" {
				report(number, msg)
			}
			if ref.Name == "" {
				break
			}
			if owner = showRef(ref); bare {
				owner = "default"
			}
			r.owner[i] = owner
			if r.sections[owner] == nil {
				r.sections[owner] = &ini.Section{Ref: ref, Line: number}
			}
			in = r.sections[owner]
			if msg != "" {
				fail(msg)
				in, owner = nil, ""
			}
		case !began:
			if !slices.ContainsFunc(r.unplaced, func(s string) bool { return strings.HasSuffix(s, stray) }) {
				report(number, stray)
			}
		default:
			indent, broken = depth, false
			k, msg := referKey(text, number, true)
			if broken = msg != ""; broken {
				fail(msg)
			} else if in != nil {
				in.Keys = append(in.Keys, k)
				key = &in.Keys[len(in.Keys)-1]
			}
		}
	}
	for _, s := range r.sections {
		s.Keys = referLast(s.Keys)
		for i := range s.Keys {
			s.Keys[i].Sub = referLast(s.Keys[i].Sub)
		}
	}
	if _, ok := r.sections["profile default"]; ok {
		delete(r.sections, "default")
	} else if s, ok := r.sections["default"]; ok {
		r.sections["profile default"] = s
		delete(r.sections, "default")
	}
	return r
}

// document is what Read must find of everything.
func (r *reference) document() string {
	doc := &ini.Document{Sections: slices.SortedFunc(maps.Values(r.sections), func(a, b *ini.Section) int { return a.Line - b.Line })}
	out := show(doc)
	for _, e := range r.unplaced {
		out += "? " + e + "\n"
	}
	return out
}

func referLast(keys []ini.Key) []ini.Key {
	last := map[string]int{}
	for i, k := range keys {
		last[k.Name] = i
	}
	var out []ini.Key
	for i, k := range keys {
		if last[k.Name] == i {
			out = append(out, k)
		}
	}
	return out
}

var inlineComment = regexp.MustCompile(`(?s)[ \t][#;].*`)

func referKey(text string, line int, comments bool) (ini.Key, string) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return ini.Key{}, noEquals
	}
	if name == "" {
		return ini.Key{}, noKey
	}
	if comments {
		value = inlineComment.ReplaceAllString(value, "")
	}
	name = lowerASCII(strings.Trim(name, blanks))
	return ini.Key{Name: name, Value: strings.Trim(value, blanks), Line: line}, ""
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// The pieces of a shell word: quoted, escaped or plain.
var (
	wholeWords = regexp.MustCompile(`(?s)^(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^"'\\])*$`)
	shellPiece = regexp.MustCompile(`(?s)"(?:\\.|[^"\\])*("|\\?$)|'[^']*('|$)|\\.|\\$|[^"'\\]`)
	dblEscape  = regexp.MustCompile(`\\(["\\])`)
	toBracket  = regexp.MustCompile(`(?s)^((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^"'\\\]])*)\](.*)$`)
	blankRuns  = regexp.MustCompile(`[ \t]+`)
)

func referHeader(text string, style ini.Style) (ref ini.Ref, bare bool, msg string) {
	body := text[1:]
	inside, after, ok := strings.Cut(body, "]")
	if !ok {
		msg, inside = unclosed, inlineComment.ReplaceAllString(body, "")
	} else if m := toBracket.FindStringSubmatch(body); m != nil && style == ini.Config {
		inside, after = m[1], m[2]
	}
	if after = strings.Trim(after, blanks); after != "" && after[0] != '#' && after[0] != ';' {
		msg = junk
	}
	inside = strings.Trim(inside, blanks)
	ref, bare, fault := referName(inside, style)
	if msg == "" {
		msg = fault
	}
	return ref, bare, msg
}

func referName(inside string, style ini.Style) (ref ini.Ref, bare bool, msg string) {
	other := ini.Ref{Kind: ini.Other, Name: blankRuns.ReplaceAllString(inside, " ")}
	kinds := map[string]ini.Kind{"profile": ini.Profile, "sso-session": ini.SSOSession, "services": ini.Services}
	word, arg := inside, ""
	if i := strings.IndexAny(inside, blanks); i >= 0 {
		word, arg = inside[:i], strings.TrimLeft(inside[i:], blanks)
	}
	kind, known := kinds[word]
	switch {
	case inside == "":
		return other, false, noName
	case inside == "default":
		return profile("default"), true, ""
	case style == ini.Credentials && inside != "DEFAULT" && (!known || arg == ""):
		return profile(inside), false, ""
	case style == ini.Credentials, !known, arg == "":
		return other, false, ""
	}
	if !wholeWords.MatchString(arg) {
		msg = unfinished
	}
	if msg != "" && arg[0] != '"' && arg[0] != '\'' {
		return ini.Ref{Kind: kind, Name: arg}, false, msg
	}
	var name string
	for _, piece := range shellPiece.FindAllString(arg, -1) {
		switch piece[0] {
		case ' ', '\t':
			return other, false, ""
		case '"':
			piece = strings.TrimPrefix(piece, `"`)
			if n := len(piece) - 1; n >= 0 && piece[n] == '"' && wholeWords.MatchString(`"`+piece) {
				piece = piece[:n]
			} else if n >= 0 && strings.HasSuffix(dblEscape.ReplaceAllString(piece, ""), `\`) {
				piece = piece[:n] // an escape that the end cut off
			}
			name += dblEscape.ReplaceAllString(piece, "$1")
		case '\'':
			name += strings.Trim(piece, "'")
		case '\\':
			name += piece[1:]
		default:
			name += piece
		}
	}
	if name == "" && msg == "" {
		return other, false, ""
	}
	return ini.Ref{Kind: kind, Name: name}, false, msg
}
