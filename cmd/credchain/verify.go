package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/sigv4"
)

const verifyHelp = `Check the signature of a request with the credentials of the chain, as the service would, and say in which
part signature and request differ. The request is a presigned URL, or a URL with the method, the headers
and the body that were sent; or with --raw a whole request of HTTP from a file or standard input.
With --region it must be signed for that region.

Exit codes: 0 if the signature is good, 3 if it is refused.`

func (a *app) verifyCommand() *cobra.Command {
	var f requestFlags
	var raw, at string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "verify [URL]",
		Short: "Check the signature of a request",
		Long:  verifyHelp,
		Example: `  credchain verify "$presigned"
  credchain verify -X PUT -H "Authorization: $authorization" -H "X-Amz-Date: $date" -d @body https://api.example/pets
  credchain verify --raw captured.http --at request`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.received(cmd.Context(), &f, raw, args)
			if err != nil {
				return err
			}
			when, err := moment(at, r)
			if err != nil {
				return err
			}
			creds, err := a.chain(a.cfg).Retrieve(cmd.Context())
			if err != nil {
				return exportFailure(err)
			}
			v := &sigv4.Verifier{Service: f.service, MaxBody: maxData, UnsignedPayload: true, Credentials: known(creds)}
			if flag := cmd.Flag("region"); flag != nil && flag.Changed {
				v.Region = strings.TrimSpace(flag.Value.String())
			}
			verified, err := v.Verify(r, when)
			if err == nil {
				_, err = io.Copy(io.Discard, r.Body) // chunks are checked as they are read
			}
			if err != nil {
				return a.verifyFailure(err, verbose)
			}
			return a.write(described(verified))
		},
	}
	f.bind(cmd)
	cmd.Flags().Lookup("service").Usage = "the `NAME` of the service that it must be signed for (default any)"
	cmd.Flags().StringVar(&raw, "raw", "", "read the whole request, as HTTP/1.1 has it, from a `FILE`, or - for standard input")
	cmd.Flags().StringVar(&at, "at", "", "check it as of a `TIME`, such as 2026-01-31T12:00:00Z, or \"request\" for its own (default now)")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the canonical request and the string to sign if it does not match")
	return cmd
}

// received is the request as a server would have it.
func (a *app) received(ctx context.Context, f *requestFlags, raw string, args []string) (*http.Request, error) {
	if raw != "" {
		if len(args) > 0 {
			return nil, usage("--raw has the whole request, and a URL is given as well", "leave one out")
		}
		text, err := a.readData(ctx, "the request", raw)
		if err != nil {
			return nil, err
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			return nil, usage("that is no request of HTTP/1.1", "it begins with a line like GET /path HTTP/1.1, and an empty line ends its headers")
		}
		return r.WithContext(ctx), nil
	}
	if len(args) != 1 {
		return nil, usage("verify takes one URL, or --raw", "see `credchain verify --help`")
	}
	r, err := a.build(ctx, f, args[0])
	if err != nil {
		return nil, err
	}
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.Host = strings.TrimSuffix(strings.TrimSuffix(r.Host, map[string]string{"https": ":443", "http": ":80"}[r.URL.Scheme]), ".")
	if r.Body == nil {
		r.Body = http.NoBody
	}
	return r, nil
}

// moment is the time to check at.
func moment(at string, r *http.Request) (time.Time, error) {
	const form = "20060102T150405Z"
	switch at {
	case "":
		return time.Now(), nil
	case "request":
		date := r.Header.Get("X-Amz-Date")
		if date == "" {
			date = r.URL.Query().Get("X-Amz-Date")
		}
		when, err := time.Parse(form, date)
		if err != nil {
			return time.Time{}, usage("the request has no X-Amz-Date", "give the time with --at")
		}
		return when, nil
	}
	for _, layout := range []string{time.RFC3339, form} {
		if when, err := time.Parse(layout, at); err == nil {
			return when, nil
		}
	}
	return time.Time{}, usage(fmt.Sprintf("--at: %q is no time", at), "write it as 2026-01-31T12:00:00Z")
}

// known is the look-up of a verifier that knows one key.
func known(creds aws.Credentials) func(context.Context, string, string) (aws.Credentials, error) {
	return func(_ context.Context, id, _ string) (aws.Credentials, error) {
		if id != creds.AccessKeyID {
			return aws.Credentials{}, fmt.Errorf("it is signed by %s, and the credentials of the chain are %s", shownID(id), shownID(creds.AccessKeyID))
		}
		creds.CanExpire = false // the time to check at may be long ago
		return creds, nil
	}
}

func (a *app) verifyFailure(err error, verbose bool) error {
	f := failed(err).(*failure)
	f.what = strings.TrimPrefix(f.what, "sigv4: ")
	var e *sigv4.VerifyError
	if !errors.As(err, &e) {
		return f
	}
	f.what = "the signature is refused: " + string(e.Part) + ": " + e.Err.Error()
	switch {
	case errors.Is(err, sigv4.ErrUnsigned):
		f.remedy = "give its headers with -H, or the whole request with --raw"
	case e.Part == sigv4.PartAccessKey:
		f.remedy = "choose the credentials with --profile"
	case e.Part == sigv4.PartTime:
		f.remedy = "to check it as of its own time: --at request"
	case e.CanonicalRequest != "" && !verbose:
		f.remedy = "-v shows the canonical request"
	}
	if verbose && e.CanonicalRequest != "" {
		fmt.Fprint(a.err, printableLines("canonical request:\n"+e.CanonicalRequest+"\n\nstring to sign:\n"+e.StringToSign+"\n\n"))
	}
	return f
}

// shownID is an access key ID, which is no secret; or what people have put in its place, masked.
func shownID(id string) string {
	if len(id) < 16 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return credchain.Redact(aws.Credentials{AccessKeyID: id}).AccessKeyID
	}
	return id
}

func described(v sigv4.Verified) string {
	var b strings.Builder
	row := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-15s %s\n", label, printable(text))
		}
	}
	row("signature", "good")
	row("access key ID", shownID(v.AccessKeyID))
	row("service", v.Service)
	row("region", v.Region)
	row("signed at", v.Time.UTC().Format(time.RFC3339))
	if !v.Expires.IsZero() {
		row("works until", v.Expires.UTC().Format(time.RFC3339))
	}
	row("signed headers", strings.Join(v.SignedHeaders, " "))
	row("payload", v.Payload)
	return b.String()
}
