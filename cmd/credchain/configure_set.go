package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/profile"
	"github.com/credchain/credchain/providers"
)

const configureSetHelp = `Set one key of a profile. The key may be KEY, KEY.SUBKEY for one that is nested below another,
default.KEY or profile.NAME.KEY for a profile other than the active one, and plugins.KEY.

aws_access_key_id, aws_secret_access_key, aws_session_token and aws_security_token go to the
credentials file, all else to the config file. With "-" the value is read from standard input: the
arguments of a command can be read by every user of the machine, and stay in the shell's history.`

func (a *app) configureSetCommand(c *configuration) *cobra.Command {
	var sections otherSections
	cmd := &cobra.Command{
		Use:   "set KEY VALUE",
		Short: "Set one key of a profile",
		Long:  configureSetHelp,
		Example: `  credchain configure set region eu-central-1 --profile dev
  credchain configure set profile.dev.s3.max_concurrent_requests 20
  pass show aws/dev | credchain configure set aws_secret_access_key - --profile dev`,
		Args: arguments("a key and a value", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refuseFlags(cmd, "region", "order"); err != nil {
				return err
			}
			section, key, err := a.target(cmd, args[0], sections)
			if err != nil {
				return err
			}
			if err := a.checkMeant(section, args[0], key); err != nil {
				return err
			}
			value := args[1]
			if value == "-" {
				if value, err = a.readValue(cmd, key); err != nil {
					return err
				}
			}
			edit := func(f *profile.File) error { return f.Set(section, key, value) }
			if isCredential(key) && section.Kind == profile.Profile {
				return c.write(cmd.Context(), a, edit, nil)
			}
			return c.write(cmd.Context(), a, nil, edit)
		},
	}
	sections.bind(cmd)
	return cmd
}

func (a *app) configureGetCommand() *cobra.Command {
	var sections otherSections
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print one key of a profile",
		Long: `Print one key of a profile, as it is in the shared files; the credentials file goes before the config
file. The key may be what it may be for set, and NAME.KEY if there is a profile of that name. If the
profile has no such key, nothing is printed and the exit code is 1.`,
		Example: `  credchain configure get region --profile dev
  credchain configure get profile.dev.s3.max_concurrent_requests`,
		Args: arguments("a key", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refuseFlags(cmd, "region", "order", "dry-run"); err != nil {
				return err
			}
			section, key, err := a.target(cmd, args[0], sections)
			if err != nil {
				return err
			}
			if name, rest, dotted := strings.Cut(args[0], "."); dotted && key == args[0] && a.isProfile(name) {
				section, key = profile.Section{Name: name}, rest
			}
			is, err := a.readProfile(section)
			if err != nil {
				return err
			}
			k, ok := is.key(key)
			switch {
			case ok && len(k.Sub) > 0:
				return usage(fmt.Sprintf("%s holds nested keys, and no value of its own", key), "ask for one of them: %s.%s", key, k.Sub[0].Name)
			case ok:
				return a.write(k.Value + "\n")
			case is.err != nil: // it may be the line that nobody can read
				return failed(is.err)
			}
			return &failure{code: exitNothing, what: fmt.Sprintf("%s is not set in %s", key, section)}
		},
	}
	sections.bind(cmd)
	return cmd
}

// arguments checks how many there are.
func arguments(what string, n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return usage(fmt.Sprintf("%s takes %s; arguments given: %d", cmd.Name(), what, len(args)), "see `%s --help`", cmd.CommandPath())
	}
}

// otherSections are flags for sections that are no profiles.
type otherSections struct{ session, services string }

func (o *otherSections) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.session, "sso-session", "", "of the [sso-session `NAME`], not of a profile")
	cmd.Flags().StringVar(&o.services, "services", "", "of the [services `NAME`], not of a profile")
}

