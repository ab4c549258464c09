package profile_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/ini"
	"github.com/credchain/credchain/profile"
)

// whole is all that the chain reads in a file, by section, without the places.
func whole(t *testing.T, data []byte, style profile.Style) map[ini.Ref]*ini.Section {
	t.Helper()
	names, err := ini.Names(bytes.NewReader(data), "f", ini.Style(style))
	require.NoError(t, err)
	refs := make([]ini.Ref, len(names))
	for i, n := range names {
		refs[i] = n.Ref
	}
	doc, err := ini.Read(bytes.NewReader(data), "f", ini.Style(style), refs...)
	require.NoError(t, err)
	all := map[ini.Ref]*ini.Section{}
	for _, s := range doc.Sections {
		s.Line = 0
		for i := range s.Keys {
			s.Keys[i].Line = 0
			for j := range s.Keys[i].Sub {
				s.Keys[i].Sub[j].Line = 0
			}
		}
		if s.Err != nil {
			s.Err.(*ini.Error).Line = 0
		}
		all[s.Ref] = s
	}
	return all
}

// without returns the keys of a section but for one; of a nested one the rest of its parent stays.
func without(s *ini.Section, key string) *ini.Section {
	if s == nil {
		return &ini.Section{}
	}
	name, sub, nested := strings.Cut(key, ".")
	out := &ini.Section{Err: s.Err}
	for _, k := range s.Keys {
		switch {
		case k.Name != name:
			out.Keys = append(out.Keys, k)
		case nested:
			for _, n := range k.Sub {
				if n.Name != sub {
					out.Keys = append(out.Keys, ini.Key{Name: name + "." + n.Name, Value: n.Value})
				}
			}
		}
	}
	return out
}

// requireOthersSame checks that an edit of one key has changed nothing else that anybody reads.
func requireOthersSame(t *testing.T, before, after []byte, style profile.Style, section profile.Section, key string) {
	t.Helper()
	edited := ini.Ref{Kind: ini.Kind(section.Kind), Name: section.Name}
	was, is := whole(t, before, style), whole(t, after, style)
	opts := cmp.Options{cmpopts.EquateEmpty()}
	rest, now := without(was[edited], key), without(is[edited], key)
	if now.Err == nil {
		rest.Err = nil // a malformed line among those of the value that was replaced went with it
	}
	if diff := cmp.Diff(rest, now, opts); diff != "" {
		t.Errorf("the rest of the section (-before +after):\n%s", diff)
	}
	delete(was, edited)
	delete(is, edited)
	if diff := cmp.Diff(was, is, opts); diff != "" {
		t.Errorf("other sections (-before +after):\n%s", diff)
	}
}

// requireInserted checks that only one stretch was added to a text.
func requireInserted(t *testing.T, before, after []byte) {
	t.Helper()
	head := 0
	for head < len(before) && head < len(after) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < len(before)-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	require.Equal(t, len(before), head+tail, "more than an insertion:\n%q\n%q", before, after)
}

// requireOneKeyChanged checks that between two texts one line differs and others may only have gone right below it:
// those that continue a value.
func requireOneKeyChanged(t *testing.T, before, after []byte, line int) {
	t.Helper()
	was, is := slices.Collect(strings.Lines(string(before))), slices.Collect(strings.Lines(string(after)))
	require.Equal(t, was[:line-1], is[:line-1], "lines above the key")
	left, _, _ := strings.Cut(was[line-1], "=")
	require.True(t, strings.HasPrefix(is[line-1], left+"="), "%q became %q", was[line-1], is[line-1])
	blanks := func(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }
	deep := blanks(strings.TrimPrefix(left, "\ufeff"))
	j := line
	for i, l := range was[line:] {
		if j < len(is) && is[j] == l {
			j++
			continue
		}
		require.Greater(t, blanks(l), deep, "line %d went", line+1+i)
		require.NotContains(t, "#;\r\n", strings.TrimLeft(l, " \t")[:1], "line %d went", line+1+i)
	}
	require.Equal(t, len(is), j, "lines came:\n%q\n%q", before, after)
}

