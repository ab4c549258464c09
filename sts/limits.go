package sts

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The limits are those of the STS API reference, by operation and parameter.
const (
	maxPolicy       = 2048
	maxPolicyARNs   = 10
	maxTags         = 50
	maxContexts     = 5
	maxTokenSize    = 4096
	maxAudiences    = 10
	maxTradeInToken = 1 << 16 // AWS documents none
)

// InputError is a parameter that breaks a limit of STS. No request was sent.
type InputError struct {
	// Field is the field of the input, such as "SessionName" or "Tags[2].Key"; "Region" and "Credentials" are
	// the client's.
	Field string
	// Msg says what is wrong, without the value, which could be a secret.
	Msg string
}

// Error names the field and what is wrong with it.
func (e *InputError) Error() string { return e.Field + ": " + e.Msg }

// params are the parameters of one call as the form that goes out, and the first limit that one of them broke.
type params struct {
	operation string
	form      url.Values
	secrets   []string // values that must stand in no error
	once      bool     // there is an MFA code, which is good for one use
	err       *InputError
}

func newParams(operation string) *params {
	return &params{operation: operation, form: url.Values{"Action": {operation}, "Version": {apiVersion}}}
}

func (p *params) fail(field, msg string, args ...any) {
	if p.err == nil {
		p.err = &InputError{Field: field, Msg: fmt.Sprintf(msg, args...)}
	}
}

// check says whether value keeps to its length in characters, and to what is allowed. A nil allowed takes all.
func (p *params) check(field, value string, least, most int, allowed func(rune) bool) {
	n := utf8.RuneCountInString(value)
	switch {
	case n == 0 && least > 0:
		p.fail(field, "it must be set")
	case n < least || n > most:
		p.fail(field, "%d characters; it must have %d to %d", n, least, most)
	case !utf8.ValidString(value):
		p.fail(field, "it is not valid UTF-8")
	case allowed != nil:
		if i := strings.IndexFunc(value, func(r rune) bool { return !allowed(r) }); i >= 0 {
			p.fail(field, "character %d is not allowed", 1+utf8.RuneCountInString(value[:i]))
		}
	}
}

func (p *params) required(field, name, value string, least, most int, allowed func(rune) bool) {
	p.check(field, value, least, most, allowed)
	p.form.Set(name, value)
}

func (p *params) optional(field, name, value string, least, most int, allowed func(rune) bool) {
	if value != "" {
		p.required(field, name, value, least, most, allowed)
	}
}

// secret is a required parameter that no error may quote.
func (p *params) secret(field, name, value string, least, most int) {
	p.required(field, name, value, least, most, nil)
	p.secrets = append(p.secrets, value)
}

func (p *params) roleARN(arn string) { p.required("RoleARN", "RoleArn", arn, 20, 2048, isText) }

func (p *params) sessionName(name string) {
	if name == "" {
		name = "credchain-" + strconv.FormatInt(time.Now().UnixNano(), 10)
	}
	p.required("SessionName", "RoleSessionName", name, 2, 64, isName)
}

// duration takes d as it is, or not at all: a fraction of a second would be lost on the way.
func (p *params) duration(d, least, most time.Duration) {
	switch {
	case d == 0:
		return
	case d%time.Second != 0:
		p.fail("Duration", "%s is not a whole number of seconds", d)
	case d < least || d > most:
		p.fail("Duration", "%s; it must be from %s to %s", d, least, most)
	}
	p.form.Set("DurationSeconds", strconv.FormatInt(int64(d/time.Second), 10))
}

func (p *params) policies(policy string, arns []string) {
	p.optional("Policy", "Policy", policy, 1, maxPolicy, isPolicy)
	p.length("PolicyARNs", len(arns), maxPolicyARNs)
	for i, arn := range arns {
		p.required(at("PolicyARNs", i), member("PolicyArns", i)+".arn", arn, 20, 2048, isText)
	}
}

func (p *params) tags(tags []Tag) {
	p.length("Tags", len(tags), maxTags)
	seen := make(map[string]bool, len(tags))
	for i, tag := range tags {
		field, name := at("Tags", i), member("Tags", i)
		p.required(field+".Key", name+".Key", tag.Key, 1, 128, isTag)
		p.required(field+".Value", name+".Value", tag.Value, 0, 256, isTag)
		key := strings.ToLower(tag.Key)
		if seen[key] {
			p.fail(field+".Key", "there is a tag with this key already; upper and lower case are the same")
		}
		seen[key] = true
	}
}

