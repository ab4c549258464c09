package sigv4

import (
	"errors"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// unreserved are the characters that a canonical URI leaves as they are: RFC 3986, 2.3.
var unreserved = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") {
		t[c] = true
	}
	return t
}()

func appendEscaped(dst []byte, c byte) []byte {
	if unreserved[c] {
		return append(dst, c)
	}
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// appendURIEncode is UriEncode of the specification.
func appendURIEncode(dst []byte, s string) []byte {
	for {
		n := 0
		for n < len(s) && unreserved[s[n]] {
			n++
		}
		if dst = append(dst, s[:n]...); n == len(s) {
			return dst
		}
		dst = append(dst, '%', upperHex[s[n]>>4], upperHex[s[n]&15])
		s = s[n+1:]
	}
}

// appendURIEncodePath is UriEncode of each segment.
func appendURIEncodePath(dst []byte, path string) []byte {
	for {
		segment, rest, more := strings.Cut(path, "/")
		dst = appendURIEncode(dst, segment)
		if !more {
			return dst
		}
		dst = append(dst, '/')
		path = rest
	}
}

var errEscape = errors.New(`a "%" that no two hexadecimal digits follow`)

// appendReencoded appends UriEncode of what s, which is escaped already, stands for. A "+" is a blank in a query, and
// stays what it is in a path; a "/" separates the segments of a path, and "%2F" never does.
func appendReencoded(dst []byte, s string, query bool) ([]byte, error) {
	for {
		n := 0
		for n < len(s) && (unreserved[s[n]] || s[n] == '/' && !query) {
			n++
		}
		if dst = append(dst, s[:n]...); n == len(s) {
			return dst, nil
		}
		switch c := s[n]; {
		case c == '+' && query:
			dst = append(dst, "%20"...)
		case c != '%':
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		case n+2 >= len(s) || unhex(s[n+1]) < 0 || unhex(s[n+2]) < 0:
			return dst, errEscape
		default:
			dst = appendEscaped(dst, byte(unhex(s[n+1])<<4|unhex(s[n+2])))
			n += 2
		}
		s = s[n+1:]
	}
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// appendNormalized drops the empty and dot segments of a path that begins with a slash. A ".." takes the segment before
// it away.
func appendNormalized(dst []byte, path string) []byte {
	start := len(dst)
	for rest := path; rest != ""; {
		rest = strings.TrimLeft(rest, "/")
		segment, after, _ := strings.Cut(rest, "/")
		rest = after
		switch segment {
		case "", ".":
		case "..":
			for len(dst) > start {
				last := dst[len(dst)-1]
				dst = dst[:len(dst)-1]
				if last == '/' {
					break
				}
			}
		default:
			dst = append(append(dst, '/'), segment...)
		}
	}
	if len(dst) == start || strings.HasSuffix(path, "/") {
		dst = append(dst, '/')
	}
	return dst
}
