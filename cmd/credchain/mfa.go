package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/credchain/credchain/profile"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sts"
)

const mfaHelp = `Open a session with an MFA code (GetSessionToken), and write its credentials in a form that another
program takes, or into a profile. They can do what the keys can do, and what asks for MFA besides.

The keys must be a user's own: STS opens no session with those of another session. Without --serial
the profile's mfa_serial names the device. Without --token-code a person is asked, on the terminal.

With --write the three keys go to that profile of the credentials file. A profile that holds a
long-term key is not overwritten: the key would be lost.`

func (a *app) mfaCommand() *cobra.Command {
	var in sts.GetSessionTokenInput
	var to string
	format := credentialForms("process")
	cmd := &cobra.Command{
		Use:   "mfa",
		Short: "Open a session with an MFA code",
		Long:  mfaHelp,
		Example: `  eval "$(credchain mfa --serial arn:aws:iam::123456789012:mfa/me --format env)"
  credchain --profile base mfa --token-code 123456 --write base-mfa`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if to != "" && cmd.Flags().Changed("format") {
				return usage("--write and --format exclude one another", "leave one of them out")
			}
			if cmd.Flags().Changed("write") && to == "" {
				return usage("--write is empty", "name a profile, or leave the flag out")
			}
			if to != "" {
				// Whatever is in the way shows before a code is spent.
				trial := accessKey{"ASIAIOSFODNN7EXAMPLE", "x", "x"}
				err := a.writeSession(ctx, to, func(f *profile.File) error {
					return trial.set(profile.Parse("", f.Bytes(), profile.Credentials), profile.Section{Name: to})
				})
				if err != nil {
					return err
				}
			}
			if err := a.mfaInput(ctx, &in); err != nil {
				return err
			}
			client, err := a.sts(ctx)
			if err != nil {
				return err
			}
			creds, err := client.GetSessionToken(ctx, in)
			if err != nil {
				return inputFailure(cmd, err)
			}
			if to != "" {
				return a.keepSession(ctx, to, creds)
			}
			text, err := a.render(ctx, format.value, creds)
			if err != nil {
				return err
			}
			return a.write(text)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.SerialNumber, "serial", "", "the `ARN` or serial number of the MFA device")
	f.StringVar(&in.TokenCode, "token-code", "", "the `CODE` that the device shows")
	f.DurationVar(&in.Duration, "duration", 0, "how long the session lasts, from 15m to 36h (default 12h)")
	f.StringVar(&to, "write", "", "write the credentials into this `PROFILE`")
	f.Var(&format, "format", "the form to write; see credchain export")
	mustRegister(cmd, "format", format.complete)
	mustRegister(cmd, "write", a.completeProfile)
	return cmd
}

// mfaInput finds the device and asks for the code, where the command line has neither.
func (a *app) mfaInput(ctx context.Context, in *sts.GetSessionTokenInput) error {
	if in.SerialNumber == "" {
		serial, _, err := providers.ProfileKey(ctx, a.cfg, "mfa_serial")
		if err != nil {
			return failed(err)
		}
		if in.SerialNumber = serial; serial == "" {
			return usage("no MFA device is named", "give --serial, or set mfa_serial in the profile")
		}
	}
	if in.TokenCode != "" {
		return nil
	}
	code, err := a.cfg.System.Ask(ctx, "Enter MFA code for "+in.SerialNumber+": ")
	if err != nil {
		return &failure{code: exitUsage, what: "no MFA code: " + err.Error(), remedy: "give --token-code"}
	}
	in.TokenCode = code
	return nil
}

// writeSession edits a profile of the credentials file that holds no long-term key.
func (a *app) writeSession(ctx context.Context, name string, change change) error {
	_, path, err := providers.SharedFiles(a.cfg)
	if err != nil {
		return failed(err)
	}
	err = edit(ctx, path, profile.Credentials, func(f *profile.File) error {
		if err := (accessKey{}).spare(f, path, profile.Section{Name: name}, "choose another name for --write"); err != nil {
			return err
		}
		return change(f)
	})
	if err != nil {
		return editFailure(err)
	}
	return nil
}

// keepSession puts temporary credentials into a profile of the credentials file.
func (a *app) keepSession(ctx context.Context, name string, creds aws.Credentials) error {
	err := a.writeSession(ctx, name, func(f *profile.File) error {
		return accessKey{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken}.set(f, profile.Section{Name: name})
	})
	if err != nil {
		f := failureOf(err)
		return &failure{code: f.code, what: f.what, remedy: "the session was opened and could not be kept: run the command again, with a new code"}
	}
	_, err = fmt.Fprintf(a.err, "profile %s holds the session, until %s\n", printable(name), creds.Expires.UTC().Format(time.RFC3339))
	return err
}
