// Package jvm works out which system properties a Java program started here
// would have from the environment alone, without starting Java.
//
// A Java program may take its AWS credentials from system properties, and
// three variables can set those for every Java program of a session. The rules
// below are those of OpenJDK 17: the manual page java(1) for argument files
// and JDK_JAVA_OPTIONS, the JVM Tool Interface for JAVA_TOOL_OPTIONS, and where
// those are silent the behaviour of the real launcher and HotSpot, which the
// tests compare with.
package jvm

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The variables, in the order in which HotSpot reads them. The command line
// comes right after JDK_JAVA_OPTIONS, so it loses to _JAVA_OPTIONS alone.
const (
	toolOptions     = "JAVA_TOOL_OPTIONS" // read by every JVM
	launcherOptions = "JDK_JAVA_OPTIONS"  // read by the java command, from Java 9 on
	hotspotOptions  = "_JAVA_OPTIONS"     // read by HotSpot; in no manual, but used a lot
)

// disableFiles stops the launcher from reading argument files.
const disableFiles = "--disable-@files"

// maxSize bounds a variable and a file that one names, in bytes.
const maxSize = 1 << 20

// Property is one system property.
type Property struct {
	Name  string
	Value string // as the bytes stand in the environment; may be empty
	// Source is the variable that it came from: JAVA_TOOL_OPTIONS,
	// JDK_JAVA_OPTIONS or _JAVA_OPTIONS.
	Source string
}

// Properties returns the system properties that -D options in the environment
// would give to a program started by the java command, sorted by name. It
// returns only those whose name keep accepts, so that no other value is held.
//
// When several options set one property the last one read wins: those of
// JAVA_TOOL_OPTIONS are read first, then JDK_JAVA_OPTIONS, then _JAVA_OPTIONS.
// -Dname and -Dname= both set it to the empty string.
//
// getenv returns the value of a variable, "" when it is unset. open opens a
// file named by @file or -XX:VMOptionsFile=file, as it is written there: Java
// takes a relative name from the working directory. A variable or a file of
// more than 1 MiB is an error.
//
// Where Java would refuse to start, Properties fails: a quote left open, a file
// that cannot be read, a word that is no option (the usual sign of a missing
// quote), an option that JDK_JAVA_OPTIONS may not hold. The error names the
// variable and the position of the word, never a part of the text. Options that
// only a JVM can judge, such as a misspelled -XX flag, are taken as good.
func Properties(getenv func(string) string, open func(string) (io.ReadCloser, error), keep func(name string) bool) ([]Property, error) {
	var all []word
	for _, name := range []string{toolOptions, launcherOptions, hotspotOptions} {
		words, err := options(name, getenv(name), open)
		if err != nil {
			return nil, err
		}
		all = append(all, words...)
	}
	lenient := ignoresUnrecognized(all)
	found := make(map[string]Property)
	for _, w := range all {
		definition, isDefinition := strings.CutPrefix(w.text, "-D")
		switch {
		case isDefinition:
			name, value, _ := strings.Cut(definition, "=")
			if keep(name) {
				found[name] = Property{Name: name, Value: value, Source: w.variable}
			}
		case lenient:
		case !strings.HasPrefix(w.text, "-"):
			return nil, w.errorf("not an option, so java refuses to start (is a quote missing?)")
		case w.text == disableFiles:
			// java(1) has it, but the launcher hands it on to a JVM that does not know it.
			return nil, w.errorf("java refuses %s", disableFiles)
		}
	}
	properties := make([]Property, 0, len(found))
	for _, p := range found {
		properties = append(properties, p)
	}
	slices.SortFunc(properties, func(a, b Property) int { return cmp.Compare(a.Name, b.Name) })
	return properties, nil
}

// options returns the options that one variable hands to the JVM.
func options(variable, value string, open func(string) (io.ReadCloser, error)) ([]word, error) {
	if len(value) > maxSize {
		return nil, fmt.Errorf("%s: longer than 1 MiB", variable)
	}
	texts, ok := split(value)
	if !ok {
		return nil, fmt.Errorf("%s: a quote is not closed", variable)
	}
	words := make([]word, len(texts))
	for i, text := range texts {
		words[i] = word{text: text, variable: variable, position: i + 1}
	}
	if variable == launcherOptions {
		var err error
		if words, err = launch(words, open); err != nil {
			return nil, err
		}
	}
	return expandOptionsFile(words, open)
}

// expandOptionsFile replaces -XX:VMOptionsFile=file by the options in the file,
// which is split as a variable is (no comments, no escapes). HotSpot allows one
// in each variable, and none in such a file.
func expandOptionsFile(words []word, open func(string) (io.ReadCloser, error)) ([]word, error) {
	const option = "-XX:VMOptionsFile="
	isOption := func(w word) bool { return strings.HasPrefix(w.text, option) }
	i := slices.IndexFunc(words, isOption)
	if i < 0 {
		return words, nil
	}
	w := words[i]
	if again := slices.IndexFunc(words[i+1:], isOption); again >= 0 {
		return nil, words[i+1+again].errorf("a second %s is refused by java", option)
	}
	content, err := readFile(strings.TrimPrefix(w.text, option), open)
	if err != nil {
		return nil, w.errorf("options file: %w", err)
	}
	texts, ok := split(content)
	if !ok {
		return nil, w.errorf("options file: a quote is not closed")
	}
	inner := w.inFile(texts)
	if nested := slices.IndexFunc(inner, isOption); nested >= 0 {
		return nil, inner[nested].errorf("%s inside an options file is refused by java", option)
	}
	return slices.Concat(words[:i], inner, words[i+1:]), nil
}

// ignoresUnrecognized reports whether HotSpot passes over words that it does
// not know. It looks for the flag in all variables first, and the last one
// holds, wherever it stands.
func ignoresUnrecognized(words []word) bool {
	ignores := false
	for _, w := range words {
		switch w.text {
		case "-XX:+IgnoreUnrecognizedVMOptions":
			ignores = true
		case "-XX:-IgnoreUnrecognizedVMOptions":
			ignores = false
		}
	}
	return ignores
}
