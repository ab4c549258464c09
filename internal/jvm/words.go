package jvm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// word is one word of a variable, or of a file that the variable names.
type word struct {
	text     string
	variable string
	position int // in the variable, from 1
	inside   int // in the file which that word names, from 1; 0 outside a file
}

// errorf makes an error that says where the word stands. The text of a word
// must not be among the arguments: it may be half a secret.
func (w word) errorf(format string, args ...any) error {
	where := fmt.Sprintf("%s: word %d", w.variable, w.position)
	if w.inside > 0 {
		where += fmt.Sprintf(" (word %d of its file)", w.inside)
	}
	return fmt.Errorf("%s: %w", where, fmt.Errorf(format, args...))
}

// inFile returns the words of the file that w names.
func (w word) inFile(texts []string) []word {
	words := make([]word, len(texts))
	for i, text := range texts {
		words[i] = word{text: text, variable: w.variable, position: w.position, inside: i + 1}
	}
	return words
}

// split cuts a variable into words, as both the launcher and HotSpot do: at
// blanks, with single and double quotes that may open and close anywhere in a
// word and keep what is between them. A backslash is a plain character, also
// before a quote. ” is a word of no characters. It reports false for a quote
// that is not closed.
func split(s string) (words []string, ok bool) {
	var current strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isSpace(c):
			if inWord {
				words = append(words, current.String())
				current.Reset()
				inWord = false
			}
		case c == '\'' || c == '"':
			inWord = true
			length := strings.IndexByte(s[i+1:], c)
			if length < 0 {
				return nil, false
			}
			current.WriteString(s[i+1 : i+1+length])
			i += 1 + length
		default:
			inWord = true
			current.WriteByte(c)
		}
	}
	if inWord {
		words = append(words, current.String())
	}
	return words, true
}

// isSpace is C's isspace for the bytes of any locale that Java runs in.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// readFile reads a whole file. Its errors leave out the name, which is a part
// of the variable's text.
func readFile(name string, open func(string) (io.ReadCloser, error)) (string, error) {
	file, err := open(name)
	if err != nil {
		return "", withoutName(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	switch {
	case err != nil:
		return "", withoutName(err)
	case len(content) > maxSize:
		return "", errors.New("larger than 1 MiB")
	case strings.Contains(string(content), "\x00"):
		// Java would cut the option there, or hang. It is a file in UTF-16.
		return "", errors.New("has a NUL byte, so it is not text that java can read")
	}
	return string(content), nil
}

// withoutName returns what is wrong with a file, without the file's name.
func withoutName(err error) error {
	for _, known := range []error{fs.ErrNotExist, fs.ErrPermission} {
		if errors.Is(err, known) {
			return known
		}
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) && pathError.Err != nil {
		return pathError.Err
	}
	return errors.New("cannot be read")
}
