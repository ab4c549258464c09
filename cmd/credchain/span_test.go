package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "0": 0, "-5": -5 * time.Second, "90s": 90 * time.Second, "1.5h": 90 * time.Minute,
		"7d": 168 * time.Hour, "1d12h30m": 36*time.Hour + 30*time.Minute, "-1d": -24 * time.Hour,
		"9223372036": 9223372036 * time.Second, "106751d": 106751 * 24 * time.Hour,
	} {
		var s span
		require.NoError(t, s.Set(text), text)
		require.Equal(t, want, s.value, text)
		require.Equal(t, text, s.String(), "as it was given")
	}
	for _, text := range []string{"", "d", "x", "1.5d", "d1h", "-1d2h", "1d-2h", "1d+2h", "1d2", "1d1d", "1 d", "9223372037", "106752d", "106751d24h"} {
		s := span{"15m", 15 * time.Minute}
		require.ErrorContains(t, s.Set(text), "number of seconds", text)
		require.Equal(t, span{"15m", 15 * time.Minute}, s, "unchanged by %q", text)
	}
}

// FuzzSpan wants what Go reads read as Go reads it, and no overflow.
func FuzzSpan(f *testing.F) {
	for _, text := range []string{"90", "7d", "1d12h", "106751d23h47m16.854775807s", "-1d", "1.5h", "0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, ok := parseSpan(text)
		if want, err := time.ParseDuration(text); err == nil {
			require.True(t, ok)
			require.Equal(t, want, value)
		}
		if ok && len(text) > 0 && text[0] != '-' {
			require.GreaterOrEqual(t, value, time.Duration(0))
		}
	})
}
