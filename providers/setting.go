package providers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/credchain/credchain"
)

// setting is one value and where it was found. The zero setting is unset.
type setting struct {
	value   string
	name    string            // as it is spelled where it was found
	from    *credchain.Origin // nil for the environment variable of that name
	trimmed bool              // there were blanks around it
}

func (s setting) set() bool { return s.value != "" }

// where says in words where the setting is: the variable alone, or the key with its file and line.
func (s setting) where() string {
	switch {
	case s.from == nil:
		return s.name
	case s.from.File != "":
		return s.name + " (" + s.from.String() + ")"
	case s.from.Env != "", strings.HasPrefix(s.from.Flag, "--"):
		return s.from.String()
	}
	return s.name
}

// origin is where the setting is, for reports.
func (s setting) origin() credchain.Origin {
	switch {
	case s.from != nil:
		return *s.from
	case s.set():
		return credchain.Origin{Env: s.name}
	}
	return credchain.Origin{}
}

// variable returns an environment variable. For a Java order a system property comes first, as in the JVM.
func (s *System) variable(name string) setting {
	if s.properties != nil {
		if p := s.properties.forVariable(name); p.set() {
			return p
		}
	}
	return trimmedSetting(s.getenv(name), name, nil)
}

// trimmedSetting is the setting without the blanks around it; a blank one is unset.
func trimmedSetting(raw, name string, from *credchain.Origin) setting {
	value := strings.TrimSpace(raw)
	if value == "" {
		return setting{}
	}
	return setting{value: value, name: name, from: from, trimmed: value != raw}
}

// first returns the first of several variables that is set.
func (s *System) first(names ...string) setting {
	for _, n := range names {
		if v := s.variable(n); v.set() {
			return v
		}
	}
	return setting{}
}

// check refuses a value that cannot be meant: nothing AWS knows has a control character in it, and such a
// character would end a header line, a file name or a terminal's patience.
func (s setting) check() error {
	i := strings.IndexFunc(s.value, isControl)
	if i < 0 {
		return nil
	}
	f := &failure{what: s.where() + " holds a control character", remedy: "write it again without that character"}
	if s.value[i] == '\n' {
		f.what = s.where() + " holds a line break"
		if s.origin().File != "" {
			f.remedy = "in these files an indented line continues the value of the line above"
		}
	}
	return f
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// trimmedWarnings warns of the settings that had blanks around them: other SDKs may take them as they are.
func trimmedWarnings(settings ...setting) []credchain.Warning {
	var all []credchain.Warning
	for _, s := range settings {
		if s.trimmed {
			all = append(all, credchain.Warning{Code: "blanks-trimmed",
				Message: s.where() + " has blanks or a line end around its value, which were dropped"})
		}
	}
	return all
}

// flag reads a setting that is true or false in any case. Anything else is an error: the settings read
// so turn protections on, and a misspelt one must not leave them off.
func (s setting) flag() (bool, error) {
	switch strings.ToLower(s.value) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, &failure{what: fmt.Sprintf("%s is %q, which is neither true nor false", s.where(), s.value)}
}

// failure is an error with advice. It never wraps ErrNotConfigured by itself.
type failure struct {
	what   string
	remedy string
	err    error
}

func (f *failure) Error() string {
	if f.err != nil {
		return f.what + ": " + f.err.Error()
	}
	return f.what
}

func (f *failure) Unwrap() error { return f.err }

// Remedy says what to do, if need be as the error inside has it; the report and the chain's error show it.
func (f *failure) Remedy() string {
	if f.remedy == "" {
		return remedyOf(f.err)
	}
	return f.remedy
}

// remedyOf is the advice of the outermost error that has some.
func remedyOf(err error) string {
	var r interface{ Remedy() string }
	if errors.As(err, &r) {
		return r.Remedy()
	}
	return ""
}

// absentError is the error of a link with nothing to try. Its words are put together only when somebody
// reads them: nearly every walk goes past such links.
type absentError struct {
	format string
	args   []any
}

func absent(format string, args ...any) error { return &absentError{format, args} }

func (e *absentError) Error() string {
	return fmt.Sprintf(e.format, e.args...) + ": " + credchain.ErrNotConfigured.Error()
}

func (e *absentError) Unwrap() error { return credchain.ErrNotConfigured }
