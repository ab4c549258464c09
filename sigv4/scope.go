package sigv4

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
)

// moment is the time of a signature in its form: 20150830T123600Z.
type moment struct{ text [len(timeFormat)]byte }

func newMoment(t time.Time) (moment, error) {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 1 || year > 9999 {
		return moment{}, fmt.Errorf("the year %d has no form in a signature", year)
	}
	hour, minute, second := t.Clock()
	var m moment
	for i, n := range [...]int{year / 100, year % 100, int(month), day} {
		m.text[2*i], m.text[2*i+1] = '0'+byte(n/10), '0'+byte(n%10)
	}
	m.text[8], m.text[15] = 'T', 'Z'
	for i, n := range [...]int{hour, minute, second} {
		m.text[9+2*i], m.text[10+2*i] = '0'+byte(n/10), '0'+byte(n%10)
	}
	return m, nil
}

// dated is a moment with the second that it is.
type dated struct {
	second int64
	moment
}

// moment is newMoment, with the last one remembered: whoever signs much signs much in a second, and a twentieth of that
// would be spent on writing it.
func (s *Signer) moment(t time.Time) (moment, error) {
	second := t.Unix()
	if last := s.last.Load(); last != nil && last.second == second {
		return last.moment, nil
	}
	m, err := newMoment(t)
	if err == nil {
		s.last.Store(&dated{second, m})
	}
	return m, err
}

// day is the date alone, as in a credential scope.
func (m *moment) day() []byte { return m.text[:8] }

// appendScope is CredentialScope of the specification. A region of "" leaves it out, as SigV4a does.
func (m *moment) appendScope(dst []byte, region, service string) []byte {
	dst = append(append(dst, m.day()...), '/')
	if region != "" {
		dst = append(append(dst, region...), '/')
	}
	dst = append(append(dst, service...), '/')
	return append(dst, terminator...)
}

// byService resolves PathByService.
func (p PathRule) byService(service string) PathRule {
	switch {
	case p != PathByService:
		return p
	case likeS3(service):
		return PathOnce
	}
	return PathNormalized
}

// likeS3 reports whether a service has S3's rules: the path escaped once, the payload's hash always in a header, and no
// payload in presigned URLs.
func likeS3(service string) bool {
	switch service {
	case "s3", "s3express", "s3-outposts", "s3-object-lambda":
		return true
	}
	return false
}

// sentPath is the path as net/http sends it.
func sentPath(u *url.URL) string {
	switch {
	case u.Opaque != "":
	case u.RawPath == "" && plain(u.Path):
		return u.Path
	default:
		return u.EscapedPath()
	}
	path, _, _ := strings.Cut(u.Opaque, "?")
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
		return ""
	}
	return path
}

// plain reports whether a path needs no escapes.
func plain(path string) bool {
	for i := range len(path) {
		if !unreserved[path[i]] && path[i] != '/' {
			return false
		}
	}
	return true
}

// sentHost is the host to sign, which is to be sent as well: without the scheme's own port, and without the zone of an
// address, which net/http does not send.
func sentHost(r *http.Request) (string, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if host == "" {
		return "", fmt.Errorf("the request has no host")
	}
	for i := range len(host) {
		if host[i] <= ' ' || host[i] >= 0x7f || host[i] == '/' {
			return "", fmt.Errorf("host %q: a character that cannot be sent; a name in another script is written in Punycode", host)
		}
	}
	if host = withoutZone(withoutDefaultPort(host, r.URL.Scheme)); host == "" {
		return "", fmt.Errorf("the request has a port and no host")
	}
	return host, nil
}

func withoutDefaultPort(host, scheme string) string {
	if bare, ok := strings.CutSuffix(host, ":443"); ok && strings.EqualFold(scheme, "https") {
		return bare
	}
	if bare, ok := strings.CutSuffix(host, ":80"); ok && strings.EqualFold(scheme, "http") {
		return bare
	}
	return host
}

func withoutZone(host string) string {
	if host == "" || host[0] != '[' {
		return host
	}
	end := strings.IndexByte(host, ']')
	if zone := strings.IndexByte(host, '%'); 0 <= zone && zone < end {
		return host[:zone] + host[end:]
	}
	return host
}
