package process

import (
	"errors"
	"runtime"
	"strings"
)

var (
	errUnclosed  = errors.New("a quotation mark is not closed")
	errBackslash = errors.New("a backslash at the end escapes nothing")
)

// Split cuts a command into words by the rules of this system: SplitWindows on Windows, SplitPOSIX elsewhere.
// No shell has a part in it. An error never quotes the command, which may hold a secret.
func Split(command string) ([]string, error) {
	if runtime.GOOS == "windows" {
		return SplitWindows(command)
	}
	return SplitPOSIX(command)
}

// SplitPOSIX cuts a command as the AWS CLI does, with Python's shlex.split. Words end at blanks, tabs and line
// ends. Quotes of both kinds may stand anywhere in a word. Within single quotes everything is literal; within
// double quotes a backslash escapes a double quote and itself, and is literal before anything else. Outside,
// a backslash makes the next character literal, a line end too. There are no comments.
func SplitPOSIX(command string) ([]string, error) {
	var (
		words []string
		word  []byte
		begun bool // there is a word, perhaps of no characters
		quote byte // the open one, or 0
	)
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case c == '\\' && quote != '\'':
			if i++; i == len(command) {
				return nil, errBackslash
			}
			if next := command[i]; quote == '"' && next != '"' && next != '\\' {
				word = append(word, '\\')
			}
			word, begun = append(word, command[i]), true
		case c == quote && quote != 0: // c may be a NUL
			quote = 0
		case quote != 0:
			word = append(word, c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case strings.IndexByte(" \t\r\n", c) >= 0:
			if begun {
				words = append(words, string(word))
			}
			word, begun = word[:0], false
		default:
			word, begun = append(word, c), true
		}
	}
	if quote != 0 {
		return nil, errUnclosed
	}
	if begun {
		words = append(words, string(word))
	}
	return words, nil
}

// SplitWindows cuts a command as the AWS CLI does on Windows, by the rules of the C run-time library. Words end
// at blanks and tabs. Only the double quote quotes, anywhere in a word. Backslashes are literal, unless they
// stand before a double quote: then two of them are one backslash, and one that is left over makes the quote
// literal. The first word is no exception, and two double quotes in a row within a quoted part are not one, as
// they would be to the library itself: the AWS CLI does not know these two rules.
func SplitWindows(command string) ([]string, error) {
	var (
		words  []string
		word   []byte
		begun  bool
		quoted bool
	)
	for i := 0; i < len(command); i++ {
		rest := strings.TrimLeft(command[i:], `\`)
		slashes := len(command) - i - len(rest)
		if strings.HasPrefix(rest, `"`) {
			word, begun = append(word, command[i:i+slashes/2]...), true
			if slashes%2 == 1 {
				word = append(word, '"')
			} else {
				quoted = !quoted
			}
			i += slashes
			continue
		}
		switch c := command[i]; {
		case slashes > 0:
			word, begun = append(word, command[i:i+slashes]...), true
			i += slashes - 1
		case (c == ' ' || c == '\t') && !quoted:
			if begun {
				words = append(words, string(word))
			}
			word, begun = word[:0], false
		default:
			word, begun = append(word, c), true
		}
	}
	if quoted {
		return nil, errUnclosed
	}
	if begun {
		words = append(words, string(word))
	}
	return words, nil
}

// LooksLikeShell returns the first character of a command that only a shell would understand, "" if there is
// none: one of | & ; < > and the backtick, a $ before a name, a ~ at the start of a word, the = of a variable
// set for the command, and on Windows also the % of %NAME%. Quoted ones do not count, except a $ within double quotes
// in the name of the program.
//
// It is a guess, since an unquoted & may belong to an address. Such a command runs in the AWS CLI, so it
// should run here; if it then fails, the error can say how to wrap it in sh -c '...'.
func LooksLikeShell(command string) string {
	if runtime.GOOS == "windows" {
		return looksLikeWindowsShell(command)
	}
	return looksLikePOSIXShell(command)
}

func looksLikePOSIXShell(command string) string {
	command = strings.TrimLeft(command, " \t\r\n")
	if isAssignment(command) {
		return "="
	}
	var (
		quote   byte
		start   = true // of a word
		program = true // the first word
	)
	for i := 0; i < len(command); i++ {
		c, rest := command[i], command[i+1:]
		switch {
		case c == '\\' && quote != '\'':
			i++
		case c == quote && quote != 0:
			quote = 0
		case quote == '\'', quote == '"' && !program:
		case c == '$' && expands(rest), c == '`':
			return string(c)
		case quote != 0:
		case c == '\'' || c == '"':
			quote = c
		case strings.IndexByte("|&;<>", c) >= 0, c == '~' && start:
			return string(c)
		case strings.IndexByte(" \t\r\n", c) >= 0:
			start, program = true, false
			continue
		}
		start = false
	}
	return ""
}

func looksLikeWindowsShell(command string) string {
	command = strings.TrimLeft(command, " \t")
	if isAssignment(command) {
		return "="
	}
	quoted, start := false, true
	for i := 0; i < len(command); i++ {
		c, rest := command[i], command[i+1:]
		switch {
		case c == '"' && (i == 0 || command[i-1] != '\\'):
			quoted = !quoted
		case c == '%' && expandsPercent(rest): // within quotes as well
			return string(c)
		case quoted:
		case strings.IndexByte("|&<>", c) >= 0, c == '~' && start, c == '$' && expands(rest):
			return string(c)
		}
		start = !quoted && (c == ' ' || c == '\t')
	}
	return ""
}

// expands reports whether a shell would replace a $ before rest.
func expands(rest string) bool {
	return rest != "" && (isNameByte(rest[0]) && !isDigit(rest[0]) || rest[0] == '{' || rest[0] == '(')
}

// expandsPercent reports whether cmd would take a % before rest for the start of %NAME%.
func expandsPercent(rest string) bool {
	return nameLength(rest) > 0 && strings.HasPrefix(rest[nameLength(rest):], "%")
}

// isAssignment reports whether a command starts with NAME=.
func isAssignment(command string) bool {
	n := nameLength(command)
	return n > 0 && strings.HasPrefix(command[n:], "=")
}

// nameLength is the length of the variable name that s starts with.
func nameLength(s string) int {
	n := 0
	for n < len(s) && isNameByte(s[n]) && (n > 0 || !isDigit(s[0])) {
		n++
	}
	return n
}

func isNameByte(c byte) bool {
	return c == '_' || isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
