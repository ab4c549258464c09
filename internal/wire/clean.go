package wire

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxClean = 512     // bytes of a service's words that are kept
	maxRaw   = 8 << 10 // bytes that are looked at
	run      = 12      // so many bytes of a secret in a row are taken for a part of it
)

// Clean makes a service's words fit for an error: on one line, printable, at most 512 bytes, and with REDACTED
// in place of each of the secrets that the request carried. A secret is found as it is, as a form or a URL
// carries it, and in part, since a service may cut short what it quotes. One of fewer than 12 bytes, such as
// an MFA code, is found only where it is a word of its own: the same digits can stand in an account ID.
func Clean(s string, secrets ...string) string {
	if len(s) > maxRaw {
		s = s[:maxRaw]
	}
	s = redact(s, secrets)
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if len(s) > maxClean {
		s = strings.ToValidUTF8(s[:maxClean-3], "") + "..."
	}
	return s
}

// redact marks everything that is secret before it replaces anything: a form of a secret that was replaced
// would leave pieces of another form behind, too short to be known.
func redact(s string, secrets []string) string {
	covered := make([]bool, len(s))
	for _, secret := range secrets {
		if len(secret) < run {
			coverWord(covered, s, secret)
			continue
		}
		coverParts(covered, s, secret)
		if escaped := url.QueryEscape(secret); escaped != secret {
			coverParts(covered, s, escaped)
		}
	}
	var b strings.Builder
	for i := range len(s) {
		switch {
		case !covered[i]:
			b.WriteByte(s[i])
		case i == 0 || !covered[i-1]:
			b.WriteString("REDACTED")
		}
	}
	return b.String()
}

// coverParts marks secret in s, and every part of it that is long enough to be told from chance.
func coverParts(covered []bool, s, secret string) {
	at := make(map[string][]int) // the runs of s, and where they start
	for i := 0; i+run <= len(s); i++ {
		at[s[i:i+run]] = append(at[s[i:i+run]], i)
	}
	for i := 0; i+run <= len(secret); i++ {
		part := secret[i : i+run]
		for _, start := range at[part] {
			cover(covered[start : start+run])
		}
		delete(at, part) // a secret that repeats itself does not cost its length times that of s
	}
}

// coverWord marks secret where no letter or digit is next to it.
func coverWord(covered []bool, s, secret string) {
	if secret == "" {
		return
	}
	for from := 0; ; {
		i := strings.Index(s[from:], secret)
		if i < 0 {
			return
		}
		start, end := from+i, from+i+len(secret)
		before, _ := utf8.DecodeLastRuneInString(s[:start])
		after, _ := utf8.DecodeRuneInString(s[end:])
		if !isWord(before) && !isWord(after) {
			cover(covered[start:end])
		}
		from = end
	}
}

func cover(covered []bool) {
	for i := range covered {
		covered[i] = true
	}
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
