package profile

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/credchain/credchain/internal/ini"
)

// checkValue refuses a value that the AWS tools would not read back as it is. Quotes are nothing special to most
// of them, and so they are here; the AWS SDK for Go takes a pair of them off.
func checkValue(key, value string) error {
	var msg string
	switch {
	case strings.ContainsAny(value, "\r\n"):
		msg = "the value holds a line break"
	case !utf8.ValidString(value):
		msg = "the value is not UTF-8"
	case strings.ContainsFunc(value, unicode.IsControl):
		msg = "the value holds a control character"
	case strings.TrimSpace(value) != value:
		msg = "the value begins or ends with a blank, which would be lost"
	case commentStart([]byte("= "+value), 0) < len(value)+2:
		msg = `the value has a "#" or ";" at its start or after a blank, which would begin a comment`
	default:
		return nil
	}
	return &InputError{key, msg}
}

// checkKey refuses a name for a new key that some tool takes for something else: a colon ends a name for the
// AWS CLI, for example.
func checkKey(name string) error {
	switch {
	case name == "":
		return &InputError{"key", "it has no name"}
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "":
		return &InputError{name, "the name of a key is made of letters, digits, - and _"}
	}
	return nil
}

// header returns the header line of a new section. Of the ways to write one it takes the first that reads back;
// in the config file a name with blanks stands in quotes, and in those that the AWS CLI writes: it does not find
// a section in others, and would add a second one.
func (f *File) header(s Section) (string, error) {
	// What ends a header, or begins a comment in it, for some tool.
	if s.Name == "" || !utf8.ValidString(s.Name) || strings.ContainsAny(s.Name, "[]#;") ||
		strings.ContainsFunc(s.Name, unicode.IsControl) || strings.TrimSpace(s.Name) != s.Name {
		return "", &InputError{s.String(), "the name of a section must not be empty, hold any of [ ] # ; or a control character, or begin or end with a blank"}
	}
	ways := []string{"[" + s.Name + "]"}
	if prefix := [...]string{Profile: "profile ", SSOSession: "sso-session ", Services: "services "}; s.Kind < Other {
		ways = append(ways, "["+prefix[s.Kind]+s.Name+"]", "["+prefix[s.Kind]+"'"+s.Name+"']", "["+prefix[s.Kind]+`"`+s.Name+`"]`)
	}
	for _, w := range ways {
		if ref, err := headerOf([]byte(w), f.style); err == nil && ref == (ini.Ref{Kind: ini.Kind(s.Kind), Name: s.Name}) {
			return w, nil
		}
	}
	return "", &InputError{s.String(), "no header for it can be written in this file"}
}
