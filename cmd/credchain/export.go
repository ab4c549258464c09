package main

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

const exportHelp = `Write the credentials, secrets included, in a form that another program takes.

  process        what credential_process in a profile takes (the default)
  env            export lines for sh, bash and zsh: eval "$(credchain export --format env)"
  env-no-export  the same without export
  fish           for fish: credchain export --format fish | source
  powershell     for PowerShell: credchain export --format powershell | Out-String | Invoke-Expression
  windows-cmd    set lines for cmd.exe
  dotenv         a .env file
  json           a JSON document with the region, for programs

The variables are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where they are known,
AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION and AWS_ACCOUNT_ID. The forms that a shell evaluates
(env, fish, powershell, windows-cmd) also unset what is not known, and AWS_SECURITY_TOKEN: a session
token left over from other credentials would make every request fail.`

func (a *app) exportCommand() *cobra.Command {
	format := credentialForms("process")
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the credentials for another program",
		Long:  exportHelp,
		Example: `  eval "$(credchain export --profile prod --format env)"
  credential_process = credchain export --profile prod      (in a profile of another name)
  credchain export --format json | jq -r .expires`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			creds, err := a.chain(a.cfg).Retrieve(ctx)
			if err != nil {
				return exportFailure(err)
			}
			text, err := a.render(ctx, format.value, creds)
			if err != nil {
				return err
			}
			return a.write(text)
		},
	}
	cmd.Flags().Var(&format, "format", "the form to write, one of those above")
	mustRegister(cmd, "format", format.complete)
	return cmd
}

// credentialForms are the forms in which credentials can be written.
func credentialForms(usual string) choice {
	return choice{kind: "FORMAT", value: usual,
		values: []string{"process", "env", "env-no-export", "fish", "powershell", "windows-cmd", "dotenv", "json"}}
}

// exportFailure says in two lines why there are no credentials. Where nothing is configured, the list of all
// that was looked at is explain's business.
func exportFailure(err error) error {
	var e *credchain.Error
	if !errors.As(err, &e) {
		return &failure{code: exitFailed, what: err.Error()}
	}
	err = outcome(e.Trace)
	if f, ok := err.(*failure); ok && f.code == exitNothing {
		f.remedy = "`credchain explain` shows where they were looked for"
	}
	return err
}

// render returns the credentials in a format.
func (a *app) render(ctx context.Context, format string, c aws.Credentials) (string, error) {
	switch format {
	case "process":
		return indented(processDocument(c))
	case "json":
		// A region that cannot be determined is no reason to withhold the credentials.
		region, _, _ := providers.Region(ctx, a.cfg)
		return indented(friendlyDocument(c, region))
	default:
		return shellText(format, c)
	}
}

// processDocument is what credential_process is to print, as the AWS SDKs and Tools Reference Guide has it
// ("Process credential provider").
func processDocument(c aws.Credentials) any {
	return struct {
		Version         int
		AccessKeyId     string
		SecretAccessKey string
		SessionToken    string `json:",omitempty"`
		Expiration      string `json:",omitempty"`
		AccountId       string `json:",omitempty"`
	}{1, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, expiration(c), c.AccountID}
}

func friendlyDocument(c aws.Credentials, region string) any {
	return struct {
		AccessKeyID     string         `json:"access_key_id"`
		SecretAccessKey string         `json:"secret_access_key"`
		SessionToken    *string        `json:"session_token"`
		Kind            credchain.Kind `json:"kind"`
		AccountID       *string        `json:"account_id"`
		Expires         *string        `json:"expires"`
		Region          *string        `json:"region"`
		Source          string         `json:"source"`
	}{c.AccessKeyID, c.SecretAccessKey, orNull(c.SessionToken), credchain.Redact(c).Kind, orNull(c.AccountID),
		orNull(expiration(c)), orNull(region), c.Source}
}

// expiration is when c expires, "" if it does not.
func expiration(c aws.Credentials) string {
	return timestamp(credchain.Redact(c).Expires)
}
