package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/credchain/credchain/internal/wire"
)

const redacted = "REDACTED"

// secretsOf returns the values of a request's headers and parameters that can be secrets, longest first.
func secretsOf(r *http.Request) []string {
	var secrets []string
	add := func(values []string) {
		for _, v := range values {
			if v = strings.TrimSpace(v); len(v) >= 4 {
				secrets = append(secrets, v, string(appendURIEncode(nil, v)), url.QueryEscape(v))
			}
		}
	}
	for name, values := range r.Header {
		if wire.SecretName(name) {
			add(values)
		}
	}
	for name, values := range r.URL.Query() {
		if wire.SecretName(name) {
			add(values)
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

// redact takes secrets out of a canonical request: the given ones, and what stands under a name that can have one.
func redact(text string, secrets []string) string {
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if name, _, ok := strings.Cut(line, ":"); ok && wire.SecretName(name) && !strings.ContainsAny(name, "=&/") {
			lines[i] = name + ":" + redacted
			continue
		}
		if !strings.Contains(line, "=") {
			continue
		}
		pairs := strings.Split(line, "&")
		for j, pair := range pairs {
			if name, _, ok := strings.Cut(pair, "="); ok && wire.SecretName(name) {
				pairs[j] = name + "=" + redacted
			}
		}
		lines[i] = strings.Join(pairs, "&")
	}
	return strings.Join(lines, "\n")
}
