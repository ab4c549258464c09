package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, want string }{
		{"explian", "there is no command \"explian\"\n  did you mean explain?\n"},
		{"x", "there is no command \"x\"\n  see `credchain --help`\n"},
		{"explain --ofline", "unknown flag: --ofline\n  see `credchain explain --help`\n"},
		{"explain prod", "explain takes no arguments, and was given \"prod\"\n  see `credchain explain --help`\n"},
		{"export x", "export takes no arguments, and was given \"x\"\n  see `credchain export --help`\n"},
		{"version x", "version takes no arguments, and was given \"x\"\n  see `credchain version --help`\n"},
		{"demo x", "demo takes no arguments, and was given \"x\"\n  see `credchain demo --help`\n"},
		{"--order python explain", "invalid argument \"python\" for \"--order\" flag: it is one of cli, java, java-v2\n  see `credchain explain --help`\n"},
		{"export --format yaml", "invalid argument \"yaml\" for \"--format\" flag: it is one of process, env, env-no-export, fish, powershell, windows-cmd, dotenv, json\n  see `credchain export --help`\n"},
		{"explain --profile", "flag needs an argument: --profile\n  see `credchain explain --help`\n"},
		{"explain --profile=", "--profile is empty\n  name one, or leave the flag out\n"},
		{"export --region=", "--region is empty\n  name one, or leave the flag out\n"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			m := &machine{env: environment()}
			stdout, stderr, code := m.run(t, strings.Fields(tt.args)...)
			require.Equal(t, exitUsage, code)
			require.Empty(t, stdout)
			require.Equal(t, "credchain: "+tt.want, stderr)
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args string
		want []string
	}{
		{"", []string{"Exit codes:", "explain ", "export ", "demo ", "version ", "completion "}},
		{"--help", []string{"Exit codes:", "--order cli|java|java-v2 ", "--profile NAME ", "--region REGION "}},
		{"explain -h", []string{"--offline ", "--json ", "not-asked ", "--profile NAME"}},
		{"help export", []string{"--format FORMAT ", "eval ", "AWS_SESSION_TOKEN", "--profile NAME"}},
		{"demo --help", []string{"loopback"}},
		{"completion bash", []string{"credchain"}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := (&machine{}).run(t, strings.Fields(tt.args)...)
			require.Equal(t, exitFound, code)
			require.Empty(t, stderr)
			for _, want := range tt.want {
				require.Contains(t, stdout, want)
			}
			require.NotRegexp(t, `--(access|secret|session|token)`, stdout, "no flag may take a secret")
			if !strings.HasPrefix(tt.args, "completion") {
				for line := range strings.Lines(stdout) {
					require.LessOrEqual(t, len(line), 120, line)
				}
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	stdout, _, code := (&machine{}).run(t, "version")
	require.Equal(t, exitFound, code)
	require.Regexp(t, `^credchain \S+ \(go1\.\d+.*, \w+/\w+.*\)\n$`, stdout)
	same, _, _ := (&machine{}).run(t, "--version")
	require.Equal(t, stdout, same)
}
