package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/profile"
	"github.com/credchain/credchain/providers"
)

func (a *app) configureListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show the profile, the access key and the region in use, and where they come from",
		Long: `Show the profile, the access key and the region in use, and where they come from, in the form of
` + "`aws configure list`" + `. Like that, it finds the credentials in earnest. For the reasons, see
credchain explain. That there are no credentials is no failure here.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseFlags(cmd, "dry-run"); err != nil {
				return err
			}
			r := a.gather(cmd.Context(), a.cfg, false)
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if err := a.write(r.listing()); err != nil {
				return err
			}
			if err := r.outcome(); err != nil && failureOf(err).code != exitNothing {
				return err
			}
			return nil
		},
	}
}

// listing is the report in the form of `aws configure list`, version 2.
func (r *report) listing() string {
	var b strings.Builder
	line := func(name, value, kind, location string) {
		if value == "" {
			value, kind, location = "<not set>", "None", "None"
		}
		fmt.Fprintf(&b, "%-10s : %-24s : %-16s : %s\n", name, printable(value), printable(kind), printable(location))
	}
	b.WriteString("NAME       : VALUE                    : TYPE             : LOCATION\n")
	name := r.profile
	if r.profileFrom == (credchain.Origin{Key: "default"}) {
		name = "" // nobody chose it
	}
	kind, location := listed(r.profileFrom)
	line("profile", name, kind, location)
	var keyID, secret string
	kind, location = "", ""
	for _, at := range r.trace.Attempts {
		if at.Status == credchain.Used && r.trace.Credentials != nil {
			keyID, secret = r.trace.Credentials.AccessKeyID, profile.Mask(secretKey, "x")
			kind, location = at.Provider, whereOf(at.Origins)
		}
	}
	line("access_key", keyID, kind, location)
	line("secret_key", secret, kind, location)
	kind, location = listed(r.regionFrom)
	line("region", r.region, kind, location)
	return b.String()
}

// listed is an origin in the words of the AWS CLI.
func listed(o credchain.Origin) (kind, location string) {
	switch {
	case o.File != "":
		return "config-file", o.String()
	case o.Env != "":
		return "env", o.Env
	case o.Flag != "":
		return "manual", o.Flag
	case o.URL != "":
		return "imds", o.URL
	}
	return "default", "nothing says otherwise"
}

func (a *app) configureListProfilesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list-profiles",
		Short: "List the profiles of both files, one a line",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseFlags(cmd, "profile", "region", "order", "dry-run"); err != nil {
				return err
			}
			config, credentials, err := providers.SharedFiles(a.cfg)
			if err != nil {
				return failed(err)
			}
			var names []string
			for path, style := range map[string]profile.Style{config: profile.Config, credentials: profile.Credentials} {
				f, err := profile.Read(path, style)
				if err != nil {
					return failed(err)
				}
				for _, s := range f.Sections() {
					if s.Kind == profile.Profile {
						names = append(names, printable(s.Name)+"\n")
					}
				}
			}
			slices.Sort(names)
			return a.write(strings.Join(slices.Compact(names), ""))
		},
	}
}
