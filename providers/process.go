package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/process"
	"github.com/credchain/credchain/store"
)

// Process runs a program that writes credentials to its standard output, in the form of the AWS CLI's
// credential_process. There is no shell, as with the AWS CLI: the command is split into words, and quotes group
// them. The program and all that it has started are killed when its time is up.
//
// Its output is never shown. Of what it writes to standard error, the end is part of the error if it fails.
type Process struct {
	Command string        // the program, by its path or its name in PATH, and its arguments
	Timeout time.Duration // 0: one minute
	System  System        // zero: the real machine
}

var _ credchain.Detector = (*Process)(nil)

const processTimeout = time.Minute

// Format keeps the arguments, which may be secrets, out of a %+v.
func (p Process) Format(w fmt.State, _ rune) { io.WriteString(w, "a credential process (redacted)") }

// Name returns "process".
func (p *Process) Name() string { return "process" }

// Detect names the program. It does not run it.
func (p *Process) Detect(context.Context) (credchain.Evidence, error) {
	src, err := p.open()
	return src.evidence, err
}

// Retrieve runs the program. The credentials expire if it says so.
func (p *Process) Retrieve(ctx context.Context) (aws.Credentials, error) {
	src, err := p.open()
	if err != nil {
		return aws.Credentials{}, err
	}
	return src.retrieve(ctx)
}

func (p *Process) open() (source, error) {
	command := trimmedSetting(p.Command, "Command", &credchain.Origin{Flag: "code", Key: "Command"})
	if !command.set() {
		return source{}, &failure{what: "the process has no Command"}
	}
	timeout := p.Timeout
	if timeout <= 0 {
		timeout = processTimeout
	}
	return p.System.openProcess(command, setting{}, timeout)
}

// openProcess finds credential_process in a profile. The account ID of the profile holds if the program tells none.
func openProcess(_ context.Context, s *profileSource, p *profile) (source, error) {
	command := p.get("credential_process")
	if !command.set() {
		return source{}, p.absent("credential_process")
	}
	src, err := s.sys.openProcess(command, p.get(keyNames.account), processTimeout)
	run := src.retrieve
	src.retrieve = func(ctx context.Context) (aws.Credentials, error) {
		if !s.services.inRegistry() {
			return run(ctx)
		}
		// What the program inherits can decide what it answers: a program that changes its environment shares nothing.
		dir, _ := os.Getwd()
		inherited := strings.Join(slices.Sorted(slices.Values(os.Environ())), "\x00")
		key := store.Key{Operation: "Process", Caller: hash(command.value), Service: hash(dir + "\x00" + inherited), RoleARN: p.get(keyNames.account).value}
		return s.services.through(ctx, key, false, run)
	}
	return src, err
}

func (s *System) openProcess(command, account setting, timeout time.Duration) (source, error) {
	ev := credchain.Evidence{Summary: command.name, Origins: []credchain.Origin{command.origin()}, Warnings: trimmedWarnings(account)}
	for _, v := range [...]setting{command, account} {
		if err := v.check(); err != nil {
			return source{evidence: ev}, err
		}
	}
	argv, err := process.Split(command.value)
	if err == nil && len(argv) == 0 {
		err = errors.New("it names no program")
	}
	if err != nil {
		return source{evidence: ev}, &failure{what: command.where(), err: err}
	}
	ev.Summary = "the program " + process.Name(argv)
	return source{ev, func(ctx context.Context) (aws.Credentials, error) {
		creds, err := s.runProcess(ctx, argv, timeout)
		if err != nil {
			f := &failure{what: command.where(), err: err}
			if c := process.LooksLikeShell(command.value); c != "" {
				f.remedy = fmt.Sprintf("the command has %s, which only a shell understands, and there is none: write sh -c '...' around it", c)
			}
			return aws.Credentials{}, f
		}
		if creds.AccountID == "" {
			creds.AccountID = account.value
		}
		return creds, nil
	}}, nil
}

func (s *System) runProcess(ctx context.Context, argv []string, timeout time.Duration) (aws.Credentials, error) {
	late := fmt.Errorf("it did not end within %s", timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, late)
	defer cancel()
	stdout, stderr, err := s.run(ctx, argv)
	var creds aws.Credentials
	switch {
	case err == nil:
		creds, err = parseProcessOutput(stdout)
	case errors.Is(context.Cause(ctx), late):
		err = late
	}
	if name := process.Name(argv); err != nil && !strings.Contains(err.Error(), name) {
		err = fmt.Errorf("program %s: %w", name, err)
	}
	if tail := processFailure(stderr); err != nil && tail != "" {
		err = fmt.Errorf("%w; it wrote: %s", err, tail)
	}
	return creds, err
}
