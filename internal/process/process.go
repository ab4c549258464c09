// Package process runs the program of a credential_process.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	maxStdout = 1 << 20 // bytes
	maxStderr = 4 << 10

	// linger is how long a program's output may stay open once the program has ended, because a process that it
	// left behind holds it. It is also the limit for what is a matter of an instant after a kill.
	linger = time.Second
)

// ErrTooLong is for a program that writes more than 1 MiB to its standard output.
var ErrTooLong = errors.New("the output is longer than 1 MiB")

// ExitError is for a program that ended by itself and not with success.
type ExitError struct {
	Code   int    // -1 if a signal ended the program
	Signal string // what that was, in words; "" if none
}

func (e *ExitError) Error() string {
	switch {
	case e.Signal != "":
		return "ended by a signal: " + e.Signal
	case e.Code == 126:
		return "exit code 126, by which shells say that a command may not be executed"
	case e.Code == 127:
		return "exit code 127, by which shells say that a command was not found"
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// ExitCode returns the exit code, -1 if a signal ended the program.
func (e *ExitError) ExitCode() int { return e.Code }

// Run runs a program, without a shell, and returns what it wrote to its standard output, at most 1 MiB, if it ended
// with success, and the last 4 KiB of its standard error always; if something is cut off there, so is the rest
// of the word. argv[0] is a path, or a name that is looked up in PATH. Errors name the program alone,
// since its arguments may hold secrets.
//
// The error is an *ExitError if the program ended otherwise than with success; ErrTooLong; an error that wraps
// the cause of ctx's end; or one that says why the program could not be started. There is no time limit but ctx's.
//
// The program inherits the environment and the working directory. It runs in a session of its own, hence in a
// process group of its own, which is killed when ctx ends, when the output is too long, and at the end of the
// run: nothing the program starts outlives it, but a daemon that made a session or a group of its own. If a
// process left behind holds the output, that has one second more; then what was written counts. On
// Windows a job object takes the place of the group. If the calling process dies before that, by a signal that it
// does not catch, say, the program ends on Linux and Windows, and what the program has started on Windows
// alone: elsewhere no system tells a group that its caller is gone. So a command should end ctx by a signal.
//
// There is no terminal: standard input is empty, and the session has no /dev/tty. The AWS CLI leaves both to the
// program. A library cannot. Credentials are renewed in the background, and then the program would take away
// the keyboard, or the data on standard input, from whoever is reading them. In a background group a read from
// the terminal would stop it (SIGTTIN) until the time is up. So a program that wants to ask a person
// fails at once, in its own words. Those that ask by a window, a browser or GPG_TTY's pinentry work.
func Run(ctx context.Context, argv []string) (stdout, stderr []byte, err error) {
	if n, ok := ctx.Value(counter{}).(*atomic.Int32); ok {
		n.Add(1)
		defer n.Add(-1)
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	// The kernel ends the program when the thread that started it does, so the thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := start(argv)
	if err != nil {
		return nil, nil, err
	}
	return p.finish(ctx)
}

type counter struct{}

// Counted returns a context, and how many runs are under way with it, or with contexts made of it. Who ends it and
// then the process can wait for them: a run that is not done has killed nothing yet.
func Counted(ctx context.Context) (counted context.Context, running func() int32) {
	n := new(atomic.Int32)
	return context.WithValue(ctx, counter{}, n), n.Load
}

// running is a program that was started.
type running struct {
	name   string // fit for an error
	cmd    *exec.Cmd
	group  *group
	out    *reader
	errs   *reader
	exited chan struct{} // closed when the program has ended
	killed chan struct{} // closed when its group is
	reaped chan struct{} // closed when state and err are known
	state  *os.ProcessState
	err    error
}

func start(argv []string) (*running, error) {
	path, err := find(argv)
	if err != nil {
		return nil, err
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer outWrite.Close()
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		outRead.Close()
		return nil, err
	}
	defer errWrite.Close()
	p := &running{
		name:   Name(argv),
		cmd:    &exec.Cmd{Path: path, Args: argv, Env: env, Stdout: outWrite, Stderr: errWrite, SysProcAttr: attributes()},
		exited: make(chan struct{}),
		killed: make(chan struct{}),
		reaped: make(chan struct{}),
	}
	if err := p.cmd.Start(); err != nil {
		outRead.Close()
		errRead.Close()
		return nil, notStarted(p.name, err)
	}
	p.group = newGroup(p.cmd.Process)
	p.out, p.errs = readHead(outRead, maxStdout), readTail(errRead, maxStderr)
	go p.reap()
	return p, nil
}

// reap waits for the program. Its number is in use until it is reaped, so that a kill in between cannot meet others.
func (p *running) reap() {
	p.group.await()
	close(p.exited)
	<-p.killed
	p.state, p.err = p.group.reap()
	close(p.reaped)
}

func (p *running) finish(ctx context.Context) (stdout, stderr []byte, err error) {
	select {
	case <-p.exited:
	case <-p.out.tooLong:
		err = fmt.Errorf("%s: %w", p.name, ErrTooLong)
	case <-ctx.Done():
		err = fmt.Errorf("%s was killed: %w", p.name, context.Cause(ctx))
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("%s did not end in time and was killed: %w", p.name, context.Cause(ctx))
		}
	}
	late := time.After(linger)
	if err == nil {
		select {
		case <-p.out.done:
		case <-late:
			late = nil
		case <-ctx.Done():
		}
	}
	p.group.kill()
	close(p.killed)
	if err == nil {
		<-p.reaped
	} else {
		select {
		case <-p.reaped:
		case <-late: // not even SIGKILL ends a process that waits for a dead disk
			late = nil
		}
	}
	if late != nil {
		select {
		case <-p.errs.done:
		case <-late:
		}
	}
	stdout, stderr = p.out.stop(), p.errs.stop()
	if err == nil {
		err = p.verdict()
	}
	if err != nil {
		stdout = nil
	}
	return stdout, stderr, err
}

// verdict is the error of a program that has ended by itself.
func (p *running) verdict() error {
	if p.err != nil {
		return fmt.Errorf("%s: how it ended is not known: %w", p.name, p.err)
	}
	select {
	case <-p.out.tooLong:
		return fmt.Errorf("%s: %w", p.name, ErrTooLong)
	default:
	}
	if p.state.Success() {
		return nil
	}
	return fmt.Errorf("%s: %w", p.name, &ExitError{Code: p.state.ExitCode(), Signal: signal(p.state)})
}
