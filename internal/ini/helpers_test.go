package ini_test

import (
	"fmt"
	"strings"

	"github.com/credchain/credchain/internal/ini"
)

// show writes a document so that a table can hold it: one line per section, key,
// nested key and error, each with its line.
func show(d *ini.Document) string {
	var b strings.Builder
	for _, s := range d.Sections {
		fmt.Fprintf(&b, "%d [%s]\n", s.Line, showRef(s.Ref))
		for _, k := range s.Keys {
			fmt.Fprintf(&b, "%d %s=%q\n", k.Line, k.Name, k.Value)
			for _, n := range k.Sub {
				fmt.Fprintf(&b, "%d   %s=%q\n", n.Line, n.Name, n.Value)
			}
		}
		if s.Err != nil {
			fmt.Fprintf(&b, "! %v\n", s.Err)
		}
	}
	for _, e := range d.Unplaced {
		fmt.Fprintf(&b, "? %v\n", e)
	}
	return b.String()
}

func showRef(r ini.Ref) string {
	return [...]string{"profile ", "sso-session ", "services ", "other "}[r.Kind] + r.Name
}

func showNames(names []ini.Name) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "%d [%s]\n", n.Line, showRef(n.Ref))
	}
	return b.String()
}

func profile(name string) ini.Ref { return ini.Ref{Kind: ini.Profile, Name: name} }

func refs(names []ini.Name) []ini.Ref {
	var out []ini.Ref
	for _, n := range names {
		out = append(out, n.Ref)
	}
	return out
}

// lines ends every string with a newline.
func lines(s ...string) string {
	if len(s) == 0 {
		return ""
	}
	return strings.Join(s, "\n") + "\n"
}
