package process

import (
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"unicode"
)

// startError says why a program could not be started.
type startError struct {
	program string
	why     string
	err     error
}

func (e *startError) Error() string { return e.program + ": " + e.why }
func (e *startError) Unwrap() error { return e.err }

// find returns the path of the program that argv names.
func find(argv []string) (string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return "", errors.New("the command is empty")
	}
	for _, word := range argv {
		if strings.Contains(word, "\x00") {
			return "", errors.New("the command has a NUL byte")
		}
	}
	path, err := exec.LookPath(argv[0])
	if err == nil {
		return path, nil
	}
	e := &startError{program: Name(argv), err: cause(err)}
	switch {
	case errors.Is(err, exec.ErrDot):
		e.why = "is in the working directory only, where it is not looked for; write its path"
	case errors.Is(err, fs.ErrPermission):
		e.why = "is not executable, or a directory on its path may not be searched"
	case errors.Is(err, exec.ErrNotFound) && !strings.ContainsAny(argv[0], `/\`):
		e.why = "not found in PATH"
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		e.why = "not found"
	default:
		e.why = cause(err).Error()
	}
	if len(argv) == 1 && strings.ContainsAny(argv[0], " \t") {
		e.why += " (if the quotation marks are around the whole command, take them away)"
	}
	return "", e
}

// notStarted is the error of a program that was found and does not start.
func notStarted(program string, err error) error {
	e := &startError{program: program, why: cause(err).Error(), err: cause(err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.why = "does not start: it, or the interpreter that it names in its first line, is not there"
	case errors.Is(err, fs.ErrPermission):
		e.why = "may not be executed"
	case errors.Is(err, syscall.ENOEXEC):
		e.why = "is no program for this machine (a script needs a first line such as #!/bin/sh)"
	}
	return e
}

// cause is the part of an error that says nothing about the command.
func cause(err error) error {
	var path *fs.PathError
	var lookup *exec.Error
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &lookup):
		return lookup.Err
	}
	return err
}

// Name returns the name of the program that argv runs, "" if it names none, fit for an error or a report: it
// never shows an argument. Of a single word with blanks in it there is only the beginning, since it may be a whole
// command in quotation marks, and of NAME=value only the name, since that is for a shell and may be a password.
func Name(argv []string) string {
	if len(argv) == 0 {
		return ""
	}
	name := argv[0]
	if i := strings.IndexAny(name, " \t\r\n"); i >= 0 && len(argv) == 1 {
		name = name[:i] + "…"
	}
	if isAssignment(name) {
		name = name[:nameLength(name)] + "=…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, name)
}
