package profile_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/credchain/credchain/profile"
)

// mess writes a file such as people and tools leave behind.
func mess(r *rand.Rand) string {
	oneOf := func(s ...string) string { return s[r.IntN(len(s))] }
	var b strings.Builder
	b.WriteString(oneOf("", "", "", "\ufeff"))
	eol := oneOf("\n", "\n", "\r\n")
	margin := ""
	for range r.IntN(30) {
		name := oneOf("a", "dev", "default", "b c")
		switch r.IntN(9) {
		case 0, 1:
			margin = oneOf("", "", "  ")
			header := oneOf("profile "+name, "profile '"+name+"'", "profile \t"+name, name, "sso-session "+name, "services a", "plugins")
			b.WriteString(oneOf("", "", "", " ") + "[" + header + oneOf("]", "]", "]", " ] # c", "", "] x"))
		case 2:
			b.WriteString(oneOf("", " ", "\t", "# k = v", "  ; c", "#[profile dev]", "\r"))
		case 3:
			b.WriteString(oneOf("oops", "= v", "  more", "    x = y", "  # c", "\t[profile dev]"))
		default:
			key := oneOf("k", "region", "S3", "s3", "Output", "a b")
			value := oneOf("v", "", "", "a b", "x=y", "v # c", "v\t;c", "# c", "v#c", "\"q\"")
			b.WriteString(margin + key + oneOf("=", " = ", " =", "\t=\t") + value + oneOf("", "", " ", "\t "))
		}
		b.WriteString(eol)
	}
	return strings.TrimSuffix(b.String(), oneOf("", "", eol))
}

// TestSetInMess: in any file, a value that is set reads back, and nothing else changes.
func TestSetInMess(t *testing.T) {
	t.Parallel()
	for part := range uint64(8) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(part, 2))
			for range 150 {
				file := mess(r)
				style := profile.Style(r.IntN(2))
				section := profile.Section{Kind: profile.Kind(r.IntN(4)), Name: []string{"a", "dev", "default", "b c", "new"}[r.IntN(5)]}
				key := []string{"k", "region", "s3", "s3.k", "S3.Region", "output", "a b", "new", "k.new"}[r.IntN(9)]
				value := []string{"v", "", "a b", "x=y", "v#c", "\"q\"", "[profile dev]", "v # c"}[r.IntN(8)]
				requireSets(t, []byte(file), style, section, key, value)
				if t.Failed() {
					t.Fatalf("file %q, section %+v, key %s, value %q", file, section, key, value)
				}
			}
		})
	}
}
