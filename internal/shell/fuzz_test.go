package shell_test

import (
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/credchain/credchain/internal/shell"
)

// FuzzRender writes a value in every format and reads it back with the small
// readers below, which know only the syntax that Render may use: all else makes
// them panic, so that no character of a value can be taken for a command.
func FuzzRender(f *testing.F) {
	for _, value := range values() {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for format, read := range map[string]func(string) string{
			"env":           func(s string) string { return readSingle(after(s, "export V="), `'\''`) },
			"env-no-export": func(s string) string { return readSingle(after(s, "V="), `'\''`) },
			"fish":          readFish,
			"powershell":    readPowerShell,
			"windows-cmd":   readCmd,
			"dotenv":        readDotenv,
		} {
			line, err := shell.Render(format, []shell.Pair{{Name: "V", Value: value}})
			plain := strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/-._@,") == ""
			switch {
			case err != nil && line != "":
				t.Fatalf("%s: a line next to an error", format)
			case err != nil && value != "" && plain && len(value) < 8000:
				t.Fatalf("%s: %q: %v", format, value, err)
			case err != nil:
				continue
			}
			body, ended := strings.CutSuffix(line, "\n")
			if got := read(body); !ended || got != value {
				t.Fatalf("%s: %q is read as %q", format, line, got)
			}
		}
	})
}

func after(s, prefix string) string {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		panic("the line does not start with " + prefix)
	}
	return rest
}

// readSingle reads one word: plain, or in single quotes where stands stands for
// a quote.
func readSingle(s, stands string) string {
	quoted, ok := strings.CutPrefix(s, "'")
	if !ok {
		const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=:-._@,"
		if strings.Trim(s, plain) != "" || strings.HasPrefix(s, "=") || strings.Contains(s, ":=") {
			panic("not plain: " + s)
		}
		return s
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(quoted, "'")
		b.WriteString(before)
		switch {
		case !ok:
			panic("the quote is not closed: " + s)
		case rest == "":
			return b.String()
		}
		b.WriteByte('\'')
		quoted = after("'"+rest, stands)
	}
}

func readFish(s string) string {
	s = after(s, "set -gx V ")
	if !strings.HasPrefix(s, "'") {
		return readSingle(s, "")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && (s[i+1] == '\\' || s[i+1] == '\''):
			i++
			b.WriteByte(s[i])
		case s[i] == '\'':
			if i != len(s)-1 {
				panic("goes on after the quote: " + s)
			}
			return b.String()
		default:
			b.WriteByte(s[i])
		}
	}
	panic("the quote is not closed: " + s)
}

func readPowerShell(s string) string {
	var units []uint16
	s = after(s, "$Env:V = ")
	if !strings.HasPrefix(s, "'") {
		panic("starts with a character, which + would make a number: " + s)
	}
	for i := 0; ; i++ {
		if i > 0 && s == "" {
			return string(utf16.Decode(units))
		}
		if i > 0 {
			s = after(s, " + ")
		}
		if code, ok := strings.CutPrefix(s, "[char]0x"); ok {
			var unit uint16
			for _, c := range code[:4] {
				unit = unit<<4 | uint16(strings.IndexRune("0123456789ABCDEF", c))
			}
			units, s = append(units, unit), code[4:]
			continue
		}
		s = after(s, "'")
		for ; ; s = s[1:] {
			if s[0] < ' ' || s[0] > '~' {
				panic("not printable ASCII")
			}
			if s[0] == '\'' {
				if s = s[1:]; !strings.HasPrefix(s, "'") {
					break
				}
			}
			units = append(units, uint16(s[0]))
		}
	}
}

func readCmd(s string) string {
	s, ok := strings.CutSuffix(after(s, `set "V=`), `"`)
	if !ok || s == "" || strings.ContainsAny(s, "%!\"") || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		panic("cmd would not take this literally: " + s)
	}
	return s
}

func readDotenv(s string) string {
	s = after(s, "V=")
	if strings.HasPrefix(s, "'") || !utf8.ValidString(s) {
		panic("quoted: " + s)
	}
	return readSingle(s, "")
}
