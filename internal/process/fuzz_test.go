package process_test

import (
	"strings"
	"testing"

	"github.com/credchain/credchain/internal/process"
)

// FuzzSplitPOSIX: what was split and quoted again is split the same, and no byte comes from nowhere.
func FuzzSplitPOSIX(f *testing.F) {
	for _, c := range seeds() {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, command string) {
		process.LooksLikePOSIXShell(command)
		words, err := process.SplitPOSIX(command)
		checkWords(t, command, words, err)
		var again []string
		for _, w := range words {
			again = append(again, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		checkAgain(t, process.SplitPOSIX, words, again)
		if err == nil && process.LooksLikePOSIXShell(strings.Join(again, " ")) != "" {
			t.Fatalf("%q: a shell would understand what is quoted", again)
		}
	})
}

// FuzzSplitWindows does the same by the other rules.
func FuzzSplitWindows(f *testing.F) {
	for _, c := range seeds() {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, command string) {
		process.LooksLikeWindowsShell(command)
		words, err := process.SplitWindows(command)
		checkWords(t, command, words, err)
		var again []string
		for _, w := range words {
			var b strings.Builder
			slashes := 0
			for i := range len(w) {
				switch w[i] {
				case '\\':
					slashes++
				case '"':
					b.WriteString(strings.Repeat(`\`, slashes+1))
					slashes = 0
				default:
					slashes = 0
				}
				b.WriteByte(w[i])
			}
			again = append(again, `"`+b.String()+strings.Repeat(`\`, slashes)+`"`)
		}
		checkAgain(t, process.SplitWindows, words, again)
	})
}

func checkWords(t *testing.T, command string, words []string, err error) {
	if err != nil {
		if words != nil || err.Error() == "" || len(err.Error()) > 60 {
			t.Fatalf("%q: %q, %v", command, words, err)
		}
		return
	}
	if total := len(strings.Join(words, "")); total > len(command) {
		t.Fatalf("%q: %d bytes became %d", command, len(command), total)
	}
}

func checkAgain(t *testing.T, split func(string) ([]string, error), words, again []string) {
	got, err := split(strings.Join(again, " "))
	if err != nil || len(got) != len(words) {
		t.Fatalf("%q: quoted again: %q, %v", words, got, err)
	}
	for i := range words {
		if words[i] != got[i] {
			t.Fatalf("%q: quoted again: %q", words, got)
		}
	}
}
