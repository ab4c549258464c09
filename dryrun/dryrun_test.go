package dryrun_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/dryrun"
	"github.com/credchain/credchain/sigv4"
)

var creds = aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "canary/secret", SessionToken: "canary-session-token/of+some=length"}

var provider = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })

// ec2 answers with a status and a code for each request, after it has checked the signature.
type ec2 struct {
	answers []answer
	forms   []url.Values
	wrong   error
}

type answer struct {
	status        int
	code, message string
	raw           string
	broken        breakage
}

// breakage is how an answer breaks.
type breakage string

const (
	whole   breakage = ""
	nothing breakage = "nothing" // comes
	short   breakage = "short"
	huge    breakage = "huge"
)

func (e *ec2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := sigv4.Verifier{Service: "ec2", Region: "eu-west-1", Credentials: func(context.Context, string, string) (aws.Credentials, error) { return creds, nil }}
	if _, err := v.Verify(r, time.Now()); err != nil {
		e.wrong = err
	}
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != "POST" {
		e.wrong = errors.Join(err, errors.New("no form"))
	}
	a := e.answers[min(len(e.forms), len(e.answers)-1)]
	e.forms = append(e.forms, form)
	if a.raw == "" && a.code != "" {
		a.raw = fmt.Sprintf("<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>r-1</RequestID></Response>", a.code, a.message)
	}
	switch a.broken {
	case nothing:
		panic(http.ErrAbortHandler)
	case short:
		w.Header().Set("Content-Length", "10000")
	case huge:
		a.raw += strings.Repeat(" ", 1<<20)
	}
	w.WriteHeader(a.status)
	io.WriteString(w, a.raw)
}

func (e *ec2) client() *dryrun.Client {
	return &dryrun.Client{Region: "eu-west-1", Credentials: provider, Transport: awstest.Transport(map[string]http.Handler{"ec2.eu-west-1.amazonaws.com": e})}
}

var run = url.Values{"ImageId": {"ami-1"}, "MinCount": {"1"}, "MaxCount": {"1"}}

