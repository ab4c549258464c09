// Command credchain finds the AWS credentials that a program on this machine would use, and says why.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/store"
)

func main() {
	ctx := untilSignal()
	code := run(ctx, os.Args[1:], streams{
		in:       os.Stdin,
		out:      os.Stdout,
		err:      os.Stderr,
		terminal: terminalOf(os.Stdout, os.Getenv),
	}, providers.Config{Store: cache()})
	os.Exit(code)
}

// signalled is the cause of the end of a context.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return "it was ended by a signal: " + s.String() }

// exitCode is as a shell has it for a program that the signal ended.
func (s signalled) exitCode() int {
	switch s.Signal {
	case syscall.SIGHUP:
		return exitHangup
	case syscall.SIGTERM:
		return exitTerminated
	}
	return exitInterrupted
}

// untilSignal returns a context that ends with a signal that asks the program to end, so that it can leave the
// terminal and the programs it started as they should be. A second signal ends a program that does not heed the
// first. What is ignored, as by nohup, stays so.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	got := make(chan os.Signal, 1)
	for _, s := range [...]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(got, s)
		}
	}
	go func() {
		s := <-got
		signal.Stop(got)
		cancel(signalled{s})
	}()
	return ctx
}

// cache keeps the sessions of roles, MFA, web identities and SSO beside those of the AWS CLI, under names of its own.
// Nil if nobody knows where.
func cache() store.Store {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	return &store.FileStore{Dir: filepath.Join(home, ".aws", "cli", "cache"),
		Note: func(line string) { fmt.Fprintln(os.Stderr, "credchain: the cache: "+printable(line)) }}
}
