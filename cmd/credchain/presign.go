package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
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
	expires, validity := span{"15m", 15 * time.Minute}, span{}
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
			in, err := presignInput(expires, validity)
			if err != nil {
				return err
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
			if asJSON {
				headers := http.Header{"Host": {r.URL.Host}}
				if u, err := url.Parse(p.URL); err == nil {
					headers.Set("Host", u.Host) // without a default port
				}
				maps.Copy(headers, p.Header)
				text, err := indented(struct {
					Method    string      `json:"method"`
					URL       string      `json:"url"`
					Headers   http.Header `json:"headers"`
					Expires   time.Time   `json:"expires"`
					LimitedBy sigv4.Limit `json:"limited_by"`
				}{p.Method, p.URL, headers, p.Expires.UTC(), p.LimitedBy})
				if err != nil {
					return err
				}
				return a.write(text)
			}
			if p.LimitedBy == sigv4.LimitedByCredentials {
				fmt.Fprintf(a.err, "the URL works until %s, in %s: then the credentials expire\n",
					p.Expires.UTC().Format(time.RFC3339), p.Expires.Sub(now).Round(time.Second))
			}
			if len(p.Header) > 0 {
				fmt.Fprintf(a.err, "send these headers along, since they are signed:\n%s", printableLines(headerLines(p.Header)))
			}
			return a.write(p.URL + "\n")
		},
	}
	f.bind(cmd)
	f.bindRegionSet(cmd)
	cmd.Flags().Var(&expires, "expires", "how `LONG` the URL works: 7d, 12h, 30m or a number of seconds, up to 7 days")
	cmd.Flags().Var(&validity, "min-validity", "fail unless the credentials last so `LONG`, after renewing them; at most --expires")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON document for programs")
	return cmd
}

// presignInput is what the flags ask for.
func presignInput(expires, validity span) (sigv4.PresignInput, error) {
	in := sigv4.PresignInput{Expires: expires.value, MinValidity: validity.value}
	const remedy = "see `credchain presign --help`"
	switch {
	case in.Expires < time.Second || in.Expires > sigv4.MaxExpires:
		return in, usage(fmt.Sprintf("--expires is %s, and a URL works from 1s to 7 days (7d)", expires.text), remedy)
	case in.Expires%time.Second != 0:
		return in, usage(fmt.Sprintf("--expires is %s, and a URL works for whole seconds", expires.text), remedy)
	case in.MinValidity < 0:
		return in, usage(fmt.Sprintf("--min-validity is %s, which is less than nothing", validity.text), remedy)
	case in.MinValidity > sigv4.MaxExpires:
		return in, usage(fmt.Sprintf("--min-validity is %s, and no URL works for more than 7 days (7d)", validity.text), remedy)
	case in.MinValidity > in.Expires:
		return in, usage(fmt.Sprintf("--min-validity is %s, and the URL shall work only for %s (--expires)", validity.text, expires.text),
			"give --expires %s, or more", validity.text)
	}
	return in, nil
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
