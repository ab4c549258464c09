package main

import (
	"bytes"
	"html"
	"strconv"
	"strings"
)

// parts are the parts of all spellings by which one is known.
type parts struct {
	lengths []int
	plain   map[string]part // as they are written
	undone  map[string]part // with their own escapes undone, as in the answer
	words   []string
}

// part is where a part is in its spelling.
type part struct {
	before, after int  // so many bytes of the spelling
	weak          bool // by itself it tells nothing
}

func partsOf(secrets []spelling) *parts {
	p := &parts{plain: make(map[string]part), undone: make(map[string]part)}
	lengths := make(map[int]bool)
	for _, s := range secrets {
		if s.word {
			p.words = append(p.words, s.text)
			continue
		}
		p.add(p.plain, lengths, s, s.text)
		p.add(p.undone, lengths, s, string(undo([]byte(s.text)).text))
	}
	return p
}

func (p *parts) add(to map[string]part, lengths map[int]bool, s spelling, text string) {
	text = string(alike([]byte(text)))
	n := min(s.part, len(text))
	if n == 0 {
		return
	}
	if !lengths[n] {
		lengths[n], p.lengths = true, append(p.lengths, n)
	}
	for i := 0; i+n <= len(text); i++ {
		now := part{before: i, after: len(text) - i - n, weak: i+n <= s.prefix}
		if known, ok := to[text[i:i+n]]; ok { // a secret that repeats itself
			now = part{min(known.before, now.before), min(known.after, now.after), known.weak && now.weak}
		}
		to[text[i:i+n]] = now
	}
}

// hide puts REDACTED in the place of what is known, and of what goes on from there like the rest of it.
func (p *parts) hide(answer []byte) []byte {
	hidden := make([]bool, len(answer))
	plain := unit{text: answer}
	p.find(plain, p.plain, hidden, false)
	p.find(undo(answer), p.undone, hidden, true)
	var out []byte
	for i, b := range answer {
		switch {
		case !hidden[i]:
			out = append(out, b)
		case i == 0 || !hidden[i-1]:
			out = append(out, "REDACTED"...)
		}
	}
	return out
}

// find marks the parts in u. The rest of a secret can be spelled in a way that nobody has thought of: if goOn is set, it is
// marked as well, as long as it looks like a token.
func (p *parts) find(u unit, known map[string]part, hidden []bool, goOn bool) {
	text := alike(u.text)
	for _, n := range p.lengths {
		first, last := -1, -1 // of the parts that overlap
		var start, end part
		weak := true
		flush := func() {
			if first < 0 || weak {
				return
			}
			from, to := first, last+n
			if goOn {
				for most := 3 * start.before; most > 0 && from > 0 && goesBack(u.text[from-1]); most-- {
					from--
				}
				for most := 3 * end.after; most > 0 && to < len(u.text) && goesOn(u.text[to]); most-- {
					to++
				}
			}
			for i := u.at(from); i < u.at(to); i++ {
				hidden[i] = true
			}
		}
		for i := 0; i+n <= len(text); i++ {
			found, ok := known[string(text[i:i+n])]
			if !ok {
				continue
			}
			if first < 0 || i > last+n {
				flush()
				first, start, weak = i, found, true
			}
			last, end, weak = i, found, weak && found.weak
		}
		flush()
	}
	for _, word := range p.words {
		for from := 0; ; {
			i := bytes.Index(u.text[from:], []byte(word))
			if i < 0 {
				break
			}
			i, from = from+i, from+i+len(word)
			if (i == 0 || !alphanumeric(u.text[i-1])) && (from == len(u.text) || !alphanumeric(u.text[from])) {
				for j := u.at(i); j < u.at(from); j++ {
					hidden[j] = true
				}
			}
		}
	}
}

func alphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// goesOn reports that a token can go on with b. What begins another parameter or line, an & or \, does not, once its escape
// is undone.
func goesOn(b byte) bool { return alphanumeric(b) || strings.IndexByte("+/=-_%", b) >= 0 }

// goesBack reports the same of what is before: there, a = is what follows a name.
func goesBack(b byte) bool { return b != '=' && goesOn(b) }

// alike makes the same of what services exchange: the two alphabets of base64, and + and blank, which a form has for it.
func alike(text []byte) []byte {
	text = bytes.Clone(text)
	for i, b := range text {
		switch b {
		case '-', ' ':
			text[i] = '+'
		case '_':
			text[i] = '/'
		}
	}
	return text
}

// unit is a text of which the escapes are undone.
type unit struct {
	text   []byte
	places []int // of each byte in the original, and its end; nil: it is the original
}

func (u unit) at(i int) int {
	if u.places == nil {
		return i
	}
	return u.places[i]
}

// undo undoes the escapes of URLs, JSON, XML and HTML, also those of escapes.
func undo(text []byte) unit {
	u := unit{text: text}
	for range 6 { // deeper than anybody nests them
		if !bytes.ContainsAny(u.text, `%\&`) {
			break
		}
		next := unit{text: make([]byte, 0, len(u.text)), places: make([]int, 0, len(u.text)+1)}
		for i := 0; i < len(u.text); {
			b, n := unescape(u.text[i:min(len(u.text), i+10)])
			next.text, next.places = append(next.text, b), append(next.places, u.at(i))
			i += n
		}
		next.places = append(next.places, u.at(len(u.text)))
		if len(next.text) == len(u.text) {
			break
		}
		u = next
	}
	return u
}

// unescape returns the first byte of a text, and how many bytes are its spelling.
func unescape(s []byte) (b byte, n int) {
	number := func(from, to, most int) (byte, int) {
		if to <= len(s) {
			if v, err := strconv.ParseUint(string(s[from:to]), 16, 16); err == nil && int(v) <= most {
				return byte(v), to
			}
		}
		return s[0], 1
	}
	switch {
	case s[0] == '%':
		return number(1, 3, 0xff)
	case s[0] == '\\' && len(s) > 1:
		switch s[1] {
		case 'u':
			return number(2, 6, 0x7f)
		case 'x':
			return number(2, 4, 0x7f)
		case '/', '\\', '"', '\'':
			return s[1], 2
		}
	case s[0] == '&':
		if end := bytes.IndexByte(s, ';'); end > 0 {
			if text := html.UnescapeString(string(s[:end+1])); len(text) == 1 {
				return text[0], end + 1
			}
		}
	}
	return s[0], 1
}
