package main

import (
	"os"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// width is that of all text, unless the terminal is narrower: what people paste into tickets and chats.
const width = 100

// terminal says what a stream's reader can show.
type terminal struct {
	there  bool // whether it is a terminal at all
	width  int
	colour bool
}

// terminalOf returns what f can show. Colours are for terminals alone, and not for those of people who set
// NO_COLOR (https://no-color.org) or TERM=dumb.
func terminalOf(f *os.File, getenv func(string) string) terminal {
	t := terminal{width: width}
	if !term.IsTerminal(int(f.Fd())) {
		return t
	}
	t.there = true
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		t.width = min(w, width)
	}
	old := runtime.GOOS == "windows" && getenv("WT_SESSION") == "" // a console that may show escapes as text
	t.colour = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && !old
	return t
}

// style is how a piece of text looks.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "1;31"
	green  style = "1;32"
	yellow style = "33"
)

// paint returns text in a style, if the terminal has colours.
func (t terminal) paint(s style, text string) string {
	if !t.colour || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// lines wraps text for a column that starts at the given place and paints each line.
func (t terminal) lines(s style, text string, column int) []string {
	lines := wrap(printable(text), max(t.width-column, 20))
	for i := range lines {
		lines[i] = t.paint(s, lines[i])
	}
	return lines
}

// wrap breaks text between words into lines of at most width characters. It cuts no word: a path that is
// longer stands in a line of its own.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// printable replaces what would move the cursor or change the terminal: names of profiles and paths come
// from files and variables.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, s)
}
