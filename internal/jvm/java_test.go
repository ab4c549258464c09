package jvm_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/jvm"
)

// printer prints its Java version, then one property a line, in hexadecimal.
const printer = `public class Printer {
	public static void main(String[] args) throws Exception {
		System.out.println(System.getProperty("java.specification.version"));
		for (String name : System.getProperties().stringPropertyNames())
			if (name.startsWith("aws.")) System.out.println(hex(name) + "=" + hex(System.getProperty(name)));
	}
	static String hex(String s) throws Exception {
		StringBuilder b = new StringBuilder();
		for (byte c : s.getBytes("ISO-8859-1")) b.append(String.format("%02x", c & 255));
		return b.toString();
	}
}
`

// javaOf compiles the printer, and returns a function that runs it with an
// environment and gives the properties it saw, or false if Java refused to start.
func javaOf(t *testing.T) func(t *testing.T, env map[string]string) (map[string]string, bool) {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts Java")
	}
	for _, name := range []string{"java", "javac"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(name + " not found")
		}
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "Printer.java")
	require.NoError(t, os.WriteFile(source, []byte(printer), 0o600))
	command := func(name string, args ...string) *exec.Cmd {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		return cmd
	}
	for _, name := range []string{"java", "javac"} {
		// macOS has stand-ins that only say where to get Java.
		if err := command(name, "-version").Run(); err != nil {
			t.Skipf("%s does not work: %v", name, err)
		}
	}
	out, err := command("javac", "-J-XX:TieredStopAtLevel=1", source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	run := func(t *testing.T, env map[string]string) (map[string]string, bool) {
		t.Helper()
		cmd := command("java", "-XX:TieredStopAtLevel=1", "-cp", dir, "Printer")
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		out, err := cmd.Output()
		if err != nil {
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.True(t, exit.Exited(), "java was stopped: %v", err)
			return nil, false
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if strings.HasPrefix(lines[0], "1.") {
			t.Skip("java is older than 9, it reads no JDK_JAVA_OPTIONS")
		}
		properties := make(map[string]string)
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			properties[unhex(t, name)] = unhex(t, value)
		}
		return properties, true
	}
	_, ok := run(t, nil)
	require.True(t, ok, "java fails without any options")
	return run
}

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return string(b)
}

// TestAgainstJava compares generated option strings with the Java at hand. What
// Java accepts is put together into few starts, what it refuses needs one each.
func TestAgainstJava(t *testing.T) {
	t.Parallel()
	java := javaOf(t)
	dir := t.TempDir()
	properties := func(env map[string]string) (map[string]string, error) {
		open := func(name string) (io.ReadCloser, error) { return os.Open(name) }
		list, err := jvm.Properties(func(name string) string { return env[name] }, open, isAWS)
		if err != nil {
			return nil, err
		}
		found := make(map[string]string)
		for _, p := range list {
			found[p.Name] = p.Value
		}
		return found, nil
	}
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return "'@" + path + "'"
	}

	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("accepted %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			env := make(map[string]string)
			for _, variable := range []string{tool, launcher, hotspot} {
				for range 20 {
					env[variable] += definition(random, variablePieces) + pick(random, " ", "  ", "\t", "\n", "\v ")
				}
			}
			for i := range 20 {
				content := "# comment '\n" + definition(random, filePieces) + pick(random, " ", "\n", "\r\n", "# x\n")
				content += definition(random, filePieces) + pick(random, "", "\n", " # end")
				env[launcher] += " " + file(fmt.Sprintf("%d-%d", seed, i), content)
			}
			got, err := properties(env)
			require.NoError(t, err)
			want, ok := java(t, env)
			require.True(t, ok, "java refused %q", env)
			require.Greater(t, len(want), 30)
			require.Empty(t, cmp.Diff(want, got), "environment %q", env)
		})
	}
	for _, tt := range []struct{ variable, value string }{
		{tool, `-Daws.a="x`},
		{hotspot, `-Daws.a='x\'y'`},
		{launcher, `-Daws.a="x\""`},
		{tool, "-Daws.a=x y"},
		{launcher, "-Daws.a=x y"},
		{launcher, "-cp -Daws.a=x"},
		{launcher, "--version"},
		{launcher, "--disable-@files"},
		{launcher, "@absent"},
		{launcher, file("main", "-Daws.a=\"x\n\" y")},
		{tool, "-XX:VMOptionsFile=absent"},
	} {
		t.Run("refused "+tt.variable, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{tt.variable: tt.value}
			_, err := properties(env)
			require.ErrorContains(t, err, tt.variable)
			_, ok := java(t, env)
			require.False(t, ok, "java accepts %q", env)
		})
	}
}

// The pieces that values are made of: a variable's, and an argument file's,
// where a newline ends a quote and a backslash may escape.
var (
	variablePieces = []string{"a", "=", "#x", `\`, `\\`, "@f", `" "`, `'  '`, `"'"`, `'"'`, `""`, `"\"`, "'\n'", "'#'", "$HOME", "*", ";"}
	filePieces     = []string{"a", "=", `\`, `\n`, "@f", "\v", `" "`, `'  '`, `"'"`, `'"'`, `"\""`, `'\''`, `"\\\n\t\q"`, "\"\\\n  b\"", "\"\\\r\n\\  b\"", `"#"`, `"q"#lost` + "\nb"}
)

// definition makes a -D option; the names are few, so that some meet.
func definition(random *rand.Rand, pieces []string) string {
	option := fmt.Sprintf("-Daws.p%d", random.IntN(90))
	if random.IntN(8) == 0 {
		return option
	}
	option += "="
	for range random.IntN(5) {
		option += pick(random, pieces...)
	}
	return option
}

func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }
