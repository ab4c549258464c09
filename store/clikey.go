package store

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// cliKey is the name, without its suffix, of the AWS CLI's file for what k asks for; ok is false if the CLI cannot
// ask for that. It is the SHA-1 of the arguments as Python writes them (botocore, BaseAssumeRoleCredentialFetcher).
// Who asks is not among them, nor is the operation.
func (k Key) cliKey() (name string, ok bool) {
	if k.Operation != "AssumeRole" && k.Operation != "AssumeRoleWithWebIdentity" || k.RoleARN == "" ||
		k.SourceIdentity != "" || len(k.PolicyARNs) > 0 || len(k.Tags) > 0 || len(k.TransitiveTagKeys) > 0 || k.Duration%time.Second != 0 {
		return "", false
	}
	args := map[string]any{}
	for name, value := range map[string]string{
		"RoleArn": k.RoleARN, "RoleSessionName": k.SessionName, "ExternalId": k.ExternalID, "SerialNumber": k.SerialNumber,
	} {
		if value != "" {
			args[name] = value
		}
	}
	if k.Duration != 0 {
		args["DurationSeconds"] = json.Number(strconv.FormatInt(int64(k.Duration/time.Second), 10))
	}
	if k.Policy != "" { // as an object, so that the order of its keys does not matter
		policy, err := parseJSON(k.Policy)
		if err != nil {
			return "", false
		}
		args["Policy"] = policy
	}
	var b bytes.Buffer
	writePython(&b, args)
	sum := sha1.Sum(b.Bytes())
	return hex.EncodeToString(sum[:]), true
}

// parseJSON reads what Python's json.loads reads in the same way. Where the two differ it fails.
func parseJSON(s string) (any, error) {
	if strings.Contains(strings.ToLower(s), `\ud`) { // may be half a surrogate pair, which only Python keeps
		return nil, errors.ErrUnsupported
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	return v, nil
}

// writePython writes v as Python's json.dumps does with sorted keys.
func writePython(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(v)) { // by bytes, which is by code points
			if i > 0 {
				b.WriteString(", ")
			}
			writePythonString(b, k)
			b.WriteString(": ")
			writePython(b, v[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writePython(b, e)
		}
		b.WriteByte(']')
	case string:
		writePythonString(b, v)
	case json.Number:
		b.WriteString(pythonNumber(string(v)))
	case bool:
		b.WriteString(strconv.FormatBool(v))
	default:
		b.WriteString("null")
	}
}

// writePythonString writes s in ASCII.
func writePythonString(b *bytes.Buffer, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case ' ' <= r && r <= '~':
			b.WriteRune(r)
		case strings.ContainsRune("\b\f\n\r\t", r):
			b.WriteByte('\\')
			b.WriteByte("btn?fr"[r-'\b'])
		case r > 0xffff:
			r1, r2 := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, r1, r2)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
}

// pythonNumber is the form of a JSON number after a round through Python.
func pythonNumber(s string) string {
	if !strings.ContainsAny(s, ".eE") {
		if s == "-0" {
			return "0"
		}
		return s
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range it is infinite, as in Python
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(text, "e")
	if n, _ := strconv.Atoi(exponent); n < -4 || n >= 16 {
		return text
	}
	text = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
