package providers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// ErrNoTerminal says that a person had to be asked and there is no terminal to ask on.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

const maxAnswer = 256 // bytes of an answer that are read

// askTerminal asks on the controlling terminal. The question goes to standard error, so that a command's output
// stays its own, and the answer is read from the terminal itself, so that a pipe may feed standard input.
func askTerminal(ctx context.Context, question string) (string, error) {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	tty, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return "", ErrNoTerminal
	}
	defer tty.Close()
	if _, err := io.WriteString(os.Stderr, question); err != nil {
		return "", fmt.Errorf("standard error takes no question: %w", err)
	}
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-ctx.Done():
			// Where a terminal knows no deadlines, the reader stays until the person answers.
			_ = tty.SetReadDeadline(time.Unix(1, 0))
		case <-answered:
		}
	}()
	return readAnswer(ctx, tty)
}

// readAnswer reads one line, or ends when ctx does.
func readAnswer(ctx context.Context, r io.Reader) (string, error) {
	type line struct {
		text string
		err  error
	}
	got := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(io.LimitReader(r, maxAnswer)).ReadString('\n')
		if err == io.EOF && text != "" {
			err = nil
		}
		got <- line{strings.TrimSpace(text), err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case l := <-got:
		if l.err != nil {
			return "", fmt.Errorf("the terminal gave no answer: %w", l.err)
		}
		return l.text, nil
	}
}
