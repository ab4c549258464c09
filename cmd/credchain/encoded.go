package main

import (
	"regexp"
	"strings"
)

// The services write "Encoded authorization failure message: " before it (EC2, RDS and others), and some tools
// other words that end in the same.
var (
	marker  = regexp.MustCompile(`(?i)encoded\s+(authorization\s+)?(failure\s+)?message\s*:\s*`)
	escapes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
	// margin is what tools write at the beginning of each line that they wrap.
	margin = regexp.MustCompile(`(?m)^[ \t│|>#*]+`)
)

const (
	shortestMessage = 60 // shorter text is no message, where nothing says that one follows
	longestMessage  = 10240
)

// findMessage finds the encoded message in what somebody pasted.
func findMessage(text string) (string, error) {
	text = margin.ReplaceAllString(escapes.ReplaceAllString(text, ""), "")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	found, rest := "", ""
	if at := marker.FindStringIndex(text); at != nil {
		found, rest = joined(strings.TrimLeft(text[at[1]:], " \t\n\"'`"))
		if found == "" {
			return "", usage("nothing stands after \""+strings.TrimSpace(text[at[0]:at[1]])+"\"", "give the whole error")
		}
	} else {
		for i := 0; i < len(text); i++ {
			if !encodedByte(text[i]) || i > 0 && encodedByte(text[i-1]) {
				continue
			}
			word, after := joined(text[i:])
			if len(word) > len(found) {
				found, rest = word, after
			}
			i = len(text) - len(after)
		}
		if len(found) < shortestMessage {
			return "", usage("no encoded authorization message is in the text",
				"give the error with the words \"Encoded authorization failure message\", or the message alone")
		}
	}
	switch {
	case shortened(rest):
		return "", usage("the encoded message is cut off at its end", "STS decodes only the whole message: find the error where it is not shortened")
	case len(found) > longestMessage:
		return "", usage("the encoded message is longer than the 10240 characters that STS takes", "give the message alone")
	}
	return found, nil
}

// joined returns the message at the beginning of text, and what follows. It goes on in the next line if the
// line before is full.
func joined(text string) (message, rest string) {
	for lines, width := 0, 0; ; lines++ {
		n := 0
		for n < len(text) && encodedByte(text[n]) {
			n++
		}
		if lines > 0 && !(endsLine(text[n:]) && continues(text[:n], width, lines)) {
			return message, text
		}
		message, rest = message+text[:n], text[n:]
		if lines == 0 {
			width = n
		}
		end := strings.TrimLeft(rest, " \t")
		if n < width || n == 0 || !strings.HasPrefix(end, "\n") {
			return message, rest
		}
		text = strings.TrimLeft(end, "\n \t")
	}
}

// continues reports whether a word in a line of its own goes on with a message of that many lines, all full. It is
// no longer than those. After one line, which may be the whole message, it must be long itself; after more it may be
// what is left over, if it does not look like a word of a language.
func continues(word string, width, lines int) bool {
	if word == "" || len(word) > width {
		return false
	}
	return len(word) >= 20 || lines > 1 &&
		strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" && strings.Trim(word[1:], "abcdefghijklmnopqrstuvwxyz") != ""
}

// endsLine reports whether nothing but what closes a quotation, or says that a message was shortened, stands in the
// rest of a line.
func endsLine(rest string) bool {
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(line, " \t\"'`.,;)}]") == "" || shortened(line)
}

func shortened(rest string) bool {
	rest = strings.TrimLeft(rest, " \t\n")
	for _, sign := range []string{"...", "…", "[...", "[truncated", "(truncated", "<truncated"} {
		if strings.HasPrefix(strings.ToLower(rest), sign) {
			return true
		}
	}
	return false
}

// encodedByte reports whether a message can have the byte: it is a kind of base64 for URLs.
func encodedByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		return true
	}
	return false
}
