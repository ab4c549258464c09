package process_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/process"
)

func TestRun(t *testing.T) {
	t.Parallel()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		argv           []string
		stdout, stderr string
	}{
		"arguments":                           {command(t, "echo", "a b", "", "$HOME", `"'\`, "*", "é"), "a b\n\n$HOME\n\"'\\\n*\né\n", ""},
		"no output":                           {command(t, "echo"), "", ""},
		"bytes of any kind":                   {command(t, "raw"), "\xff\xfe\x00out", "\xff\xfe\x00err"},
		"the environment":                     {command(t, "world"), dir + " " + os.Getenv("PATH"), ""},
		"no input":                            {command(t, "stdin"), "0 <nil>", ""},
		"the largest output":                  {command(t, "size", "1048576"), strings.Repeat("x", 1<<20), ""},
		"all of the errors":                   {command(t, "words", fmt.Sprint(4<<10-len("first words  last words"))), "out", "first words " + strings.Repeat("x", 4<<10-len("first words  last words")) + " last words"},
		"a whole word":                        {command(t, "words", "4094"), "out", " last words"},
		"the last errors":                     {command(t, "words", "1000000"), "out", " last words"},
		"output from a child that comes late": {command(t, "late"), "out\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, err := process.Run(t.Context(), tt.argv)
			require.NoError(t, err)
			require.Equal(t, tt.stdout, string(stdout))
			require.Equal(t, tt.stderr, string(stderr))
		})
	}
}

func TestRunExitCode(t *testing.T) {
	t.Parallel()
	for code, words := range map[int]string{
		1: "exit code 1", 3: "exit code 3", 255: "exit code 255",
		126: "exit code 126, by which shells say that a command may not be executed",
		127: "exit code 127, by which shells say that a command was not found",
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			argv := command(t, "fail", fmt.Sprint(code))
			stdout, stderr, err := process.Run(t.Context(), argv)
			require.EqualError(t, err, argv[0]+": "+words)
			var exit *process.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, process.ExitError{Code: code}, *exit)
			var coder interface{ ExitCode() int }
			require.ErrorAs(t, err, &coder)
			require.Equal(t, code, coder.ExitCode())
			require.Nil(t, stdout)
			require.Equal(t, "last words", string(stderr))
		})
	}
}

func TestRunTooLong(t *testing.T) {
	t.Parallel()
	t.Run("by a byte", func(t *testing.T) {
		t.Parallel()
		stdout, _, err := process.Run(t.Context(), command(t, "size", "1048577"))
		require.ErrorIs(t, err, process.ErrTooLong)
		require.Nil(t, stdout)
	})
	t.Run("without an end", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		stdout, _, err := process.Run(t.Context(), command(t, "flood", "stdout", dir))
		require.ErrorIs(t, err, process.ErrTooLong)
		require.NotContains(t, err.Error(), "canary")
		require.Nil(t, stdout)
		requireGone(t, arrived(dir), 1)
	})
}

func TestRunEndsWithContext(t *testing.T) {
	t.Parallel()
	reason := errors.New("no longer wanted")
	for name, tt := range map[string]struct {
		mode      []string
		processes int
		stderr    string
	}{
		"a program that hangs":             {[]string{"hang", "DIR"}, 1, ""},
		"a program that closed its output": {[]string{"close", "DIR"}, 1, ""},
		"a flood of errors":                {[]string{"flood", "stderr", "DIR"}, 1, "canary\n"},
		"a program and its child":          {[]string{"family", "DIR", "child", "hang"}, 2, "last words"},
		"a program within a program":       {[]string{"run", "hang", "DIR"}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			argv := command(t, tt.mode[0], tt.mode[1:]...)
			for i := range argv {
				argv[i] = strings.ReplaceAll(argv[i], "DIR", dir)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			ctx, running := process.Counted(ctx)
			var counted int32
			go func() {
				for len(arrived(dir)) < tt.processes && t.Context().Err() == nil {
					time.Sleep(5 * time.Millisecond)
				}
				counted = running()
				cancel(reason)
			}()
			stdout, stderr, err := process.Run(ctx, argv)
			require.EqualValues(t, 1, counted)
			require.Zero(t, running())
			require.EqualError(t, err, argv[0]+" was killed: no longer wanted")
			require.ErrorIs(t, err, reason)
			require.Nil(t, stdout)
			require.True(t, strings.HasSuffix(string(stderr), tt.stderr) || tt.mode[0] == "flood", "%q", stderr)
			requireGone(t, arrived(dir), tt.processes)
		})
	}
}

func TestRunTimeLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	argv := command(t, "hang", dir)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, _, err := process.Run(ctx, argv)
	require.EqualError(t, err, argv[0]+" did not end in time and was killed: context deadline exceeded")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	requireGone(t, arrived(dir), 0)
}

func TestRunAfterContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reason := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	_, _, err := process.Run(ctx, command(t, "hang", dir))
	require.Equal(t, reason, err)
	require.Empty(t, arrived(dir))
}

// TestRunLeavesNothing: a program that ends and leaves a process with its output open does not hang the caller.
func TestRunLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, code := range []int{0, 3} {
		t.Run(fmt.Sprint("exit code ", code), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			stdout, stderr, err := process.Run(t.Context(), command(t, "family", dir, "child", fmt.Sprint(code)))
			require.Equal(t, "last words", string(stderr))
			requireGone(t, arrived(dir), 2)
			if code == 0 {
				require.NoError(t, err)
				require.Equal(t, "out", string(stdout))
				return
			}
			var exit *process.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, code, exit.Code)
			require.Nil(t, stdout)
		})
	}
}

// TestRunDoesNotStart writes its files before others fork: a file that is open for writing cannot be executed.
func TestRunDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
		return path
	}
	plain := file("plain", "x", 0o644)
	script := file("script.exe", "#!/nonexistent/interpreter\n", 0o755)
	foreign := file("foreign.exe", "no program\n", 0o755)
	empty := file("empty.exe", "", 0o755)
	t.Parallel()

	for name, tt := range map[string]struct {
		argv []string
		want string
		unix bool // the words, or the case, are of Unix
	}{
		"nothing":                   {nil, "the command is empty", false},
		"an empty name":             {[]string{"", "canary"}, "the command is empty", false},
		"a NUL byte":                {[]string{"helper", "canary\x00"}, "the command has a NUL byte", false},
		"no such name":              {[]string{"no-such-helper", "canary"}, "no-such-helper: not found in PATH", false},
		"no such path":              {[]string{dir + "/none", "canary"}, dir + "/none: not found", false},
		"a path through a file":     {[]string{plain + "/none", "canary"}, plain + "/none: not found", false},
		"a directory":               {[]string{dir, "canary"}, dir + ": is a directory", true},
		"not executable":            {[]string{plain, "canary"}, plain + ": is not executable, or a directory on its path may not be searched", true},
		"no interpreter":            {[]string{script, "canary"}, script + ": does not start: it, or the interpreter that it names in its first line, is not there", true},
		"no program":                {[]string{foreign, "canary"}, foreign + ": is no program for this machine (a script needs a first line such as #!/bin/sh)", true},
		"an empty program":          {[]string{empty, "canary"}, empty + ": is no program for this machine (a script needs a first line such as #!/bin/sh)", true},
		"too long":                  {append(command(t, "echo"), strings.Repeat("canary", 1<<20)), "argument list too long", true},
		"quotes around all":         {[]string{"no-such-helper --password canary"}, "no-such-helper…: not found in PATH (if the quotation marks are around the whole command, take them away)", false},
		"a path with blanks":        {[]string{dir + "/my helper", "canary"}, dir + "/my helper: not found", false},
		"a variable":                {[]string{"PASSWORD=canary", "helper"}, "PASSWORD=…: not found in PATH", false},
		"a variable, all in quotes": {[]string{"PASSWORD=canary helper"}, "PASSWORD=…: not found in PATH (if the quotation marks are around the whole command, take them away)", false},
		"control characters":        {[]string{"no-such-\x1b[1mhelper\n", "canary"}, "no-such-?[1mhelper?: not found in PATH", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.unix && os.PathSeparator == '\\' {
				t.Skip("windows: other rules, other words")
			}
			stdout, stderr, err := process.Run(t.Context(), tt.argv)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, fmt.Sprintf("%+v %v", err, errors.Unwrap(err)), "canary")
			require.Nil(t, stdout)
			require.Nil(t, stderr)
			var exit *process.ExitError
			require.False(t, errors.As(err, &exit))
		})
	}
}

func TestRunDoesNotStartForAKnownReason(t *testing.T) {
	t.Parallel()
	_, _, err := process.Run(t.Context(), []string{"no-such-helper"})
	require.ErrorIs(t, err, exec.ErrNotFound)
	_, _, err = process.Run(t.Context(), []string{filepath.Join(t.TempDir(), "none")})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestName(t *testing.T) {
	t.Parallel()
	for want, argv := range map[string][]string{
		"":               nil,
		"helper":         {"helper", "canary"},
		"/my tools/x":    {"/my tools/x", "canary"},
		"helper…":        {"helper\tcanary"},
		"PASSWORD=…":     {"PASSWORD=canary", "helper"},
		"https://x/?a=b": {"https://x/?a=b"},
		"a?b?":           {"a\x00b\u009b"},
	} {
		require.Equal(t, want, process.Name(argv))
	}
}

func TestRunRelativePath(t *testing.T) {
	t.Parallel()
	argv := command(t, "echo", "out")
	dir, err := os.Getwd()
	require.NoError(t, err)
	relative, err := filepath.Rel(dir, argv[0])
	if err != nil {
		t.Skip("windows: the test binary is on another drive")
	}
	argv[0] = relative
	stdout, _, err := process.Run(t.Context(), argv)
	require.NoError(t, err)
	require.Equal(t, "out\n", string(stdout))
}

// requireGone waits until none of the processes is there, of which there were at least so many.
func requireGone(t *testing.T, pids []int, atLeast int) {
	t.Helper()
	require.GreaterOrEqual(t, len(pids), atLeast)
	for _, pid := range pids {
		require.Eventually(t, func() bool { return !alive(pid) }, patience, 5*time.Millisecond, "a process is left behind")
	}
}
