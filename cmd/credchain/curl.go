package main

import (
	"bufio"
	"compress/gzip"
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
flags of curl, retries as the AWS SDKs do, and corrects a wrong clock. Redirects are not followed, since the
signature must not go to another host: standard error says where one leads.

Service and region come from the host's name if it is one of AWS's.

Services that refuse a signature repeat the request. In an answer with a status of 400 or more the session
token, and what -H and the URL have under names for secrets, are replaced by REDACTED, and gzip is undone,
unless it goes to a file with -o. Such an answer to a wrong signature is explained on standard error.

Exit codes: 0 for every answer, also one that refuses; with --fail, 3 for a redirect and a status of 400 or more.`

func (a *app) curlCommand() *cobra.Command {
	var f requestFlags
	var include, head, fail, silent, showError, location, verbose bool
	var output, agent string
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
			if location {
				return usage("redirects are never followed (-L): the signature must not go to another host", "leave -L out; standard error names the host, which may get a request of its own")
			}
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
			if agent == "" {
				agent = "credchain"
			}
			if r.Header.Get("User-Agent") == "" {
				r.Header.Set("User-Agent", agent)
			}
			if verbose {
				base = &shown{base: base, to: a.err}
			}
			transport := &sigv4.Transport{Credentials: a.chain(a.cfg), Signer: signer, Base: base, MaxAttempts: attempts}
			resp, err := transport.RoundTrip(r)
			if err != nil {
				return curlFailure(err)
			}
			defer resp.Body.Close()
			refused := resp.StatusCode >= http.StatusBadRequest
			elsewhere := redirect(resp)
			if refused && (output == "" || output == "-") {
				if err := unpack(resp); err != nil {
					return err
				}
			}
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
			if elsewhere != "" {
				fmt.Fprint(a.err, printableLines("credchain: "+elsewhere+"\n"))
			}
			withheld := fail && (refused || elsewhere != "")
			if !withheld {
				if err := a.answer(answer, output); err != nil {
					return err
				}
			}
			if withheld {
				return &failure{code: exitFailed, what: fmt.Sprintf("the service answered with the status %d", resp.StatusCode), remedy: "leave --fail out to see the answer"}
			}
			return nil
		},
	}
	f.bind(cmd)
	f.bindRegionSet(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&include, "include", "i", false, "write the status and the headers of the answer first")
	flags.BoolVarP(&head, "head", "I", false, "ask for the headers only")
	flags.StringVarP(&output, "output", "o", "", "write the answer to a `FILE`")
	flags.BoolVarP(&fail, "fail", "f", false, "fail if the answer is a redirect or its status is 400 or more, and write no answer")
	flags.StringVarP(&agent, "user-agent", "A", "", "send this `NAME` as User-Agent (default credchain)")
	flags.BoolVarP(&verbose, "verbose", "v", false, "show the headers of requests and answers on standard error, without secrets")
	flags.BoolVarP(&silent, "silent", "s", false, "nothing but the answer is shown anyway")
	flags.BoolVarP(&showError, "show-error", "S", false, "errors are shown anyway")
	flags.BoolVarP(&location, "location", "L", false, "an error, since redirects are never followed")
	for _, habit := range []string{"silent", "show-error", "location"} { // of curl's users
		flags.Lookup(habit).Hidden = true
	}
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

// redirect says where an answer leads, "" if it leads nowhere. Only the host is named: the rest can be secret.
func redirect(resp *http.Response) string {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default: // 304 and its like, which lead nowhere
		return ""
	}
	if u, err := resp.Location(); err == nil && u.Host != "" {
		return fmt.Sprintf("the redirect to %s was not followed (status %d)", u.Host, resp.StatusCode)
	}
	return fmt.Sprintf("the service redirects, and does not say to which host (status %d)", resp.StatusCode)
}

// unpack undoes the compression of an answer that was asked for with -H Accept-Encoding: secrets cannot be replaced in it.
func unpack(resp *http.Response) error {
	coding := resp.Header.Get("Content-Encoding")
	in := bufio.NewReader(resp.Body)
	resp.Body = struct {
		io.Reader
		io.Closer
	}{in, resp.Body}
	if _, err := in.Peek(1); err == io.EOF { // as of HEAD
		return nil
	}
	switch strings.ToLower(coding) {
	case "", "identity", "aws-chunked":
		return nil
	case "gzip", "x-gzip":
		plain, err := gzip.NewReader(in)
		if err != nil {
			break
		}
		resp.Body = struct {
			io.Reader
			io.Closer
		}{plain, resp.Body}
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		return nil
	}
	return &failure{code: exitFailed, what: fmt.Sprintf("the service answered with the status %d, and its answer (%s) cannot be shown without secrets", resp.StatusCode, printable(coding)),
		remedy: "leave -H Accept-Encoding out, or write the answer to a file with -o"}
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
