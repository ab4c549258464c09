package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const redacted = "REDACTED"

// secretName reports whether a header or parameter of this name can hold a secret: session tokens, keys of customers,
// cookies, keys of APIs.
func secretName(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"token", "secret", "password", "cookie", "authorization", "api-key", "customer-key", "mfa", "x-amz-signature"},
		func(part string) bool { return strings.Contains(name, part) })
}

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
		if secretName(name) {
			add(values)
		}
	}
	for name, values := range r.URL.Query() {
		if secretName(name) {
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
		if name, _, ok := strings.Cut(line, ":"); ok && secretName(name) && !strings.ContainsAny(name, "=&/") {
			lines[i] = name + ":" + redacted
			continue
		}
		if !strings.Contains(line, "=") {
			continue
		}
		pairs := strings.Split(line, "&")
		for j, pair := range pairs {
			if name, _, ok := strings.Cut(pair, "="); ok && secretName(name) {
				pairs[j] = name + "=" + redacted
			}
		}
		lines[i] = strings.Join(pairs, "&")
	}
	return strings.Join(lines, "\n")
}
