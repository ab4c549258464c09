package shell_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/shell"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	pairs := []shell.Pair{
		{"AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"},
		{"AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
		{"AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjE=="},
		{"AWS_CREDENTIAL_EXPIRATION", "2026-01-02T03:04:05Z"},
	}
	want := map[string]string{
		"env": `export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
export AWS_SESSION_TOKEN=IQoJb3JpZ2luX2VjE==
export AWS_CREDENTIAL_EXPIRATION=2026-01-02T03:04:05Z
`,
		"env-no-export": `AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
AWS_SESSION_TOKEN=IQoJb3JpZ2luX2VjE==
AWS_CREDENTIAL_EXPIRATION=2026-01-02T03:04:05Z
`,
		"powershell": `$Env:AWS_ACCESS_KEY_ID = 'AKIAIOSFODNN7EXAMPLE'
$Env:AWS_SECRET_ACCESS_KEY = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
$Env:AWS_SESSION_TOKEN = 'IQoJb3JpZ2luX2VjE=='
$Env:AWS_CREDENTIAL_EXPIRATION = '2026-01-02T03:04:05Z'
`,
		"windows-cmd": `set "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE"
set "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
set "AWS_SESSION_TOKEN=IQoJb3JpZ2luX2VjE=="
set "AWS_CREDENTIAL_EXPIRATION=2026-01-02T03:04:05Z"
`,
		"fish": `set -gx AWS_ACCESS_KEY_ID AKIAIOSFODNN7EXAMPLE
set -gx AWS_SECRET_ACCESS_KEY wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
set -gx AWS_SESSION_TOKEN IQoJb3JpZ2luX2VjE==
set -gx AWS_CREDENTIAL_EXPIRATION 2026-01-02T03:04:05Z
`,
		"dotenv": `AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
AWS_SESSION_TOKEN=IQoJb3JpZ2luX2VjE==
AWS_CREDENTIAL_EXPIRATION=2026-01-02T03:04:05Z
`,
	}
	require.Len(t, want, len(shell.Formats()))
	for _, format := range shell.Formats() {
		got, err := shell.Render(format, pairs)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want[format], got), format)
	}
}

// refused marks a value that a format must not write.
const refused = "refused"

