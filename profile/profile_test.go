package profile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/profile"
)

const sample = "# mine\n[default]\nRegion = eu-west-1 # c\n[profile dev]\ns3 =\n  Max = 5\noutput = json\noutput = text\noops\n" +
	"[sso-session s]\nsso_region = us-east-1\n[profile dev]\naws_secret_access_key = canary\n[services v]\n[plugins]\n[profile broken\n"

func TestSections(t *testing.T) {
	t.Parallel()
	got := profile.Parse("f", []byte(sample), profile.Config).Sections()
	want := []profile.Section{
		{Name: "default"}, {Name: "dev"}, {Kind: profile.SSOSession, Name: "s"}, {Kind: profile.Services, Name: "v"},
		{Kind: profile.Other, Name: "plugins"},
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Equal(t, "[profile default profile dev sso-session s services v section plugins]", fmt.Sprint(got))
	require.Empty(t, profile.Parse("f", nil, profile.Config).Sections())
	got = profile.Parse("f", []byte("[a\n[b]\n[b] x\n[c aws_secret_access_key = canary\n[d]\n"), profile.Credentials).Sections()
	require.Empty(t, cmp.Diff([]profile.Section{{Name: "b"}, {Name: "d"}}, got))

	got = profile.Parse("f", []byte("[a]\n[profile b]\n[a]\n"), profile.Credentials).Sections()
	require.Empty(t, cmp.Diff([]profile.Section{{Name: "a"}, {Kind: profile.Other, Name: "profile b"}}, got))
}

func TestKeys(t *testing.T) {
	t.Parallel()
	f := profile.Parse("f", []byte(sample), profile.Config)
	got, err := f.Keys(dev())
	require.EqualError(t, err, `f:9: key without "="`)
	want := []profile.Key{
		{Name: "s3", Line: 5, Sub: []profile.Key{{Name: "max", Value: "5", Line: 6}}},
		{Name: "output", Value: "text", Line: 8},
		{Name: "aws_secret_access_key", Value: "canary", Line: 13},
	}
	require.Empty(t, cmp.Diff(want, got))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, got), "canary")
	}
	got, err = f.Keys(named("default"))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]profile.Key{{Name: "region", Value: "eu-west-1", Line: 3}}, got))
	got, err = f.Keys(named("none"))
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestGet(t *testing.T) {
	t.Parallel()
	f := profile.Parse("f", []byte(sample), profile.Config)
	k, ok := f.Get(dev(), "S3.max")
	require.True(t, ok)
	require.Empty(t, cmp.Diff(profile.Key{Name: "max", Value: "5", Line: 6}, k))
	k, ok = f.Get(dev(), "s3")
	require.True(t, ok)
	require.Len(t, k.Sub, 1)
	for _, key := range []string{"none", "s3.none", "output.max", "s3.", ""} {
		_, ok = f.Get(dev(), key)
		require.False(t, ok, key)
	}
	_, ok = f.Get(named("none"), "output")
	require.False(t, ok)
}

func TestTextIsCopied(t *testing.T) {
	t.Parallel()
	data := []byte("[default]\nk = v\n")
	f := profile.Parse("f", data, profile.Config)
	data[0] = 'x'
	f.Bytes()[1] = 'x'
	require.Equal(t, "[default]\nk = v\n", string(f.Bytes()))
}

func TestEdit(t *testing.T) {
	t.Parallel()
	for style, want := range map[profile.Style]struct {
		text     string
		old, new os.FileMode
	}{
		profile.Config:      {"[profile dev]\nk = v\n", 0o644, 0o600},
		profile.Credentials: {"[dev]\nk = v\n", 0o600, 0o600},
	} {
		path := filepath.Join(t.TempDir(), "not", "there", "file")
		set := func(f *profile.File) error { return f.Set(dev(), "k", "v") }

		// Nothing to write: nothing is made.
		require.NoError(t, profile.Edit(t.Context(), path, style, func(f *profile.File) error {
			f.Unset(dev(), "k")
			return nil
		}))
		require.NoFileExists(t, path)

		require.NoError(t, profile.Edit(t.Context(), path, style, set))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want.text, string(text))
		requireMode(t, path, want.new)

		// A mode that others gave it.
		require.NoError(t, os.Chmod(path, 0o644))
		require.NoError(t, profile.Edit(t.Context(), path, style, func(f *profile.File) error { return f.Set(dev(), "k", "w") }))
		requireMode(t, path, want.old)

		// An edit that fails, even after it has done something.
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		failure := errors.New("no")
		require.Equal(t, failure, profile.Edit(t.Context(), path, style, func(f *profile.File) error {
			f.Unset(dev(), "k")
			return failure
		}))
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)

		f, err := profile.Read(path, style)
		require.NoError(t, err)
		k, ok := f.Get(dev(), "k")
		require.True(t, ok)
		require.Equal(t, "w", k.Value)

		names, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, names, 1, "something was left beside the file")
	}
}

func TestReadOfNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := profile.Read(filepath.Join(dir, "none"), profile.Config)
	require.NoError(t, err)
	require.Empty(t, f.Bytes())
	_, err = profile.Read(dir, profile.Config)
	require.EqualError(t, err, dir+" cannot be read: it is a directory")
	require.EqualError(t, profile.Edit(t.Context(), dir, profile.Config, nil), dir+" cannot be updated: it is a directory")
}
