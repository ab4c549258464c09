package shell

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// powershell writes a single-quoted string, in which everything is literal but
// the quote, written twice (about_Quoting_Rules).
//
// The line is printable ASCII always, other characters being written as their
// codes: 'a' + [char]0x2019. That has three reasons. PowerShell takes the
// typographic quotes for quotes as well. A pipe into Invoke-Expression runs
// line by line, so a newline would end the command. And Windows PowerShell
// reads both pipes and files without a BOM in an old code page, where the bytes
// of harmless letters turn into such quotes.
//
// An empty value is an error: to PowerShell before 7.5 it means to remove the
// variable. So are bytes that are not UTF-8: Windows keeps variables in UTF-16.
func powershell(name, value string) (string, error) {
	if value == "" {
		return "", errors.New("the value is empty, which would remove the variable")
	}
	if !utf8.ValidString(value) {
		return "", errors.New("the value is not UTF-8")
	}
	var line strings.Builder
	line.WriteString("$Env:" + name + " = '")
	quoted := true
	for _, c := range value {
		if c < ' ' || '~' < c {
			if quoted {
				line.WriteByte('\'')
				quoted = false
			}
			for _, unit := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&line, " + [char]0x%04X", unit)
			}
			continue
		}
		if !quoted {
			line.WriteString(" + '")
			quoted = true
		}
		if c == '\'' {
			line.WriteRune(c)
		}
		line.WriteRune(c)
	}
	if quoted {
		line.WriteByte('\'')
	}
	return line.String(), nil
}

// windowsCmd writes set "NAME=value", whose quotes keep trailing blanks and
// make ^ & | < > ( ) literal. cmd has no way to write these, so they are errors:
//   - %, which it expands even within quotes. A batch file would want %%, but
//     the prompt and FOR /F would keep both.
//   - !, which it expands if delayed expansion is on (cmd /V:ON, setlocal).
//   - ", which ends the quoted part, so that an & after it starts a command.
//   - A newline or another control character: a line is a command, and the
//     prompt acts on tabs and the like.
//   - What is not ASCII: it depends on the code page of that moment.
//   - An empty value: it would remove the variable.
//   - A line of more than 8191 characters: cmd cuts it off.
func windowsCmd(name, value string) (string, error) {
	if value == "" {
		return "", errors.New("the value is empty, which would remove the variable")
	}
	for i := range len(value) {
		switch c := value[i]; {
		case c == '%':
			return "", errors.New("the value has a %, which cmd would expand")
		case c == '!':
			return "", errors.New("the value has a !, which cmd may expand")
		case c == '"':
			return "", errors.New("the value has a double quote, which cmd cannot quote")
		case c < ' ' || c == 0x7f:
			return "", errors.New("the value has a newline or another control character, which cmd cannot quote")
		case c > 0x7f:
			return "", errors.New("the value has a character outside ASCII, which cmd would read in its own code page")
		}
	}
	line := `set "` + name + "=" + value + `"`
	if len(line) > 8191 {
		return "", errors.New("the line is longer than 8191 characters, where cmd cuts it off")
	}
	return line, nil
}
