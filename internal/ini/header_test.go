package ini_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/ini"
)

type headerCase struct {
	header string
	want   string // the ref, as showRef writes it; empty if there is none
	fault  string // of the malformed header; empty if it is well-formed
}

const (
	unclosed   = `section header without a closing "]"`
	junk       = `text after the closing "]" of a section header`
	noName     = "section header without a name"
	unfinished = "section header with an unfinished quote"
)

var configHeaders = []headerCase{
	{"[default]", "profile default", ""},
	{"[ default ]", "profile default", ""},
	{"[\tdefault\t]", "profile default", ""},
	{"[profile default]", "profile default", ""},
	{"[profile foo]", "profile foo", ""},
	{"[ profile  foo ]", "profile foo", ""},
	{"[profile\tfoo]", "profile foo", ""},
	{"[\t profile \t foo \t]", "profile foo", ""},
	{"[sso-session my-sso]", "sso-session my-sso", ""},
	{"[services local]", "services local", ""},
	{"[profile a-b_c/d.e%f@g:h+1]", "profile a-b_c/d.e%f@g:h+1", ""},
	{"[profile ünï]", "profile ünï", ""},
	{"[profile \xff\x00]", "profile \xff\x00", ""},

	// A quoted name is one shell word.
	{`[profile "a b"]`, "profile a b", ""},
	{`[profile 'a b']`, "profile a b", ""},
	{`[profile "a  b"]`, "profile a  b", ""},
	{`[profile a"b c"d]`, "profile ab cd", ""},
	{`[profile a\ b]`, "profile a b", ""},
	{`[profile "a\"b\\c\d"]`, `profile a"b\c\d`, ""},
	{`[profile 'a\b']`, `profile a\b`, ""},
	{`[profile a\b]`, `profile ab`, ""},
	{`[profile "it's"]`, `profile it's`, ""},
	{`[profile "a]b"]`, "profile a]b", ""},
	{`[profile "a] # b"] # c]`, "profile a] # b", ""},
	{`[profile a\]b]`, "profile a]b", ""},
	{`[sso-session "a b"]`, "sso-session a b", ""},
	{`[profile ""]`, `other profile ""`, ""},
	{`[profile "a" "b"]`, `other profile "a" "b"`, ""},
	{`[profile "a b]`, "profile a b", unfinished},
	{`[profile 'a b]`, "profile a b", unfinished},
	{`[profile o'brien]`, "profile o'brien", unfinished},
	{`[profile a\]`, `profile a\`, unfinished},

	// Case counts, and so does every word.
	{"[DEFAULT]", "other DEFAULT", ""},
	{"[Default]", "other Default", ""},
	{"[Profile foo]", "other Profile foo", ""},
	{"[profile Foo]", "profile Foo", ""},
	{"[foo]", "other foo", ""},
	{"[profile]", "other profile", ""},
	{"[profiles foo]", "other profiles foo", ""},
	{"[profilefoo]", "other profilefoo", ""},
	{"[profile a b]", "other profile a b", ""},
	{"[profile \t a \t b]", "other profile a b", ""},
	{"[default a]", "other default a", ""},
	{`["default"]`, `other "default"`, ""},

	// "#" and ";" belong to the name.
	{"[profile a#b]", "profile a#b", ""},
	{"[profile #b]", "profile #b", ""},
	{"[profile a;b]", "profile a;b", ""},
	{"[#]", "other #", ""},

	// After the bracket only a comment may stand.
	{"[profile foo] ", "profile foo", ""},
	{"[profile foo]\t \r", "profile foo", ""},
	{"[profile foo] # c", "profile foo", ""},
	{"[profile foo]# c", "profile foo", ""},
	{"[profile foo]\t;c", "profile foo", ""},
	{"[profile foo] # [see] x", "profile foo", ""},
	{"[profile foo] junk", "profile foo", junk},
	{"[profile foo]]", "profile foo", junk},
	{"[profile foo]junk # c", "profile foo", junk},
	{"[default] k = v", "profile default", junk},
	{"[profile o'brien] k = v", "profile o'brien", junk},

	{"[profile foo", "profile foo", unclosed},
	{"[profile  foo \r", "profile foo", unclosed},
	{"[profile foo # c", "profile foo", unclosed},
	{`[profile "a b"`, "profile a b", unclosed},
	{"[default", "profile default", unclosed},
	{"[", "", unclosed},
	{"[ # c", "", unclosed},
	{"[]", "", noName},
	{"[ \t ]", "", noName},
	{"[] # c", "", noName},
	{"[] c", "", junk},
}

var credentialsHeaders = []headerCase{
	{"[default]", "profile default", ""},
	{"[foo]", "profile foo", ""},
	{"[ \tfoo\t ]", "profile foo", ""},
	{"[a b]", "profile a b", ""},
	{"[a  b]", "profile a  b", ""},
	{`["a b"]`, `profile "a b"`, ""},
	{"[o'brien]", "profile o'brien", ""},
	{"[a'b] # c'd]", "profile a'b", ""},
	{`[dom\user]`, `profile dom\user`, ""},
	{"[a#b]", "profile a#b", ""},
	{"[profile]", "profile profile", ""},
	{"[Foo]", "profile Foo", ""},
	{"[DEFAULT]", "other DEFAULT", ""},
	{"[profile foo]", "other profile foo", ""},
	{"[profile \t foo]", "other profile foo", ""},
	{"[profile default]", "other profile default", ""},
	{`[profile "a b"]`, `other profile "a b"`, ""},
	{"[sso-session foo]", "other sso-session foo", ""},
	{"[services foo]", "other services foo", ""},
	{"[foo] # c", "profile foo", ""},
	{"[foo] junk", "profile foo", junk},
	{"[foo", "profile foo", unclosed},
	{"[foo ; c", "profile foo", unclosed},
	{"[]", "", noName},
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for style, cases := range map[ini.Style][]headerCase{ini.Config: configHeaders, ini.Credentials: credentialsHeaders} {
		for _, tt := range cases {
			t.Run(tt.header, func(t *testing.T) {
				t.Parallel()
				file := "[first]\n" + tt.header + "\nk=v\n"
				names, err := ini.Names(strings.NewReader(file), "f", style)
				require.NoError(t, err)
				names = names[1:]

				doc, err := ini.Read(strings.NewReader(file), "f", style, refs(names)...)
				require.NoError(t, err)
				var want string
				switch {
				case tt.want == "":
					require.Empty(t, names)
				case tt.fault == "":
					want = lines("2 ["+tt.want+"]", `3 k="v"`)
				default:
					want = lines("2 ["+tt.want+"]", "! f:2: "+tt.fault)
				}
				if tt.fault != "" {
					want += "? f:2: " + tt.fault + "\n"
				}
				require.Equal(t, want, show(doc))
			})
		}
	}
}
