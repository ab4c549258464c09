package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sso"
)

const loginHelp = `Sign in to IAM Identity Center (AWS SSO) for the profile. It shows an address and a code; open the
address in a browser, on this machine or another, see that the page shows the same code, and confirm.

The session is kept in ~/.aws/sso/cache, where the AWS CLI and every SDK find it.`

func (a *app) loginCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "login",
		Short: "Sign in to IAM Identity Center for a profile",
		Long:  loginHelp,
		Example: `  credchain login --profile dev
  credchain --profile dev whoami`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseFlags(cmd, "region", "order"); err != nil { // the profile names the region of the service
				return err
			}
			session, err := providers.SSOSignIn(cmd.Context(), a.cfg, a.showDevice)
			if err != nil {
				return failed(err)
			}
			name := session.Name
			if name == "" {
				name = session.StartURL
			}
			_, err = fmt.Fprintf(a.err, "signed in to %s; the session lasts until %s, and is renewed as long as your administrator allows\n",
				printable(name), session.Expires.UTC().Format(time.RFC3339))
			return err
		},
	}
}

// showDevice tells the person what to do. It is no output, so it goes where questions go.
func (a *app) showDevice(d sso.Device) error {
	text := fmt.Sprintf("To sign in, open\n\n    %s\n\nand enter the code %s.\n", printable(d.VerificationURI), printable(d.UserCode))
	if d.VerificationURIComplete != "" {
		text = fmt.Sprintf("To sign in, open\n\n    %s\n\nand see that the page shows the code %s.\n", printable(d.VerificationURIComplete), printable(d.UserCode))
	}
	_, err := io.WriteString(a.err, text)
	return err
}
