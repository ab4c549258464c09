package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// maxAnswer is the longest answer of a person: session tokens are long.
const maxAnswer = 16 << 10

// person returns who sits at standard input, if that is a terminal.
func (a *app) person() person {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nobody{}
	}
	return &atTerminal{f, a.err}
}

// nobody is there to ask.
type nobody struct{}

func (nobody) ask(context.Context, string, bool) (string, error) {
	return "", usage("there is no terminal to ask on", "use `credchain configure set`, or `credchain configure import`")
}

// atTerminal is a person at a terminal. Questions go to standard error: they are no output.
type atTerminal struct {
	in  *os.File
	out io.Writer
}

func (p *atTerminal) ask(ctx context.Context, question string, secret bool) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if _, err := io.WriteString(p.out, question); err != nil {
		return "", fmt.Errorf("the question could not be asked: %w", err)
	}
	fd := int(p.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("the terminal gives no answer: %w", err)
	}
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		if secret {
			text, err := term.ReadPassword(fd)
			got <- answer{string(text), err}
			return
		}
		text, err := readLine(p.in)
		got <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		if secret { // the reader stays, and with it what it has done to the terminal
			for range 1000 { // or is about to do: a terminal that it silences after this stays silent
				now, err := term.GetState(fd)
				if err != nil || *now != *before || len(got) > 0 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			_ = term.Restore(fd, before)
		}
		_, _ = io.WriteString(p.out, "\n")
		return "", context.Cause(ctx)
	case a := <-got:
		if secret {
			_, _ = io.WriteString(p.out, "\n") // the one that was typed is not shown either
		}
		if errors.Is(a.err, io.EOF) {
			return "", &failure{code: exitUsage, what: "the input ended before all questions were answered; nothing was written"}
		}
		if a.err != nil {
			return "", &failure{code: exitFailed, what: "the terminal gives no answer: " + a.err.Error()}
		}
		return strings.TrimSpace(a.text), nil
	}
}

// readLine reads one line and nothing behind it, which the next question is to get.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		switch {
		case n > 0 && b[0] == '\n':
			return string(line), nil
		case n > 0 && len(line) == maxAnswer:
			return "", fmt.Errorf("it is longer than %d bytes", maxAnswer)
		case n > 0:
			line = append(line, b[0])
		case err != nil:
			return "", err
		}
	}
}