func (p *params) transitiveTagKeys(keys []string) {
	p.length("TransitiveTagKeys", len(keys), maxTags)
	for i, key := range keys {
		p.required(at("TransitiveTagKeys", i), member("TransitiveTagKeys", i), key, 1, 128, isTag)
	}
}

// mfa wants a device and its code, or neither.
func (p *params) mfa(serial, code string) {
	switch {
	case serial == "" && code == "":
		return
	case serial == "":
		p.fail("SerialNumber", "it must be set, since TokenCode is")
	case code == "":
		p.fail("TokenCode", "it must be set, since SerialNumber is")
	case len(code) != 6 || strings.ContainsFunc(code, func(r rune) bool { return r < '0' || r > '9' }):
		p.fail("TokenCode", "it must be six digits")
	}
	p.required("SerialNumber", "SerialNumber", serial, 9, 256, isNameOr("/:"))
	p.form.Set("TokenCode", code)
	p.secrets = append(p.secrets, code)
	p.once = true
}

func (p *params) contexts(contexts []ProvidedContext) {
	p.length("ProvidedContexts", len(contexts), maxContexts)
	for i, c := range contexts {
		field, name := at("ProvidedContexts", i), member("ProvidedContexts", i)
		p.required(field+".ProviderARN", name+".ProviderArn", c.ProviderARN, 20, 2048, isText)
		p.secret(field+".ContextAssertion", name+".ContextAssertion", c.ContextAssertion, 4, 2048)
	}
}

func (p *params) tokenSize(n int) {
	if n < 0 || n > maxTokenSize {
		p.fail("MinimumSessionTokenSize", "%d; it must be from 0 to %d", n, maxTokenSize)
	}
	if n != 0 {
		p.form.Set("MinimumSessionTokenSize", strconv.Itoa(n))
	}
}

func (p *params) audiences(audiences []string) {
	if len(audiences) == 0 {
		p.fail("Audiences", "it must be set")
	}
	p.length("Audiences", len(audiences), maxAudiences)
	for i, a := range audiences {
		p.required(at("Audiences", i), member("Audience", i), a, 1, 1000, nil)
	}
}

func (p *params) signingAlgorithm(name string) {
	if name != "RS256" && name != "ES384" {
		p.fail("SigningAlgorithm", "it must be RS256 or ES384")
	}
	p.form.Set("SigningAlgorithm", name)
}

func (p *params) taskPolicy(arn string) {
	p.required("TaskPolicyARN", "TaskPolicyArn.arn", arn, 20, 2048, isText)
	fields := strings.SplitN(arn, ":", 6)
	known := false
	for _, name := range []string{
		"IAMAuditRootUserCredentials", "IAMCreateRootUserPassword", "IAMDeleteRootUserCredentials",
		"S3UnlockBucketPolicy", "SQSUnlockQueuePolicy",
	} {
		known = known || len(fields) == 6 && fields[0] == "arn" && fields[2] == "iam" && fields[5] == "policy/root-task/"+name
	}
	if !known {
		p.fail("TaskPolicyARN", "it is none of the five policies under arn:aws:iam::aws:policy/root-task/")
	}
}

// regional refuses the endpoint that is in no region.
func (p *params) regional(c *Client) {
	if c.Endpoint == "" && c.Region == globalRegion {
		p.fail("Region", "%s; the global endpoint does not offer %s, a regional one does", globalRegion, p.operation)
	}
}

func (p *params) length(field string, n, most int) {
	if n > most {
		p.fail(field, "%d; there must be at most %d", n, most)
	}
}

// at names an element of a field, from 0 as in Go.
func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// member names an element of a list in the form, from 1 as in AWS's query protocol.
func member(name string, i int) string { return name + ".member." + strconv.Itoa(i+1) }

// isWord is \w of AWS's patterns.
func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// isName is [\w+=,.@-].
func isName(r rune) bool { return isWord(r) || strings.ContainsRune("+=,.@-", r) }

func isNameOr(others string) func(rune) bool {
	return func(r rune) bool { return isName(r) || strings.ContainsRune(others, r) }
}

// isText is what an ARN may have: printable, tabs and line ends.
func isText(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r == 0x85 || r >= ' ' && r <= '~' || r >= 0xa0
}

// isPolicy is what a policy may have: up to U+00FF.
func isPolicy(r rune) bool { return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xff }

// isTag is [\p{L}\p{Z}\p{N}_.:/=+\-@].
func isTag(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", r)
}
