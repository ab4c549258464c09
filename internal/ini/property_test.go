package ini_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/ini"
)

// author writes a random file and knows what must be read back from it.
type author struct {
	*rand.Rand
	file strings.Builder
	line int // the next one, from 1
	eol  string
	want map[ini.Ref]*ini.Section
}

func newAuthor(seed uint64) *author {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 1)), line: 1, eol: "\n", want: map[ini.Ref]*ini.Section{}}
	if seed%3 == 0 {
		a.eol = "\r\n"
	}
	if seed%5 == 0 {
		a.file.WriteString("\ufeff")
	}
	return a
}

func (a *author) oneOf(s ...string) string { return s[a.IntN(len(s))] }

// write writes one line and returns its number. Before it may come lines that
// do not count.
func (a *author) write(line string) int {
	for a.IntN(4) == 0 {
		a.file.WriteString(a.oneOf("", "   ", "# c", " \t; [profile c]", "#k = v") + a.eol)
		a.line++
	}
	a.file.WriteString(line + a.oneOf("", "", " ", "\t ") + a.eol)
	a.line++
	return a.line - 1
}

// word may hold whatever has no meaning where words are used.
func (a *author) word() string {
	return a.oneOf("a", "b", "Long-Name", "x/y", "k#1", "ü") + fmt.Sprint(a.IntN(4))
}

func (a *author) value() string {
	return a.oneOf("v", "a b", "x=y", "a#b;c", `"q"`, "[profile v]", "%(v)s") + fmt.Sprint(a.IntN(100))
}

func (a *author) equals() string { return a.oneOf("=", " = ", "\t=\t ", "= ") }

func (a *author) section() {
	name := a.word()
	ref := ini.Ref{Kind: ini.Kind(a.IntN(4)), Name: name}
	header := [...]string{"profile ", "sso-session\t", "services ", ""}[ref.Kind] + name
	if ref.Kind == ini.Profile && a.IntN(3) == 0 {
		ref.Name = name + " and more"
		header = `profile  "` + ref.Name + `"`
	}
	margin := strings.Repeat(" ", a.IntN(3)) // of this piece's keys
	line := a.write(a.oneOf("[", "[ ") + header + a.oneOf("]", "\t]", "] # c"))
	s := a.want[ref]
	if s == nil {
		s = &ini.Section{Ref: ref, Line: line}
		a.want[ref] = s
	}
	for range a.IntN(5) {
		a.key(s, margin)
	}
}

func (a *author) key(s *ini.Section, margin string) {
	k := ini.Key{Name: lowerASCII(a.word())}
	deeper := func() string { return margin + a.oneOf(" ", "  ", "\t") }
	name := k.Name
	if name[0] == 'l' {
		name = "L" + name[1:]
	}
	switch a.IntN(3) {
	case 0: // nested keys
		k.Line = a.write(margin + name + a.oneOf("=", " = ", " = # c"))
		for i := range a.IntN(4) {
			sub := ini.Key{Name: fmt.Sprint("n", i), Value: a.value()}
			sub.Line = a.write(deeper() + a.oneOf("n", "N") + fmt.Sprint(i) + a.equals() + sub.Value)
			k.Sub = append(k.Sub, sub)
		}
	default:
		k.Value = a.value()
		k.Line = a.write(margin + name + a.equals() + k.Value + a.oneOf("", "", " # c", "\t;c # d"))
		for range a.IntN(3) {
			more := a.oneOf("[profile v]", "x = y", "w # c", "]", "=") // a comment may not come first
			a.write(deeper() + more)
			k.Value += "\n" + more
		}
	}
	s.Keys = slices.DeleteFunc(s.Keys, func(old ini.Key) bool { return old.Name == k.Name })
	s.Keys = append(s.Keys, k)
}

func TestReadsBackWhatWasWritten(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			a := newAuthor(seed)
			for range 1 + a.IntN(6) {
				a.section()
			}
			file := a.file.String()
			var want []*ini.Section
			var ask []ini.Ref
			for _, s := range a.want {
				want = append(want, s)
			}
			a.Shuffle(len(want), func(i, j int) { want[i], want[j] = want[j], want[i] })
			for _, s := range want {
				ask = append(ask, s.Ref)
			}

			check := func(r io.Reader, b ini.Bounds, n int) {
				doc, err := b.Read(r, "f", ini.Config, ask[:n]...)
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(&ini.Document{Sections: want[:n:n]}, doc), "%+v of file:\n%s", b, file)
			}
			for size := 3; size < len(file)+2; size++ {
				b := ini.Bounds{Buffer: size}
				check(strings.NewReader(file), b, len(ask))
				if size < 100 {
					b.Grown = size + 13
					check(strings.NewReader(file), b, 1)
				}
			}
			check(iotest.OneByteReader(strings.NewReader(file)), ini.Bounds{}, len(ask))
			check(iotest.DataErrReader(strings.NewReader(file)), ini.Bounds{Buffer: 9}, len(ask))
		})
	}
}