func TestValues(t *testing.T) {
	t.Parallel()
	// Under each value: what follows export V= in env, $Env:V = in powershell,
	// set " in windows-cmd, set -gx V in fish, and the whole line in dotenv.
	for _, tt := range []struct{ name, value, posix, powershell, cmd, fish, dotenv string }{
		{"all plain characters", "azAZ09+/=:-._@,", "azAZ09+/=:-._@,", `'azAZ09+/=:-._@,'`, `V=azAZ09+/=:-._@,"`, "azAZ09+/=:-._@,", "V=azAZ09+/=:-._@,"},
		{"empty", "", "''", refused, refused, "''", "V="},
		{"leading =", "=ls", "'=ls'", `'=ls'`, `V==ls"`, "'=ls'", refused},
		{"= after a colon", "a:=ls", "'a:=ls'", `'a:=ls'`, `V=a:=ls"`, "'a:=ls'", refused},
		{"leading dash", "-n", "-n", `'-n'`, `V=-n"`, "-n", "V=-n"},
		{"tilde", "~root", "'~root'", `'~root'`, `V=~root"`, "'~root'", refused},
		{"blanks", " x ", "' x '", `' x '`, `V= x "`, "' x '", refused},
		{"quote", "a'b", `'a'\''b'`, `'a''b'`, `V=a'b"`, `'a\'b'`, refused},
		{"quotes at the ends", "'a'", `''\''a'\'''`, `'''a'''`, `V='a'"`, `'\'a\''`, refused},
		{"double quote", `a"b`, `'a"b'`, `'a"b'`, refused, `'a"b'`, refused},
		{"backslashes", `a\b\'`, `'a\b\'\'''`, `'a\b\'''`, `V=a\b\'"`, `'a\\b\\\''`, refused},
		{"dollar", "$(id)$x", "'$(id)$x'", `'$(id)$x'`, `V=$(id)$x"`, "'$(id)$x'", refused},
		{"backtick", "`id`", "'`id`'", "'`id`'", "V=`id`\"", "'`id`'", refused},
		{"cmd's own, literal in quotes", "^&|<>()", "'^&|<>()'", `'^&|<>()'`, `V=^&|<>()"`, "'^&|<>()'", refused},
		{"percent", "%PATH%", "'%PATH%'", `'%PATH%'`, refused, "'%PATH%'", refused},
		{"exclamation mark", "a!b", "'a!b'", `'a!b'`, refused, "'a!b'", refused},
		{"hash", "a#b", "'a#b'", `'a#b'`, `V=a#b"`, "'a#b'", refused},
		{"globs and braces", "*?[a]{b,c};", "'*?[a]{b,c};'", `'*?[a]{b,c};'`, `V=*?[a]{b,c};"`, "'*?[a]{b,c};'", refused},
		{"newline", "a\nb", "'a\nb'", `'a' + [char]0x000A + 'b'`, refused, "'a\nb'", refused},
		{"carriage return at the end", "a\r", "'a\r'", `'a' + [char]0x000D`, refused, "'a\r'", refused},
		{"tab and delete", "\t\x7f", "'\t\x7f'", `'' + [char]0x0009 + [char]0x007F`, refused, "'\t\x7f'", refused},
		{"quotes that PowerShell knows", "’‘‚‛", "'’‘‚‛'", `'' + [char]0x2019 + [char]0x2018 + [char]0x201A + [char]0x201B`, refused, "'’‘‚‛'", refused},
		{"beyond 16 bits", "x🔑y", "'x🔑y'", `'x' + [char]0xD83D + [char]0xDD11 + 'y'`, refused, "'x🔑y'", refused},
		{"not UTF-8", "a\xff", "'a\xff'", refused, refused, "'a\xff'", refused},
		{"NUL", "a\x00b", refused, refused, refused, refused, refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct{ format, before, want string }{
				{"env", "export V=", tt.posix},
				{"env-no-export", "V=", tt.posix},
				{"powershell", "$Env:V = ", tt.powershell},
				{"windows-cmd", `set "`, tt.cmd},
				{"fish", "set -gx V ", tt.fish},
				{"dotenv", "", tt.dotenv},
			} {
				got, err := shell.Render(c.format, []shell.Pair{{"V", tt.value}})
				if c.want == refused {
					require.Error(t, err, c.format)
					require.Empty(t, got)
					continue
				}
				require.NoError(t, err, c.format)
				require.Equal(t, c.before+c.want+"\n", got, c.format)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 8191-len(`set "AWS_V="`))
	for _, tt := range []struct{ format, name, value, want string }{
		{"bash", "AWS_V", "s3cr3t", `unknown format "bash": the formats are env, env-no-export, powershell, windows-cmd, fish, dotenv`},
		{"", "AWS_V", "s3cr3t", `unknown format "": the formats are env, env-no-export, powershell, windows-cmd, fish, dotenv`},
		{"env", "", "s3cr3t", `env: "" is not a variable name`},
		{"env", "A B", "s3cr3t", `env: "A B" is not a variable name`},
		{"env", "1A", "s3cr3t", `env: "1A" is not a variable name`},
		{"fish", "A;id", "s3cr3t", `fish: "A;id" is not a variable name`},
		{"dotenv", "Ä", "s3cr3t", `dotenv: "Ä" is not a variable name`},
		{"env", "AWS_V", "s3cr3t\x00", "env: AWS_V: the value has a NUL byte"},
		{"powershell", "AWS_V", "s3cr3t\x00", "powershell: AWS_V: the value has a NUL byte"},
		{"powershell", "AWS_V", "s3cr3t\xff", "powershell: AWS_V: the value is not UTF-8"},
		{"powershell", "AWS_V", "", "powershell: AWS_V: the value is empty, which would remove the variable"},
		{"windows-cmd", "AWS_V", "", "windows-cmd: AWS_V: the value is empty, which would remove the variable"},
		{"windows-cmd", "AWS_V", "%s3cr3t%", "windows-cmd: AWS_V: the value has a %, which cmd would expand"},
		{"windows-cmd", "AWS_V", "s3cr3t!", "windows-cmd: AWS_V: the value has a !, which cmd may expand"},
		{"windows-cmd", "AWS_V", `s3cr3t"`, "windows-cmd: AWS_V: the value has a double quote, which cmd cannot quote"},
		{"windows-cmd", "AWS_V", "s3cr3t\n", "windows-cmd: AWS_V: the value has a newline or another control character, which cmd cannot quote"},
		{"windows-cmd", "AWS_V", "s3cr3té", "windows-cmd: AWS_V: the value has a character outside ASCII, which cmd would read in its own code page"},
		{"windows-cmd", "AWS_V", long + "x", "windows-cmd: AWS_V: the line is longer than 8191 characters, where cmd cuts it off"},
		{"dotenv", "AWS_V", "s3cr3t x", "dotenv: AWS_V: the value needs quotes, which the readers of such files take differently"},
	} {
		got, err := shell.Render(tt.format, []shell.Pair{{"FIRST", "fine"}, {tt.name, tt.value}})
		require.EqualError(t, err, tt.want)
		require.Empty(t, got, "nothing is written next to an error")
	}
	_, err := shell.Render("windows-cmd", []shell.Pair{{"AWS_V", long}})
	require.NoError(t, err)
}

func TestNames(t *testing.T) {
	t.Parallel()
	got, err := shell.Render("env", []shell.Pair{{"_azAZ09", "1"}, {"a", "2"}})
	require.NoError(t, err)
	require.Equal(t, "export _azAZ09=1\nexport a=2\n", got)
	got, err = shell.Render("env", nil)
	require.NoError(t, err)
	require.Empty(t, got)
	for c := rune(0); c < 0x180; c++ {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		_, err := shell.Render("env", []shell.Pair{{string(c), "1"}})
		require.Equal(t, letter, err == nil, "%q", c)
	}
}
