package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

type fataler interface{ Fatalf(string, ...any) }

// checkReport checks that text is a report as the README describes it: these keys, all of them, no others.
func checkReport(t fataler, text string) {
	var doc any
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("no JSON: %v", err)
	}
	if d.More() {
		t.Fatalf("there is more than one document")
	}
	object(map[string]check{
		"order":   oneOf("cli", "java", "java-v2"),
		"profile": object(map[string]check{"name": nonEmpty, "origin": orNil(origin)}),
		"region":  object(map[string]check{"value": orNil(nonEmpty), "origin": orNil(origin)}),
		"credentials": orNil(object(map[string]check{
			"access_key_id": func(t fataler, at string, v any) {
				if s, ok := v.(string); !ok || len(s) > 20 || !strings.HasPrefix(s, strings.Repeat("*", 16)) {
					t.Fatalf("%s: %v is not masked", at, v)
				}
			},
			"kind":       oneOf("long-term", "temporary"),
			"account_id": orNil(nonEmpty),
			"expires": orNil(func(t fataler, at string, v any) {
				s, _ := v.(string)
				if _, err := time.Parse(time.RFC3339, s); err != nil || !strings.HasSuffix(s, "Z") {
					t.Fatalf("%s: %v is no time in UTC", at, v)
				}
			}),
		})),
		"attempts": list(object(map[string]check{
			"provider": nonEmpty,
			"status":   oneOf("used", "skipped", "failed", "masked", "not-asked"),
			"reason":   nonEmpty,
			"origins":  list(origin),
			"elapsed_ms": func(t fataler, at string, v any) {
				if f, ok := v.(float64); !ok || f < 0 {
					t.Fatalf("%s: %v is no number of milliseconds", at, v)
				}
			},
		})),
		"warnings": list(object(map[string]check{"code": nonEmpty, "message": nonEmpty})),
	})(t, "report", doc)
}

// check checks the value at a place in the document.
type check func(t fataler, at string, v any)

func object(keys map[string]check) check {
	return func(t fataler, at string, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s: %v is no object", at, v)
		}
		for k := range o {
			if keys[k] == nil {
				t.Fatalf("%s: there should be no key %s", at, k)
			}
		}
		for k, c := range keys {
			value, ok := o[k]
			if !ok {
				t.Fatalf("%s: there is no key %s", at, k)
			}
			c(t, at+"."+k, value)
		}
	}
}

func list(c check) check {
	return func(t fataler, at string, v any) {
		l, ok := v.([]any)
		if !ok {
			t.Fatalf("%s: %v is no list", at, v)
		}
		for _, e := range l {
			c(t, at+"[]", e)
		}
	}
}

func orNil(c check) check {
	return func(t fataler, at string, v any) {
		if v != nil {
			c(t, at, v)
		}
	}
}

func oneOf(values ...string) check {
	return func(t fataler, at string, v any) {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			t.Fatalf("%s: %v is none of %v", at, v, values)
		}
	}
}

func nonEmpty(t fataler, at string, v any) {
	if s, ok := v.(string); !ok || s == "" {
		t.Fatalf("%s: %v is no text", at, v)
	}
}

// origin checks a variable, a flag, an address, a default, or a key in a file.
func origin(t fataler, at string, v any) {
	o, _ := v.(map[string]any)
	switch {
	case o["file"] != nil:
		line, _ := o["line"].(float64)
		if len(o) != 4 || line < 1 || o["section"] == nil || o["key"] == nil {
			t.Fatalf("%s: %v is no place in a file", at, v)
		}
	case len(o) == 2 && o["env"] != nil && o["key"] != nil: // a system property
	case len(o) == 1 && (o["env"] != nil || o["flag"] != nil || o["url"] != nil || o["key"] == "default"):
	default:
		t.Fatalf("%s: %v is no origin", at, v)
	}
}

// TestReportSchema checks the JSON form of every scenario, and that it agrees with the table.
func TestReportSchema(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/explain/*.txtar")
	require.NoError(t, err)
	require.Greater(t, len(paths), 10)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := readScenario(t, path)
				text, stderr, code := s.machine.run(t, s.args...)
				doc, docErr, docCode := s.machine.run(t, append(s.args, "--json")...)
				checkReport(t, doc)
				require.Equal(t, code, docCode)
				require.Equal(t, stderr, docErr)
				if slices.Contains(s.args, "--json") {
					return
				}
				var r struct {
					Attempts []struct{ Provider, Status string }
				}
				require.NoError(t, json.Unmarshal([]byte(doc), &r))
				require.Greater(t, len(r.Attempts), 10)
				for i, a := range r.Attempts {
					require.Regexp(t, `(?m)^ *`+strconv.Itoa(i+1)+` `+a.Provider+` +`+a.Status+` `, text)
				}
			})
		})
	}
}
