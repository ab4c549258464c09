package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/process"
	"github.com/credchain/credchain/providers"
)

// The exit codes. Scripts depend on them.
const (
	exitFound       = 0
	exitNothing     = 1   // nothing is configured
	exitUsage       = 2   // the command line is wrong
	exitFailed      = 3   // a source is configured and failed
	exitHangup      = 129 // as a shell has it for SIGHUP
	exitInterrupted = 130 // SIGINT
	exitTerminated  = 143 // SIGTERM
)

const rootHelp = `credchain finds the AWS credentials that a program on this machine would use, and says why.

It asks every link of the chain in the documented order and uses the first that is configured.
A link that is configured and fails ends the walk: no other identity takes its place.

Exit codes:
  0    there are credentials
  1    nothing is configured
  2    the command line is wrong
  3    a source is configured and failed
  130  interrupted (129 by a hang-up, 143 by SIGTERM)`

// streams are where a command reads from and writes to.
type streams struct {
	in       io.Reader
	out, err io.Writer
	terminal terminal // what out is
}

// app is what the commands share.
type app struct {
	streams
	cfg     providers.Config
	order   choice
	noCache bool
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, s streams, cfg providers.Config) int {
	root := newRoot(s, cfg)
	root.SetArgs(args)
	ctx, programs := process.Counted(ctx)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFound
	}
	f := failureOf(err)
	if ctx.Err() != nil {
		for i := 0; programs() > 0 && i < 2000; i++ { // they are about to be killed, with all that they have started
			time.Sleep(time.Millisecond)
		}
		f = &failure{code: exitInterrupted, what: "interrupted"}
		var by signalled
		if errors.As(context.Cause(ctx), &by) && by.exitCode() != exitInterrupted {
			f = &failure{code: by.exitCode(), what: by.String()}
		}
	}
	fmt.Fprint(s.err, f.text())
	return f.code
}

// newRoot returns the whole tree of commands.
func newRoot(s streams, cfg providers.Config) *cobra.Command {
	a := &app{streams: s, cfg: cfg, order: choice{values: []string{"cli", "java", "java-v2"}, value: "cli"}}
	root := &cobra.Command{
		Use:   "credchain",
		Short: "Find AWS credentials, and say why it is these",
		Long:  rootHelp,
		Example: `  credchain explain                      which credentials does a program here get, and why?
  credchain --profile prod explain       and with this profile?
  eval "$(credchain export --format env)"
  credchain demo                         see it work without an AWS account`,
		Version:                    version(),
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Args:                       knownCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.cfg.SystemProperties = a.order.value != "cli"
			if a.noCache {
				a.cfg.Store = nil
			}
			return a.checkFlags(cmd)
		},
	}
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err.Error(), "see `%s --help`", cmd.CommandPath())
	})
	a.bindFlags(root)
	root.AddCommand(a.explainCommand(), a.exportCommand(), a.configureCommand(), a.whoamiCommand(), a.assumeCommand(), a.mfaCommand(), a.loginCommand(), a.decodeCommand(), a.demoCommand(), a.versionCommand())
	root.AddCommand(a.signCommand(), a.presignCommand(), a.curlCommand(), a.verifyCommand(), a.dryRunCommand(), a.quotasCommand())
	return root
}

func (a *app) bindFlags(root *cobra.Command) {
	fs := flag.NewFlagSet("credchain", flag.ContinueOnError)
	a.cfg.Bind(fs)
	flags := root.PersistentFlags()
	flags.AddGoFlagSet(fs)
	flags.Lookup("profile").Usage = "use the profile `NAME` of the shared config and credentials files"
	flags.Lookup("region").Usage = "use the `REGION`"
	flags.Var(&a.order, "order", "walk the chain in the order of this tool or SDK")
	flags.BoolVar(&a.noCache, "no-cache", false, "neither use nor keep sessions of roles in ~/.aws/cli/cache")
	mustRegister(root, "profile", a.completeProfile)
	mustRegister(root, "order", a.order.complete)
}

// mustRegister panics only if the flag does not exist, which is a mistake in this program.
func mustRegister(cmd *cobra.Command, name string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(name, f); err != nil {
		panic(err)
	}
}

// checkFlags refuses an empty profile or region: `--profile "$P"` with P unset must not mean another profile.
func (a *app) checkFlags(cmd *cobra.Command) error {
	for _, name := range []string{"profile", "region"} {
		if f := cmd.Flag(name); f != nil && f.Changed && strings.TrimSpace(f.Value.String()) == "" {
			return usage("--"+name+" is empty", "name one, or leave the flag out")
		}
	}
	return nil
}

// chain returns the chain that the flags ask for.
func (a *app) chain(cfg providers.Config) *credchain.Chain {
	switch a.order.value {
	case "java":
		return providers.Java(cfg)
	case "java-v2":
		return providers.JavaV2(cfg)
	default:
		return providers.Default(cfg)
	}
}

// write writes all of a command's output at once, so that none of it is lost unnoticed.
func (a *app) write(text string) error {
	if _, err := io.WriteString(a.out, text); err != nil {
		return &failure{code: exitFailed, what: fmt.Sprintf("the output could not be written: %v", err)}
	}
	return nil
}

func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	remedy := "see `" + cmd.CommandPath() + " --help`"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		remedy = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage(fmt.Sprintf("there is no command %q", args[0]), "%s", remedy)
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(fmt.Sprintf("%s takes no arguments, and was given %q", cmd.Name(), args[0]), "see `%s --help`", cmd.CommandPath())
}

// failure is how a command ends that did not do its work.
type failure struct {
	code   int
	what   string
	remedy string // "" if nobody knows
}

func (f *failure) Error() string { return f.what }

// text is the failure as people see it: what on one line, and the remedy on the next.
func (f *failure) text() string {
	text := "credchain: " + printable(strings.TrimPrefix(f.what, "credchain: ")) + "\n"
	if f.remedy != "" {
		text += "  " + printable(f.remedy) + "\n"
	}
	return text
}

func usage(what, remedy string, args ...any) error {
	return &failure{code: exitUsage, what: what, remedy: fmt.Sprintf(remedy, args...)}
}

// failureOf returns the failure in err. All errors of the commands' own are failures; the rest are cobra's.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{code: exitUsage, what: err.Error(), remedy: "see `credchain --help`"}
}

// outcome is the failure of a walk, nil if the walk found credentials.
func outcome(t credchain.Trace) error {
	for _, a := range t.Attempts {
		switch a.Status {
		case credchain.Used:
			return nil
		case credchain.Failed:
			return &failure{code: exitFailed, what: a.Provider + ": " + a.Reason, remedy: a.Remedy}
		}
	}
	return &failure{code: exitNothing, what: "no credentials are configured",
		remedy: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile that has credentials, or give the instance or container a role"}
}
