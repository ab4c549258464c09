package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// parseProcessOutput reads the document that a credential_process writes: an object with Version, which is the
// number 1, AccessKeyId, SecretAccessKey, and perhaps SessionToken, Expiration and AccountId (AWS SDKs and Tools
// Reference Guide, "Process credential provider"). A null is a field that is not there, and so is an empty
// SessionToken or AccountId. Without an Expiration the credentials do not expire.
//
// Errors name the field. They never quote the output, which is why none of the JSON parser's own is used.
func parseProcessOutput(stdout []byte) (aws.Credentials, error) {
	d, err := parseProcessDocument(stdout)
	if err != nil {
		return aws.Credentials{}, err
	}
	if err := d.checkVersion(); err != nil {
		return aws.Credentials{}, err
	}
	creds := aws.Credentials{Source: "Process"}
	for _, f := range [...]struct {
		name     string
		value    *string
		required bool
	}{
		{"AccessKeyId", &creds.AccessKeyID, true},
		{"SecretAccessKey", &creds.SecretAccessKey, true},
		{"SessionToken", &creds.SessionToken, false},
		{"AccountId", &creds.AccountID, false},
	} {
		value, there, err := d.text(f.name)
		switch {
		case err != nil:
			return aws.Credentials{}, err
		case !there && f.required:
			return aws.Credentials{}, fmt.Errorf("the output has no %s", f.name)
		case value == "" && f.required:
			return aws.Credentials{}, fmt.Errorf("the output's %s is empty", f.name)
		}
		*f.value = value
	}
	if strings.ContainsAny(creds.AccessKeyID, " \"'") {
		return aws.Credentials{}, errors.New("the output's AccessKeyId holds a blank or a quotation mark")
	}
	value, there, err := d.text("Expiration")
	if err == nil && there {
		creds.CanExpire = true
		creds.Expires, err = parseProcessExpiration(value)
	}
	if err != nil {
		return aws.Credentials{}, err
	}
	return creds, nil
}

// processDocument is the object, by its keys as they are spelled.
type processDocument map[string]json.RawMessage

func parseProcessDocument(stdout []byte) (processDocument, error) {
	const blanks = " \t\r\n" // of JSON
	text := bytes.Trim(stdout, blanks)
	switch {
	case len(text) == 0:
		return nil, errors.New("the program wrote nothing to its standard output")
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return nil, errors.New("the output is in UTF-16, not in UTF-8")
	case bytes.HasPrefix(text, []byte("\ufeff")):
		return nil, errors.New("the output begins with a byte order mark, which no AWS SDK takes")
	case !utf8.Valid(text):
		return nil, errors.New("the output is not in UTF-8")
	case text[0] != '{':
		return nil, errors.New("the output does not begin with a JSON object: the program must write nothing else to its standard output")
	}
	var d processDocument
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&d); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("the output is not JSON from its byte %d on", syntax.Offset+int64(len(stdout)-len(bytes.TrimLeft(stdout, blanks))))
		}
		return nil, errors.New("the output's JSON object is cut short")
	}
	if decoder.InputOffset() < int64(len(text)) {
		return nil, errors.New("something follows the JSON object in the output: the program must write nothing else to its standard output")
	}
	return d, nil
}

// field returns a field that is there and not null. Its exact name goes first, and else the case is ignored, as
// the Go SDK does; two other spellings at once could be two values.
func (d processDocument) field(name string) (json.RawMessage, error) {
	raw, there := d[name]
	if !there {
		for key, value := range d {
			switch {
			case !strings.EqualFold(key, name):
			case there:
				return nil, fmt.Errorf("the output has %s in two spellings", name)
			default:
				raw, there = value, true
			}
		}
	}
	if string(raw) == "null" {
		return nil, nil
	}
	return raw, nil
}

