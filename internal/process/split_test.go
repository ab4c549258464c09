package process_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/process"
)

func TestSplitPOSIX(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][]string{
		"":                             nil,
		" \t\r\n":                      nil,
		"helper":                       {"helper"},
		" helper\targ\r\nlast ":        {"helper", "arg", "last"},
		"''":                           {""},
		`a "" b`:                       {"a", "", "b"},
		`"/opt/my tools/helper" x`:     {"/opt/my tools/helper", "x"},
		`/opt/my\ tools/helper x`:      {"/opt/my tools/helper", "x"},
		`a'b c'"d e"f`:                 {"ab cd ef"},
		`'a\b"c'`:                      {`a\b"c`},
		`"a\"b\\c\d\$e\'f"`:            {`a"b\c\d\$e\'f`},
		`\"a\'\\\$`:                    {`"a'\$`},
		"a\\\nb":                       {"a\nb"}, // a shell would join the lines
		"\"a\\\nb\"":                   {"a\\\nb"},
		`C:\tools\helper.exe`:          {"C:toolshelper.exe"}, // as the AWS CLI has it
		"a #b":                         {"a", "#b"},
		"a|b $HOME ~/x *.y; z &":       {"a|b", "$HOME", "~/x", "*.y;", "z", "&"},
		"é\u00a0ü\v\f":                 {"é\u00a0ü\v\f"},
		"\x00 a\x00":                   {"\x00", "a\x00"},
		"\xff '\xfe\x00' \\\x80":       {"\xff", "\xfe\x00", "\x80"},
		`sh -c 'cat "$HOME/a b" | jq'`: {"sh", "-c", `cat "$HOME/a b" | jq`},
	} {
		got, err := process.SplitPOSIX(command)
		require.NoError(t, err, "%q", command)
		require.Empty(t, cmp.Diff(want, got), "%q", command)
	}
}

func TestSplitWindows(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][]string{
		"":                                  nil,
		" \t ":                              nil,
		" helper\targ ":                     {"helper", "arg"},
		"a\r\nb":                            {"a\r\nb"},
		`""`:                                {""},
		`a "" b`:                            {"a", "", "b"},
		`C:\tools\helper.exe \x\ y`:         {`C:\tools\helper.exe`, `\x\`, "y"},
		`"C:\Program Files\h.exe" "C:\d\\"`: {`C:\Program Files\h.exe`, `C:\d\`},
		`a"b c"d`:                           {"ab cd"},
		`\"a\\\"b\\" c"`:                    {`"a\"b\ c`},
		`"a\b"`:                             {`a\b`},
		`'a b'`:                             {"'a", "b'"},
		`"a""b" c`:                          {"ab", "c"},
		`a\`:                                {`a\`},
		`\\\\`:                              {`\\\\`},
		`a|b %X% ^&`:                        {"a|b", "%X%", "^&"},
		"é\xff":                             {"é\xff"},
	} {
		got, err := process.SplitWindows(command)
		require.NoError(t, err, "%q", command)
		require.Empty(t, cmp.Diff(want, got), "%q", command)
	}
}

func TestSplitErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		split         func(string) ([]string, error)
		command, want string
	}{
		{process.SplitPOSIX, `canary 'a`, "a quotation mark is not closed"},
		{process.SplitPOSIX, `canary "a'`, "a quotation mark is not closed"},
		{process.SplitPOSIX, `canary it's`, "a quotation mark is not closed"},
		{process.SplitPOSIX, `canary "a\"`, "a quotation mark is not closed"},
		{process.SplitPOSIX, `canary\`, "a backslash at the end escapes nothing"},
		{process.SplitPOSIX, `"canary\`, "a backslash at the end escapes nothing"},
		{process.SplitWindows, `canary "a`, "a quotation mark is not closed"},
		{process.SplitWindows, `"canary\"`, "a quotation mark is not closed"},
	} {
		words, err := tt.split(tt.command)
		require.EqualError(t, err, tt.want, tt.command)
		require.Nil(t, words)
	}
}

func TestSplitIsOfThisSystem(t *testing.T) {
	t.Parallel()
	want := []string{"a b"}
	if runtime.GOOS == "windows" {
		want = []string{"'a", "b'"}
	}
	got, err := process.Split("'a b'")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestLooksLikeShell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ command, posix, windows string }{
		{"", "", ""},
		{"helper --profile a --url=https://example.com/x?y=z#f", "", ""},
		{"helper | jq .", "|", "|"},
		{"helper && other", "&", "&"},
		{"helper;other", ";", ""},
		{"helper < in", "<", "<"},
		{"helper 2>/dev/null", ">", ">"},
		{"helper `id`", "`", ""},
		{"$HOME/bin/helper", "$", "$"},
		{"${HOME}/bin/helper", "$", "$"},
		{"helper $(id)", "$", "$"},
		{"helper $_x", "$", "$"},
		{`"$HOME/my bin/helper" x`, "$", ""},
		{"\"`id`\"", "`", ""},
		{"~/bin/helper", "~", "~"},
		{"helper ~/x", "~", "~"},
		{"  ~user/helper", "~", "~"},
		{"AWS_PROFILE=x helper", "=", "="},
		{" _a1=x helper", "=", "="},
		{"helper %USERPROFILE%\\x", "", "%"},
		{`"%USERPROFILE%\my bin\helper.exe"`, "", "%"},
		{"helper | $x", "|", "|"}, // the first of them
		{"helper ~ | x", "~", "~"},

		// Not for a shell.
		{"helper $ $1 $$ a$", "", ""},
		{"helper x~ a/~b", "", ""},
		{"helper 50% 100%", "", ""},
		{"helper %a", "", ""},
		{"1a=b a-b=c =d", "", ""},
		{"helper a=b", "", ""},
		{`helper "|&;<>~"`, "", ""},
		{`sh -c "cat $HOME/x"`, "", ""},
		{`helper '|&;<>$x~'`, "", "|"},
		{"sh -c 'cat $HOME/x | `id`'", "", "$"},
		{`helper \| \& \; \< \> \$x \~ \` + "`", "", "|"},
		{`'$HOME/helper'`, "", "$"},
		{`"a\"|"`, "", ""},
		{`"a\\"|`, "|", ""}, // to Windows the guess is a coarse one
	} {
		require.Equal(t, tt.posix, process.LooksLikePOSIXShell(tt.command), "POSIX: %s", tt.command)
		require.Equal(t, tt.windows, process.LooksLikeWindowsShell(tt.command), "Windows: %s", tt.command)
	}
	require.Equal(t, "|", process.LooksLikeShell("a | b"))
}

// seeds are commands for the fuzz targets.
func seeds() []string {
	return []string{
		"", "helper arg", `"/opt/my tools/helper" --x 'a b'`, `a\ b\"c "d\"e\\f\g" 'h\i'`, `"C:\Program Files\x.exe" "C:\d\\" \\\"`,
		"a\r\nb\tc\v\f", "''", `""`, `a""''b`, "'", `"`, `\`, `"\`, `'\`, "a\\\n", "#a b", "é\u00a0\u2028🔑", "|&;<>$x`~*?[]{}()!%X%^=", "\x00", `"a""b`,
	}
}

// commands are more of them, for the comparison with Python.
func commands() []string {
	all := seeds()
	const pieces = `'"\ ab`
	for n := range 6 * 6 * 6 * 6 { // every four of the characters that matter
		var b strings.Builder
		for range 4 {
			b.WriteByte(pieces[n%len(pieces)])
			n /= len(pieces)
		}
		all = append(all, b.String())
	}
	return all
}
