package jvm

import (
	"io"
	"strings"
)

// launch does what the java command does with JDK_JAVA_OPTIONS before the JVM
// sees it: it puts in the content of argument files, refuses what could choose
// or replace the main class, and takes out the values of its own options, so
// that only the JVM's options are left.
func launch(words []word, open func(string) (io.ReadCloser, error)) ([]word, error) {
	l := launcher{}
	for _, w := range words {
		name, isFile := strings.CutPrefix(w.text, "@")
		switch {
		case !isFile || name == "" || l.filesOff:
			// A lone @ is a word like any other.
			if err := l.add(w); err != nil {
				return nil, err
			}
		case strings.HasPrefix(name, "@"):
			// @@name stands for the word @name.
			w.text = name
			if err := l.add(w); err != nil {
				return nil, err
			}
		default:
			content, err := readFile(name, open)
			if err != nil {
				return nil, w.errorf("argument file: %w", err)
			}
			// The words of the file are not looked at for files again.
			for _, inner := range w.inFile(argumentFile(content)) {
				if err := l.add(inner); err != nil {
					return nil, err
				}
			}
		}
	}
	return l.options, nil
}

type launcher struct {
	options    []word
	wantsValue bool // the word before takes its value from the next one
	filesOff   bool // disableFiles was seen
}

func (l *launcher) add(w word) error {
	isOption := strings.HasPrefix(w.text, "-")
	switch {
	case l.wantsValue && isOption:
		return w.errorf("an option where java wants the value of the word before")
	case l.wantsValue:
		l.wantsValue = false
		return nil
	case !isOption:
		return w.errorf("java takes this for the main class, which %s may not name (is a quote missing?)", launcherOptions)
	case isRefused(w.text):
		return w.errorf("java refuses %s in %s", w.text, launcherOptions)
	case strings.HasPrefix(w.text, "--module="):
		return w.errorf("java refuses --module in %s", launcherOptions)
	}
	l.wantsValue = takesValue(w.text)
	l.filesOff = l.filesOff || w.text == disableFiles
	l.options = append(l.options, w)
	return nil
}

// argumentFile cuts an argument file into words. It is not the syntax of the
// variable: quotes and backslashes work otherwise, and there are comments. The
// syntax is under "java Command-Line Argument Files" in java(1); these points
// are the launcher's own:
//   - A vertical tab is no blank.
//   - A backslash counts inside quotes only: \n, \r, \t and \f, the end of the
//     line (joined to the next one without its leading blanks), or else the
//     character that follows.
//   - The end of the line closes a quote, and so does the end of the file.
//   - A # outside quotes starts a comment even within a word. What stood
//     unquoted right before it is lost, and what had been quoted goes on with
//     the next line.
//   - Whatever is cut off by the end of the file in a comment, after a backslash
//     or after a joined line is lost, and so is a last word of no characters.
func argumentFile(s string) []string {
	const (
		between = iota // before a word, or before the rest of one after \ at the end of a line
		inside         // in a word, quoted or not
		escape         // after a backslash
		comment
	)
	var (
		words []string
		done  []byte // of this word, safe from a comment
		run   []byte // of this word, since the last quote or escape
		quote byte   // the open quote, or 0
		state = between
	)
	for i := 0; i < len(s); i++ {
		c := s[i]
		endOfLine := c == '\n' || c == '\r'
		blank := c == ' ' || c == '\t' || c == '\f'
		switch state {
		case comment:
			if endOfLine {
				state = between
			}
			continue
		case escape:
			state = inside
			if endOfLine {
				state = between
			} else if at := strings.IndexByte("nrtf", c); at >= 0 {
				done = append(done, "\n\r\t\f"[at])
			} else {
				done = append(done, c)
			}
			continue
		case between:
			if blank || endOfLine {
				continue
			}
			state = inside
		}
		switch {
		case endOfLine, blank && quote == 0:
			words = append(words, string(append(done, run...)))
			done, run, quote, state = nil, nil, 0, between
		case c == '#' && quote == 0:
			run, state = nil, comment
		case c == '\\' && quote != 0:
			done, run, state = append(done, run...), nil, escape
		case c == quote:
			done, run, quote = append(done, run...), nil, 0
		case (c == '"' || c == '\'') && quote == 0:
			done, run, quote = append(done, run...), nil, c
		default:
			run = append(run, c)
		}
	}
	if last := append(done, run...); state == inside && len(last) > 0 {
		words = append(words, string(last))
	}
	return words
}

// isRefused reports whether an option chooses the main class or ends the
// launcher without starting it. java(1) gives the reason, the list is the
// launcher's.
func isRefused(option string) bool {
	switch option {
	case "-jar", "-m", "--module", "--dry-run",
		"-h", "-?", "-help", "--help", "-X", "--help-extra",
		"-version", "--version", "-fullversion", "--full-version":
		return true
	}
	return false
}

// takesValue reports whether the next word is the value of a launcher's option.
func takesValue(option string) bool {
	switch option {
	case "-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path",
		"--add-modules", "--limit-modules", "--add-exports", "--add-opens", "--add-reads", "--patch-module",
		"--enable-native-access", "-d", "--describe-module", "--source":
		return true
	}
	return false
}
