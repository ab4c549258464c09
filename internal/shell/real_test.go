package shell_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/shell"
)

// values are odd ones by hand, every single byte, and random mixtures.
func values() []string {
	list := []string{
		"", "plain+/=:", "=ls", "a:=ls", "~", "a:~", "-n", "--help", "$HOME", "$(id)", "`id`", "'", "''", `\`, `\\'`, `"`, "!!", "%d", "\\n",
		" lead", "trail ", "trail\n", "\n", "a\r\nb", "#", "a #b", "*", "/*", "{a,b}", "?", "&", "é", "\u2019\u2018", "🔑", "\ufeffx", "\xff\xfe", "[char]",
	}
	for c := 1; c < 256; c++ {
		list = append(list, string([]byte{'a', byte(c), 'b'}), string([]byte{byte(c)}))
	}
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"'", "'", `\`, `"`, "$", "`", "\n", "\r", " ", "a", "=", ":", "~", "!", "#", "%", "(", ")", "{", "}", ";", "&", "é", "\u2019", "\xff", "🔑"}
	for range 300 {
		var b strings.Builder
		for range 1 + random.IntN(10) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		list = append(list, b.String())
	}
	return list
}

// start runs a shell over a script with an empty environment. The script finds
// lines in a file of that name.
func start(t *testing.T, script, lines, locale string, command ...string) string {
	t.Helper()
	path, err := exec.LookPath(command[0])
	if err != nil {
		t.Skip(command[0] + " not found")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "script.ps1") // PowerShell insists on the suffix
	require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lines"), []byte(lines), 0o600))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, append(command[1:], file)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	if locale != "" {
		cmd.Env = append(cmd.Env, "LC_ALL="+locale)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	return string(out)
}

// TestRealShells has real shells read all values back, in the way that people
// take the output of a command over.
func TestRealShells(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("windows: its sh and fish translate line ends")
	}
	const evaluate = `eval "$(cat lines)"`
	for _, tt := range []struct {
		format, take string
		command      []string
	}{
		{"env", evaluate, []string{"sh"}},
		{"env", evaluate, []string{"dash"}},
		{"env", evaluate, []string{"bash", "--norc"}},
		{"env", evaluate, []string{"bash", "--posix"}},
		{"env", evaluate, []string{"zsh", "-f"}},
		{"env", evaluate, []string{"zsh", "-f", "-o", "rcquotes", "-o", "extendedglob", "-o", "magicequalsubst"}},
		{"env", evaluate, []string{"ksh"}},
		{"env", evaluate, []string{"mksh"}},
		{"env", evaluate, []string{"busybox", "sh"}},
		{"fish", "cat lines | source", []string{"fish", "--no-config"}},
	} {
		for _, locale := range []string{"", "C.UTF-8"} {
			t.Run(strings.Join(tt.command, " ")+" "+locale, func(t *testing.T) {
				t.Parallel()
				if testing.Short() {
					t.Skip("short: starts shells")
				}
				want := values()
				var pairs []shell.Pair
				var names strings.Builder
				for i, value := range want {
					pairs = append(pairs, shell.Pair{Name: fmt.Sprintf("V%d", i), Value: value})
					fmt.Fprintf(&names, ` "$V%d"`, i)
				}
				lines, err := shell.Render(tt.format, pairs)
				require.NoError(t, err)
				// A child prints them, so they must have been exported.
				out := start(t, tt.take+"\n"+`sh -c 'printf "%s\0"`+names.String()+"'\n", lines, locale, tt.command...)
				got := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
				require.Len(t, got, len(want))
				for i := range want {
					require.Equal(t, want[i], got[i], "value %d", i)
				}
				if tt.format != "env" {
					return
				}
				lines, err = shell.Render("env-no-export", pairs[:40])
				require.NoError(t, err)
				out = start(t, tt.take+"\n"+`printf '%s\0' "$V0" "$V5"; sh -c 'printf %s "$V5"'`+"\n", lines, locale, tt.command...)
				require.Equal(t, want[0]+"\x00"+want[5]+"\x00", out)
			})
		}
	}
}

// TestRealDotenv reads the values that dotenv accepts back with two readers.
func TestRealDotenv(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: starts sh and node")
	}
	var pairs []shell.Pair
	var want strings.Builder
	for i, value := range append(values(), "azAZ09+/=:-._@,", "a==") {
		pair := shell.Pair{Name: fmt.Sprintf("V%d", i), Value: value}
		if _, err := shell.Render("dotenv", []shell.Pair{pair}); err == nil {
			pairs = append(pairs, pair)
			want.WriteString("[" + value + "]\n")
		}
	}
	require.Greater(t, len(pairs), 60)
	file, err := shell.Render("dotenv", pairs)
	require.NoError(t, err)

	t.Run("sh", func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS == "windows" {
			t.Skip("windows: its sh translates line ends")
		}
		script := "set -a; . ./lines; set +a\n"
		for _, p := range pairs {
			script += `echo "[$` + p.Name + "]\"\n"
		}
		require.Equal(t, want.String(), start(t, script, file, "", "sh"))
	})
	t.Run("node", func(t *testing.T) {
		t.Parallel()
		program := "const all = require('node:util').parseEnv(require('node:fs').readFileSync('lines', 'utf8'));\n"
		for _, p := range pairs {
			program += "console.log('[' + all." + p.Name + " + ']');\n"
		}
		if start(t, "console.log(typeof require('node:util').parseEnv)", "", "", "node") != "function\n" {
			t.Skip("node has no util.parseEnv (before 20.12)")
		}
		require.Equal(t, want.String(), start(t, program, file, "", "node"))
	})
}

// TestRealPowerShell has PowerShell read back all that it accepts.
func TestRealPowerShell(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: starts PowerShell")
	}
	var script, want strings.Builder
	for _, value := range values() {
		line, err := shell.Render("powershell", []shell.Pair{{"V", value}})
		if value == "" || !utf8.ValidString(value) {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		script.WriteString(line + "[Console]::Out.WriteLine([BitConverter]::ToString([Text.Encoding]::UTF8.GetBytes($Env:V)).Replace('-', ''))\n")
		want.WriteString(strings.ToUpper(hex.EncodeToString([]byte(value))) + "\n")
	}
	out := start(t, script.String(), "", "", "pwsh", "-NoProfile", "-NonInteractive", "-File")
	require.Equal(t, want.String(), strings.ReplaceAll(out, "\r\n", "\n"))
}
