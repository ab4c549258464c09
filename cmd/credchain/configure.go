package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/internal/ini"
	"github.com/credchain/credchain/profile"
	"github.com/credchain/credchain/providers"
)

const configureHelp = `Ask for the access key, the region and the output format of a profile, and write them. A value in
brackets is the one that is there; Enter keeps it. The secret access key and the session token are
not shown while they are typed. The session token is asked for if the access key is a temporary one
(ASIA...). A new access key never keeps the secret or the session token of the old one.

Keys go to the credentials file, all else to the config file. Every other byte of the files stays as
it is. The profile is that of --profile, else of AWS_PROFILE, else default; it may be new.`

func (a *app) configureCommand() *cobra.Command {
	var c configuration
	cmd := &cobra.Command{
		Use:   "configure",
		Short: "Write profiles: keys, region and any other setting",
		Long:  configureHelp,
		Example: `  credchain configure --profile dev
  credchain configure set region eu-central-1 --profile dev
  credchain configure import --csv accessKeys.csv`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseFlags(cmd, "region", "order"); err != nil {
				return err
			}
			return c.converse(cmd.Context(), a, a.person())
		},
	}
	cmd.PersistentFlags().BoolVar(&c.dryRun, "dry-run", false, "show the changes, with secrets masked, and write nothing")
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(a.configureGetCommand(), a.configureSetCommand(&c), a.configureListCommand(), a.configureListProfilesCommand(), a.configureImportCommand(&c))
	return cmd
}

// refuseFlags refuses flags of the whole program that a command would ignore.
func refuseFlags(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			return usage(fmt.Sprintf("%s takes no --%s", cmd.Name(), name), "leave the flag out")
		}
	}
	return nil
}

// configuration writes the shared files.
type configuration struct {
	dryRun bool
}

// change is what is to be done to one of the two files.
type change func(*profile.File) error

// write changes the files, the credentials file first. A change may be nil. Both are tried out before either file is
// touched, so that a value that cannot be written costs nothing.
func (c *configuration) write(ctx context.Context, a *app, credentials, config change) error {
	configPath, credentialsPath, err := providers.SharedFiles(a.cfg)
	if err != nil {
		return failed(err)
	}
	files := [...]struct {
		path  string
		style profile.Style
		edit  change
	}{
		{credentialsPath, profile.Credentials, credentials},
		{configPath, profile.Config, config},
	}
	var changes strings.Builder
	for _, f := range files {
		if f.edit == nil {
			continue
		}
		from, err := profile.Read(f.path, f.style)
		if err != nil {
			return failed(err)
		}
		to := profile.Parse(f.path, from.Bytes(), f.style)
		if err := f.edit(to); err != nil {
			return editFailure(err)
		}
		changes.WriteString(profile.Diff(from, to))
	}
	if c.dryRun {
		return a.write(printableLines(changes.String()))
	}
	for _, f := range files {
		if f.edit == nil {
			continue
		}
		if err := edit(ctx, f.path, f.style, f.edit); err != nil {
			return editFailure(err)
		}
	}
	return nil
}

// patience is how long a file is waited for that another process is writing.
const patience = 10 * time.Second

// edit is profile.Edit, with an end to the waiting. The error names the lock then.
func edit(ctx context.Context, path string, style profile.Style, change change) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("given up after %v", patience))
	defer cancel()
	return profile.Edit(ctx, path, style, change)
}

// editFailure tells a wrong input from a file that cannot be changed. What an edit says itself stays.
func editFailure(err error) error {
	var own *failure
	var input *profile.InputError
	var malformed *ini.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &input):
		return usage(input.Error(), "nothing was written; choose another, which all AWS tools read as it is")
	case errors.As(err, &malformed):
		return &failure{code: exitFailed, what: err.Error(), remedy: "correct that line by hand; nothing was written"}
	}
	return failed(err)
}

// printableLines is printable for a text of several lines, whose tabs are people's own.
func printableLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		for i, part := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			if i > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(printable(part))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// The keys that the AWS CLI keeps in the credentials file.
const (
	keyIDKey    = "aws_access_key_id"
	secretKey   = "aws_secret_access_key"
	tokenKey    = "aws_session_token"
	oldTokenKey = "aws_security_token"
)

// isCredential tells which of the two files a key belongs to.
func isCredential(key string) bool {
	switch strings.ToLower(key) {
	case keyIDKey, secretKey, tokenKey, oldTokenKey:
		return true
	}
	return false
}

// accessKey is what one needs to sign.
type accessKey struct{ id, secret, token string }

// temporary tells by its ID whether a key needs a session token (IAM User Guide, "Unique identifiers").
func temporary(id string) bool { return strings.HasPrefix(id, "ASIA") }

