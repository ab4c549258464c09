package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// settle replaces what differs from run to run: ports and times.
func settle(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "TIME"},
		{` +(<1ms|\d+ms|\d+\.\ds)  `, "  ELAPSED  "},
		{`\s*\n\s*`, "\n"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}

func TestDemo(t *testing.T) {
	t.Parallel()
	// A machine on which everything fails the test: the demo has one of its own.
	cfg := providers.Config{System: awstest.Hermetic(t, awstest.World{}).System()}
	var out, errs strings.Builder
	code := run(t.Context(), []string{"demo"}, streams{out: &out, err: &errs, terminal: terminal{width: width}}, cfg)
	require.Equal(t, exitFound, code, errs.String())
	require.Empty(t, errs.String())
	require.NotContains(t, out.String(), awstest.Canary, "a secret was shown")
	got := settle(out.String())
	if *update {
		require.NoError(t, os.WriteFile("testdata/demo.golden", []byte(got), 0o644))
	}
	want, err := os.ReadFile("testdata/demo.golden")
	require.NoError(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("demo (-want +got):\n%s", diff)
	}
}

func TestDemoRefusesWhatItWouldIgnore(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--profile=p", "--region=eu-west-1", "--order=java"} {
		stdout, stderr, code := (&machine{}).run(t, "demo", flag)
		require.Equal(t, exitUsage, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "its machine is made up")
	}
}

func TestDemoStaysOnLoopback(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"192.0.2.1:80", "169.254.169.254:80", "[2001:db8::1]:80"} {
		_, err := loopback().DialContext(t.Context(), "tcp", address)
		require.ErrorContains(t, err, "the demo does not connect to")
	}
}
