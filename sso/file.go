package sso

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/credchain/credchain/internal/wire"
)

// field is one known field of the file. Of a field that is text, time is nil.
type field struct {
	name string
	text *string
	time *time.Time

	needed bool // its absence is an error
	lax    bool // a value of another type is no error, as no SDK reads it before a refresh
}

// fields are the known ones, in the order in which the AWS CLI writes them.
func (t *Token) fields() []field {
	return []field{
		{name: "startUrl", text: &t.StartURL, lax: true},
		{name: "region", text: &t.Region, lax: true},
		{name: "accessToken", text: &t.AccessToken, needed: true},
		{name: "expiresAt", time: &t.Expires, needed: true},
		{name: "clientId", text: &t.ClientID},
		{name: "clientSecret", text: &t.ClientSecret},
		{name: "registrationExpiresAt", time: &t.RegistrationExpires, lax: true},
		{name: "refreshToken", text: &t.RefreshToken},
	}
}

// ParseToken reads a file of the AWS CLI's cache. It takes what the SDKs take: both forms of time that the CLI
// has written, and any field that it does not know, which [Token.File] writes again as it was. accessToken and
// expiresAt must be there. An error names the field that is missing or broken and never quotes its value. A
// session that has expired is no error.
func ParseToken(file []byte) (Token, error) {
	if len(file) > wire.MaxBody {
		return Token{}, fmt.Errorf("sso: token: %w", errTooLong)
	}
	members, err := split(file)
	if err != nil {
		return Token{}, fmt.Errorf("sso: token: %w", err)
	}
	var t Token
	for _, f := range t.fields() {
		for _, m := range slices.Backward(members) { // of a name that recurs the last one counts, as in all readers
			if m.name != f.name {
				continue
			}
			if err := f.read(m.value); err != nil && !f.lax {
				return Token{}, fmt.Errorf("sso: token: %w", err)
			}
			break
		}
		if f.needed && f.empty() {
			return Token{}, fmt.Errorf("sso: token: %s is missing", f.name)
		}
	}
	t.rest = string(file)
	return t, nil
}

var errTooLong = fmt.Errorf("longer than %d bytes", wire.MaxBody)

// File returns t in the format of the AWS CLI's cache. If t was read by [ParseToken], also after a refresh,
// every field that is not known is there as it was, and so are the order of the fields and the values that
// have not changed. AccessToken and Expires must be set. The file holds secrets: mode 0600.
func (t Token) File() ([]byte, error) {
	var old []member
	if t.rest != "" {
		var err error
		if old, err = split([]byte(t.rest)); err != nil {
			return nil, fmt.Errorf("sso: token: %w", err)
		}
	}
	known := t.fields()
	for _, f := range known {
		switch {
		case f.needed && f.empty():
			return nil, fmt.Errorf("sso: token: %s is missing", f.name)
		case f.time != nil && !inYears(*f.time):
			return nil, fmt.Errorf("sso: token: %s is not in the years 1 to 9999", f.name)
		}
	}
	var out []string
	written := make([]bool, len(known))
	last := make(map[string]int, len(old))
	for i, m := range old {
		last[m.name] = i
	}
	for i, m := range old {
		k := indexOf(known, m.name)
		switch {
		case k < 0:
			out = append(out, m.key+": "+string(m.value))
		case last[m.name] != i: // hidden by a later one
		case known[k].is(m.value):
			written[k] = true
			out = append(out, m.key+": "+string(m.value))
		case !known[k].empty():
			written[k] = true
			out = append(out, m.key+": "+known[k].encode())
		}
	}
	for k, f := range known {
		if !written[k] && !f.empty() {
			out = append(out, quote(f.name)+": "+f.encode())
		}
	}
	return []byte("{" + strings.Join(out, ", ") + "}"), nil
}

func indexOf(known []field, name string) int {
	for k, f := range known {
		if f.name == name {
			return k
		}
	}
	return -1
}

// read takes over a value; null is the same as no value.
func (f field) read(raw json.RawMessage) error {
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil {
		f.set("", time.Time{})
		return fmt.Errorf("%s is not a string", f.name)
	}
	if s == nil {
		f.set("", time.Time{})
		return nil
	}
	if f.time == nil {
		f.set(*s, time.Time{})
		return nil
	}
	at, ok := parseTime(*s)
	f.set("", at)
	if !ok && *s != "" {
		return fmt.Errorf("%s is not a time such as 2006-01-02T15:04:05Z", f.name)
	}
	return nil
}

func (f field) set(text string, at time.Time) {
	if f.time != nil {
		*f.time = at
	} else {
		*f.text = text
	}
}

func (f field) empty() bool {
	if f.time != nil {
		return f.time.IsZero()
	}
	return *f.text == ""
}

// is reports whether raw says what f holds, be it in another form.
func (f field) is(raw json.RawMessage) bool {
	var text string
	var at time.Time
	other := field{name: f.name, text: &text}
	if f.time != nil {
		other.time = &at
		_ = other.read(raw) // what cannot be read stands for nothing, and stays while f holds nothing
		return at.Equal(*f.time)
	}
	_ = other.read(raw)
	return text == *f.text
}

func (f field) encode() string {
	if f.time != nil {
		return quote(timeText(*f.time))
	}
	return quote(*f.text)
}

// quote is JSON without the escapes that are for HTML alone.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// member is one of a JSON object, its parts as they stand in the text.
type member struct {
	name  string // without quotes and escapes
	key   string // with them
	value json.RawMessage
}

// split takes a JSON object apart without touching what is in it.
func split(file []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(file))
	open, err := d.Token()
	if err != nil {
		return nil, syntax(d)
	}
	if open != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var all []member
	for d.More() {
		start := d.InputOffset()
		name, err := d.Token()
		if err != nil {
			return nil, syntax(d)
		}
		key := strings.Trim(string(file[start:d.InputOffset()]), " \t\r\n,")
		m := member{name: name.(string), key: key}
		if err := d.Decode(&m.value); err != nil {
			return nil, syntax(d)
		}
		all = append(all, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, syntax(d)
	}
	if strings.Trim(string(file[d.InputOffset():]), " \t\r\n") != "" {
		return nil, errors.New("not a JSON object alone: something follows it")
	}
	return all, nil
}

// syntax gives the place alone: the words of package json quote the text.
func syntax(d *json.Decoder) error {
	return fmt.Errorf("not JSON: bad syntax or a cut at byte %d", d.InputOffset())
}
