package profile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/profile"
)

func dev() profile.Section { return profile.Section{Name: "dev"} }

func named(name string) profile.Section { return profile.Section{Name: name} }

// edits are single calls of Set, or of Unset where there is no value to set.
var edits = []struct {
	name       string
	style      profile.Style
	section    profile.Section // zero: the profile dev
	file       string
	key, value string
	unset      bool
	want       string
}{
	// A key that is there.
	{name: "value", file: "[profile dev]\nregion = a\noutput = json\n", key: "region", value: "b", want: "[profile dev]\nregion = b\noutput = json\n"},
	{name: "case and spelling stay", file: "[profile dev]\nRegion=a\n", key: "REGION", value: "b", want: "[profile dev]\nRegion=b\n"},
	{name: "blanks stay", file: "[profile dev]\n\tregion\t=  a \t\n", key: "region", value: "b c", want: "[profile dev]\n\tregion\t=  b c \t\n"},
	{name: "comment stays", file: "[profile dev]\nregion = a # old\n", key: "region", value: "b", want: "[profile dev]\nregion = b # old\n"},
	{name: "comment with a semicolon stays", file: "[profile dev]\nregion=a\t;old = x\n", key: "region", value: "b", want: "[profile dev]\nregion=b\t;old = x\n"},
	{name: "empty before a comment", file: "[profile dev]\nregion = # none\n", key: "region", value: "b", want: "[profile dev]\nregion = b # none\n"},
	{name: "no blank, no comment", file: "[profile dev]\nregion = a#b;c\n", key: "region", value: "d", want: "[profile dev]\nregion = d\n"},
	{name: "empty", file: "[profile dev]\nregion =\n", key: "region", value: "b", want: "[profile dev]\nregion = b\n"},
	{name: "empty, no blanks", file: "[profile dev]\nregion=\n", key: "region", value: "b", want: "[profile dev]\nregion=b\n"},
	{name: "to empty", file: "[profile dev]\nregion = a # c\n", key: "region", value: "", want: "[profile dev]\nregion =  # c\n"},
	{name: "equals sign in the value", file: "[profile dev]\nk = a=b\n", key: "k", value: "c=d=", want: "[profile dev]\nk = c=d=\n"},
	{name: "continued", file: "[profile dev]\nk = a # c\n\n  b\n# d\n\tc\nl = x\n", key: "k", value: "z", want: "[profile dev]\nk = z # c\n\n# d\nl = x\n"},
	{name: "continued by a header", file: "[profile dev]\nk = a\n  [profile q]\nl = x\n", key: "k", value: "z", want: "[profile dev]\nk = z\nl = x\n"},
	{name: "the last of two", file: "[profile dev]\nk = a\nk = b\nl = c\n", key: "k", value: "z", want: "[profile dev]\nk = a\nk = z\nl = c\n"},
	{name: "the last piece", file: "[profile dev]\nk = a\n[x]\n[profile dev]\nk = b\n", key: "k", value: "z", want: "[profile dev]\nk = a\n[x]\n[profile dev]\nk = z\n"},
	{name: "only in the first piece", file: "[profile dev]\nk = a\n[x]\n[profile dev]\nl = b\n", key: "k", value: "z", want: "[profile dev]\nk = z\n[x]\n[profile dev]\nl = b\n"},
	{name: "same value", file: "[profile dev]\nk =  a \n", key: "k", value: "a", want: "[profile dev]\nk =  a \n"},
	{name: "odd name", file: "[profile dev]\na b:c = 1\n", key: "A b:c", value: "2", want: "[profile dev]\na b:c = 2\n"},
	{name: "no last line end", file: "[profile dev]\nk = a", key: "k", value: "z", want: "[profile dev]\nk = z"},
	{name: "CRLF", file: "[profile dev]\r\nk = a\r\n  b\r\nl = c\r\n", key: "k", value: "z", want: "[profile dev]\r\nk = z\r\nl = c\r\n"},
	{name: "commented out", file: "[profile dev]\n#k = a\n", key: "k", value: "z", want: "[profile dev]\nk = z\n#k = a\n"},

	// A key that is not there.
	{name: "new key", file: "[profile dev]\na = 1\n\n# of x\n[x]\n", key: "k", value: "z", want: "[profile dev]\na = 1\nk = z\n\n# of x\n[x]\n"},
	{name: "new key, lower-case", file: "[profile dev]\n", key: "Key", value: "z", want: "[profile dev]\nkey = z\n"},
	{name: "below a continuation", file: "[profile dev]\na = 1\n  2\nb = \n  c = 3\n[x]\n", key: "k", value: "z", want: "[profile dev]\na = 1\n  2\nb = \n  c = 3\nk = z\n[x]\n"},
	{name: "as deep as the last key", file: "[profile dev]\n   a = 1\n\t b = 2\n     c\n[x]\n", key: "k", value: "z", want: "[profile dev]\n   a = 1\n\t b = 2\n     c\n\t k = z\n[x]\n"},
	{name: "deeper header next", file: "[profile dev]\n  [x]\na = 1\n", key: "k", value: "z", want: "[profile dev]\n  k = z\n  [x]\na = 1\n"},
	{name: "below a malformed key", file: "[profile dev]\n oops\n  more\n", key: "k", value: "z", want: "[profile dev]\n oops\n  more\n k = z\n"},
	{name: "no last line end, new key", file: "[profile dev]\na = 1", key: "k", value: "z", want: "[profile dev]\na = 1\nk = z"},
	{name: "header alone", file: "[profile dev]", key: "k", value: "z", want: "[profile dev]\nk = z"},
	{name: "CRLF without a last end", file: "[profile dev]\r\na = 1", key: "k", value: "z", want: "[profile dev]\r\na = 1\r\nk = z"},
	{name: "mixed line ends", file: "[profile dev]\na = 1\r\nb = 2\n", key: "k", value: "z", want: "[profile dev]\na = 1\r\nb = 2\nk = z\n"},
	{name: "in the last piece", file: "[profile dev]\na = 1\n[x]\n[profile dev]\n[y]\n", key: "k", value: "z", want: "[profile dev]\na = 1\n[x]\n[profile dev]\nk = z\n[y]\n"},
	{name: "BOM", file: "\ufeff[profile dev]\r\n", key: "k", value: "z", want: "\ufeff[profile dev]\r\nk = z\r\n"},
	{name: "text after the header", file: "[profile dev] # mine\n", key: "k", value: "z", want: "[profile dev] # mine\nk = z\n"},

	// A section that is not there.
	{name: "empty file", file: "", key: "k", value: "z", want: "[profile dev]\nk = z\n"},
	{name: "BOM alone", file: "\ufeff", key: "k", value: "z", want: "\ufeff[profile dev]\nk = z\n"},
	{name: "new section", file: "[default]\na = 1\n", key: "k", value: "z", want: "[default]\na = 1\n\n[profile dev]\nk = z\n"},
	{name: "blank line there", file: "[default]\na = 1\n\n", key: "k", value: "z", want: "[default]\na = 1\n\n[profile dev]\nk = z\n"},
	{name: "new section, CRLF", file: "[default]\r\na = 1\r\n", key: "k", value: "z", want: "[default]\r\na = 1\r\n\r\n[profile dev]\r\nk = z\r\n"},
	{name: "new section, no last end", file: "[default]\na = 1", key: "k", value: "z", want: "[default]\na = 1\n\n[profile dev]\nk = z"},
	{name: "new section in credentials", style: profile.Credentials, file: "", key: "k", value: "z", want: "[dev]\nk = z\n"},
	{name: "stray header in credentials", style: profile.Credentials, file: "[profile dev]\n", key: "k", value: "z", want: "[profile dev]\n\n[dev]\nk = z\n"},
	{name: "header in a continuation", file: "[x]\na = 1\n  [profile dev]\n", key: "k", value: "z", want: "[x]\na = 1\n  [profile dev]\n\n[profile dev]\nk = z\n"},
	{name: "name with blanks", section: named("a b"), file: "", key: "k", value: "z", want: "[profile 'a b']\nk = z\n"},
	{name: "name with blanks in credentials", style: profile.Credentials, section: named("a b"), file: "", key: "k", value: "z", want: "[a b]\nk = z\n"},
	{name: "name with an apostrophe", section: named("o'brien"), file: "", key: "k", value: "z", want: "[profile \"o'brien\"]\nk = z\n"},
	{name: "name with a quote", section: named(`a "b`), file: "", key: "k", value: "z", want: "[profile 'a \"b']\nk = z\n"},
	{name: "sso-session", section: profile.Section{Kind: profile.SSOSession, Name: "s"}, file: "[profile s]\n", key: "k", value: "z", want: "[profile s]\n\n[sso-session s]\nk = z\n"},
	{name: "services", section: profile.Section{Kind: profile.Services, Name: "s"}, file: "", key: "sts.endpoint_url", value: "http://127.0.0.1:1", want: "[services s]\nsts =\n    endpoint_url = http://127.0.0.1:1\n"},
	{name: "other", section: profile.Section{Kind: profile.Other, Name: "plugins"}, file: "", key: "k", value: "z", want: "[plugins]\nk = z\n"},
	{name: "other, in other blanks", section: profile.Section{Kind: profile.Other, Name: "a b"}, file: "[a \t b]\n", key: "k", value: "z", want: "[a \t b]\nk = z\n"},

	// default
	{name: "new default", section: named("default"), file: "", key: "k", value: "z", want: "[default]\nk = z\n"},
	{name: "default", section: named("default"), file: "[ default ]\na = 1\n", key: "k", value: "z", want: "[ default ]\na = 1\nk = z\n"},
	{name: "profile default", section: named("default"), file: "[profile default]\na = 1\n", key: "k", value: "z", want: "[profile default]\na = 1\nk = z\n"},
	{name: "profile default counts", section: named("default"), file: "[profile default]\nk = 1\n[default]\nk = 2\n", key: "k", value: "z", want: "[profile default]\nk = z\n[default]\nk = 2\n"},
	{name: "profile default counts for a new key", section: named("default"), file: "[profile default]\n[default]\nk = 2\n", key: "k", value: "z", want: "[profile default]\nk = z\n[default]\nk = 2\n"},
	{name: "default in credentials", style: profile.Credentials, section: named("default"), file: "[profile default]\n[default]\n", key: "k", value: "z", want: "[profile default]\n[default]\nk = z\n"},

	// Headers in other spellings.
	{name: "quoted", file: "[profile 'dev']\n", key: "k", value: "z", want: "[profile 'dev']\nk = z\n"},
	{name: "half quoted", file: "[profile d\"e\"v]\n", key: "k", value: "z", want: "[profile d\"e\"v]\nk = z\n"},
	{name: "escaped", file: "[profile d\\ev]\n", key: "k", value: "z", want: "[profile d\\ev]\nk = z\n"},
	{name: "tab", file: "\t[\tprofile \tdev ]\n", key: "k", value: "z", want: "\t[\tprofile \tdev ]\nk = z\n"},

	// Malformed text elsewhere stays.
	{name: "malformed elsewhere", file: "junk\n[profile x\n= 1\n[profile dev]\noops\nk = a\n[\n", key: "k", value: "z", want: "junk\n[profile x\n= 1\n[profile dev]\noops\nk = z\n[\n"},
	{name: "bytes that are no text", file: "[x]\nk = \xff\x00\n[profile dev]\nk = \xfe\n", key: "k", value: "z", want: "[x]\nk = \xff\x00\n[profile dev]\nk = z\n"},

	// Nested keys.
	{name: "nested", file: "[profile dev]\ns3 =\n  a = 1\n  b = 2 # no comment\nk = v\n", key: "s3.b", value: "3", want: "[profile dev]\ns3 =\n  a = 1\n  b = 3\nk = v\n"},
	{name: "new nested", file: "[profile dev]\ns3 = # c\n\ta = 1\n\n# d\nk = v\n", key: "s3.b", value: "3", want: "[profile dev]\ns3 = # c\n\ta = 1\n\tb = 3\n\n# d\nk = v\n"},
	{name: "first nested", file: "[profile dev]\n  s3 =\n  k = v\n", key: "s3.b", value: "3", want: "[profile dev]\n  s3 =\n      b = 3\n  k = v\n"},
	{name: "new parent", file: "[profile dev]\n  k = v\n", key: "S3.B", value: "3", want: "[profile dev]\n  k = v\n  s3 =\n      b = 3\n"},
	{name: "new section with nested", file: "", key: "s3.b", value: "3", want: "[profile dev]\ns3 =\n    b = 3\n"},
	{name: "nested in the last of two", file: "[profile dev]\ns3 =\n a = 1\ns3 =\n a = 2\n a = 3\n", key: "s3.a", value: "4", want: "[profile dev]\ns3 =\n a = 1\ns3 =\n a = 2\n a = 4\n"},
	{name: "nested below a malformed one", file: "[profile dev]\ns3 =\n oops\n", key: "s3.a", value: "4", want: "[profile dev]\ns3 =\n oops\n a = 4\n"},
	{name: "nested, no last line end", file: "[profile dev]\ns3 =", key: "s3.a", value: "4", want: "[profile dev]\ns3 =\n    a = 4"},

	// Unset.
	{name: "unset", unset: true, file: "[profile dev]\na = 1\nk = 2 # c\nb = 3\n", key: "K", want: "[profile dev]\na = 1\nb = 3\n"},
	{name: "unset all of them", unset: true, file: "[profile dev]\nk = 1\n[x]\nk = 2\n[profile dev]\nk = 3\nk = 4\n", key: "k", want: "[profile dev]\n[x]\nk = 2\n[profile dev]\n"},
	{name: "unset what continues", unset: true, file: "[profile dev]\nk = 1\n  [y]\n# c\n\n  z\nb = 2\n", key: "k", want: "[profile dev]\n# c\n\nb = 2\n"},
	{name: "unset nested", unset: true, file: "[profile dev]\ns3 =\n a = 1\n b = 2\n", key: "s3.a", want: "[profile dev]\ns3 =\n b = 2\n"},
	{name: "unset parent", unset: true, file: "[profile dev]\ns3 =\n a = 1\n oops\nk = 1", key: "s3", want: "[profile dev]\nk = 1"},
	{name: "unset what is not there", unset: true, file: "[profile dev]\na = 1\n", key: "k", want: "[profile dev]\na = 1\n"},
	{name: "unset in no section", unset: true, file: "[profile d]\nk = 1\n", key: "k", want: "[profile d]\nk = 1\n"},
	{name: "unset the last line", unset: true, file: "[profile dev]\na = 1\nk = 2", key: "k", want: "[profile dev]\na = 1\n"},
	{name: "unset leaves [default]", unset: true, section: named("default"), file: "[default]\nk = 1\n[profile default]\nk = 2\n", key: "k", want: "[default]\nk = 1\n[profile default]\n"},
}

