package providers

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// pair is the least that a program has to write, without the brackets.
const pair = `"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"canary"`

func TestParseProcessOutput(t *testing.T) {
	t.Parallel()
	keys := aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "canary", Source: "Process"}
	for name, tt := range map[string]struct {
		output string
		change func(*aws.Credentials)
	}{
		"a pair":                      {"{" + pair + "}", nil},
		"blanks":                      {" \r\n\t{ " + pair + " }\r\n\n ", nil},
		"other keys":                  {`{"Type":"x","More":{"Version":2,"a":[1,{}]},` + pair + "}", nil},
		"a token":                     {"{" + pair + `,"SessionToken":"token+/="}`, func(c *aws.Credentials) { c.SessionToken = "token+/=" }},
		"an account":                  {"{" + pair + `,"AccountId":"012345678901"}`, func(c *aws.Credentials) { c.AccountID = "012345678901" }},
		"nulls":                       {"{" + pair + `,"SessionToken":null,"AccountId":null,"Expiration":null}`, nil},
		"empty ones":                  {"{" + pair + `,"SessionToken":"","AccountId":""}`, nil},
		"an escape":                   {"{" + pair + `,"SessionToken":"a\/b\u002bc"}`, func(c *aws.Credentials) { c.SessionToken = "a/b+c" }},
		"1.0":                         {strings.Replace("{"+pair+"}", ":1", ":1.0", 1), nil},
		"other cases":                 {strings.ToLower(strings.Replace("{"+pair+"}", "AKIAIOSFODNN7EXAMPLE", "x", 1)), func(c *aws.Credentials) { c.AccessKeyID = "x" }},
		"an exact case beside others": {`{"SECRETACCESSKEY":"a",` + pair + `,"secretAccessKey":"b","version":2,"accessKeyID":1}`, nil},
		"the last of two":             {`{"SecretAccessKey":"a",` + pair + "}", nil},
		"a long token": {"{" + pair + `,"SessionToken":"` + strings.Repeat("x", 900<<10) + `"}`,
			func(c *aws.Credentials) { c.SessionToken = strings.Repeat("x", 900<<10) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := keys
			if tt.change != nil {
				tt.change(&want)
			}
			got, err := parseProcessOutput([]byte(tt.output))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

// TestParseProcessExpiration: it is midnight, the first of January 2000.
func TestParseProcessExpiration(t *testing.T) {
	t.Parallel()
	for _, expiration := range []string{
		"2000-01-01T01:00:00Z", "2000-01-01T01:00:00.000Z", "2000-01-01T01:00:00+00:00", "2000-01-01T00:00:00-01:00",
		"1999-12-31T23:00:00-0200", "2000-01-01T06:30:00+0530", "1999-12-31T17:00:00-08", "2000-01-01 01:00:00+00:00",
		"2000-01-01 01:00:00.000000Z", "2000-01-01T01:00:00UTC", "2000-01-01 01:00:00 UTC", "2000-01-01T01:00:00GMT",
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := parseProcessOutput([]byte("{" + pair + `,"Expiration":"` + expiration + `"}`))
			require.NoError(t, err, expiration)
			require.True(t, got.CanExpire)
			require.Equal(t, time.Hour, time.Until(got.Expires), expiration)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		got, err := parseProcessOutput([]byte("{" + pair + `,"expiration":"2000-01-01T00:00:00.000000001Z"}`))
		require.NoError(t, err)
		require.Equal(t, time.Nanosecond, time.Until(got.Expires), "as the program said, to the last digit")
	})
}

// badOutputs are what the parser refuses, and its words.
func badOutputs() map[string]string {
	with := func(more string) string { return "{" + pair + "," + more + "}" }
	without := func(part, instead string) string { return "{" + strings.Replace(pair, part, instead, 1) + "}" }
	const (
		id     = `"AccessKeyId":"AKIAIOSFODNN7EXAMPLE"`
		secret = `"SecretAccessKey":"canary"`
		zone   = "the output's Expiration is no RFC 3339 time with a time zone"
		notOne = "the output's Version is not the number 1"
		object = "the output does not begin with a JSON object: the program must write nothing else to its standard output"
		more   = "something follows the JSON object in the output: the program must write nothing else to its standard output"
	)
	return map[string]string{
		"":                                    "the program wrote nothing to its standard output",
		" \r\n\t ":                            "the program wrote nothing to its standard output",
		"\xff\xfe{\x00":                       "the output is in UTF-16, not in UTF-8",
		"\xfe\xff\x00{":                       "the output is in UTF-16, not in UTF-8",
		"\xef\xbb\xbf{" + pair + "}":          "the output begins with a byte order mark, which no AWS SDK takes",
		with(`"X":"canary` + "\xe9" + `"`):    "the output is not in UTF-8",
		"canary":                              object,
		"Welcome, canary!\n{" + pair + "}":    object,
		"[{" + pair + "}]":                    object,
		`"canary"`:                            object,
		"null":                                object,
		"{" + pair + "} canary":               more,
		"{" + pair + "}\n{" + pair + "}":      more,
		"{" + pair + "}}":                     more,
		"{" + pair + "}\x00":                  more,
		"{" + pair + "}\u00a0":                more,
		"{" + pair:                            "the output's JSON object is cut short",
		`{"AccessKeyId":"canary`:              "the output's JSON object is cut short",
		` {canary:1}`:                         "the output is not JSON from its byte 3 on",
		`{'Version':1}`:                       "the output is not JSON from its byte 2 on",
		`{"a":canary}`:                        "the output is not JSON from its byte 6 on",
		"{\"a\":\"can\nary\"}":                "the output is not JSON from its byte 10 on",
		`{}`:                                  "the output has no Version, which must be the number 1",
		`{"Credentials":{` + pair + "}}":      "the output has no Version, which must be the number 1",
		without(`"Version":1,`, ""):           "the output has no Version, which must be the number 1",
		without(`:1`, ":null"):                "the output has no Version, which must be the number 1",
		without(`:1`, `:"1"`):                 "the output's Version is a string; it must be the number 1",
		without(`:1`, `:"canary"`):            "the output's Version is a string; it must be the number 1",
		without(`:1`, ":2"):                   notOne,
		without(`:1`, ":1.5"):                 notOne,
		without(`:1`, ":1e999"):               notOne,
		without(`:1`, ":true"):                notOne,
		without(`:1`, ":[1]"):                 notOne,
		without(id, `"X":1`):                  "the output has no AccessKeyId",
		without(id, `"AccessKeyId":null`):     "the output has no AccessKeyId",
		without(id, `"AccessKeyId":""`):       "the output's AccessKeyId is empty",
		without(id, `"AccessKeyId":17`):       "the output's AccessKeyId is not a string",
		without(id, `"AccessKeyId":"AK IA"`):  "the output's AccessKeyId holds a blank or a quotation mark",
		without(id, `"AccessKeyId":"'AKIA'"`): "the output's AccessKeyId holds a blank or a quotation mark",
		without(id, `"accesskeyid":"a","ACCESSKEYID":"b"`):  "the output has AccessKeyId in two spellings",
		without(`"Version":1`, `"version":1,"VERSION":1`):   "the output has Version in two spellings",
		without(secret, `"X":1`):                            "the output has no SecretAccessKey",
		without(secret, `"SecretAccessKey":""`):             "the output's SecretAccessKey is empty",
		without(secret, `"SecretAccessKey":["canary"]`):     "the output's SecretAccessKey is not a string",
		without(secret, `"SecretAccessKey":"canary\n"`):     "the output's SecretAccessKey holds a line end or another control character",
		without(secret, `"SecretAccessKey":"can\u0000ary"`): "the output's SecretAccessKey holds a line end or another control character",
		without(secret, `"SecretAccessKey":"can\ud800ary"`): "the output's SecretAccessKey holds a broken character",
		without(secret, `"SecretAccessKey":" canary"`):      "the output's SecretAccessKey has blanks around it",
		with(`"SessionToken":{"canary":1}`):                 "the output's SessionToken is not a string",
		with(`"SessionToken":"can\u007fary"`):               "the output's SessionToken holds a line end or another control character",
		with(`"SessionToken":"can\u0085ary"`):               "the output's SessionToken holds a line end or another control character",
		with(`"AccountId":123456789012`):                    "the output's AccountId is not a string",
		with(`"AccountId":"1\r2"`):                          "the output's AccountId holds a line end or another control character",
		with(`"Expiration":946688400`):                      "the output's Expiration is not a string",
		with(`"Expiration":""`):                             zone,
		with(`"Expiration":"canary"`):                       zone,
		with(`"Expiration":"canary UTC"`):                   zone,
		with(`"Expiration":"UTC"`):                          zone,
		with(`"Expiration":"2000-01-01T01:00:00"`):          zone,
		with(`"Expiration":"2000-01-01"`):                   zone,
		with(`"Expiration":"2000-13-01T01:00:00Z"`):         zone,
		with(`"Expiration":"2000-01-01T01:00:00ZUTC"`):      zone,
		with(`"Expiration":"2000-01-01T01:00:00Z canary"`):  zone,
		with(`"Expiration":"1999-12-31T23:59:59Z"`):         "the credentials in the output expired at 1999-12-31T23:59:59Z (Expiration)",
		with(`"Expiration":"2000-01-01T00:00:00Z"`):         "the credentials in the output expired at 2000-01-01T00:00:00Z (Expiration)",
		with(`"Expiration":"1999-12-31T16:00:00-0800"`):     "the credentials in the output expired at 2000-01-01T00:00:00Z (Expiration)",
		with(`"Expiration":"0001-01-01T00:00:00Z"`):         "the credentials in the output expired at 0001-01-01T00:00:00Z (Expiration)",
	}
}

func TestParseProcessOutputErrors(t *testing.T) {
	t.Parallel()
	for output, want := range badOutputs() {
		synctest.Test(t, func(t *testing.T) {
			got, err := parseProcessOutput([]byte(output))
			require.EqualError(t, err, want, "%.200q", output)
			require.NotErrorIs(t, err, credchain.ErrNotConfigured)
			require.NotContains(t, err.Error(), "canary")
			require.Empty(t, cmp.Diff(aws.Credentials{}, got))
		})
	}
}

func TestParseProcessOutputNested(t *testing.T) {
	t.Parallel()
	for _, one := range []string{"[", `{"a":`} {
		_, err := parseProcessOutput([]byte("{" + pair + `,"X":` + strings.Repeat(one, 100<<10)))
		require.ErrorContains(t, err, "the output is not JSON from its byte ")
	}
}

func TestProcessFailure(t *testing.T) {
	t.Parallel()
	const (
		secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
		token  = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ=="
	)
	for stderr, want := range map[string]string{
		"":                                      "",
		" \n\x00\x07":                           "",
		"no such profile: dev\n":                "no such profile: dev",
		"\r\n a\r\n\tb \n\n c\v":                "a b c",
		"\x1b[1;31mred\x1b[0m \x1b[2K":          "red",
		"\x1b]0;title\aa\x1b]8;;x\x1b\\b\x1b(B": "abB",
		"a\x1b]open\nb\x1b":                     "aopen b",
		"caf\xe9 \xff":                          "caf? ?",
		"a\u202eb\u200bc\u0085d\u00a0e":         "abc d e",

		"key " + secret + " refused":                          "key *** refused",
		"key " + secret[:39] + " refused":                     "key " + secret[:39] + " refused", // no secret of AWS
		"key '" + strings.ReplaceAll(secret, "/", `\/`) + "'": "key '***'",
		"key=" + strings.ReplaceAll(secret, "/", "%2F"):       "key=***",
		"key \x1b[1m" + secret[:20] + "\x1b[0m" + secret[20:]: "key ***",
		"t " + token: "t ***==",
		"id 0123456789abcdef0123456789abcdef01234567":                          "id ***",
		"request 550e8400-e29b-41d4-a716-446655440000 of AKIAIOSFODNN7EXAMPLE": "request 550e8400-e29b-41d4-a716-446655440000 of AKIAIOSFODNN7EXAMPLE",
		"https://portal.sso.eu-central-1.amazonaws.com/federation/credentials": "https://portal.sso.eu-central-1.amazonaws.com/federation/credentials",
		"in /usr/local/lib/credential-helpers/bin/helper, line 3":              "in /usr/local/lib/credential-helpers/bin/helper, line 3",
		"in /Users/somebody/Library/credential-helpers/helper":                 "in ***",

		"aws_secret_access_key = hunter2 x":           "aws_secret_access_key = *** x",
		"AWS_SESSION_TOKEN=hunter2;x":                 "AWS_SESSION_TOKEN=***;x",
		`{"SecretAccessKey": "hunter2", "x": "y"}`:    `{"SecretAccessKey": "***", "x": "y"}`,
		`{\"SessionToken\":\"hunter2\",\"x\":1}`:      `{\"SessionToken\":\"***",\"x\":1}`,
		`{'session_token': 'hunter 2', x}`:            `{'session_token': '***', x}`,
		`{"token": hunter2, x}`:                       `{"token": ***, x}`,
		"helper --password hunter2 --token='a b' --x": "helper --password *** --token='***' --x",
		"password: hunter2":                           "password: ***",
		"SessionToken: 0123456789abcdef":              "SessionToken: ***",
		"Authorization: Bearer hunter2 x":             "Authorization: *** x",
		"authorization=basic hunter2":                 "authorization=***",
		"token: expired":                              "token: expired",
		"the token has expired; secrets are safe":     "the token has expired; secrets are safe",
		"password=": "password=",
		"token":     "token",
		"--token":   "--token",

		strings.Repeat("a ", 150):       strings.TrimSpace(strings.Repeat("a ", 150)),
		strings.Repeat("word ", 100):    "… " + strings.TrimSpace(strings.Repeat("word ", 60)),
		strings.Repeat("é.", 200):       "… " + strings.Repeat("é.", 100),
		"x " + strings.Repeat(".", 301): "… " + strings.Repeat(".", 300),
	} {
		require.Equal(t, want, processFailure([]byte(stderr)), "%q", stderr)
	}
}

func FuzzProcessOutput(f *testing.F) {
	var known strings.Builder // the words that an error may have in common with the output
	for output, words := range badOutputs() {
		known.WriteString(words + "\n")
		if len(output) < 1000 {
			f.Add([]byte(output))
		}
	}
	f.Add([]byte("{" + pair + `,"SessionToken":"x","AccountId":"1","Expiration":"2999-01-01T00:00:00+00:00"}`))
	f.Fuzz(func(t *testing.T, output []byte) {
		got, err := parseProcessOutput(output)
		if err != nil {
			if got != (aws.Credentials{}) {
				t.Fatal("credentials next to an error")
			}
			const window = 8
			for words := err.Error(); len(words) >= window; words = words[1:] {
				if part := words[:window]; strings.Contains(string(output), part) && !strings.Contains(known.String(), part) &&
					!strings.Contains(words, "(Expiration)") && strings.Trim(part, "0123456789-:TZ ") != "" {
					t.Fatalf("%q quotes the output", err)
				}
			}
			return
		}
		if got.AccessKeyID == "" || got.SecretAccessKey == "" || got.CanExpire != !got.Expires.IsZero() || got.CanExpire && !got.Expires.After(time.Now()) {
			t.Fatalf("%q: what is this", output)
		}
		if strings.ContainsFunc(got.AccessKeyID+got.SecretAccessKey+got.SessionToken+got.AccountID, unicode.IsControl) {
			t.Fatalf("%q: a control character", output)
		}
		document := map[string]any{"Version": 1, "AccessKeyId": got.AccessKeyID, "SecretAccessKey": got.SecretAccessKey,
			"SessionToken": got.SessionToken, "AccountId": got.AccountID}
		if got.CanExpire {
			if _, zone := got.Expires.Zone(); zone%60 != 0 {
				return // RFC 3339 cannot write it
			}
			document["Expiration"] = got.Expires.Format(time.RFC3339Nano)
		}
		raw, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseProcessOutput(raw)
		if err != nil || !again.Expires.Equal(got.Expires) {
			t.Fatalf("%q: written again: %v", output, err)
		}
		if again.Expires = got.Expires; again != got {
			t.Fatalf("%q: written again, it reads otherwise", output)
		}
	})
}

func FuzzProcessFailure(f *testing.F) {
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	for _, s := range []string{"", "a", "token=", `{"Secret":"`, "\x1b[31m", "--password ", strings.Repeat("a ", 200), "\xff\u202e", "authorization: bearer "} {
		f.Add(s, "")
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		plain := processFailure([]byte(before))
		switch {
		case !utf8.ValidString(plain), strings.ContainsFunc(plain, func(r rune) bool { return !unicode.IsPrint(r) }):
			t.Fatalf("%q is not fit to be shown", plain)
		case len(plain) > maxFailure+len("… "):
			t.Fatalf("%q is long", plain)
		}
		before = strings.ReplaceAll(before, "\x1b", "") // what is not ended would take a part of the secret with it
		if s := processFailure([]byte(before + secret + after)); strings.Contains(s, "bPxRfiCY") || strings.Contains(s, "wJalrXUt") {
			t.Fatalf("%q and %q: %q", before, after, s)
		}
	})
}
