// Package shell writes environment variables as commands for a shell, or as a
// file, so that the reader ends up with the very same bytes or nothing is
// written at all.
//
// Credentials are plain words, and come out in the plain form that people know:
// export AWS_ACCESS_KEY_ID=AKIA... Any other value is quoted. A value that a
// format has no safe form for is an error, since what the shell makes of it
// might be another value, or a command.
package shell

import (
	"fmt"
	"strings"
)

// Pair is one environment variable.
type Pair struct {
	Name  string // letters, digits and _, not starting with a digit
	Value string
}

// Formats returns the names that Render knows:
//
//	env            export NAME=value, for sh, bash, zsh and ksh
//	env-no-export  NAME=value, for the same shells
//	powershell     $Env:NAME = 'value'
//	windows-cmd    set "NAME=value", for a batch file and the prompt
//	fish           set -gx NAME value
//	dotenv         NAME=value, for .env files and docker run --env-file
func Formats() []string {
	return []string{"env", "env-no-export", "powershell", "windows-cmd", "fish", "dotenv"}
}

// Render returns one line for each pair, in their order, each ended by a
// newline (a value with a newline makes more of them in env, env-no-export and
// fish). On an error it returns nothing. The error names the variable and the
// format, never the value.
//
// A value with a NUL byte is an error in every format: no variable can hold it.
// What else a format cannot write is said at its function below.
func Render(format string, pairs []Pair) (string, error) {
	write := writer(format)
	if write == nil {
		return "", fmt.Errorf("unknown format %q: the formats are %s", format, strings.Join(Formats(), ", "))
	}
	var lines strings.Builder
	for _, p := range pairs {
		if !isName(p.Name) {
			return "", fmt.Errorf("%s: %q is not a variable name", format, p.Name)
		}
		if strings.Contains(p.Value, "\x00") {
			return "", fmt.Errorf("%s: %s: the value has a NUL byte", format, p.Name)
		}
		line, err := write(p.Name, p.Value)
		if err != nil {
			return "", fmt.Errorf("%s: %s: %w", format, p.Name, err)
		}
		lines.WriteString(line)
		lines.WriteByte('\n')
	}
	return lines.String(), nil
}

func writer(format string) func(name, value string) (string, error) {
	switch format {
	case "env":
		return func(name, value string) (string, error) { return "export " + name + "=" + posix(value), nil }
	case "env-no-export":
		return func(name, value string) (string, error) { return name + "=" + posix(value), nil }
	case "powershell":
		return powershell
	case "windows-cmd":
		return windowsCmd
	case "fish":
		return func(name, value string) (string, error) { return "set -gx " + name + " " + fish(value), nil }
	case "dotenv":
		return dotenv
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		digit := '0' <= c && c <= '9'
		if c != '_' && !digit && (c|0x20 < 'a' || 'z' < c|0x20) || digit && i == 0 {
			return false
		}
	}
	return s != ""
}

// isPlain reports whether every format may write s without quotes. All AWS
// values are plain: letters, digits and + / = : - . _ @ , after which no shell
// looks. An = at the start, or after a colon, is not plain: zsh replaces =ls in
// an assignment by the path of ls. ~ is not plain: in an assignment it is a
// home directory after a colon too.
func isPlain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c == '=' && (i == 0 || s[i-1] == ':'):
			return false
		case strings.IndexByte("+/=:-._@,", c) < 0:
			return false
		}
	}
	return s != ""
}

// posix returns a word for sh and its kin, of any bytes. Within single quotes
// everything is literal but the quote itself, which is put between the quoted
// parts, after a backslash (POSIX.1-2024, Shell Command Language, 2.2.2).
func posix(s string) string {
	if isPlain(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// fish returns a word for fish, of any bytes. Within single quotes a backslash
// escapes the quote and itself, and is literal before anything else (fish
// documentation, The fish language, Quotes).
func fish(s string) string {
	if isPlain(s) {
		return s
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// dotenv writes the form that all readers of such files agree on, and there is
// only one: a plain value without quotes. docker run --env-file knows no quotes
// and would make them a part of the value, sh needs them around anything else,
// and the libraries differ in backslashes, $, # and newlines. So any other
// value is an error. An empty value is fine.
func dotenv(name, value string) (string, error) {
	if !isPlain(value) && value != "" {
		return "", fmt.Errorf("the value needs quotes, which the readers of such files take differently")
	}
	return name + "=" + value, nil
}