func TestCheck(t *testing.T) {
	t.Parallel()
	blob := strings.Repeat("aB3-_", 100)
	for _, tt := range []struct {
		name    string
		answers []answer
		want    dryrun.Result
		fails   string
		calls   int
	}{
		{"allowed", []answer{{412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", "", whole}},
			dryrun.Result{Outcome: dryrun.Allowed, Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set.", RequestID: "r-1"}, "", 1},
		{"allowed, with another status", []answer{{400, "DryRunOperation", "ok", "", whole}}, dryrun.Result{Outcome: dryrun.Allowed, Code: "DryRunOperation", Message: "ok", RequestID: "r-1"}, "", 1},
		{"denied", []answer{{403, "UnauthorizedOperation", "You are not authorized to perform this operation. Encoded authorization failure message: " + blob, "", whole}},
			dryrun.Result{Outcome: dryrun.Denied, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation.", EncodedMessage: blob, RequestID: "r-1"}, "", 1},
		{"denied, with words after", []answer{{403, "UnauthorizedOperation", "No. Encoded authorization failure message: " + blob + ". Bye", "", whole}},
			dryrun.Result{Outcome: dryrun.Denied, Code: "UnauthorizedOperation", Message: "No.", EncodedMessage: blob, RequestID: "r-1"}, "", 1},
		{"denied, with no message", []answer{{403, "UnauthorizedOperation", "No.", "", whole}}, dryrun.Result{Outcome: dryrun.Denied, Code: "UnauthorizedOperation", Message: "No.", RequestID: "r-1"}, "", 1},
		{"a message too long to decode", []answer{{403, "UnauthorizedOperation", "No. Encoded authorization failure message: " + strings.Repeat("x", 10241), "", whole}},
			dryrun.Result{Outcome: dryrun.Denied, Code: "UnauthorizedOperation", Message: "No.", RequestID: "r-1"}, "", 1},
		{"invalid", []answer{{400, "InvalidParameterValue", "bad", "", whole}}, dryrun.Result{Outcome: dryrun.Invalid, Code: "InvalidParameterValue", Message: "bad", RequestID: "r-1"}, "", 1},
		{"a limit", []answer{{400, "VcpuLimitExceeded", "more", "", whole}}, dryrun.Result{Outcome: dryrun.Invalid, Code: "VcpuLimitExceeded", Message: "more", RequestID: "r-1"}, "", 1},
		{"throttled, then allowed", []answer{{503, "RequestLimitExceeded", "slow", "", whole}, {412, "DryRunOperation", "ok", "", whole}},
			dryrun.Result{Outcome: dryrun.Allowed, Code: "DryRunOperation", Message: "ok", RequestID: "r-1"}, "", 2},
		{"throttled for good", []answer{{503, "RequestLimitExceeded", "slow", "", whole}}, dryrun.Result{}, "RequestLimitExceeded: slow (HTTP status 503), request ID r-1", 3},
		{"EC2 fails", []answer{{500, "InternalError", "x", "", whole}}, dryrun.Result{}, "InternalError", 1},
		{"EC2 is away", []answer{{503, "Unavailable", "x", "", whole}}, dryrun.Result{}, "Unavailable", 1},
		{"a proxy fails", []answer{{502, "", "", "<html>", whole}}, dryrun.Result{}, "not EC2's (HTTP status 502)", 1},
		{"a proxy gives up", []answer{{429, "", "", "<html>", whole}}, dryrun.Result{}, "not EC2's (HTTP status 429)", 1},
		{"the connection breaks", []answer{{200, "", "", "", nothing}}, dryrun.Result{}, "reset by peer", 1},
		{"the answer breaks", []answer{{412, "DryRunOperation", "ok", "", short}}, dryrun.Result{}, "HTTP status 412: the answer is cut short", 1},
		{"the answer does not end", []answer{{403, "UnauthorizedOperation", "no", "", huge}}, dryrun.Result{}, "HTTP status 403: the answer is longer than", 1},
		{"throttled, with another status", []answer{{400, "Throttling", "slow", "", whole}, {412, "DryRunOperation", "ok", "", whole}},
			dryrun.Result{Outcome: dryrun.Allowed, Code: "DryRunOperation", Message: "ok", RequestID: "r-1"}, "", 2},
		{"the credentials", []answer{{401, "AuthFailure", "AWS was not able to validate the provided access credentials", "", whole}}, dryrun.Result{}, "AuthFailure", 1},
		{"a token that is quoted", []answer{{400, "InvalidParameterValue", creds.SessionToken, "", whole}},
			dryrun.Result{Outcome: dryrun.Invalid, Code: "InvalidParameterValue", Message: "REDACTED", RequestID: "r-1"}, "", 1},
		{"not EC2", []answer{{404, "", "", "<html>", whole}}, dryrun.Result{}, "not EC2's (HTTP status 404)", 1},
		{"a redirect", []answer{{302, "", "", "", whole}}, dryrun.Result{}, "redirects", 1},
		{"success that breaks", []answer{{200, "", "", "<RunInst", short}}, dryrun.Result{}, dryrun.ErrPerformed.Error(), 1},
		{"success that does not end", []answer{{200, "", "", "", huge}}, dryrun.Result{}, dryrun.ErrPerformed.Error(), 1},
		{"success without words", []answer{{204, "", "", "", whole}}, dryrun.Result{}, dryrun.ErrPerformed.Error(), 1},
		{"a message of two lines", []answer{{403, "SignatureDoesNotMatch", "It does not match.\n\nThe Canonical String should have been 'POST\nx:y'", "", whole}}, dryrun.Result{},
			"dryrun: RunInstances: SignatureDoesNotMatch: It does not match. (HTTP status 403), request ID r-1", 1},
		{"success", []answer{{200, "", "", "<RunInstancesResponse/>", whole}}, dryrun.Result{}, dryrun.ErrPerformed.Error(), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &ec2{answers: tt.answers}
				got, err := e.client().Check(t.Context(), "RunInstances", run)
				require.NoError(t, e.wrong)
				require.Equal(t, tt.want, got)
				require.Len(t, e.forms, tt.calls)
				for _, form := range e.forms {
					require.Equal(t, url.Values{"Action": {"RunInstances"}, "Version": {"2016-11-15"}, "DryRun": {"true"}, "ImageId": {"ami-1"}, "MinCount": {"1"}, "MaxCount": {"1"}}, form)
				}
				if tt.fails == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, "dryrun: RunInstances: ")
				require.ErrorContains(t, err, tt.fails)
				require.NotContains(t, err.Error(), "canary")
				require.NotContains(t, err.Error(), "Canonical")
				require.Equal(t, tt.fails == dryrun.ErrPerformed.Error(), errors.Is(err, dryrun.ErrPerformed))
			})
		})
	}
}

// TestCheckSendsNothing for what can be seen to be wrong.
func TestCheckSendsNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*dryrun.Client)
		action string
		params url.Values
		want   string
	}{
		"no action":          {nil, "", nil, "Action: "},
		"an action of words": {nil, "Run Instances", nil, "Action: "},
		"DryRun is given":    {nil, "RunInstances", url.Values{"DryRun": {"false"}}, "DryRun: "},
		"dryrun is given":    {nil, "RunInstances", url.Values{"dryrun": {"false"}}, "dryrun: "},
		"Version is given":   {nil, "RunInstances", url.Values{"Version": {"1"}}, "Version: "},
		"two values":         {nil, "RunInstances", url.Values{"InstanceId": {"a", "b"}}, "InstanceId: "},
		"no name":            {nil, "RunInstances", url.Values{"": {"a"}}, "no name"},
		"a region":           {func(c *dryrun.Client) { c.Region = "dummy" }, "RunInstances", nil, `region "dummy"`},
		"an endpoint":        {func(c *dryrun.Client) { c.Endpoint = "ftp://x" }, "RunInstances", nil, "endpoint"},
		"endpoint and FIPS":  {func(c *dryrun.Client) { c.Endpoint, c.FIPS = "http://x", true }, "RunInstances", nil, "FIPS"},
		"no credentials":     {func(c *dryrun.Client) { c.Credentials = nil }, "RunInstances", nil, "anonymous"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &ec2{answers: []answer{{status: 412, code: "DryRunOperation"}}}
			c := e.client()
			if tt.change != nil {
				tt.change(c)
			}
			_, err := c.Check(t.Context(), tt.action, tt.params)
			require.ErrorContains(t, err, tt.want)
			require.Empty(t, e.forms)
			var input *dryrun.InputError
			require.Equal(t, tt.change == nil, errors.As(err, &input))
		})
	}
}

