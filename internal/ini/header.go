package ini

import "bytes"

// header is one section header. It is small enough to travel in registers, which
// shows in big files.
type header struct {
	name  []byte // valid until the next line is read; empty: no name can be guessed
	kind  Kind
	bare  bool // [default], which [profile default] replaces
	fault fault
}

// header takes a header line, from its opening bracket on, without blanks at
// its end. If the header is malformed the result still has the likely name.
func (p *parser) header(line []byte) header {
	if h := p.plain(line); h.name != nil {
		return h
	}
	body := line[1:]
	end := bytes.IndexByte(body, ']')
	if end < 0 {
		h := p.section(trim(cutComment(body, 0)))
		h.fault = unclosed
		return h
	}
	fault := none
	if end+1 < len(body) {
		if p.style == Config {
			end = closingBracket(body, end)
		}
		after := trim(body[end+1:])
		if len(after) > 0 && after[0] != '#' && after[0] != ';' {
			fault = junkAfter
		}
	}
	h := p.section(trim(body[:end]))
	if fault != none {
		h.fault = fault
	}
	return h
}

// plain takes the headers that nearly all are, "[KIND NAME]" with one blank and
// nothing else, in a fraction of the time. Others have no name in the result.
func (p *parser) plain(line []byte) header {
	var kind Kind
	var name []byte
	switch n := len(line); {
	case p.style == Credentials:
		return header{}
	case n > 10 && string(line[:9]) == "[profile ":
		kind, name = Profile, line[9:n-1]
	case n > 14 && string(line[:13]) == "[sso-session ":
		kind, name = SSOSession, line[13:n-1]
	default:
		return header{}
	}
	for _, c := range name {
		if special(c) {
			return header{}
		}
	}
	if line[len(line)-1] != ']' {
		return header{}
	}
	return header{kind: kind, name: name}
}

// closingBracket returns the first bracket outside quotes: "[profile 'a]b']" is
// one word to the AWS CLI. With an unfinished quote it returns first.
func closingBracket(body []byte, first int) int {
	var quote byte
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ']':
			return i
		}
	}
	return first
}

// section tells what the text between the brackets names.
func (p *parser) section(text []byte) header {
	if len(text) == 0 {
		return header{kind: Other, fault: noName}
	}
	word, arg := text, []byte(nil)
	for i, c := range text {
		if blank(c) {
			word, arg = text[:i], trim(text[i:])
			break
		}
	}
	if len(arg) == 0 {
		switch {
		case string(word) == "default":
			return header{kind: Profile, name: word, bare: true}
		case p.style == Credentials && string(word) != "DEFAULT":
			return header{kind: Profile, name: word}
		}
		return header{kind: Other, name: word} // configparser's [DEFAULT] is no profile
	}

	var kind Kind
	switch string(word) {
	case "profile":
		kind = Profile
	case "sso-session":
		kind = SSOSession
	case "services":
		kind = Services
	default:
		if p.style == Credentials {
			return header{kind: Profile, name: text}
		}
		return p.other(text)
	}
	if p.style == Credentials {
		return p.other(text) // a header of the config file
	}
	name, single, finished := p.shellWord(arg)
	switch {
	case !finished && arg[0] != '"' && arg[0] != '\'':
		// An apostrophe, most likely: [profile o'brien].
		return header{kind: kind, name: arg, fault: unfinished}
	case !finished && single:
		return header{kind: kind, name: name, fault: unfinished}
	case !single || len(name) == 0:
		return p.other(text)
	}
	return header{kind: kind, name: name}
}

// other is a section that the grammar does not name.
func (p *parser) other(text []byte) header {
	out := p.scratch[:0]
	for i, c := range text {
		if !blank(c) {
			out = append(out, c)
		} else if !blank(text[i-1]) { // text is trimmed, so i > 0
			out = append(out, ' ')
		}
	}
	p.scratch = out
	return header{kind: Other, name: out}
}

// shellWord reads one word as a POSIX shell does, and as the AWS CLI therefore
// does. single is false if there is more than one word, finished is false if a
// quote or an escape is left open; the word then ends where the text does.
func (p *parser) shellWord(text []byte) (word []byte, single, finished bool) {
	i := 0
	for i < len(text) && !special(text[i]) {
		i++
	}
	if i == len(text) {
		return text, true, true
	}

	out := append(p.scratch[:0], text[:i]...)
	single, finished = true, true
	var quote byte
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != '\'':
			i++
			if i == len(text) {
				finished = false
				break
			}
			if quote == '"' && text[i] != '"' && text[i] != '\\' {
				out = append(out, '\\')
			}
			out = append(out, text[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			out = append(out, c)
		case c == '"' || c == '\'':
			quote = c
		case blank(c):
			single = false
			out = append(out, c)
		default:
			out = append(out, c)
		}
	}
	p.scratch = out
	return out, single, finished && quote == 0
}

// special tells whether c may mean something else than itself in a header.
func special(c byte) bool {
	switch c {
	case ' ', '\t', '"', '\'', '\\', ']':
		return true
	}
	return false
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// trim cuts blanks off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && blank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// trimEnd cuts blanks and carriage returns off the end of a line.
func trimEnd(b []byte) []byte {
	for len(b) > 0 && (blank(b[len(b)-1]) || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// cutComment ends line before the first "#" or ";" that has a blank before it
// and stands after position from.
func cutComment(line []byte, from int) []byte {
	for i := from + 1; i < len(line); i++ {
		if (line[i] == '#' || line[i] == ';') && blank(line[i-1]) {
			return line[:i]
		}
	}
	return line
}