func requireSets(t *testing.T, data []byte, style profile.Style, section profile.Section, key, value string) {
	t.Helper()
	f := profile.Parse("f", data, style)
	old, was := f.Get(section, key)
	if err := f.Set(section, key, value); err != nil {
		require.Equal(t, string(data), string(f.Bytes()))
		if len(value) > 3 && !strings.Contains(key+section.Name, value) {
			require.NotContains(t, err.Error(), value)
		}
		return
	}
	after := f.Bytes()
	name := strings.Map(func(r rune) rune { // as the grammar lower-cases
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, key)
	k, ok := f.Get(section, key)
	require.True(t, ok)
	require.Equal(t, value, k.Value)
	requireOthersSame(t, data, after, style, section, name)
	switch {
	case was:
		requireOneKeyChanged(t, data, after, old.Line)
	default:
		requireInserted(t, data, after)
	}
	const canary = "canary/Canary+canary="
	for _, secret := range []string{"aws_secret_access_key", "new.session_token"} {
		g := profile.Parse("f", data, style)
		if g.Set(section, secret, canary) == nil && !bytes.Contains(data, []byte(canary)) {
			require.NotContains(t, profile.Diff(profile.Parse("f", data, style), g), canary)
			require.NotContains(t, profile.Diff(g, profile.Parse("f", data, style)), canary)
		}
	}

	require.NoError(t, f.Set(section, key, value))
	require.Equal(t, string(after), string(f.Bytes()), "the same once more")

	require.True(t, f.Unset(section, key))
	_, ok = f.Get(section, key)
	require.False(t, ok)
	requireOthersSame(t, data, f.Bytes(), style, section, name)
	require.False(t, f.Unset(section, key))
}

// FuzzSet: what is set reads back, and nothing else has changed, neither for a reader nor in the bytes.
func FuzzSet(f *testing.F) {
	for _, e := range edits {
		section := e.section
		if section == (profile.Section{}) {
			section = dev()
		}
		f.Add([]byte(e.file), uint8(e.style), uint8(section.Kind), section.Name, e.key, e.value)
		f.Add([]byte(e.want), uint8(1-e.style), uint8(0), "default", "s3.a", "b c")
	}
	f.Fuzz(func(t *testing.T, data []byte, style, kind uint8, name, key, value string) {
		requireSets(t, data, profile.Style(style%2), profile.Section{Kind: profile.Kind(kind % 4), Name: name}, key, value)
	})
}

// FuzzAllKeys sets every key that a file has, and a new one in every section.
func FuzzAllKeys(f *testing.F) {
	for _, e := range edits {
		f.Add([]byte(e.file), uint8(e.style), "v")
		f.Add([]byte(e.want), uint8(1-e.style), "")
	}
	f.Fuzz(func(t *testing.T, data []byte, style uint8, value string) {
		file := profile.Parse("f", data, profile.Style(style%2))
		for _, s := range file.Sections()[:min(8, len(file.Sections()))] {
			keys, _ := file.Keys(s)
			for _, k := range keys[:min(8, len(keys))] {
				if !strings.Contains(k.Name, ".") { // a dot is what nests
					requireSets(t, data, profile.Style(style%2), s, k.Name, value)
				}
				for _, n := range k.Sub[:min(4, len(k.Sub))] {
					if !strings.Contains(k.Name, ".") {
						requireSets(t, data, profile.Style(style%2), s, k.Name+"."+n.Name, value)
					}
				}
			}
			requireSets(t, data, profile.Style(style%2), s, "new-key", value)
			requireSets(t, data, profile.Style(style%2), s, "new-key.nested", value)
		}
	})
}

func TestBigFile(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "# team %d\n[profile team-%05d]\nregion = eu-west-1\noutput = json\n\n", i, i)
	}
	requireSets(t, []byte(b.String()), profile.Config, named("team-02999"), "region", "eu-central-1")
	requireSets(t, []byte(b.String()), profile.Config, named("team-01500"), "s3.a", "b")
	requireSets(t, []byte(b.String()), profile.Config, named("team-x"), "region", "eu-central-1")
}
