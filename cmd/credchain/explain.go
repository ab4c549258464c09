package main

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain"
)

const explainHelp = `Walk the chain and show what became of every link: why it was used or passed over, where its
settings are, and how long it took. Then the credentials, the region and the profile, each with
where it comes from. No secret is shown, and of the access key ID the last four characters only.

The outcome of a link is one of
  used       the credentials are its own
  skipped    it is not configured
  failed     it is configured and failed; the walk ended here
  masked     it is configured, and not used because another link comes before it
  not-asked  its turn did not come, or only a request can tell and none was made

With --offline nothing is asked over the network, no process is started, and the link is named
that would be used. Links that only a request can settle are not-asked then.`

func (a *app) explainCommand() *cobra.Command {
	var offline, asJSON bool
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Show which credentials are used, and why",
		Long:  explainHelp,
		Example: `  credchain explain
  credchain explain --offline --profile prod
  credchain explain --json | jq -r '.attempts[] | select(.status == "masked").provider'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := a.gather(cmd.Context(), a.cfg, offline)
			if err := cmd.Context().Err(); err != nil {
				return err // the report would blame the links for it
			}
			text, err := r.text(a.terminal, time.Now()), error(nil)
			if asJSON {
				text, err = r.json()
			}
			if err == nil {
				err = a.write(text)
			}
			if err != nil {
				return err
			}
			return r.outcome()
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "open no socket and start no process")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON document for programs")
	return cmd
}

// outcome is the walk's, with more exact words where nobody could tell.
func (r *report) outcome() error {
	err := outcome(r.trace)
	if f, ok := err.(*failure); ok && f.code == exitNothing && r.untold() {
		f.what += ", unless the metadata service has some"
		f.remedy = "without --offline it is asked"
	}
	return err
}

// untold reports whether only the metadata service knows if there are credentials.
func (r *report) untold() bool {
	return r.offline && slices.ContainsFunc(r.trace.Attempts, func(a credchain.Attempt) bool {
		return a.Provider == instanceProfile && a.Status == credchain.NotAsked && a.Err == nil
	})
}
