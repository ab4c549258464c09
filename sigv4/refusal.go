package sigv4

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// refusal is what a service says about a signature that it refuses.
type refusal struct {
	code, message           string
	canonical, stringToSign string
	region                  string // that S3 expects
	requestTime, serverTime string // of S3
}

// readRefusal reads an answer in XML, as of S3, EC2 and the services with a query protocol, or in JSON. It looks for single
// elements and needs no reader for XML, which a program that signs would link.
func readRefusal(answer []byte) refusal {
	var f refusal
	if answer = bytes.TrimSpace(answer); bytes.HasPrefix(answer, []byte("{")) {
		var doc struct {
			Type    string `json:"__type"`
			Code    string `json:"code"`
			Message string `json:"message"` // of any case
		}
		if json.Unmarshal(answer, &doc) != nil {
			return f
		}
		if f.code, f.message = doc.Code, doc.Message; f.code == "" {
			f.code = doc.Type[strings.LastIndexByte(doc.Type, '#')+1:]
		}
	} else {
		text := string(answer)
		f.code, f.message = element(text, "Code"), element(text, "Message")
		f.canonical, f.stringToSign = element(text, "CanonicalRequest"), element(text, "StringToSign")
		f.region, f.requestTime, f.serverTime = element(text, "Region"), element(text, "RequestTime"), element(text, "ServerTime")
	}
	if f.canonical == "" {
		f.canonical = quoted(f.message, "The Canonical String for this request should have been")
	}
	if f.stringToSign == "" {
		f.stringToSign = quoted(f.message, "The String-to-Sign should have been")
	}
	return f
}

// quoted is what follows a title in single quotes. The text may have quotes itself, so it ends at one before an empty line,
// or at the last.
func quoted(message, title string) string {
	_, rest, ok := strings.Cut(message, title)
	if !ok {
		return ""
	}
	_, rest, ok = strings.Cut(rest, "'")
	if !ok {
		return ""
	}
	if text, _, ok := strings.Cut(rest, "'\n\nThe String-to-Sign"); ok {
		return text
	}
	if i := strings.LastIndexByte(rest, '\''); i >= 0 {
		return rest[:i]
	}
	return rest
}

// element is the text of the first element of a name.
func element(doc, name string) string {
	_, rest, ok := strings.Cut(doc, "<"+name+">")
	if !ok {
		return ""
	}
	text, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return unescape(text)
}

// unescape replaces XML's entities.
func unescape(text string) string {
	if !strings.Contains(text, "&") {
		return text
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "&")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, ok := strings.Cut(rest, ";")
		c, known := entity(name)
		if !ok || !known {
			b.WriteByte('&')
			text = rest
			continue
		}
		b.WriteRune(c)
		text = after
	}
}

func entity(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseInt(digits, base, 32)
	return rune(n), err == nil
}
