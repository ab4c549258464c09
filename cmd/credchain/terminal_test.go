package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

func TestWrapLosesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want []string
	}{
		{"", []string{""}},
		{"one", []string{"one"}},
		{"one two three", []string{"one two", "three"}},
		{"a-path/that/is/too/long for it", []string{"a-path/that/is/too/long", "for it"}},
		{"äöü äöüä", []string{"äöü äöüä"}},
	}
	for _, tt := range tests {
		got := wrap(tt.text, 8)
		require.Equal(t, tt.want, got)
		require.Equal(t, tt.text, strings.Join(got, " "))
	}
}

func TestNarrowTerminal(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}}
	stdout, _, _ := m.runOn(t, terminal{width: 80}, "explain")
	for line := range strings.Lines(stdout) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 80, line)
	}
	require.Contains(t, strings.Join(strings.Fields(stdout), " "), "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor")

	stdout, _, code := m.runOn(t, terminal{width: 10}, "explain")
	require.Equal(t, exitNothing, code)
	require.Contains(t, stdout, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
}

// TestTextCannotSteerTheTerminal: profile names and paths come from variables and files.
func TestTextCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	const evil = "\x1b]0;owned\x07"
	machines := []*machine{
		{env: map[string]string{"AWS_PROFILE": "p" + evil}},
		{env: map[string]string{"AWS_CONFIG_FILE": "/tmp/" + evil}},
		{files: map[string]string{"/home/u/.aws/config": "[default]\nregion = eu" + evil + "\n"}},
		{env: map[string]string{"AWS_REGION": "eu\u202e"}},
	}
	for _, m := range machines {
		stdout, stderr, _ := m.run(t, "explain")
		require.NotContains(t, stdout+stderr, "\x1b")
		require.NotContains(t, stdout+stderr, "\u202e")
	}
}

func TestShortDuration(t *testing.T) {
	t.Parallel()
	tests := map[time.Duration]string{
		0:                          "<1ms",
		999 * time.Microsecond:     "<1ms",
		time.Millisecond:           "1ms",
		999 * time.Millisecond:     "999ms",
		1100 * time.Millisecond:    "1.1s",
		42 * time.Second:           "42s",
		62 * time.Second:           "1m02s",
		6*time.Hour - time.Second:  "5h59m",
		50*time.Hour + time.Minute: "2d2h",
	}
	for d, want := range tests {
		require.Equal(t, want, shortDuration(d))
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("CET", 3600))
	require.Equal(t, "never, as far as this source tells", expiry(time.Time{}, now))
	require.Equal(t, "2026-01-02T02:05:05Z, in 1m00s", expiry(now.Add(time.Minute), now))
	require.Equal(t, "2026-01-02T02:03:05Z, which was 1m00s ago", expiry(now.Add(-time.Minute), now))
}

func TestWhere(t *testing.T) {
	t.Parallel()
	require.Equal(t, "/f:2,3, AWS_X, /g:1, /f:9", whereOf([]credchain.Origin{
		{File: "/f", Line: 2}, {File: "/f", Line: 3}, {Env: "AWS_X"}, {File: "/g", Line: 1}, {File: "/f", Line: 9},
	}))
}
