package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/sigv4"
)

const presignHelp = `Write a URL that works for a while without credentials: it carries the signature. For S3 it is an object's
address; other services take the parameters of their query API.

A URL never works longer than the credentials that signed it. Standard error says so if that is sooner
than --expires, and which headers must be sent along. Whoever has the URL can use it: treat it as a secret.`

func (a *app) presignCommand() *cobra.Command {
	var f requestFlags
	var in sigv4.PresignInput
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "presign URL",
		Short: "Write a URL that works for a while without credentials",
		Long:  presignHelp,
		Example: `  credchain presign https://my-bucket.s3.eu-central-1.amazonaws.com/report.pdf --expires 1h
  curl -T new.pdf "$(credchain presign -X PUT https://my-bucket.s3.eu-central-1.amazonaws.com/report.pdf)"`,
		Args: oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if in.Expires < time.Second || in.Expires > sigv4.MaxExpires {
				return usage(fmt.Sprintf("--expires is %s, and a URL works from 1s to 7 days (168h)", in.Expires), "see `credchain presign --help`")
			}
			r, err := a.build(ctx, &f, args[0])
			if err != nil {
				return err
			}
			if r.Body != nil {
				defer r.Body.Close()
			}
			signer, err := a.signer(cmd, &f, r)
			if err != nil {
				return err
			}
			now := time.Now()
			p, err := signer.Presign(ctx, r, a.chain(a.cfg), in, now)
			if err != nil {
				return presignFailure(err)
			}
			sent := p.Header.Clone()
			sent.Del("Host")
			if asJSON {
				text, err := indented(struct {
					Method    string      `json:"method"`
					URL       string      `json:"url"`
					Headers   http.Header `json:"headers"`
					Expires   time.Time   `json:"expires"`
					LimitedBy sigv4.Limit `json:"limited_by"`
				}{p.Method, p.URL, p.Header, p.Expires.UTC(), p.LimitedBy})
				if err != nil {
					return err
				}
				return a.write(text)
			}
			if p.LimitedBy == sigv4.LimitedByCredentials {
				fmt.Fprintf(a.err, "the URL works until %s, in %s: then the credentials expire\n",
					p.Expires.UTC().Format(time.RFC3339), p.Expires.Sub(now).Round(time.Second))
			}
			if len(sent) > 0 {
				fmt.Fprintf(a.err, "send these headers along, since they are signed:\n%s", printableLines(headerLines(sent)))
			}
			return a.write(p.URL + "\n")
		},
	}
	f.bind(cmd)
	cmd.Flags().DurationVar(&in.Expires, "expires", 15*time.Minute, "how `LONG` the URL works, such as 30m or 12h, up to 7 days (168h)")
	cmd.Flags().DurationVar(&in.MinValidity, "min-validity", 0, "fail unless the credentials last so `LONG`, after renewing them")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON document for programs")
	return cmd
}

func presignFailure(err error) error {
	var short *sigv4.ValidityError
	f, ok := callFailure(err).(*failure)
	switch {
	case !ok:
		return err
	case errors.As(err, &short):
		f.remedy = "ask for less with --min-validity, or use credentials that last longer; `credchain explain` shows where these come from"
	case f.code == exitFailed && f.remedy == "":
		f.code, f.remedy = exitUsage, "see `credchain presign --help`"
	}
	return f
}
