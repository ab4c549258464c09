// Command credchain finds the AWS credentials that a program on this machine would use, and says why.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/credchain/credchain/providers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second interrupt ends a program that does not heed the first
	code := run(ctx, os.Args[1:], streams{
		out:      os.Stdout,
		err:      os.Stderr,
		terminal: terminalOf(os.Stdout, os.Getenv),
	}, providers.Config{})
	os.Exit(code)
}
