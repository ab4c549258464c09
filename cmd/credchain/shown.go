package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/credchain/credchain/internal/wire"
)

// shown carries requests, and shows their headers and those of the answers, without secrets.
type shown struct {
	base http.RoundTripper
	to   io.Writer
}

// assigned finds parameters, in an address and in Authorization.
var assigned = regexp.MustCompile(`([\w.%-]+)=[^&\s"]+`)

const maxNested = 8 // addresses in parameters of addresses; what is deeper is hidden

// withoutValues takes the values from parameters that have the name of a secret, also where they are in the value of another.
func withoutValues(text string, depth int) string {
	return assigned.ReplaceAllStringFunc(text, func(parameter string) string {
		written, value, _ := strings.Cut(parameter, "=")
		hidden := written + "=REDACTED"
		name, err := url.QueryUnescape(written)
		if err != nil || depth == maxNested || wire.SecretName(name) || strings.Contains(strings.ToLower(name), "signature") {
			return hidden
		}
		if plain, err := url.QueryUnescape(value); err == nil && plain != value && withoutValues(plain, depth+1) != plain {
			return hidden
		}
		return written + "=" + withoutValues(value, depth+1)
	})
}

func (s *shown) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	secrets := spellings(r)
	s.show(secrets, ">", fmt.Sprintf("%s %s", r.Method, r.URL.RequestURI()), http.Header{"Host": {host}}, r.Header)
	resp, err := s.base.RoundTrip(r)
	if err == nil {
		s.show(secrets, "<", resp.Proto+" "+resp.Status, resp.Header)
	}
	return resp, err
}

func (s *shown) show(secrets []spelling, mark, first string, headers ...http.Header) {
	text := first + "\n"
	for _, h := range headers {
		h = h.Clone()
		for name := range h {
			if wire.SecretName(name) && name != "Authorization" { // in which the signature alone is one
				h[name] = []string{"REDACTED"}
			}
		}
		text += headerLines(h)
	}
	text = withoutValues(text, 0)
	if clean, err := io.ReadAll(mask(strings.NewReader(text), secrets)); err == nil {
		lines := strings.TrimSuffix(printableLines(string(clean)), "\n")
		fmt.Fprintf(s.to, "%s %s\n%s\n", mark, strings.ReplaceAll(lines, "\n", "\n"+mark+" "), mark)
	}
}
