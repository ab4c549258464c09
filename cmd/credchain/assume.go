package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sts"
)

const assumeHelp = `Assume a role with the credentials of the chain, and write those of the role in a form that another
program takes. ROLE is the role's ARN. For a role that a profile names, credchain --profile NAME
export does the same.`

func (a *app) assumeCommand() *cobra.Command {
	var role providers.AssumeRole
	var policy string
	var tags []string
	format := credentialForms("process")
	cmd := &cobra.Command{
		Use:   "assume ROLE",
		Short: "Assume a role, and write its credentials",
		Long:  assumeHelp,
		Example: `  eval "$(credchain assume arn:aws:iam::123456789012:role/deploy --format env)"
  credchain assume arn:aws:iam::123456789012:role/deploy --tag team=ops --duration 15m --policy read-only.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("assume takes the ARN of one role", "see `credchain assume --help`")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			role.RoleARN = args[0]
			if parts := strings.SplitN(role.RoleARN, ":", 6); len(parts) != 6 || parts[0] != "arn" || !strings.HasPrefix(parts[5], "role/") {
				return usage(fmt.Sprintf("%q is no ARN of a role", role.RoleARN),
					"for a profile that names a role: credchain --profile NAME export")
			}
			for _, t := range tags {
				key, value, ok := strings.Cut(t, "=")
				if !ok || key == "" {
					return usage(fmt.Sprintf("the tag %q is not KEY=VALUE", t), "write it so")
				}
				role.Tags = append(role.Tags, sts.Tag{Key: key, Value: value})
			}
			if policy != "" {
				text, err := readFile(policy, maxPolicy)
				if err != nil {
					return usage("the policy: "+err.Error(), "see `credchain assume --help`")
				}
				role.Policy = string(text)
			}
			source, err := a.chain(a.cfg).Retrieve(ctx) // that there are none is no failure of the role
			if err != nil {
				return exportFailure(err)
			}
			role.Source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return source, nil })
			role.Profile, role.Region, role.System, role.Sessions = a.cfg.Profile, a.cfg.Region, a.cfg.System, a.cfg.Sessions
			role.Store, role.NoSharing = a.cfg.Store, a.cfg.NoSharing
			creds, err := role.Retrieve(ctx)
			if err != nil {
				return inputFailure(cmd, err)
			}
			text, err := a.render(ctx, format.value, creds)
			if err != nil {
				return err
			}
			return a.write(text)
		},
	}
	f := cmd.Flags()
	f.StringVar(&role.SessionName, "session-name", "", "the `NAME` that CloudTrail shows")
	f.DurationVar(&role.Duration, "duration", 0, "how long the credentials last, from 15m up to what the role allows (default 1h)")
	f.StringVar(&role.ExternalID, "external-id", "", "the `ID` that the role's trust policy wants")
	f.StringVar(&role.SourceIdentity, "source-identity", "", "the `NAME` that stays through all further roles")
	f.StringVar(&role.SerialNumber, "serial", "", "the `ARN` of the MFA device that the role wants; its code is asked for")
	f.StringVar(&policy, "policy", "", "a `FILE` with a policy that takes permissions away")
	f.StringArrayVar(&role.PolicyARNs, "policy-arn", nil, "the `ARN` of a managed policy that does the same; may be repeated")
	f.StringArrayVar(&tags, "tag", nil, "a session tag `KEY=VALUE`; may be repeated")
	f.StringArrayVar(&role.TransitiveTagKeys, "transitive-tag", nil, "the `KEY` of a tag that stays through further roles; may be repeated")
	f.Var(&format, "format", "the form to write; see credchain export")
	mustRegister(cmd, "format", format.complete)
	return cmd
}

const maxPolicy = 64 << 10 // far above what STS takes, which says so itself