func TestEdits(t *testing.T) {
	t.Parallel()
	for _, tt := range edits {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			section := tt.section
			if section == (profile.Section{}) {
				section = dev()
			}
			f := profile.Parse("f", []byte(tt.file), tt.style)
			if tt.unset {
				require.Equal(t, tt.file != tt.want, f.Unset(section, tt.key))
			} else {
				require.NoError(t, f.Set(section, tt.key, tt.value))
				k, ok := f.Get(section, tt.key)
				require.True(t, ok)
				require.Equal(t, tt.value, k.Value)
			}
			if diff := cmp.Diff(tt.want, string(f.Bytes())); diff != "" {
				t.Errorf("the text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const canary = "canary"
	tests := []struct {
		name, file, key, value, want string
		section                      profile.Section
		style                        profile.Style
	}{
		{name: "line feed", key: "k", value: "a\ncanary", want: "k: the value holds a line break"},
		{name: "carriage return", key: "k", value: "a\rcanary", want: "k: the value holds a line break"},
		{name: "NUL", key: "k", value: "a\x00canary", want: "k: the value holds a control character"},
		{name: "tab", key: "k", value: "a\tcanary", want: "k: the value holds a control character"},
		{name: "C1", key: "k", value: "a\u0085canary", want: "k: the value holds a control character"},
		{name: "no UTF-8", key: "k", value: "a\xffcanary", want: "k: the value is not UTF-8"},
		{name: "leading blank", key: "k", value: " canary", want: "k: the value begins or ends with a blank, which would be lost"},
		{name: "trailing blank", key: "k", value: "canary ", want: "k: the value begins or ends with a blank, which would be lost"},
		{name: "trailing no-break space", key: "k", value: "canary\u00a0", want: "k: the value begins or ends with a blank, which would be lost"},
		{name: "comment", key: "k", value: "a #canary", want: `k: the value has a "#" or ";" at its start or after a blank, which would begin a comment`},
		{name: "semicolon", key: "k", value: "a ; canary", want: `k: the value has a "#" or ";" at its start or after a blank, which would begin a comment`},
		{name: "comment at the start", key: "k", value: "#canary", want: `k: the value has a "#" or ";" at its start or after a blank, which would begin a comment`},
		{name: "comment in a nested value", key: "s3.k", value: "a #canary", want: `s3.k: the value has a "#" or ";" at its start or after a blank, which would begin a comment`},
		{name: "no key", key: "", value: canary, want: "key: it has no name"},
		{name: "no nested key", key: "s3.", value: canary, want: "key: it has no name"},
		{name: "no parent", key: ".a", value: canary, want: "key: it has no name"},
		{name: "colon", key: "a:b", value: canary, want: "a:b: the name of a key is made of letters, digits, - and _"},
		{name: "equals sign", file: "[profile dev]\n", key: "a=b", value: canary, want: "a=b: the name of a key is made of letters, digits, - and _"},
		{name: "three levels", file: "[profile dev]\n", key: "a.b.c", value: canary, want: "b.c: the name of a key is made of letters, digits, - and _"},
		{name: "parent with a value", file: "[profile dev]\ns3 = x\n", key: "s3.a", value: canary, want: "s3: it has a value of its own, and can have no nested keys"},
		{name: "value over nested keys", file: "[profile dev]\ns3 =\n  a = 1\n", key: "s3", value: canary, want: "s3: it has nested keys, and can have no value of its own"},
		{name: "value over malformed nested keys", file: "[profile dev]\ns3 =\n  oops\n", key: "s3", value: canary, want: "s3: it has nested keys, and can have no value of its own"},
		{name: "too long", key: "k", value: strings.Repeat("canary", 200_000), want: "k: the value would not read back as it is"},

		{name: "broken header", file: "# c\n[profile dev\nk = 1\n", key: "k", value: canary, want: `f:2: section header without a closing "]"`},
		{name: "broken second header", file: "[profile dev]\nk = 1\n[profile dev] x\n", key: "k", value: canary, want: `f:3: text after the closing "]" of a section header`},
		{name: "broken profile default", section: named("default"), file: "[default]\nk = 1\n[profile default\n", key: "k", value: canary, want: `f:3: section header without a closing "]"`},

		{name: "no section name", section: profile.Section{Kind: profile.Other}, key: "k", value: canary, want: "section : the name of a section must not be empty"},
		{name: "bracket", section: named("a]b"), key: "k", value: canary, want: "profile a]b: the name of a section must not be empty, hold any of [ ] # ;"},
		{name: "comment in a name", section: named("a#b"), key: "k", value: canary, want: "profile a#b: the name of a section must not"},
		{name: "line break in a name", section: named("a\nb"), key: "k", value: canary, want: "profile a\nb: the name of a section must not"},
		{name: "blank at the end of a name", section: named("a "), key: "k", value: canary, want: "profile a : the name of a section must not"},
		{name: "both quotes and a blank", section: named(`a '"`), key: "k", value: canary, want: `profile a '": no header for it can be written in this file`},
		{name: "session in credentials", section: profile.Section{Kind: profile.SSOSession, Name: "s"}, style: profile.Credentials, key: "k", value: canary, want: "sso-session s: no header for it"},
		{name: "DEFAULT in credentials", section: named("DEFAULT"), style: profile.Credentials, key: "k", value: canary, want: "profile DEFAULT: no header for it"},
		{name: "other that is a profile", section: profile.Section{Kind: profile.Other, Name: "profile x"}, key: "k", value: canary, want: "section profile x: no header for it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.section == (profile.Section{}) {
				tt.section = dev()
			}
			f := profile.Parse("f", []byte(tt.file), tt.style)
			err := f.Set(tt.section, tt.key, tt.value)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), canary)
			require.Equal(t, tt.file, string(f.Bytes()), "an edit that failed left something")
		})
	}
}