// accessKeyIn returns what a file has of an access key.
func accessKeyIn(f *profile.File, s profile.Section) accessKey {
	value := func(key string) string {
		k, _ := f.Get(s, key)
		return k.Value
	}
	return accessKey{value(keyIDKey), value(secretKey), value(tokenKey)}
}

// spare refuses to let the key of a section be lost, unless that is a session's, or is to be written anew.
func (k accessKey) spare(f *profile.File, path string, s profile.Section, remedy string) error {
	old, what := accessKeyIn(f, s), "holds a long-term key"
	switch {
	case old.id == "" && old.secret == "", old.id != "" && old.id == k.id, temporary(old.id) && old.token != "":
		return nil
	case old.id == "":
		what = "holds a secret access key without its ID"
	}
	return usage(fmt.Sprintf("%s in %s %s, which would be lost", s, path, what), "%s", remedy)
}

// set writes the key as a unit: a token of another key must not stay.
func (k accessKey) set(f *profile.File, s profile.Section) error {
	if err := f.Set(s, keyIDKey, k.id); err != nil {
		return err
	}
	if err := f.Set(s, secretKey, k.secret); err != nil {
		return err
	}
	f.Unset(s, oldTokenKey)
	if k.token == "" {
		f.Unset(s, tokenKey)
		return nil
	}
	return f.Set(s, tokenKey, k.token)
}

// person is somebody to ask. A question about a secret shows no answer.
type person interface {
	ask(ctx context.Context, question string, secret bool) (string, error)
}

// converse asks for the settings of a profile and writes what is new.
func (c *configuration) converse(ctx context.Context, a *app, p person) error {
	name, _ := providers.ProfileName(a.cfg)
	section := profile.Section{Name: name}
	is, err := a.readProfile(section)
	if err != nil {
		return err
	}
	old := is.accessKey()
	key, err := askKey(ctx, p, old)
	if err != nil {
		return err
	}
	var settings [][2]string
	for _, q := range [...]struct{ key, question string }{{"region", "Default region name"}, {"output", "Default output format"}} {
		answer, err := askValue(ctx, p, q.question, q.key, is.value(q.key))
		if err != nil {
			return err
		}
		if answer != is.value(q.key) {
			settings = append(settings, [2]string{q.key, answer})
		}
	}
	var credentials, config change
	if key != old {
		credentials = func(f *profile.File) error { return key.set(f, section) }
	}
	if len(settings) > 0 {
		config = func(f *profile.File) error {
			for _, s := range settings {
				if err := f.Set(section, s[0], s[1]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := c.write(ctx, a, credentials, config); err != nil {
		return err
	}
	if old.token != "" && key.token == "" && !c.dryRun {
		_, err = io.WriteString(a.err, "the session token of the old access key was removed\n")
	}
	return err
}

// askKey asks for an access key. With Enter alone it is the old one.
func askKey(ctx context.Context, p person, old accessKey) (key accessKey, err error) {
	if key.id, err = askValue(ctx, p, "AWS Access Key ID", keyIDKey, old.id); err != nil {
		return key, err
	}
	if key.id == old.id {
		key = old
	}
	if key.secret, err = askValue(ctx, p, "AWS Secret Access Key", secretKey, key.secret); err != nil {
		return key, err
	}
	switch {
	case !temporary(key.id) && key != old:
		key.token = "" // it would be sent with every request, and fail them
	case temporary(key.id):
		if key.token, err = askValue(ctx, p, "AWS Session Token", tokenKey, key.token); err != nil {
			return key, err
		}
	}
	var missing string
	switch {
	case key.id == "" && key.secret == "":
	case key.id == "":
		missing = "a secret access key needs its access key ID"
	case key.secret == "":
		missing = "a new access key needs its secret access key"
	case temporary(key.id) && key.token == "":
		missing = "a temporary access key (ASIA...) needs its session token"
	}
	if missing != "" {
		return key, &failure{code: exitUsage, what: missing + "; nothing was written", remedy: "run the command again and give them all"}
	}
	return key, nil
}

// askValue asks for the value of a key, and shows the one that is there, masked if it is secret.
func askValue(ctx context.Context, p person, question, key, old string) (string, error) {
	shown := "None"
	if old != "" {
		shown = printable(profile.Mask(key, old))
	}
	answer, err := p.ask(ctx, question+" ["+shown+"]: ", hidden(key))
	if err != nil || answer == "" {
		return old, err
	}
	return answer, nil
}

// hidden tells whether the value of a key is not shown while it is typed.
func hidden(key string) bool {
	return profile.Mask(key, "x") != "x" && !strings.EqualFold(key, keyIDKey)
}
