package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sts"
)

const demoHelp = `Show how credentials are found on a machine that is made up: an EC2 instance with a role. Its
metadata service and its STS are fakes on loopback ports; the code that asks them is that of
explain and of the library. Your environment, your files and your network are left alone, and no
AWS account is needed.`

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show it at work on a made-up machine, without an AWS account",
		Long:  demoHelp,
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"profile", "region", "order"} {
				if cmd.Flags().Changed(name) {
					return usage("demo takes no --"+name+", because its machine is made up", "leave the flag out")
				}
			}
			d, stop, err := newDemo(a.terminal)
			if err != nil {
				return &failure{code: exitFailed, what: fmt.Sprintf("the demo's services could not be started: %v", err)}
			}
			defer stop()
			if err := d.play(cmd.Context()); err != nil {
				return &failure{code: exitFailed, what: fmt.Sprintf("the demo failed: %v", err)}
			}
			return a.write(d.text.String())
		},
	}
}

// demo is a machine that is made up, and the story told about it.
type demo struct {
	terminal terminal
	text     strings.Builder
	env      map[string]string // all of the machine's variables
	wire     http.RoundTripper
	sts      string // its URL
}

const demoRole, demoUser, demoRegion = "web-app", "deploy", "eu-central-1"

// newDemo starts the services that the machine asks.
func newDemo(t terminal) (d *demo, stop func(), err error) {
	role := awstest.Temporary(demoRole, time.Now().Add(6*time.Hour))
	metadata, stopMetadata, err := serve(&awstest.IMDS{
		Role: demoRole, Credentials: role, Region: demoRegion, Mode: awstest.V2Only,
	})
	if err != nil {
		return nil, nil, err
	}
	identity, stopIdentity, err := serve(&awstest.STS{Principals: []awstest.Principal{
		{Credentials: role, ARN: "arn:aws:sts::123456789012:assumed-role/" + demoRole + "/i-0123456789abcdef0"},
		{Credentials: awstest.LongTerm(demoUser), ARN: "arn:aws:iam::123456789012:user/" + demoUser},
	}})
	if err != nil {
		stopMetadata()
		return nil, nil, err
	}
	wire := loopback()
	return &demo{
		terminal: t,
		env:      map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata},
		wire:     wire,
		sts:      identity,
	}, func() { wire.CloseIdleConnections(); stopIdentity(); stopMetadata() }, nil
}

// serve answers from h on a loopback port until stop is called.
func serve(h http.Handler) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go s.Serve(l) // until Close
	return "http://" + l.Addr().String(), func() { s.Close() }, nil
}

// config is the machine: variables of its own, no files, and no way out but to loopback addresses.
func (d *demo) config() providers.Config {
	return providers.Config{System: providers.System{
		Getenv: func(name string) string { return d.env[name] },
		Home:   func() (string, error) { return "/home/demo", nil },
		Open: func(name string) (io.ReadCloser, error) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
		Transport: d.wire,
		LookupHost: func(context.Context, string) ([]string, error) {
			return nil, errors.New("the demo looks up no names")
		},
	}}
}

// loopback carries requests to loopback addresses and refuses all others.
func loopback() *http.Transport {
	dialer := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().IsLoopback() {
			return fmt.Errorf("the demo does not connect to %s", address)
		}
		return nil
	}}
	return &http.Transport{DialContext: dialer.DialContext}
}

// play tells the story.
func (d *demo) play(ctx context.Context) error {
	d.say("This machine is made up: an EC2 instance with the role %s. Its metadata service and its STS are fakes "+
		"on loopback ports. Your environment, your files and your network are left alone.", demoRole)
	d.head("1. Which credentials does a program get here? (credchain explain)")
	if err := d.explain(ctx); err != nil {
		return err
	}
	d.head("2. The program asks STS who it is, with a signed request.")
	if err := d.identify(ctx); err != nil {
		return err
	}

	key := awstest.LongTerm(demoUser)
	d.env["AWS_ACCESS_KEY_ID"], d.env["AWS_SECRET_ACCESS_KEY"] = key.AccessKeyID, key.SecretAccessKey
	d.head("3. Somebody exports the access key of the user %s. What now?", demoUser)
	if err := d.explain(ctx); err != nil {
		return err
	}
	d.head("4. The same program asks again who it is.")
	if err := d.identify(ctx); err != nil {
		return err
	}
	d.say("Nothing failed, and the program is somebody else. It has left its region as well: that was the " +
		"instance's, which counts only for the instance's own credentials.")
	d.say("`credchain explain` tells the same about the machine you are on.")
	return nil
}

func (d *demo) explain(ctx context.Context) error {
	a := app{cfg: d.config(), order: choice{value: "cli"}}
	r := a.gather(ctx, a.cfg, false)
	d.text.WriteString(r.text(d.terminal, time.Now()))
	d.text.WriteByte('\n')
	return outcome(r.trace)
}

// identify asks STS as a program would that knows nothing of all this.
func (d *demo) identify(ctx context.Context) error {
	region, _, err := providers.Region(ctx, d.config())
	if err != nil {
		return err
	}
	client := sts.Client{Region: region, Credentials: providers.Default(d.config()), Endpoint: d.sts, Transport: d.wire}
	who, err := client.GetCallerIdentity(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(&d.text, "%s  %s\n%s      %s\n\n", d.terminal.paint(bold, "account"), who.Account, d.terminal.paint(bold, "ARN"), who.ARN)
	return nil
}

func (d *demo) head(format string, args ...any) {
	d.text.WriteString(d.terminal.paint(bold, fmt.Sprintf(format, args...)) + "\n\n")
}

func (d *demo) say(format string, args ...any) {
	d.text.WriteString(strings.Join(d.terminal.lines(plain, fmt.Sprintf(format, args...), 0), "\n") + "\n\n")
}