// target tells which key of which section an argument means, as the AWS CLI takes it.
func (a *app) target(cmd *cobra.Command, arg string, o otherSections) (profile.Section, string, error) {
	for _, f := range [...]struct {
		flag, name string
		kind       profile.Kind
	}{{"sso-session", o.session, profile.SSOSession}, {"services", o.services, profile.Services}} {
		if !cmd.Flags().Changed(f.flag) {
			continue
		}
		if strings.TrimSpace(f.name) == "" {
			return profile.Section{}, "", usage("--"+f.flag+" is empty", "name one, or leave the flag out")
		}
		if cmd.Flags().Changed("profile") || (f.flag == "sso-session" && cmd.Flags().Changed("services")) {
			return profile.Section{}, "", usage("--"+f.flag+" excludes the flags of other sections", "leave one of them out")
		}
		return profile.Section{Kind: f.kind, Name: f.name}, arg, nil
	}
	first, rest, dotted := strings.Cut(arg, ".")
	switch {
	case dotted && first == "default":
		return profile.Section{Name: first}, rest, nil
	case dotted && first == "profile":
		name, key, found := strings.Cut(rest, ".")
		if !found {
			return profile.Section{}, "", usage(fmt.Sprintf("%q names no key", arg), "write profile.NAME.KEY")
		}
		return profile.Section{Name: name}, key, nil
	case dotted && (first == "plugins" || first == "preview"):
		return profile.Section{Kind: profile.Other, Name: first}, rest, nil
	}
	name, _ := providers.ProfileName(a.cfg)
	return profile.Section{Name: name}, arg, nil
}

// checkMeant refuses NAME.KEY with the name of a profile, unless it is a nested key that is there: the AWS CLI writes
// a nested key then, and gets the profile's.
func (a *app) checkMeant(s profile.Section, arg, key string) error {
	name, rest, dotted := strings.Cut(arg, ".")
	if !dotted || arg != key || s.Kind != profile.Profile || !a.isProfile(name) {
		return nil
	}
	is, err := a.readProfile(s)
	if err != nil {
		return err
	}
	if _, ok := is.key(name); ok {
		return nil
	}
	return usage(fmt.Sprintf("%q may mean %s of the profile %s, or a nested key of %s", arg, rest, name, s), "write profile.%s or profile.%s.%s", arg, s.Name, arg)
}

func (a *app) isProfile(name string) bool {
	return slices.Contains(providers.ProfileNames(a.cfg), name)
}

// readValue reads a value from standard input: all of it without its last line end, or what a person types.
func (a *app) readValue(cmd *cobra.Command, key string) (string, error) {
	if p, ok := a.person().(*atTerminal); ok {
		return p.ask(cmd.Context(), key+": ", hidden(key))
	}
	text, err := readInput(cmd.Context(), a.in, maxAnswer)
	if err != nil {
		return "", failed(fmt.Errorf("no value can be read from standard input: %w", err))
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", usage("standard input holds no value", `to set an empty value, write ""`)
	}
	return value, nil
}

// written is a section as the two files have it.
type written struct {
	files   [2]*profile.File // the credentials file goes before the config file
	section profile.Section
	err     error // the first malformed line in it
}

func (a *app) readProfile(s profile.Section) (*written, error) {
	config, credentials, err := providers.SharedFiles(a.cfg)
	if err != nil {
		return nil, failed(err)
	}
	w := &written{section: s}
	for i, f := range [...]struct {
		path  string
		style profile.Style
	}{{credentials, profile.Credentials}, {config, profile.Config}} {
		if w.files[i], err = profile.Read(f.path, f.style); err != nil {
			return nil, failed(err)
		}
		_, err := w.files[i].Keys(s)
		w.err = errors.Join(w.err, err)
	}
	return w, nil
}

func (w *written) key(name string) (profile.Key, bool) {
	for _, f := range w.files {
		if k, ok := f.Get(w.section, name); ok {
			return k, true
		}
	}
	return profile.Key{}, false
}

// accessKey is that of the first file that has one, or a part of it: what another file has belongs to another key.
func (w *written) accessKey() (k accessKey) {
	for _, f := range w.files {
		if k = accessKeyIn(f, w.section); k.id != "" || k.secret != "" {
			return k
		}
	}
	return accessKey{}
}

// value is "" for a key that is not there.
func (w *written) value(key string) string {
	k, _ := w.key(key)
	return k.Value
}
