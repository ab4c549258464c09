package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/dryrun"
	"github.com/credchain/credchain/quotas"
	"github.com/credchain/credchain/sts"
)

// The exit codes of dry-run, beside those of all commands.
const (
	exitDenied  = 4
	exitInvalid = 5
)

const dryRunHelp = `Ask EC2 whether it would perform an action, without performing it. ACTION and its parameters are those of
EC2's query API, where lists are numbered: InstanceId.1=i-0123.

With --decode a denial is decoded by STS (DecodeAuthorizationMessage), which the credentials must be
allowed to do, and shown as credchain decode shows it.

Exit codes: 0 allowed, 4 denied, 5 neither, since a parameter is missing or wrong or a limit is reached;
3 if EC2 could not be asked.`

func (a *app) dryRunCommand() *cobra.Command {
	var asJSON, decode bool
	var address string
	cmd := &cobra.Command{
		Use:   "dry-run ec2 ACTION [KEY=VALUE...]",
		Short: "Ask EC2 whether an action would be allowed",
		Long:  dryRunHelp,
		Example: `  credchain dry-run ec2 StopInstances InstanceId.1=i-0123456789abcdef0
  credchain --profile deploy dry-run ec2 RunInstances ImageId=ami-0abc MinCount=1 MaxCount=1 InstanceType=t3.micro --decode`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || args[0] != "ec2" {
				return usage("dry-run takes ec2 and the name of an action", "see `credchain dry-run --help`")
			}
			ctx := cmd.Context()
			parameters := url.Values{}
			for _, p := range args[2:] {
				key, value, ok := strings.Cut(p, "=")
				if !ok || key == "" {
					return usage(fmt.Sprintf("the parameter %q is not KEY=VALUE", p), "write it so")
				}
				if parameters.Has(key) {
					return usage("the parameter "+key+" is given twice", "number a list: %s.1=… %s.2=…", key, key)
				}
				parameters.Set(key, value)
			}
			client, err := a.sts(ctx)
			if err != nil {
				return err
			}
			ec2 := &dryrun.Client{Region: client.Region, Credentials: client.Credentials, Transport: client.Transport,
				FIPS: client.FIPS, DualStack: client.DualStack, Endpoint: a.endpointOf("EC2", address)}
			if ec2.Endpoint != "" {
				ec2.FIPS, ec2.DualStack = false, false
			}
			r, err := ec2.Check(ctx, args[1], parameters)
			if err != nil {
				return serviceFailure(err)
			}
			return a.dryRunResult(ctx, client, r, asJSON, decode)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON document for programs")
	cmd.Flags().BoolVar(&decode, "decode", false, "have STS decode why it is denied")
	cmd.Flags().StringVar(&address, "endpoint-url", "", "call EC2 at this `URL`")
	return cmd
}

func (a *app) dryRunResult(ctx context.Context, client *sts.Client, r dryrun.Result, asJSON, decode bool) error {
	var message sts.AuthorizationMessage
	if decode && r.EncodedMessage != "" {
		var err error
		if message, err = client.DecodeAuthorizationMessage(ctx, r.EncodedMessage); err != nil && message.Raw == "" {
			return callFailure(err)
		}
	}
	var text string
	switch {
	case asJSON:
		doc := struct {
			Outcome        dryrun.Outcome `json:"outcome"`
			Code           string         `json:"code"`
			Message        string         `json:"message"`
			RequestID      string         `json:"request_id"`
			EncodedMessage string         `json:"encoded_message,omitempty"`
			Decoded        string         `json:"decoded_message,omitempty"`
		}{r.Outcome, r.Code, r.Message, r.RequestID, r.EncodedMessage, message.Raw}
		var err error
		if text, err = indented(doc); err != nil {
			return err
		}
	case r.Outcome == dryrun.Allowed:
		text = a.terminal.paint(green, "allowed") + "  " + printable(r.Message) + "\n"
	default:
		text = a.terminal.paint(red, string(r.Outcome)) + "  " + printable(r.Code+": "+r.Message) + "\n"
		switch {
		case message.Action != "":
			text += a.terminal.message(message)
		case message.Raw != "":
			text += printable(message.Raw) + "\n"
		case r.EncodedMessage != "":
			text += "encoded message: " + r.EncodedMessage + "\n"
		}
	}
	if err := a.write(text); err != nil {
		return err
	}
	switch r.Outcome {
	case dryrun.Denied:
		remedy := ""
		if r.EncodedMessage != "" && !decode {
			remedy = "--decode shows why"
		}
		return &failure{code: exitDenied, what: "these credentials may not do it", remedy: remedy}
	case dryrun.Invalid:
		return &failure{code: exitInvalid, what: "EC2 does not say whether it is allowed: " + r.Code}
	}
	return nil
}

// endpointOf is the address of a service that the flag or the environment gives, "" for AWS's own.
func (a *app) endpointOf(id, flag string) string {
	getenv := a.cfg.System.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	switch {
	case flag != "":
		return flag
	case strings.EqualFold(getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true"):
		return ""
	case getenv("AWS_ENDPOINT_URL_"+id) != "":
		return getenv("AWS_ENDPOINT_URL_" + id)
	}
	return getenv("AWS_ENDPOINT_URL")
}

// serviceFailure says why a call of EC2 or Service Quotas failed.
func serviceFailure(err error) error {
	var ec2 *dryrun.InputError
	var quota *quotas.InputError
	if errors.As(err, &ec2) || errors.As(err, &quota) {
		return usage(err.Error(), "see `credchain --help`")
	}
	return callFailure(err)
}
