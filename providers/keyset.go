package providers

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
)

// keySet is an access key with what belongs to it, all from one place.
type keySet struct {
	id, secret, token, account setting
	legacyToken                bool // token is in the name that predates AWS_SESSION_TOKEN
}

// names are the spellings of a keySet's parts in one kind of place.
type names struct {
	id, secret, token, legacyToken, account string
}

var (
	envNames = names{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ACCOUNT_ID"}
	keyNames = names{"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token", "aws_account_id"}
)

// read reads the key pair and, if there is any of it, what belongs to it.
func (k *keySet) read(n *names, get func(string) setting) {
	k.id, k.secret = get(n.id), get(n.secret)
	if !k.any() {
		return
	}
	if k.token = get(n.token); !k.token.set() && n.legacyToken != "" {
		k.token = get(n.legacyToken)
		k.legacyToken = k.token.set()
	}
	k.account = get(n.account)
}

func (k *keySet) any() bool { return k.id.set() || k.secret.set() }

// credentials checks the set and returns it. place names where the missing half of a pair should be.
func (k *keySet) credentials(n *names, source, place string) (aws.Credentials, error) {
	switch {
	case !k.secret.set():
		return aws.Credentials{}, halfPair(k.id, n.secret, place)
	case !k.id.set():
		return aws.Credentials{}, halfPair(k.secret, n.id, place)
	}
	for _, s := range [...]*setting{&k.id, &k.secret, &k.token, &k.account} {
		if err := s.check(); err != nil {
			return aws.Credentials{}, err
		}
	}
	if strings.ContainsAny(k.id.value, " \"'") {
		return aws.Credentials{}, &failure{what: k.id.where() + " holds a blank or a quotation mark",
			remedy: "write the access key ID bare, without quotes"}
	}
	for _, s := range [...]setting{k.secret, k.token} {
		if quoted(s.value) {
			return aws.Credentials{}, &failure{what: s.where() + " is in quotation marks, which would be part of the value",
				remedy: "write it bare"}
		}
	}
	return aws.Credentials{
		AccessKeyID:     k.id.value,
		SecretAccessKey: k.secret.value,
		SessionToken:    k.token.value,
		AccountID:       k.account.value,
		Source:          source,
	}, nil
}

func halfPair(present setting, missing, place string) error {
	return &failure{
		what:   fmt.Sprintf("%s is set, but %s is not%s", present.where(), missing, place),
		remedy: "set both, or neither",
	}
}

// quoted reports whether s begins and ends with the same quotation mark. Neither a secret access key nor a
// session token does.
func quoted(s string) bool {
	return len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[0] == s[len(s)-1]
}

// evidence describes the set without its values.
func (k *keySet) evidence() credchain.Evidence {
	ev := credchain.Evidence{Local: true}
	var where []string
	for _, s := range [...]setting{k.id, k.secret, k.token, k.account} {
		if !s.set() {
			continue
		}
		ev.Origins = append(ev.Origins, s.origin())
		where = append(where, s.name)
	}
	ev.Warnings = trimmedWarnings(k.id, k.secret, k.token, k.account)
	ev.Summary = strings.Join(where, ", ")
	if k.legacyToken {
		ev.Warnings = append(ev.Warnings, credchain.Warning{Code: "legacy-session-token",
			Message: k.token.where() + " is used as the session token; most SDKs read only " + modernName(k.token.name)})
	}
	return ev
}

func modernName(legacy string) string {
	if legacy == envNames.legacyToken {
		return envNames.token
	}
	return keyNames.token
}
