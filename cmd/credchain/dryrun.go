package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/credchain/credchain/dryrun"
	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/providers"
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
					return usage(fmt.Sprintf("the parameter %q is not KEY=VALUE", p), "write it as InstanceId.1=i-0123")
				}
				if parameters.Has(key) {
					return usage("the parameter "+key+" is given twice", "number a list: %s.1=… %s.2=…", key, key)
				}
				parameters.Set(key, value)
			}
			at, err := a.endpoint(cmd, "EC2", address)
			if err != nil {
				return err
			}
			chain := a.chain(a.cfg)
			ec2 := &dryrun.Client{Region: at.Region, Credentials: chain, Transport: at.Transport,
				Endpoint: at.URL, FIPS: at.FIPS, DualStack: at.DualStack}
			r, err := ec2.Check(ctx, args[1], parameters)
			if err != nil {
				return dryRunFailure(err)
			}
			var message sts.AuthorizationMessage
			if decode && r.EncodedMessage != "" {
				message = a.decoded(ctx, chain, r.EncodedMessage)
			}
			return a.dryRunResult(r, message, asJSON, decode)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON document for programs")
	cmd.Flags().BoolVar(&decode, "decode", false, "have STS decode why it is denied")
	cmd.Flags().StringVar(&address, "endpoint-url", "", "call EC2 at this `URL`")
	return cmd
}

// decoded has STS decode a message. If it does not, the rest of what EC2 says is worth showing all the same.
func (a *app) decoded(ctx context.Context, creds aws.CredentialsProvider, encoded string) sts.AuthorizationMessage {
	var message sts.AuthorizationMessage
	client, err := a.sts(ctx)
	if err == nil {
		client.Credentials = creds
		message, err = client.DecodeAuthorizationMessage(ctx, encoded)
	}
	if err != nil && message.Raw == "" {
		fmt.Fprintln(a.err, "credchain: the message is not decoded: "+printable(err.Error()))
	}
	return message
}

func (a *app) dryRunResult(r dryrun.Result, message sts.AuthorizationMessage, asJSON, decode bool) error {
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
		remedy := "`credchain whoami` shows whose they are"
		if r.EncodedMessage != "" && !decode {
			remedy = "--decode shows why"
		}
		return &failure{code: exitDenied, what: "these credentials may not do it", remedy: remedy}
	case dryrun.Invalid:
		return &failure{code: exitInvalid, what: "EC2 does not say whether it is allowed: " + r.Code}
	}
	return nil
}

// dryRunFailure says why EC2 could not be asked.
func dryRunFailure(err error) error {
	var bad *dryrun.InputError
	if errors.As(err, &bad) {
		if bad.Field == "Action" {
			return usage("ACTION: "+bad.Msg, "write it as EC2's API does: StopInstances, not stop-instances")
		}
		return usage(bad.Error(), "see `credchain dry-run --help`")
	}
	f, ok := callFailure(err).(*failure)
	if !ok {
		return err
	}
	f.what = strings.TrimPrefix(f.what, "dryrun: ")
	var refused *dryrun.Error
	switch {
	case errors.As(err, &refused) && refused.Code != "" && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden) && f.remedy == "":
		f.remedy = "`credchain whoami` says whether these credentials are good at all"
	case errors.Is(err, dryrun.ErrPerformed):
		f.remedy = "undo it if you must; EC2 knows no dry run of this action, or --endpoint-url and AWS_ENDPOINT_URL name something that is not EC2"
	}
	return f
}

// endpoint says how a service is called, by the ID of its API model: at the URL of the flag, or as environment and profile say.
func (a *app) endpoint(cmd *cobra.Command, id, address string) (providers.ServiceEndpoint, error) {
	const flag = "endpoint-url"
	if cmd.Flag(flag).Changed {
		if _, err := endpoint.CheckURL(address); err != nil {
			return providers.ServiceEndpoint{}, usage("--"+flag+": "+err.Error(), "write it as http://localhost:4566")
		}
	}
	at, err := providers.Endpoint(cmd.Context(), a.cfg, id, address)
	if err != nil {
		return at, failed(err)
	}
	return at, nil
}
