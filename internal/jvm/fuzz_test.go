package jvm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/credchain/credchain/internal/jvm"
)

// FuzzProperties looks for panics, for properties that keep refused, and for
// errors that name no variable.
func FuzzProperties(f *testing.F) {
	f.Add("-Daws.a='x y'", "@f", "-Daws.b", "-Daws.c=\"\\\n x\" # c")
	f.Add("-XX:VMOptionsFile=f", "-cp @@f", "stray -XX:+IgnoreUnrecognizedVMOptions", "'")
	f.Add("\"", "--disable-@files", "@", "-Daws.a=\"b\"#\n-e\\")
	f.Fuzz(func(t *testing.T, inTool, inLauncher, inHotspot, file string) {
		got, err := machine{
			env:   map[string]string{tool: inTool, launcher: inLauncher, hotspot: inHotspot},
			files: map[string]string{"f": file},
		}.properties()
		if err != nil {
			variable, _, _ := strings.Cut(err.Error(), ":")
			if got != nil || !slices.Contains([]string{tool, launcher, hotspot}, variable) {
				t.Fatalf("Properties = %d properties, %v", len(got), err)
			}
			return
		}
		for i, p := range got {
			if !isAWS(p.Name) || strings.Contains(p.Name, "=") || i > 0 && got[i-1].Name >= p.Name {
				t.Fatalf("property %d of %d is %q", i, len(got), p.Name)
			}
		}
	})
}

// FuzzQuoted quotes a value as the manual page says and reads it back.
func FuzzQuoted(f *testing.F) {
	f.Add("plain")
	f.Add(`it's "both" \ # @`)
	f.Add("lines\r\nand\ttabs\f")
	f.Fuzz(func(t *testing.T, value string) {
		if strings.Contains(value, "\x00") || len(value) > 1<<16 {
			t.Skip("not in any environment")
		}
		variable := `-Daws.v='` + strings.ReplaceAll(value, `'`, `'"'"'`) + `'`
		file := `-Daws.v="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(value) + `"`
		for _, env := range []map[string]string{{tool: variable}, {launcher: variable}, {hotspot: variable}, {launcher: "@f"}} {
			got, err := machine{env: env, files: map[string]string{"f": file}}.properties()
			if err != nil {
				t.Fatal(err)
			}
			var source string
			for source = range env {
			}
			if diff := cmp.Diff([]jvm.Property{{Name: "aws.v", Value: value, Source: source}}, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