// TestConnects: what never left is sent again.
func TestConnects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &ec2{answers: []answer{{status: 412, code: "DryRunOperation"}}}
		c, tries := e.client(), 0
		carrier := c.Transport
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if tries++; tries < 3 {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			return carrier.RoundTrip(r)
		})
		got, err := c.Check(t.Context(), "RunInstances", run)
		require.NoError(t, err)
		require.Equal(t, dryrun.Allowed, got.Outcome)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestTokenThatWasSent is the one that is redacted, not the one that the provider gives later.
func TestTokenThatWasSent(t *testing.T) {
	t.Parallel()
	n := 0
	rotating := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		n++
		c := creds
		c.SessionToken = strings.Repeat("canary", n*3)
		return c, nil
	})
	parrot := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "<Response><Errors><Error><Code>InternalError</Code><Message>token %s</Message></Error></Errors></Response>", r.Header.Get("X-Amz-Security-Token"))
	})
	c := &dryrun.Client{Region: "eu-west-1", Credentials: rotating, Transport: awstest.Transport(map[string]http.Handler{"ec2.eu-west-1.amazonaws.com": parrot})}
	_, err := c.Check(t.Context(), "RunInstances", run)
	require.EqualError(t, err, "dryrun: RunInstances: InternalError: token REDACTED (HTTP status 500)")
	require.Equal(t, 1, n)
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	e := &ec2{answers: []answer{{status: 412, code: "DryRunOperation"}}}
	c := e.client()
	c.Endpoint, c.Transport = "http://localhost:4566", awstest.Transport(map[string]http.Handler{"localhost:4566": e})
	r, err := c.Check(t.Context(), "StopInstances", url.Values{"InstanceId.1": {"i-1"}})
	require.NoError(t, err)
	require.NoError(t, e.wrong)
	require.Equal(t, dryrun.Allowed, r.Outcome)
}
