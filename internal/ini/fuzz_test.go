package ini_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/ini"
)

func FuzzRead(f *testing.F) {
	for _, c := range fileCases {
		f.Add(c.file, uint8(c.style), uint8(0))
		f.Add(c.file, uint8(1-c.style), uint8(7))
	}
	for _, c := range slices.Concat(configHeaders, credentialsHeaders) {
		f.Add("[default]\na=b\n"+c.header+"\nc=d\n", uint8(ini.Config), uint8(1))
		f.Add("[default]\na=b\n"+c.header+"\nc=d\n", uint8(ini.Credentials), uint8(20))
	}
	f.Fuzz(func(t *testing.T, data string, styleByte, size uint8) {
		style := ini.Style(styleByte % 2)
		bounds := ini.Bounds{Buffer: 3 + int(size)}
		want := refer("f", data, style)

		names, err := bounds.Names(strings.NewReader(data), "f", style)
		require.NoError(t, err)
		for _, n := range names {
			s := want.sections[showRef(n.Ref)]
			require.NotNil(t, s, "%q is in no header", n.Ref)
			require.Equal(t, s.Line, n.Line, "line of %q", n.Ref)
		}

		all, err := bounds.Read(strings.NewReader(data), "f", style, refs(names)...)
		require.NoError(t, err)
		require.Equal(t, want.document(), show(all))

		text := []byte(data)
		same, err := ini.ReadText(text, "f", style, refs(names)...)
		require.NoError(t, err)
		require.Equal(t, all, same)
		require.Equal(t, data, string(text))

		for _, s := range all.Sections[:min(len(all.Sections), 20)] {
			one, err := ini.Read(strings.NewReader(data), "f", style, s.Ref)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(&ini.Document{Sections: []*ini.Section{s}, Unplaced: all.Unplaced}, one))
			require.Empty(t, cmp.Diff(s, one.Section(s.Ref)))
			requireOwnLines(t, data, s, want.owner)
		}
	})
}

// requireOwnLines checks that each key stands on a line of its section, and that
// its text is there.
func requireOwnLines(t *testing.T, data string, s *ini.Section, owner []string) {
	t.Helper()
	text := strings.Split(data, "\n")
	own := func(line int) string {
		require.True(t, 1 <= line && line <= len(text), "line %d of %d", line, len(text))
		by := owner[line-1]
		require.True(t, by == showRef(s.Ref) || by == "default" && s.Ref == profile("default"),
			"line %d of %q belongs to %q", line, s.Ref, by)
		return text[line-1]
	}
	own(s.Line)
	for _, k := range s.Keys {
		at := own(k.Line)
		require.Contains(t, lowerASCII(at), k.Name)
		first, _, _ := strings.Cut(k.Value, "\n")
		require.Contains(t, at, first)
		for _, n := range k.Sub {
			require.Contains(t, own(n.Line), n.Value)
		}
	}
	if s.Err != nil {
		var e *ini.Error
		require.ErrorAs(t, s.Err, &e)
		require.True(t, 1 <= e.Line && e.Line <= len(text))
	}
}
