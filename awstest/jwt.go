package awstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

// jwt is a JSON Web Token taken apart; nothing in it is verified yet.
type jwt struct {
	header    map[string]any
	claims    map[string]any
	signed    string // what the signature is of
	signature []byte
}

var errNoJWT = errors.New("not three parts of base64url, the first two of which are JSON objects")

// parseJWT takes the compact form alone, without padding, blanks or line breaks.
func parseJWT(token string) (jwt, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return jwt{}, errNoJWT
	}
	t := jwt{signed: parts[0] + "." + parts[1]}
	for i, into := range []*map[string]any{&t.header, &t.claims} {
		text, err := unb64(parts[i])
		if err != nil {
			return jwt{}, errNoJWT
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if d.Decode(into) != nil || *into == nil {
			return jwt{}, errNoJWT
		}
		if _, err := d.Token(); err != io.EOF {
			return jwt{}, errNoJWT
		}
	}
	var err error
	if t.signature, err = unb64(parts[2]); err != nil {
		return jwt{}, errNoJWT
	}
	return t, nil
}

// text returns a member that is a string, and "" for any other.
func text(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return s
}

// at returns a claim that is a time, and zero if it is none.
func (t jwt) at(claim string) time.Time {
	n, ok := t.claims[claim].(json.Number)
	if !ok {
		return time.Time{}
	}
	seconds, err := n.Float64()
	if err != nil || seconds <= 0 || seconds > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// list returns a claim that is a string or a list of strings.
func (t jwt) list(claim string) []string {
	switch v := t.claims[claim].(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, member := range v {
			s, ok := member.(string)
			if !ok {
				return nil
			}
			list = append(list, s)
		}
		return list
	}
	return nil
}

// encodeJWT returns a token without its signature.
func encodeJWT(header, claims map[string]any) string {
	parts := make([]string, 2)
	for i, object := range []map[string]any{header, claims} {
		data, err := json.Marshal(object)
		if err != nil {
			panic(err) // a test gave something that is no JSON
		}
		parts[i] = b64(data)
	}
	return strings.Join(parts, ".")
}