// checkVersion: "1" is a mistake that the SDKs refuse as well.
func (d processDocument) checkVersion() error {
	raw, err := d.field("Version")
	if err != nil {
		return err
	}
	var n float64
	switch {
	case raw == nil:
		return errors.New("the output has no Version, which must be the number 1")
	case raw[0] == '"':
		return errors.New("the output's Version is a string; it must be the number 1")
	case json.Unmarshal(raw, &n) != nil || n != 1:
		return errors.New("the output's Version is not the number 1")
	}
	return nil
}

// text returns a field that is a string fit for a header. What is not in it is not repaired: no SDK would.
func (d processDocument) text(name string) (value string, there bool, err error) {
	raw, err := d.field(name)
	if err != nil || raw == nil {
		return "", false, err
	}
	if json.Unmarshal(raw, &value) != nil {
		return "", false, fmt.Errorf("the output's %s is not a string", name)
	}
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", false, fmt.Errorf("the output's %s holds a line end or another control character", name)
	case strings.ContainsRune(value, utf8.RuneError): // half a surrogate pair
		return "", false, fmt.Errorf("the output's %s holds a broken character", name)
	case strings.TrimSpace(value) != value:
		return "", false, fmt.Errorf("the output's %s has blanks around it", name)
	}
	return value, true, nil
}

// parseProcessExpiration reads a time as the SDKs do, RFC 3339, and what botocore takes besides that programs
// write: a blank in place of the T, a zone without its colon, and UTC or GMT by name. A time without a zone is
// none: botocore fails on it as well.
func parseProcessExpiration(s string) (time.Time, error) {
	if name := strings.TrimRight(s, " "); len(name) > 3 {
		if zone := name[len(name)-3:]; zone == "UTC" || zone == "GMT" {
			s = strings.TrimRight(name[:len(name)-3], " ") + "Z"
		}
	}
	s = strings.Replace(s, " ", "T", 1)
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07"} {
		end, err := time.Parse(layout, s)
		switch {
		case err != nil:
		case !end.After(time.Now()):
			return time.Time{}, fmt.Errorf("the credentials in the output expired at %s (Expiration)", end.UTC().Format(time.RFC3339))
		default:
			return end, nil
		}
	}
	return time.Time{}, errors.New("the output's Expiration is no RFC 3339 time with a time zone")
}

const (
	maxFailure = 300 // bytes of standard error in an error
	maskedRun  = 40  // the length of a secret access key
	mask       = "***"
)

// processFailure makes what a program wrote to its standard error fit for an error: the end of it, on one line,
// without terminal controls, and without what looks like a secret. It is "" if nothing is left.
//
// Taken for a secret is a run of 40 or more characters of base64, base64url or their escaped forms, and what
// follows a name that says so. That costs some plain words, such as long paths. A program is told not to write
// secrets there (AWS CLI User Guide, "Sourcing credentials with an external process"), and some do.
func processFailure(stderr []byte) string {
	s := maskRuns(maskNamed(oneLineOfTerminal(string(stderr))))
	if len(s) <= maxFailure {
		return s
	}
	s = s[len(s)-maxFailure:]
	if _, rest, found := strings.Cut(s, " "); found {
		s = rest
	}
	return "… " + strings.ToValidUTF8(s, "")
}

// oneLineOfTerminal drops what a terminal would not print, and makes every break a blank.
func oneLineOfTerminal(s string) string {
	var b strings.Builder
	blank := false
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == '\x1b':
			size = escapeLength(s)
		case unicode.IsSpace(r):
			blank = true
		case r == utf8.RuneError && size == 1:
			r = '?'
			fallthrough
		case unicode.IsPrint(r):
			if blank && b.Len() > 0 {
				b.WriteByte(' ')
			}
			blank = false
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// escapeLength is the length of the control sequence that s begins with (ECMA-48, 5.3 and 5.4): a colour, a
// movement, or a command with a text of its own, such as a window's title.
func escapeLength(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] < ' ' || s[i] > '?' {
				return i + 1
			}
		}
		return len(s)
	case ']', 'P', '^', '_', 'X':
		if i := strings.IndexAny(s[2:], "\a\x1b\n"); i >= 0 && s[2+i] == '\a' {
			return 2 + i + 1
		} else if i >= 0 && strings.HasPrefix(s[2+i:], "\x1b\\") {
			return 2 + i + 2
		}
	}
	return 2
}

