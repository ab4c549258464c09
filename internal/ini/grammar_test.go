package ini_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/ini"
)

// The errors of key lines, in file f.
const (
	noEquals = `key without "="`
	noKey    = `no key name before "="`
	stray    = "text before the first section header"
)

type fileCase struct {
	name  string
	style ini.Style
	file  string
	ask   []ini.Ref // empty: [profile p]
	want  string    // as show writes it
}

var fileCases = []fileCase{
	// Key lines. The header is line 1.
	{name: "key", file: "[profile p]\nregion = eu-west-1", want: lines(`1 [profile p]`, `2 region="eu-west-1"`)},
	{name: "no blanks", file: "[profile p]\nk=v\n", want: lines(`1 [profile p]`, `2 k="v"`)},
	{name: "many blanks", file: "[profile p]\nk\t =\t \tv w\t \n", want: lines(`1 [profile p]`, `2 k="v w"`)},
	{name: "key case", file: "[profile p]\nReGion = EU\n", want: lines(`1 [profile p]`, `2 region="EU"`)},
	{name: "key case of other letters", file: "[profile p]\nÄK\xff = v\n", want: lines(`1 [profile p]`, "2 Äk\xff=\"v\"")},
	{name: "blank in key", file: "[profile p]\na b = v\n", want: lines(`1 [profile p]`, `2 a b="v"`)},
	{name: "first equals sign", file: "[profile p]\nk = a=b==\n", want: lines(`1 [profile p]`, `2 k="a=b=="`)},
	{name: "colon is no separator", file: "[profile p]\nk : v\na:b = c\n", want: lines(`1 [profile p]`, `3 a:b="c"`, `! f:2: `+noEquals)},
	{name: "empty value", file: "[profile p]\nk =\n", want: lines(`1 [profile p]`, `2 k=""`)},
	{name: "quotes are literal", file: "[profile p]\na = \"v\"\nb = 'v'\n", want: lines(`1 [profile p]`, `2 a="\"v\""`, `3 b="'v'"`)},
	{name: "no interpolation", file: "[profile p]\nk = %(x)s ${X} $X ~/x %\n", want: lines(`1 [profile p]`, `2 k="%(x)s ${X} $X ~/x %"`)},
	{name: "control characters", file: "[profile p]\na\x00b = c\x07\rd\n", want: lines(`1 [profile p]`, "2 a\x00b=\"c\\a\\rd\"")},
	{name: "invalid UTF-8", file: "[profile p]\nk = \xff\xfe\n", want: lines(`1 [profile p]`, `2 k="\xff\xfe"`)},
	{name: "bracket in value", file: "[profile p]\nk = [x]\n", want: lines(`1 [profile p]`, `2 k="[x]"`)},

	// Comments.
	{name: "comment after value", file: "[profile p]\na = v # c\nb = v\t;c\nc = v #\n", want: lines(`1 [profile p]`, `2 a="v"`, `3 b="v"`, `4 c="v"`)},
	{name: "no blank, no comment", file: "[profile p]\na = v#c\nb = v;c\nc = v;c #d\n", want: lines(`1 [profile p]`, `2 a="v#c"`, `3 b="v;c"`, `4 c="v;c"`)},
	{name: "comment for a value", file: "[profile p]\na = # c\nb =\t; c\nc =#v\n", want: lines(`1 [profile p]`, `2 a=""`, `3 b=""`, `4 c="#v"`)},
	{name: "comment sign in key", file: "[profile p]\na #b = v\n", want: lines(`1 [profile p]`, `2 a #b="v"`)},
	{name: "equals sign in comment", file: "[profile p]\nk # = v\nl\n", want: lines(`1 [profile p]`, `2 k #="v"`, `! f:3: `+noEquals)},
	{name: "comment lines", file: "# a\n; b\n[profile p]\n# c = d\n;e = f\n  # g = h\n\t;\nk = v\n", want: lines(`3 [profile p]`, `8 k="v"`)},
	{name: "header in comment", file: "[profile p]\n#[profile q]\nk = v\n", want: lines(`1 [profile p]`, `3 k="v"`)},

	// Continuations.
	{name: "continuation", file: "[profile p]\nk = v\n  w\n\tx = y\n", want: lines(`1 [profile p]`, `2 k="v\nw\nx = y"`)},
	{name: "continuation keeps comments", file: "[profile p]\nk = v # c\n  w # c\n", want: lines(`1 [profile p]`, `2 k="v\nw # c"`)},
	{name: "continuation is trimmed", file: "[profile p]\nk = v\n  \t w \t\nl = x\n", want: lines(`1 [profile p]`, `2 k="v\nw"`, `4 l="x"`)},
	{name: "blank lines and comments in it", file: "[profile p]\nk = v\n\n # c\n#c\n   \n w\n", want: lines(`1 [profile p]`, `2 k="v\nw"`)},
	{name: "deeper header", file: "[profile p]\nk = v\n [profile q]\nl = w\n", ask: []ini.Ref{profile("p"), profile("q")},
		want: lines(`1 [profile p]`, `2 k="v\n[profile q]"`, `4 l="w"`)},
	{name: "indented header, no key yet", file: " [profile p]\n  [profile q]\nk = v\n", ask: []ini.Ref{profile("p"), profile("q")},
		want: lines(`1 [profile p]`, `2 [profile q]`, `3 k="v"`)},
	{name: "header as deep as the key", file: "[profile p]\n  a = b\n  [profile q]\n  k = v\n", ask: []ini.Ref{profile("p"), profile("q")},
		want: lines(`1 [profile p]`, `2 a="b"`, `3 [profile q]`, `4 k="v"`)},
	{name: "header less deep than the key", file: "[profile p]\n  a = b\n [profile q]\n", ask: []ini.Ref{profile("q")}, want: lines(`3 [profile q]`)},
	{name: "uniform indentation", file: "[profile p]\n    a = b\n    c = d\n    e = f\n", want: lines(`1 [profile p]`, `2 a="b"`, `3 c="d"`, `4 e="f"`)},
	{name: "falling indentation", file: "[profile p]\n   a = b\n  c = d\n   e\n", want: lines(`1 [profile p]`, `2 a="b"`, "3 c=\"d\\ne\"")},
	{name: "depth is that of the key", file: "[profile p]\n a = b\n   c\n  d\n e = f\n", want: lines(`1 [profile p]`, `2 a="b\nc\nd"`, `5 e="f"`)},
	{name: "a tab is one column", file: "[profile p]\n  a = b\n\tc = d\n", want: lines(`1 [profile p]`, `2 a="b"`, `3 c="d"`)},
	{name: "two continued keys", file: "[profile p]\na = b\n c\nd = e\n f\n[profile q]\n", want: lines(`1 [profile p]`, `2 a="b\nc"`, `4 d="e\nf"`)},

	// Nested keys.
	{name: "nested", file: "[profile p]\ns3 =\n  Max = 5\n\n  # c\n    deeper = a = b # c\nk = v\n",
		want: lines(`1 [profile p]`, `2 s3=""`, `3   max="5"`, `6   deeper="a = b # c"`, `7 k="v"`)},
	{name: "nested after a comment", file: "[profile p]\ns3 = # c\n  a = b\n", want: lines(`1 [profile p]`, `2 s3=""`, `3   a="b"`)},
	{name: "nested in an indented file", file: "[profile p]\n  s3 =\n    a = b\n  k = v\n", want: lines(`1 [profile p]`, `2 s3=""`, `3   a="b"`, `4 k="v"`)},
	{name: "nested malformed", file: "[profile p]\ns3 =\n  oops\n  = x\n  a = b\n", want: lines(`1 [profile p]`, `2 s3=""`, `5   a="b"`, `! f:3: `+noEquals)},
	{name: "nested without a name", file: "[profile p]\ns3 =\n  = x\n", want: lines(`1 [profile p]`, `2 s3=""`, `! f:3: `+noKey)},
	{name: "nested header", file: "[profile p]\ns3 =\n  [profile q]\n", want: lines(`1 [profile p]`, `2 s3=""`, `! f:3: `+noEquals)},
	{name: "nested duplicates", file: "[profile p]\ns3 =\n a = 1\n b = 2\n A = 3\n", want: lines(`1 [profile p]`, `2 s3=""`, `4   b="2"`, `5   a="3"`)},

	// Malformed lines.
	{name: "no equals sign", file: "[profile p]\na = b\noops\nc = d\nagain\n", want: lines(`1 [profile p]`, `2 a="b"`, `4 c="d"`, `! f:3: `+noEquals)},
	{name: "no name", file: "[profile p]\n = b\nc = d\n", want: lines(`1 [profile p]`, `3 c="d"`, `! f:2: `+noKey)},
	{name: "what continues a malformed key goes", file: "[profile p]\na = b\noops\n  c = d\n  [profile q]\ne = f\n",
		want: lines(`1 [profile p]`, `2 a="b"`, `6 e="f"`, `! f:3: `+noEquals)},
	{name: "errors elsewhere", file: "[profile q]\noops\n[profile p]\nk = v\n[x]\n= v\n", want: lines(`3 [profile p]`, `4 k="v"`)},
	{name: "text before the first section", file: "\n# c\n a = b\nc\n  [profile p]\nk = v\n", want: lines(`5 [profile p]`, `6 k="v"`, `? f:3: `+stray)},
	{name: "no section at all", file: "k = v", want: lines(`? f:1: ` + stray)},

	// Malformed headers keep their keys.
	{name: "broken header", file: "[profile p]\na = b\n[profile q\nc = d\n", ask: []ini.Ref{profile("p"), profile("q")},
		want: lines(`1 [profile p]`, `2 a="b"`, `3 [profile q]`, `! f:3: `+unclosed, `? f:3: `+unclosed)},
	{name: "broken header not asked for", file: "[profile p]\na = b\n[]\na = c\n[profile p]\nd = e\n",
		want: lines(`1 [profile p]`, `2 a="b"`, `6 d="e"`, `? f:3: `+noName)},
	{name: "broken piece of a section", file: "[profile p]\na = b\n[profile p] x\na = c\n[profile p]\nd = e\noops\n",
		want: lines(`1 [profile p]`, `2 a="b"`, `6 d="e"`, `! f:3: `+junk, `? f:3: `+junk)},
	{name: "the first error stays", file: "[profile p]\noops\n[profile p\n", want: lines(`1 [profile p]`, `! f:2: `+noEquals, `? f:3: `+unclosed)},
	{name: "eight errors are kept", file: strings.Repeat("[\n", 9), want: strings.Join([]string{
		"? f:1: ", "? f:2: ", "? f:3: ", "? f:4: ", "? f:5: ", "? f:6: ", "? f:7: ", "? f:8: ", ""}, unclosed+"\n")},

	// Sections.
	{name: "sections in the order asked", file: "[profile a]\nk = 1\n[sso-session p]\nk = 2\n[profile p]\nk = 3\n",
		ask:  []ini.Ref{profile("p"), profile("none"), profile("a"), profile("p"), {Kind: ini.SSOSession, Name: "p"}},
		want: lines(`5 [profile p]`, `6 k="3"`, `1 [profile a]`, `2 k="1"`, `3 [sso-session p]`, `4 k="2"`)},
	{name: "services", file: "[services p]\ns3 =\n  endpoint_url = http://127.0.0.1:9000\n", ask: []ini.Ref{{Kind: ini.Services, Name: "p"}},
		want: lines(`1 [services p]`, `2 s3=""`, `3   endpoint_url="http://127.0.0.1:9000"`)},
	{name: "other when asked for", file: "[plugins]\na = b\n[a \t b]\nc = d\n", ask: []ini.Ref{{Kind: ini.Other, Name: "plugins"}, {Kind: ini.Other, Name: "a b"}},
		want: lines(`1 [other plugins]`, `2 a="b"`, `3 [other a b]`, `4 c="d"`)},
	{name: "other ends a section", file: "[profile p]\na = b\n[plugins]\nc = d\n", want: lines(`1 [profile p]`, `2 a="b"`)},
	{name: "recurring", file: "[profile p]\na = 1\nb = 2\n[x]\na = 9\n[profile p]\nA = 3\nc = 4\n",
		want: lines(`1 [profile p]`, `3 b="2"`, `7 a="3"`, `8 c="4"`)},
	{name: "recurring, no continuation across", file: "[profile p]\na = 1\n[x]\n[profile p]\n  b = 2\n", want: lines(`1 [profile p]`, `2 a="1"`, `5 b="2"`)},
	{name: "duplicate key", file: "[profile p]\na = 1\n x\nb = 2\na =\n c = 3\n", want: lines(`1 [profile p]`, `4 b="2"`, `5 a=""`, `6   c="3"`)},
	{name: "many duplicate keys", file: "[profile p]\n" + strings.Repeat("a = 1\nb = 2\n", 50), want: lines(`1 [profile p]`, `100 a="1"`, `101 b="2"`)},
	{name: "profile default replaces", file: "[default]\na = 1\noops\n[profile default]\nb = 2\n[default]\nc = 3\n", ask: []ini.Ref{profile("default")},
		want: lines(`4 [profile default]`, `5 b="2"`)},
	{name: "profile default replaces from above", file: "[profile default]\nb = 2\n[default]\na = 1\n", ask: []ini.Ref{profile("default")},
		want: lines(`1 [profile default]`, `2 b="2"`)},
	{name: "default alone", file: "[default]\na = 1\n[default]\nb = 2\n", ask: []ini.Ref{profile("default")}, want: lines(`1 [profile default]`, `2 a="1"`, `4 b="2"`)},
	{name: "broken profile default replaces", file: "[default]\na = 1\n[profile default\nb = 2\n", ask: []ini.Ref{profile("default")},
		want: lines(`3 [profile default]`, `! f:3: `+unclosed, `? f:3: `+unclosed)},
	{name: "default in credentials", style: ini.Credentials, file: "[default]\na = 1\n[profile default]\nb = 2\n", ask: []ini.Ref{profile("default")},
		want: lines(`1 [profile default]`, `2 a="1"`)},
	{name: "credentials", style: ini.Credentials, file: "[profile p]\na = 1\n[p]\naws_access_key_id = AKIAEXAMPLE\n",
		want: lines(`3 [profile p]`, `4 aws_access_key_id="AKIAEXAMPLE"`)},
	{name: "a header without a name is nobody's", file: "[]\na = 1\n[profile '\nb = 2\n", ask: []ini.Ref{{}, {Kind: ini.Other}},
		want: lines(`? f:1: `+noName, `? f:3: `+unclosed)},
	{name: "nothing asked for is there", file: "[profile x]\nk = v\n", want: ""},
	{name: "empty file", file: "", want: ""},

	// The bytes of lines.
	{name: "CRLF", file: "[profile p]\r\n\r\na = b\r\n c\r\n \r\ns3 =\r\n  d = e\r\n", want: lines(`1 [profile p]`, `3 a="b\nc"`, `6 s3=""`, `7   d="e"`)},
	{name: "CRLF in passed sections", file: "\r\n[x]\r\n\r\n\r\n  a = b\r\n\r\n  [profile p]\r\nk = v\r\n", want: lines(`7 [profile p]`, `8 k="v"`)},
	{name: "text that begins with CR", file: "[x]\n\rk = v\n  [profile p]\n[profile p]\n", want: lines(`4 [profile p]`)},
	{name: "BOM", file: "\ufeff[profile p]\nk = v\n", want: lines(`1 [profile p]`, `2 k="v"`)},
	{name: "BOM and a blank", file: "\ufeff [profile p]\n\ufeffk = v\n", want: lines(`1 [profile p]`, "2 \ufeffk=\"v\"")},
	{name: "BOM alone", file: "\ufeff", want: ""},
	{name: "header at the very end", file: "[x]\nk = v\n[profile p]", want: lines(`3 [profile p]`)},
	{name: "bracket inside a passed line", file: "[x]\nk = [profile p]\n[[profile p]\nl = v\n[profile p]\n", want: lines(`5 [profile p]`)},

	// Passed sections follow the same rules of indentation.
	{name: "deeper header in a passed section", file: "[x]\nk = v\n [profile p]\na = b\n[profile p]\nc = d\n", want: lines(`5 [profile p]`, `6 c="d"`)},
	{name: "header as deep in a passed section", file: "[x]\n k = v\n [profile p]\n a = b\n", want: lines(`3 [profile p]`, `4 a="b"`)},
	{name: "indented then not", file: "[x]\n k = v\n  [profile p]\nl = w\n [profile p]\n[profile p]\n", want: lines(`6 [profile p]`)},
	{name: "deeper header below a malformed key", file: "[x]\noops\n [profile p]\n[profile p]\na = b\n", want: lines(`4 [profile p]`, `5 a="b"`)},
	{name: "comment first in a passed section", file: "[x]\n  # c\n  [profile p]\n", want: lines(`3 [profile p]`)},
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, tt := range fileCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ask := tt.ask
			if ask == nil {
				ask = []ini.Ref{profile("p")}
			}
			doc, err := ini.Read(strings.NewReader(tt.file), "f", tt.style, ask...)
			require.NoError(t, err)
			require.Equal(t, tt.want, show(doc))

			// The same at every end of the buffer, asked for alone or among many.
			many := append([]ini.Ref(nil), ask...)
			for i := range 20 {
				many = append(many, ini.Ref{Kind: ini.Services, Name: strings.Repeat("no", i)})
			}
			for size := 3; size < min(len(tt.file)+2, 60); size++ {
				doc, err := ini.Bounds{Buffer: size}.Read(strings.NewReader(tt.file), "f", tt.style, many...)
				require.NoError(t, err)
				require.Equal(t, tt.want, show(doc), "buffer of %d bytes", size)
			}
		})
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	doc, err := ini.Read(strings.NewReader("[profile p]\nRegion = r\n"), "f", ini.Config, profile("p"), profile("q"))
	require.NoError(t, err)
	require.Nil(t, doc.Section(profile("q")))
	require.Nil(t, doc.Section(ini.Ref{Kind: ini.Services, Name: "p"}))
	s := doc.Section(profile("p"))
	key, ok := s.Get("region")
	require.True(t, ok)
	require.Equal(t, ini.Key{Name: "region", Value: "r", Line: 2}, key)
	_, ok = s.Get("output")
	require.False(t, ok)
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		style ini.Style
		file  string
		want  string
	}{
		{"all kinds", ini.Config, "[default]\n[profile a]\nk = [x]\n [y]\n[sso-session s]\n[services v]\n[plugins]\n",
			lines("1 [profile default]", "2 [profile a]", "5 [sso-session s]", "6 [services v]", "7 [other plugins]")},
		{"credentials", ini.Credentials, "[b]\n[profile foo]\n[a]\n", lines("1 [profile b]", "2 [other profile foo]", "3 [profile a]")},
		{"recurring", ini.Config, "[default]\n[profile a]\n[default]\n[profile a]\n[profile b]\n", lines("1 [profile default]", "2 [profile a]", "5 [profile b]")},
		{"default replaced", ini.Config, "[default]\n[profile a]\n[profile default]\n", lines("2 [profile a]", "3 [profile default]")},
		{"default replaced from above", ini.Config, "[profile default]\n[profile a]\n[default]\n", lines("1 [profile default]", "2 [profile a]")},
		{"malformed", ini.Config, "text\n[profile a\n[]\n[profile b] x\n", lines("2 [profile a]", "4 [profile b]")},
		{"none", ini.Config, "# nothing\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			names, err := ini.Names(strings.NewReader(tt.file), "f", tt.style)
			require.NoError(t, err)
			require.Equal(t, tt.want, showNames(names))
		})
	}
}

func TestStray(t *testing.T) {
	t.Parallel()
	tests := map[string]int{ // text to the line of the stray text
		"":                              0,
		"# note\n[default]\nk = v\n":    0,
		"[default\nk = v\n":             0,
		"# note\n\nk = v\n[default\n":   3,
		"  [default]\nk = v\n":          0,
		"\xef\xbb\xbfk\n[default]\nk=v": 1,
	}
	for text, line := range tests {
		doc, err := ini.Read(strings.NewReader(text), "f", ini.Config)
		require.NoError(t, err)
		if stray := doc.Stray(); line == 0 {
			require.Nilf(t, stray, "%q", text)
		} else {
			require.NotNilf(t, stray, "%q", text)
			require.Equalf(t, line, stray.Line, "%q", text)
		}
	}
}
