package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/sigv4"
)

const curlHelp = `Send a request that is signed with the credentials of the chain, and write the answer. It takes the common
flags of curl, retries as the AWS SDKs do, corrects a wrong clock, and follows no redirect.

Service and region come from the host's name if it is one of AWS's.

Services that refuse a signature repeat the request. In an answer with a status of 400 or more the session
token, and what -H and the URL have under names for secrets, are replaced by REDACTED, unless it goes to
a file with -o. Such an answer to a wrong signature is explained on standard error.

Exit codes: 0 for every answer, also one that refuses; with --fail, 3 for a status of 400 or more.`

func (a *app) curlCommand() *cobra.Command {
	var f requestFlags
	var include, head, fail, silent bool
	var output string
	var attempts int
	cmd := &cobra.Command{
		Use:   "curl URL",
		Short: "Send a signed request, and write the answer",
		Long:  curlHelp,
		Example: `  credchain curl 'https://sqs.eu-central-1.amazonaws.com/?Action=ListQueues'
  credchain curl -T report.pdf https://my-bucket.s3.eu-central-1.amazonaws.com/reports/
  credchain curl -H 'X-Amz-Target: DynamoDB_20120810.ListTables' -H 'Content-Type: application/x-amz-json-1.0' \
    -d '{}' https://dynamodb.eu-central-1.amazonaws.com/
  echo '{"name":"cat"}' | credchain curl --service execute-api -d @- https://api.example/pets`,
		Args: oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if head && f.method == "" {
				f.method = http.MethodHead
			}
			r, err := a.build(ctx, &f, args[0])
			if err != nil {
				return err
			}
			signer, err := a.signer(cmd, &f, r)
			if err != nil {
				return err
			}
			base, err := a.carrier(ctx)
			if err != nil {
				return err
			}
			if r.Header.Get("User-Agent") == "" {
				r.Header.Set("User-Agent", "credchain")
			}
			transport := &sigv4.Transport{Credentials: a.chain(a.cfg), Signer: signer, Base: base, MaxAttempts: attempts}
			resp, err := transport.RoundTrip(r)
			if err != nil {
				return curlFailure(err)
			}
			defer resp.Body.Close()
			refused := resp.StatusCode >= http.StatusBadRequest
			answer := io.Reader(resp.Body)
			if refused {
				answer = a.diagnosed(signer, resp)
			}
			if include || head {
				answer = io.MultiReader(strings.NewReader(fmt.Sprintf("%s %s\n%s\n", resp.Proto, resp.Status, headerLines(resp.Header))), answer)
			}
			if output == "-" {
				output = ""
			}
			if refused && output == "" {
				answer = mask(answer, spellings(resp.Request))
			}
			if !refused || !fail {
				if err := a.answer(answer, output); err != nil {
					return err
				}
			}
			if refused && fail {
				return &failure{code: exitFailed, what: fmt.Sprintf("the service answered with the status %d", resp.StatusCode), remedy: "leave --fail out to see the answer"}
			}
			return nil
		},
	}
	f.bind(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&include, "include", "i", false, "write the status and the headers of the answer first")
	flags.BoolVarP(&head, "head", "I", false, "ask for the headers only")
	flags.StringVarP(&output, "output", "o", "", "write the answer to a `FILE`")
	flags.BoolVarP(&fail, "fail", "f", false, "fail if the answer's status is 400 or more, and write no answer")
	flags.BoolVarP(&silent, "silent", "s", false, "for curl's users: nothing but the answer is shown anyway")
	flags.IntVar(&attempts, "max-attempts", 0, "how often the request is tried (default 3)")
	return cmd
}

func curlFailure(err error) error {
	if errors.Is(err, sigv4.ErrNotReplayable) {
		return usage(err.Error(), "give the body as a file with -T")
	}
	f, ok := callFailure(err).(*failure)
	if ok {
		f.what = strings.TrimPrefix(f.what, "sigv4: ")
	}
	return f
}

// diagnosed shows, of an answer that refuses the signature, where it and ours part, and returns the whole answer.
func (a *app) diagnosed(s *sigv4.Signer, resp *http.Response) io.Reader {
	start, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return io.MultiReader(strings.NewReader(string(start)), resp.Body)
	}
	d := sigv4.Diagnose(s, resp.Request, start)
	switch d.Code {
	case "SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed", "AuthorizationHeaderMalformed", "IncompleteSignature":
		fmt.Fprint(a.err, printableLines("credchain: "+d.String()+"\n"))
	}
	return io.MultiReader(strings.NewReader(string(start)), resp.Body)
}

// answer writes an answer to a file or to standard output.
func (a *app) answer(answer io.Reader, output string) (err error) {
	out := a.out
	if output != "" {
		f, err := os.Create(output)
		if err != nil {
			return &failure{code: exitUsage, what: "the answer cannot be written: " + err.Error()}
		}
		defer func() {
			if closing := f.Close(); err == nil && closing != nil {
				err = &failure{code: exitFailed, what: "the answer could not be written: " + closing.Error()}
			}
		}()
		out = f
	}
	if _, err := io.Copy(out, answer); err != nil {
		return &failure{code: exitFailed, what: "the answer was cut short or could not be written: " + err.Error()}
	}
	return nil
}
