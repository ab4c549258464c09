package profile

import (
	"bytes"
	"slices"
	"strings"
)

// stars stand for what is not shown.
const stars = "****************"

// Mask returns the value of a key fit to be shown: nothing of a secret, of an access key ID the last four
// characters, and of a credential_process its first word, since its arguments may be secret. What is a secret is
// told by the name of the key.
func Mask(key, value string) string {
	key = lower(key)
	switch {
	case value == "":
		return ""
	case strings.HasSuffix(key, "access_key_id"):
		if len(value) < 16 { // no access key ID; who knows what it is
			return stars
		}
		return stars + value[len(value)-4:]
	case secret(key):
		return stars
	case strings.HasSuffix(key, "credential_process"):
		if end := strings.IndexAny(value, " \t\r\n"); end >= 0 {
			return value[:end] + " " + stars
		}
	}
	return value
}

// secret tells by the name of a key whether its value is secret.
func secret(key string) bool {
	for _, word := range [...]string{"secret", "password", "passphrase", "private_key"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return strings.Contains(key, "token") && !strings.HasSuffix(key, "_file")
}

// Diff shows what has changed from one text of a file to another: the lines that went with "-" before them, those
// that came with "+", and above them the header of their section. It is empty if nothing changed. Secrets are
// masked, in comments and malformed lines as well, and so are access key IDs; see [Mask].
func Diff(from, to *File) string {
	if bytes.Equal(from.data, to.data) {
		return ""
	}
	was, is := from.page(), to.page()
	var b strings.Builder
	b.WriteString("--- " + from.name + "\n+++ " + to.name + "\n")
	section := "" // whose header was shown last
	show := func(sign string, p page, i int) {
		header, shown := p.header(i), p.shown(i)
		if p.lines[i].kind != blankLine { // which is more likely about the section below it
			if header != section && header != shown {
				b.WriteString(" " + header + "\n")
			}
			section = header
		}
		b.WriteString(sign + shown + "\n")
	}
	i, j := 0, 0
	for _, same := range append(common(was, is), [2]int{len(was.lines), len(is.lines)}) {
		for ; i < same[0]; i++ {
			show("-", was, i)
		}
		for ; j < same[1]; j++ {
			show("+", is, j)
		}
		i, j = i+1, j+1
	}
	return b.String()
}

// page is a file in lines.
type page struct {
	*File
	lines []line
}

func (f *File) page() page { return page{f, scan(f.data)} }

// text returns a line without its end, which a last line may get.
func (p page) text(i int) []byte {
	return bytes.TrimRight(p.data[p.lines[i].start:p.lines[i].end], "\r\n")
}

// header returns the header of the section that a line is in, as it is shown.
func (p page) header(i int) string {
	for ; i >= 0; i-- {
		if p.lines[i].kind == headerLine {
			return p.shown(i)
		}
	}
	return ""
}

// shown returns a line without secrets.
func (p page) shown(i int) string {
	text := string(p.text(i))
	switch p.lines[i].kind {
	case headerLine:
		if _, err := headerOf([]byte(strings.TrimSpace(text)), p.style); err != nil {
			return "[" + stars
		}
	case commentLine:
		return maskComment(text)
	case textLine:
		return p.maskText(i, text)
	}
	return text
}

// maskText returns line i, a key or what continues one, fit to be shown.
func (p page) maskText(i int, text string) string {
	owner := p.lines[i].owner
	key := p.text(owner)
	eq := bytes.IndexByte(key, '=')
	name := strings.TrimSpace(string(key[:max(eq, 0)]))
	switch {
	case eq < 0, owner != i && Mask(name, "x x") != "x x":
		return p.indent(p.lines[i]) + stars // malformed, or part of a secret
	case strings.Contains(text, "="):
		return maskLine(text)
	case len(bytes.TrimSpace(key[eq+1:commentStart(key, eq)])) == 0:
		return p.indent(p.lines[i]) + stars // a nested key that is malformed
	}
	return text
}

// maskComment returns a comment fit to be shown. It may be a key that is out of use, or people's own words with a
// secret behind a colon.
func maskComment(line string) string {
	begin := len(line) - len(strings.TrimLeft(line, " \t#;"))
	for i := begin; i < len(line); i++ {
		if line[i] != '=' && line[i] != ':' {
			continue
		}
		value := strings.TrimSpace(line[i+1:])
		if masked := Mask(strings.TrimSpace(line[begin:i]), value); masked != value {
			return line[:i+1] + blanksBefore(line[i+1:]) + masked
		}
	}
	return line
}

// blanksBefore returns the blanks that a text begins with.
func blanksBefore(text string) string { return text[:len(text)-len(strings.TrimLeft(text, " \t"))] }

// maskLine returns a line with a key fit to be shown.
func maskLine(line string) string {
	name, value, found := strings.Cut(line, "=")
	if !found {
		return line
	}
	masked := Mask(strings.TrimSpace(name), strings.TrimSpace(value))
	if masked == strings.TrimSpace(value) {
		at := commentStart([]byte(line), len(name)+1)
		return line[:at] + maskComment(line[at:])
	}
	return name + "=" + blanksBefore(value) + masked
}

// common returns the lines that both texts have, in order: pairs of indexes.
func common(a, b page) [][2]int {
	equal := func(i, j int) bool { return bytes.Equal(a.text(i), b.text(j)) }
	var head, tail [][2]int
	i, j := 0, 0
	for ; i < len(a.lines) && j < len(b.lines) && equal(i, j); i, j = i+1, j+1 {
		head = append(head, [2]int{i, j})
	}
	m, n := len(a.lines), len(b.lines)
	for ; m > i && n > j && equal(m-1, n-1); m, n = m-1, n-1 {
		tail = append(tail, [2]int{m - 1, n - 1})
	}
	slices.Reverse(tail)
	if (m-i)*(n-j) <= 1<<22 { // else everything in the middle counts as changed
		head = append(head, longest(i, m, j, n, equal)...)
	}
	return append(head, tail...)
}

// longest returns the longest common subsequence of a[i:m] and b[j:n].
func longest(i, m, j, n int, equal func(i, j int) bool) [][2]int {
	wide := n - j + 1
	length := make([]int32, (m-i+1)*wide) // of the subsequence of what follows
	at := func(x, y int) *int32 { return &length[(x-i)*wide+y-j] }
	for x := m - 1; x >= i; x-- {
		for y := n - 1; y >= j; y-- {
			if equal(x, y) {
				*at(x, y) = *at(x+1, y+1) + 1
			} else {
				*at(x, y) = max(*at(x+1, y), *at(x, y+1))
			}
		}
	}
	var pairs [][2]int
	for x, y := i, j; x < m && y < n; {
		switch {
		case equal(x, y):
			pairs = append(pairs, [2]int{x, y})
			x, y = x+1, y+1
		case *at(x+1, y) >= *at(x, y+1):
			x++
		default:
			y++
		}
	}
	return pairs
}
