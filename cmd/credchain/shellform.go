package main

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/shell"
)

// shellText returns the credentials as variables, in a format of package shell.
//
// Lines that a shell evaluates first unset the variables that these credentials have no value for. A session
// token of other credentials would make every request fail, their expiry would stop the SDKs that read it,
// and their account ID would be a lie. A file of variables (dotenv, env-no-export) only has those that there
// are.
func shellText(format string, c aws.Credentials) (string, error) {
	var known []shell.Pair
	var unknown []string
	for _, p := range []shell.Pair{
		{Name: "AWS_ACCESS_KEY_ID", Value: c.AccessKeyID},
		{Name: "AWS_SECRET_ACCESS_KEY", Value: c.SecretAccessKey},
		{Name: "AWS_SESSION_TOKEN", Value: c.SessionToken},
		{Name: "AWS_SECURITY_TOKEN"}, // the older name, which some SDKs read if there is no session token
		{Name: "AWS_CREDENTIAL_EXPIRATION", Value: expiration(c)},
		{Name: "AWS_ACCOUNT_ID", Value: c.AccountID},
	} {
		if p.Value == "" {
			unknown = append(unknown, p.Name)
		} else {
			known = append(known, p)
		}
	}
	lines, err := shell.Render(format, known)
	if err != nil {
		return "", &failure{code: exitFailed, what: "the credentials cannot be written as " + err.Error(),
			remedy: "use --format process or json"}
	}
	return unset(format, unknown) + lines, nil
}

// unset returns the lines that take variables away, "" for a format that is not evaluated.
func unset(format string, names []string) string {
	var b strings.Builder
	for _, n := range names {
		switch format {
		case "env":
			b.WriteString("unset " + n + "\n")
		case "fish":
			b.WriteString("set -e " + n + "; or true\n") // else source would fail if there is nothing to erase
		case "powershell":
			b.WriteString("$Env:" + n + " = $null\n")
		case "windows-cmd":
			b.WriteString(`set "` + n + `="` + "\n")
		}
	}
	return b.String()
}
