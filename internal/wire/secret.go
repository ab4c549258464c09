package wire

import "strings"

// SecretName reports whether a header or parameter of this name can hold a secret: session tokens, keys of customers and of
// APIs, cookies, MFA codes, signatures. What AWS calls a token and is none, such as the ClientToken that makes a request
// repeatable or the NextToken of a list, is no secret.
func SecretName(name string) bool {
	name = plainName.Replace(strings.ToLower(name))
	for _, end := range []string{"clienttoken", "clientrequesttoken", "nexttoken", "pagetoken", "paginationtoken", "continuationtoken"} {
		name = strings.TrimSuffix(name, end)
	}
	for _, part := range []string{"token", "secret", "password", "cookie", "authorization", "apikey", "customerkey", "mfa", "xamzsignature"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

var plainName = strings.NewReplacer("-", "", "_", "")