// maskNamed masks the values of names such as AWS_SESSION_TOKEN, "SecretAccessKey" or --password.
func maskNamed(s string) string {
	var b strings.Builder
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return !isNameRune(r) })
		if n < 0 {
			n = len(s)
		}
		if n == 0 {
			_, n = utf8.DecodeRuneInString(s)
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		value, end := namedSecret(s[:n], s[n:])
		b.WriteString(s[:n+value])
		if end > value {
			b.WriteString(mask)
		}
		s = s[n+end:]
	}
	return b.String()
}

func isNameRune(r rune) bool {
	return r == '_' || r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
}

// namedSecret returns where in rest, which follows name, a secret starts and ends; 0 and 0 if there is none. After a
// colon alone a short word is taken for prose, as in "token: expired", unless the name is clear.
func namedSecret(name, rest string) (start, end int) {
	name = strings.ToLower(name)
	clear := containsAny(name, "secret", "passw", "passphrase", "authorization")
	if !clear && !containsAny(name, "token", "passcode", "assertion", "samlresponse", "cookie") {
		return 0, 0
	}
	after := strings.TrimLeft(rest, `\`)
	quotes := strings.TrimLeft(after, `"'`)
	tail := strings.TrimLeft(quotes, " ")
	separator := ""
	switch {
	case strings.HasPrefix(tail, "="), strings.HasPrefix(tail, ":"):
		separator = tail[:1]
		tail = strings.TrimLeft(tail, "=: ")
	case strings.HasPrefix(name, "-") && len(tail) < len(quotes):
		separator = " "
	default:
		return 0, 0
	}
	value := strings.TrimLeft(tail, `\"'`)
	quoted := len(value) < len(tail) || len(quotes) < len(after)
	stop := ` "',;&)}]`
	if len(value) < len(tail) {
		stop = `"'`
	}
	size := len(value)
	if i := strings.IndexAny(value, stop); i >= 0 {
		size = i
	}
	if scheme := strings.ToLower(value[:size]); scheme == "bearer" || scheme == "basic" {
		word := strings.TrimLeft(value[size:], " ")
		size = len(value) - len(word)
		if i := strings.IndexAny(word, stop); i >= 0 {
			size += i
		} else {
			size = len(value)
		}
	}
	if separator == ":" && !quoted && !clear && size < 16 {
		return 0, 0
	}
	start = len(rest) - len(value)
	return start, start + size
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// maskRuns masks what is long and could be base64.
func maskRuns(s string) string {
	var b strings.Builder
	for s != "" {
		n := 0
		for n < len(s) && isRunByte(s[n]) {
			n++
		}
		switch {
		case n == 0:
			n = 1
			fallthrough
		case n < maskedRun, isLowerPath(s[:n]):
			b.WriteString(s[:n])
		default:
			b.WriteString(mask)
		}
		s = s[n:]
	}
	return b.String()
}

// isRunByte: % and \ are in base64 that was escaped for a URL or JSON.
func isRunByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte(`+/_-%\`, c) >= 0
}

// isLowerPath reports whether a run is rather a path: of several names, none of them long, and without a capital, which a key or token
// of that length has.
func isLowerPath(run string) bool {
	if strings.ContainsAny(run, `+%\`) || strings.ToLower(run) != run {
		return false
	}
	names := strings.Split(run, "/")
	for _, name := range names {
		if len(name) >= maskedRun {
			return false
		}
	}
	return len(names) > 2
}
