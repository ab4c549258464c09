package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sts"
)

const whoamiHelp = `Ask STS whose credentials these are (GetCallerIdentity). It needs no permission, and no policy can
forbid it, so it also tells whether the credentials are valid at all.`

func (a *app) whoamiCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Ask STS whose credentials these are",
		Long:  whoamiHelp,
		Example: `  credchain whoami
  credchain --profile prod whoami --json | jq -r .arn`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.sts(cmd.Context())
			if err != nil {
				return err
			}
			who, err := client.GetCallerIdentity(cmd.Context())
			if err != nil {
				return callFailure(err)
			}
			if !asJSON {
				return a.write(fmt.Sprintf("account  %s\narn      %s\nuser id  %s\n",
					printable(who.Account), printable(who.ARN), printable(who.UserID)))
			}
			text, err := indented(struct {
				Account string `json:"account"`
				ARN     string `json:"arn"`
				UserID  string `json:"user_id"`
			}{who.Account, who.ARN, who.UserID})
			if err != nil {
				return err
			}
			return a.write(text)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON document for programs")
	return cmd
}

// sts returns a client of STS that is called as the flags, the environment and the profile say, and signs with the
// credentials of the chain.
func (a *app) sts(ctx context.Context) (*sts.Client, error) {
	client, err := providers.STS(ctx, a.cfg)
	if err != nil {
		return nil, failed(err)
	}
	client.Credentials = a.chain(a.cfg)
	return client, nil
}

// failed is the failure of something that is configured and does not work.
func failed(err error) error {
	f := &failure{code: exitFailed, what: err.Error()}
	var advised interface{ Remedy() string }
	if errors.As(err, &advised) {
		f.remedy = advised.Remedy()
	}
	return f
}

// callFailure says why a call of STS failed: because there are no credentials for it, or because STS refuses.
func callFailure(err error) error {
	var none *credchain.Error
	if errors.As(err, &none) {
		return exportFailure(none)
	}
	var bad *sts.InputError
	if errors.As(err, &bad) {
		return usage(err.Error(), "see `credchain --help`")
	}
	f := failed(err).(*failure)
	var refused *sts.Error
	if f.remedy == "" && errors.As(err, &refused) {
		f.remedy = remedies[refused.Class()]
		if strings.Contains(refused.Code, "InvalidClientTokenId") {
			f.remedy = "STS does not know this access key: it was deleted, is inactive, belongs to another partition, or its session token is missing; `credchain explain` shows where it comes from"
		}
	}
	return f
}

// inputFields are the flags and arguments that the fields of an input come from.
var inputFields = map[string]string{
	"RoleARN": "ROLE", "SessionName": "--session-name", "Duration": "--duration", "ExternalID": "--external-id",
	"SourceIdentity": "--source-identity", "SerialNumber": "--serial", "TokenCode": "--token-code", "Policy": "--policy",
	"PolicyARNs": "--policy-arn", "Tags": "--tag", "TransitiveTagKeys": "--transitive-tag",
}

// inputFailure is callFailure for a command whose flags are the input of the call.
func inputFailure(cmd *cobra.Command, err error) error {
	var bad *sts.InputError
	if !errors.As(err, &bad) {
		return callFailure(err)
	}
	what := err.Error()
	field, _, _ := strings.Cut(bad.Field, "[")
	if flag, ok := inputFields[field]; ok {
		what = flag + ": " + bad.Msg
	}
	return usage(what, "see `%s --help`", cmd.CommandPath())
}

// remedies are for refusals that no caller knows better about.
var remedies = map[sts.Class]string{
	sts.ClassExpired:   "renew the credentials; `credchain explain` shows where they come from",
	sts.ClassThrottled: "wait, and try again",
	sts.ClassDenied:    "the credentials are good, but not allowed to do this; `credchain whoami` shows whose they are",
}
