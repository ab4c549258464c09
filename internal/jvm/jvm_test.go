package jvm_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/jvm"
)

const (
	tool     = "JAVA_TOOL_OPTIONS"
	launcher = "JDK_JAVA_OPTIONS"
	hotspot  = "_JAVA_OPTIONS"
)

// machine is an environment and the files that it may name.
type machine struct {
	env, files map[string]string
	fail       map[string]error // files that cannot be opened
}

func (m machine) properties() ([]jvm.Property, error) {
	getenv := func(name string) string { return m.env[name] }
	return jvm.Properties(getenv, m.open, isAWS)
}

func (m machine) open(name string) (io.ReadCloser, error) {
	if err := m.fail[name]; err != nil {
		return nil, err
	}
	content, ok := m.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

func isAWS(name string) bool { return strings.HasPrefix(name, "aws.") }

// text shows properties as name=[value], one after another.
func text(properties []jvm.Property) string {
	var parts []string
	for _, p := range properties {
		parts = append(parts, p.Name+"=["+p.Value+"]")
	}
	return strings.Join(parts, " ")
}

// What is wanted in these tables is what OpenJDK 17.0.15 printed for the same
// variable; TestAgainstJava asks the Java at hand again.
func TestWordsOfVariables(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"unset", "", ""},
		{"blanks only", " \t ", ""},
		{"two", "-Daws.a=1 -Daws.b=2", "aws.a=[1] aws.b=[2]"},
		{"every blank", "-Daws.a=1\t-Daws.b=2\n-Daws.c=3\r-Daws.d=4\v-Daws.e=5\f-Daws.f=6", "aws.a=[1] aws.b=[2] aws.c=[3] aws.d=[4] aws.e=[5] aws.f=[6]"},
		{"blanks around", "  -Daws.a=1  ", "aws.a=[1]"},
		{"single quotes", "-Daws.a='x y'", "aws.a=[x y]"},
		{"quotes around all", "'-Daws.a=x y'", "aws.a=[x y]"},
		{"quotes within the option", `"-Da"ws.a=1`, "aws.a=[1]"},
		{"quotes one after another", `-Daws.a="x y"z'p q'`, "aws.a=[x yzp q]"},
		{"one quote in the other", `-Daws.a="x'y" -Daws.b='x"y'`, `aws.a=[x'y] aws.b=[x"y]`},
		{"empty quotes", `-Daws.a="" -Daws.b=''`, "aws.a=[] aws.b=[]"},
		{"newline in quotes", "-Daws.a='x\ny'", "aws.a=[x\ny]"},
		{"backslash is plain", `-Daws.a=a\\b -Daws.b="a\nb"`, `aws.a=[a\\b] aws.b=[a\nb]`},
		{"backslash keeps no quote", `-Daws.a="x\"`, `aws.a=[x\]`},
		{"no value", "-Daws.a", "aws.a=[]"},
		{"empty value", "-Daws.a=", "aws.a=[]"},
		{"the first = splits", "-Daws.a=x=y", "aws.a=[x=y]"},
		{"the last one wins", "-Daws.a=1 -Daws.a=2", "aws.a=[2]"},
		{"the last one wins without value", "-Daws.a=1 -Daws.a", "aws.a=[]"},
		{"no name", "-D -D= -D=x -Daws.a=1", "aws.a=[1]"},
		{"blank in a name", "'-Daws.a b=1'", "aws.a b=[1]"},
		{"no variables, no comments", "-Daws.a=$HOME -Daws.b=#x", "aws.a=[$HOME] aws.b=[#x]"},
		{"other options", "-Xmx64m --enable-preview -ea:x -Daws.a=1", "aws.a=[1]"},
		{"other names", "-Dother=1 -Daws=2 -Daws.a=3", "aws.a=[3]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, variable := range []string{tool, launcher, hotspot} {
				got, err := machine{env: map[string]string{variable: tt.value}}.properties()
				require.NoError(t, err, variable)
				require.Equal(t, tt.want, text(got), variable)
				for _, p := range got {
					require.Equal(t, variable, p.Source)
				}
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	got, err := machine{env: map[string]string{
		tool:     "-Daws.d=T -Daws.a=T -Daws.b=T -Daws.c=T",
		launcher: "-Daws.b=J -Daws.c=J",
		hotspot:  "-Daws.c=H",
	}}.properties()
	require.NoError(t, err)
	want := []jvm.Property{
		{Name: "aws.a", Value: "T", Source: tool},
		{Name: "aws.b", Value: "J", Source: launcher},
		{Name: "aws.c", Value: "H", Source: hotspot},
		{Name: "aws.d", Value: "T", Source: tool},
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestLauncherOptions(t *testing.T) {
	t.Parallel()
	files := map[string]string{"f": "-Daws.f=1 -Daws.a=f", "cp": "/lib -Daws.f=2", "name": "-Daws.f=@f"}
	for _, tt := range []struct{ name, value, want string }{
		{"argument file", "@f", "aws.a=[f] aws.f=[1]"},
		{"its place counts", "-Daws.a=1 @f", "aws.a=[f] aws.f=[1]"},
		{"its place counts too", "@f -Daws.a=1", "aws.a=[1] aws.f=[1]"},
		{"quoted", `@"f"`, "aws.a=[f] aws.f=[1]"},
		{"value of an option", "-cp /lib -Daws.a=1", "aws.a=[1]"},
		{"value from a file", "-cp @cp -Daws.a=1", "aws.a=[1] aws.f=[2]"},
		{"value that looks like a file", "-cp @@f -Daws.a=1", "aws.a=[1]"},
		{"value of one character", "-cp @ -Daws.a=1", "aws.a=[1]"},
		{"empty value", "-cp '' -Daws.a=1", "aws.a=[1]"},
		{"value left to the command line", "-Daws.a=1 -cp", "aws.a=[1]"},
		{"other forms take no value", "--class-path=/lib --add-modules=x -Daws.a=1", "aws.a=[1]"},
		{"a file in a file is none", "@name", "aws.f=[@f]"},
		{"in the middle of a word", "-Daws.a=@f", "aws.a=[@f]"},
		{"stays with the launcher", "-showversion -splash:x -Daws.a=1", "aws.a=[1]"},
		{"files off, nothing else known", "--disable-@files -cp @f -Daws.a=1 -XX:+IgnoreUnrecognizedVMOptions", "aws.a=[1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := machine{env: map[string]string{launcher: tt.value}, files: files}.properties()
			require.NoError(t, err)
			require.Equal(t, tt.want, text(got))
		})
	}
}

func TestArgumentFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, content, want string }{
		{"empty", "", ""},
		{"blanks", "-Daws.a=1\n-Daws.b=2\r\n-Daws.c=3\f-Daws.d=4\t-Daws.e=5", "aws.a=[1] aws.b=[2] aws.c=[3] aws.d=[4] aws.e=[5]"},
		{"a vertical tab is none", "-Daws.a=1\v-Daws.b=2", "aws.a=[1\v-Daws.b=2]"},
		{"quotes", `-Daws.a="x y" "-Daws.b=x y"`, "aws.a=[x y] aws.b=[x y]"},
		{"one quote in the other", `-Daws.a='x"y'"p'q"`, `aws.a=[x"yp'q]`},
		{"escapes in quotes", `-Daws.a="\n\t\f\r\q\"\'\\"`, "aws.a=[\n\t\f\rq\"'\\]"},
		{"none outside", `-Daws.a=x\ny\\`, `aws.a=[x\ny\\]`},
		{"not before a newline", "-Daws.a=x\\\n-Daws.b=y", `aws.a=[x\] aws.b=[y]`},
		{"joined lines", "-Daws.a=\"x\\\n   y\"", "aws.a=[xy]"},
		{"joined lines of Windows", "-Daws.a=\"x\\\r\n \n  y\"", "aws.a=[xy]"},
		{"joined, blanks kept", "-Daws.a=\"x\\\n  \\  y\"", "aws.a=[x  y]"},
		{"newline closes a quote", "-Daws.a=\"x y\n-Daws.b=z -Daws.c=1", "aws.a=[x y] aws.b=[z] aws.c=[1]"},
		{"so does the end", `-Daws.a="x y`, "aws.a=[x y]"},
		{"comments", "# -Daws.z=1 '\n-Daws.a=1 # rest\r-Daws.b=2\n#", "aws.a=[1] aws.b=[2]"},
		{"no comment in quotes", `-Daws.a="x#y" -Daws.b='#'`, "aws.a=[x#y] aws.b=[#]"},
		{"comment within a word drops it", "-Daws.a=b# c\n-Daws.e=1", "aws.e=[1]"},
		{"but not what was quoted", "-Daws.a=\"b\"c# d\n-e", "aws.a=[b-e]"},
		{"cut off by the end in a comment", `-Daws.b=1 -Daws.a="x"#`, "aws.b=[1]"},
		{"cut off by the end after a backslash", `-Daws.b=1 -Daws.a="x\`, "aws.b=[1]"},
		{"cut off by the end after a joined line", "-Daws.b=1 -Daws.a=\"x\\\n", "aws.b=[1]"},
		{"no value", `-Daws.a -Daws.b= -Daws.c=""`, "aws.a=[] aws.b=[] aws.c=[]"},
		{"empty last word", `-Daws.a=1 ""`, "aws.a=[1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := machine{env: map[string]string{launcher: "@f"}, files: map[string]string{"f": tt.content}}.properties()
			require.NoError(t, err)
			require.Equal(t, tt.want, text(got))
		})
	}
}

func TestVMOptionsFile(t *testing.T) {
	t.Parallel()
	files := map[string]string{"/f": "-Daws.f=1\n-Daws.a='x\ny' -Daws.b=\"\\n\"", "/g": "-Daws.a=g", "/empty": "", "/ignore": "-XX:+IgnoreUnrecognizedVMOptions"}
	for _, tt := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"split as a variable", map[string]string{tool: "-XX:VMOptionsFile=/f"}, "aws.a=[x\ny] aws.b=[\\n] aws.f=[1]"},
		{"its place counts", map[string]string{tool: "-Daws.a=1 -Daws.f=2 -XX:VMOptionsFile=/f -Daws.a=3"}, `aws.a=[3] aws.b=[\n] aws.f=[1]`},
		{"one in each", map[string]string{tool: "-XX:VMOptionsFile=/f", launcher: "'-XX:VMOptionsFile=/g'", hotspot: "-XX:VMOptionsFile=/empty"}, `aws.a=[g] aws.b=[\n] aws.f=[1]`},
		{"may set the flag", map[string]string{tool: "stray -XX:VMOptionsFile=/ignore -Daws.a=1"}, "aws.a=[1]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := machine{env: tt.env, files: files}.properties()
			require.NoError(t, err)
			require.Equal(t, tt.want, text(got))
		})
	}
}

// HotSpot passes over unknown words if the last such flag of all variables says so.
func TestIgnoreUnrecognized(t *testing.T) {
	t.Parallel()
	const on, off = "-XX:+IgnoreUnrecognizedVMOptions", "-XX:-IgnoreUnrecognizedVMOptions"
	for _, tt := range []struct {
		name string
		env  map[string]string
		ok   bool
	}{
		{"before", map[string]string{tool: on + " stray -Daws.a=1"}, true},
		{"after", map[string]string{tool: "stray '' -Daws.a=1 " + on}, true},
		{"in another variable", map[string]string{tool: "stray -Daws.a=1", launcher: on}, true},
		{"off again", map[string]string{tool: on + " stray -Daws.a=1", hotspot: off}, false},
		{"not for the launcher", map[string]string{launcher: on + " stray -Daws.a=1"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := machine{env: tt.env}.properties()
			if !tt.ok {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "aws.a=[1]", text(got))
		})
	}
}

// Everything here is refused by Java too, except the limits.
func TestErrors(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"args": "-Daws.a=s3cr3t -cp", "main": "-Daws.a=s3cr3t\nMain", "jar": "-jar", "nul": "-\x00D\x00", "bom": "\ufeff-Daws.a=s3cr3t",
		"nested": "-Daws.a=1 -XX:VMOptionsFile=args", "open": "-Daws.a='s3cr3t", "stray": "-Daws.a=1 s3cr3t",
		"big": strings.Repeat("#", 1<<20+1),
	}
	for _, tt := range []struct{ variable, value, want string }{
		{tool, "-Daws.a='s3cr3t x", "JAVA_TOOL_OPTIONS: a quote is not closed"},
		{hotspot, `-Daws.a="s3cr3t x`, "_JAVA_OPTIONS: a quote is not closed"},
		{launcher, `-Daws.a="s3cr3t x`, "JDK_JAVA_OPTIONS: a quote is not closed"},
		{launcher, `-Daws.a="s3cr\"3t"`, "JDK_JAVA_OPTIONS: a quote is not closed"},
		{tool, "-Daws.a=s3cr3t s3cr3t", "JAVA_TOOL_OPTIONS: word 2: not an option, so java refuses to start (is a quote missing?)"},
		{tool, "-Daws.a=1 ''", "JAVA_TOOL_OPTIONS: word 2: not an option, so java refuses to start (is a quote missing?)"},
		{tool, "@args", "JAVA_TOOL_OPTIONS: word 1: not an option, so java refuses to start (is a quote missing?)"},
		{tool, "-cp s3cr3t", "JAVA_TOOL_OPTIONS: word 2: not an option, so java refuses to start (is a quote missing?)"},
		{hotspot, "-D aws.a=s3cr3t", "_JAVA_OPTIONS: word 2: not an option, so java refuses to start (is a quote missing?)"},
		{launcher, "-Daws.a=s3cr3t s3cr3t", "JDK_JAVA_OPTIONS: word 2: java takes this for the main class, which JDK_JAVA_OPTIONS may not name (is a quote missing?)"},
		{launcher, "@", "JDK_JAVA_OPTIONS: word 1: java takes this for the main class, which JDK_JAVA_OPTIONS may not name (is a quote missing?)"},
		{launcher, "@@args", "JDK_JAVA_OPTIONS: word 1: java takes this for the main class, which JDK_JAVA_OPTIONS may not name (is a quote missing?)"},
		{launcher, "-cp '' s3cr3t", "JDK_JAVA_OPTIONS: word 3: java takes this for the main class, which JDK_JAVA_OPTIONS may not name (is a quote missing?)"},
		{launcher, "--disable-@files @args", "JDK_JAVA_OPTIONS: word 2: java takes this for the main class, which JDK_JAVA_OPTIONS may not name (is a quote missing?)"},
		{launcher, "--disable-@files -Daws.a=1", "JDK_JAVA_OPTIONS: word 1: java refuses --disable-@files"},
		{launcher, "-ea @main", "JDK_JAVA_OPTIONS: word 2 (word 2 of its file): java takes this for the main class, which JDK_JAVA_OPTIONS may not name (is a quote missing?)"},
		{launcher, "@bom", "JDK_JAVA_OPTIONS: word 1 (word 1 of its file): java takes this for the main class, which JDK_JAVA_OPTIONS may not name (is a quote missing?)"},
		{launcher, "@jar", "JDK_JAVA_OPTIONS: word 1 (word 1 of its file): java refuses -jar in JDK_JAVA_OPTIONS"},
		{launcher, "-jar s3cr3t", "JDK_JAVA_OPTIONS: word 1: java refuses -jar in JDK_JAVA_OPTIONS"},
		{launcher, "-Daws.a=1 --version", "JDK_JAVA_OPTIONS: word 2: java refuses --version in JDK_JAVA_OPTIONS"},
		{launcher, "--module=s3cr3t", "JDK_JAVA_OPTIONS: word 1: java refuses --module in JDK_JAVA_OPTIONS"},
		{launcher, "-cp -Daws.a=s3cr3t", "JDK_JAVA_OPTIONS: word 2: an option where java wants the value of the word before"},
		{launcher, "@args -Daws.a=s3cr3t", "JDK_JAVA_OPTIONS: word 2: an option where java wants the value of the word before"},
		{launcher, "@s3cr3t", "JDK_JAVA_OPTIONS: word 1: argument file: file does not exist"},
		{launcher, "@denied-s3cr3t", "JDK_JAVA_OPTIONS: word 1: argument file: permission denied"},
		{launcher, "@odd-s3cr3t", "JDK_JAVA_OPTIONS: word 1: argument file: cannot be read"},
		{launcher, "@looped-s3cr3t", "JDK_JAVA_OPTIONS: word 1: argument file: too many links"},
		{launcher, "@nul", "JDK_JAVA_OPTIONS: word 1: argument file: has a NUL byte, so it is not text that java can read"},
		{launcher, "@big", "JDK_JAVA_OPTIONS: word 1: argument file: larger than 1 MiB"},
		{tool, "-XX:VMOptionsFile=s3cr3t", "JAVA_TOOL_OPTIONS: word 1: options file: file does not exist"},
		{tool, "-XX:VMOptionsFile=", "JAVA_TOOL_OPTIONS: word 1: options file: file does not exist"},
		{tool, "-XX:VMOptionsFile=open", "JAVA_TOOL_OPTIONS: word 1: options file: a quote is not closed"},
		{tool, "-ea -XX:VMOptionsFile=stray", "JAVA_TOOL_OPTIONS: word 2 (word 2 of its file): not an option, so java refuses to start (is a quote missing?)"},
		{tool, "-XX:VMOptionsFile=nested", "JAVA_TOOL_OPTIONS: word 1 (word 2 of its file): -XX:VMOptionsFile= inside an options file is refused by java"},
		{tool, "-XX:VMOptionsFile=s3cr3t -XX:VMOptionsFile=s3cr3t", "JAVA_TOOL_OPTIONS: word 2: a second -XX:VMOptionsFile= is refused by java"},
		{tool, "-XX:VMOptionsFile=args -ea -XX:VMOptionsFile=args", "JAVA_TOOL_OPTIONS: word 3: a second -XX:VMOptionsFile= is refused by java"},
		{tool, strings.Repeat(" ", 1<<20+1), "JAVA_TOOL_OPTIONS: longer than 1 MiB"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			m := machine{env: map[string]string{tt.variable: tt.value}, files: files, fail: map[string]error{
				"denied-s3cr3t": &fs.PathError{Op: "open", Path: "denied-s3cr3t", Err: fs.ErrPermission},
				"odd-s3cr3t":    errors.New("odd-s3cr3t"),
				"looped-s3cr3t": &fs.PathError{Op: "open", Path: "looped-s3cr3t", Err: errors.New("too many links")},
			}}
			got, err := m.properties()
			require.EqualError(t, err, tt.want)
			require.NotContains(t, err.Error(), "s3cr3t")
			require.Nil(t, got)
		})
	}
	_, err := machine{env: map[string]string{launcher: "@absent"}}.properties()
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// The lists are those that OpenJDK 17 acts on.
func TestListsOfTheLauncher(t *testing.T) {
	t.Parallel()
	for _, option := range strings.Fields("-cp -classpath --class-path -p --module-path --upgrade-module-path --add-modules --limit-modules" +
		" --add-exports --add-opens --add-reads --patch-module --enable-native-access -d --describe-module --source") {
		got, err := machine{env: map[string]string{launcher: option + " value -Daws.a=1"}}.properties()
		require.NoError(t, err, option)
		require.Equal(t, "aws.a=[1]", text(got))
	}
	for _, option := range strings.Fields("-jar -m --module --dry-run -h -? -help --help -X --help-extra -version --version -fullversion --full-version") {
		_, err := machine{env: map[string]string{launcher: option}}.properties()
		require.EqualError(t, err, "JDK_JAVA_OPTIONS: word 1: java refuses "+option+" in JDK_JAVA_OPTIONS")
	}
}

// The limits are included.
func TestLimitIsIncluded(t *testing.T) {
	t.Parallel()
	const definition = "-Daws.a=1"
	padded := definition + strings.Repeat(" ", 1<<20-len(definition))
	for _, env := range []map[string]string{{tool: padded}, {launcher: "@f"}} {
		got, err := machine{env: env, files: map[string]string{"f": padded}}.properties()
		require.NoError(t, err)
		require.Equal(t, "aws.a=[1]", text(got))
	}
}
