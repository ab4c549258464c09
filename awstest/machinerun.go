package awstest

import (
	"context"
	"os/exec"
	"slices"
	"strconv"

	"github.com/credchain/credchain/providers"
)

// Ran returns the command lines of the programs that were started, in order, installed or not.
func (m *Machine) Ran() [][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([][]string, len(m.programs))
	for i, argv := range m.programs {
		all[i] = slices.Clone(argv)
	}
	return all
}

// Questions returns what was asked in prompts, in order, answered or not.
func (m *Machine) Questions() []string { return m.copyOf(&m.questions) }

// exitError is how a program ended by itself.
type exitError int

func (e exitError) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// ExitCode is what the seam's contract asks for.
func (e exitError) ExitCode() int { return int(e) }

// run is System.Run. It ends with ctx; a function that goes on is left alone then.
func (m *Machine) run(ctx context.Context, argv []string) (stdout, stderr []byte, err error) {
	program, err := m.program(argv)
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	type result struct {
		stdout, stderr string
		exit           int
	}
	ended := make(chan result, 1)
	go func() {
		var r result
		r.stdout, r.stderr, r.exit = program(slices.Clone(argv))
		ended <- r
	}()
	select {
	case r := <-ended:
		if r.exit != 0 {
			err = exitError(r.exit)
		}
		return []byte(r.stdout), []byte(r.stderr), err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func (m *Machine) program(argv []string) (func([]string) (string, string, int), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.programs = append(m.programs, slices.Clone(argv))
	if len(argv) == 0 {
		return nil, m.stranger("a program without a name was started")
	}
	program, named := m.world.Commands[argv[0]]
	switch {
	case !named: // its arguments may be secret
		return nil, m.stranger("the program %s is not in Commands", argv[0])
	case program == nil:
		return nil, &exec.Error{Name: argv[0], Err: exec.ErrNotFound}
	}
	return program, nil
}

// prompt is System.Prompt.
func (m *Machine) prompt(ctx context.Context, question string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.questions = append(m.questions, question)
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if m.world.NoTerminal {
		return "", providers.ErrNoTerminal
	}
	if len(m.world.Answers) == 0 {
		return "", m.stranger("there is no answer left in Answers for the prompt %q", question)
	}
	answer := m.world.Answers[0]
	m.world.Answers = m.world.Answers[1:]
	return answer, nil
}
