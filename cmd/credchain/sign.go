package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const signHelp = `Sign a request with the credentials of the chain (AWS Signature Version 4), and write the headers that
another program has to send with it. The method, the URL, the headers given with -H and the body must
be sent as they are given here. The signature is good for 15 minutes.

What is written is secret: it holds the signature, and the session token if there is one.`

func (a *app) signCommand() *cobra.Command {
	var f requestFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sign URL",
		Short: "Sign a request, and write the headers to send",
		Long:  signHelp,
		Example: `  url='https://sqs.eu-central-1.amazonaws.com/?Action=ListQueues'
  credchain sign "$url" | curl -H @- "$url"
  credchain sign --service execute-api -d @pet.json -H 'Content-Type: application/json' https://api.example/pets
  credchain sign --region-set '*' https://ALIAS.mrap.accesspoint.s3-global.amazonaws.com/key`,
		Args: oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.build(cmd.Context(), &f, args[0])
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
			creds, err := a.chain(a.cfg).Retrieve(cmd.Context())
			if err != nil {
				return exportFailure(err)
			}
			before, host := r.Header.Clone(), r.URL.Host
			if err := signer.Sign(r, creds, "", time.Now()); err != nil {
				return failed(err)
			}
			added := r.Header.Clone()
			for key := range before {
				if slices.Equal(added[key], before[key]) && key != "Content-Type" {
					added.Del(key)
				}
			}
			if r.Host != "" && r.Host != host {
				added.Set("Host", r.Host)
			}
			if asJSON {
				text, err := indented(struct {
					Method  string      `json:"method"`
					URL     string      `json:"url"`
					Headers http.Header `json:"headers"`
				}{r.Method, r.URL.String(), added})
				if err != nil {
					return err
				}
				return a.write(text)
			}
			return a.write(headerLines(added))
		},
	}
	f.bind(cmd)
	f.bindRegionSet(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write method, URL and headers as JSON, for programs")
	return cmd
}

// headerLines are headers as HTTP has them, in the order of their names.
func headerLines(h http.Header) string {
	var lines []string
	for key, values := range h {
		for _, v := range values {
			lines = append(lines, fmt.Sprintf("%s: %s\n", key, v))
		}
	}
	slices.SortStableFunc(lines, func(a, b string) int {
		x, _, _ := strings.Cut(a, ":")
		y, _, _ := strings.Cut(b, ":")
		return strings.Compare(x, y)
	})
	return strings.Join(lines, "")
}
