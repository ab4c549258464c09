package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// compute is EC2 that answers with a code.
type compute struct {
	status        int
	code, message string
	form          url.Values
}

func (c *compute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, err := accepts(mine).Verify(r, time.Now())
	body, _ := io.ReadAll(r.Body)
	c.form, _ = url.ParseQuery(string(body))
	if err != nil {
		c.status, c.code, c.message = 401, "AuthFailure", "who are you?"
	}
	w.WriteHeader(c.status)
	fmt.Fprintf(w, "<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>r-1</RequestID></Response>", c.code, c.message)
}

// decoding is STS that knows one message.
func decoding(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || r.PostForm.Get("EncodedMessage") != strings.Repeat("aB3_", 30) {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, "<ErrorResponse><Error><Code>InvalidAuthorizationMessageException</Code></Error></ErrorResponse>")
		return
	}
	io.WriteString(w, `<DecodeAuthorizationMessageResponse><DecodeAuthorizationMessageResult><DecodedMessage>`+
		`{"allowed":false,"explicitDeny":true,"context":{"action":"ec2:StopInstances","resource":"arn:i"}}`+
		`</DecodedMessage></DecodeAuthorizationMessageResult></DecodeAuthorizationMessageResponse>`)
}

func (c *compute) machine(vars ...string) *machine {
	return &machine{env: environment(append([]string{"AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true"}, vars...)...),
		imds: awstest.Transport(map[string]http.Handler{"ec2.eu-west-1.amazonaws.com": c, "localhost:4566": c, "sts.eu-west-1.amazonaws.com": http.HandlerFunc(decoding)})}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	blob := strings.Repeat("aB3_", 30)
	denied := &compute{status: 403, code: "UnauthorizedOperation", message: "You are not authorized. Encoded authorization failure message: " + blob}
	other := &compute{status: 403, code: "UnauthorizedOperation", message: "No. Encoded authorization failure message: " + strings.Repeat("x", 30)}
	for name, tt := range map[string]struct {
		ec2  *compute
		args string
		code int
		out  []string
		errs string
	}{
		"allowed":         {&compute{status: 412, code: "DryRunOperation", message: "would have succeeded"}, "", exitFound, []string{"allowed  would have succeeded\n"}, ""},
		"denied":          {denied, "", exitDenied, []string{"denied  UnauthorizedOperation: You are not authorized.\nencoded message: " + blob + "\n"}, "--decode shows why"},
		"denied, decoded": {denied, "--decode", exitDenied, []string{"denied  UnauthorizedOperation", "outcome    denied, by a statement that says so\n", "action     ec2:StopInstances\n"}, "may not do it"},
		"invalid":         {&compute{status: 400, code: "MissingParameter", message: "no ID"}, "", exitInvalid, []string{"invalid  MissingParameter: no ID\n"}, "MissingParameter"},
		"credentials":     {&compute{status: 401, code: "AuthFailure", message: "x"}, "", exitFailed, nil, "AuthFailure: x (HTTP status 401), request ID r-1\n  `credchain whoami`"},
		"not decoded":     {other, "--decode", exitDenied, []string{"encoded message: " + strings.Repeat("x", 30) + "\n"}, "the message is not decoded: sts: DecodeAuthorizationMessage"},
		"performed":       {&compute{status: 200}, "", exitFailed, nil, "StopInstances: EC2 answered with success, not with DryRunOperation: the action was performed\n  undo it"},
		"an endpoint":     {&compute{status: 412, code: "DryRunOperation", message: "ok"}, "--endpoint-url http://localhost:4566", exitFound, []string{"allowed  ok\n"}, ""},
		"a parameter":     {&compute{}, "InstanceId", exitUsage, nil, "KEY=VALUE"},
		"twice the same":  {&compute{}, "A=1 A=2", exitUsage, nil, "given twice"},
		"DryRun=false":    {&compute{}, "DryRun=false", exitUsage, nil, "DryRun"},
		"a bad endpoint":  {&compute{}, "--endpoint-url nowhere", exitUsage, nil, "endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec2 := *tt.ec2
			out, errs, code := ec2.machine().run(t, append([]string{"dry-run", "ec2", "StopInstances", "InstanceId.1=i-1"}, strings.Fields(tt.args)...)...)
			require.Equal(t, tt.code, code, errs)
			for _, want := range tt.out {
				require.Contains(t, out, want)
			}
			require.Contains(t, errs, tt.errs)
			if tt.out == nil {
				require.Empty(t, out)
			} else {
				require.Equal(t, url.Values{"Action": {"StopInstances"}, "Version": {"2016-11-15"}, "DryRun": {"true"}, "InstanceId.1": {"i-1"}}, ec2.form)
			}
		})
	}
	_, errs, code := (&compute{}).machine().run(t, "dry-run", "ec2", "stop-instances")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "StopInstances, not stop-instances")
	for _, args := range [][]string{{"dry-run"}, {"dry-run", "ec2"}, {"dry-run", "s3", "GetObject"}} {
		_, errs, code := (&compute{}).machine().run(t, args...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errs, "takes ec2 and the name of an action")
	}
}

func TestDryRunJSON(t *testing.T) {
	t.Parallel()
	ec2 := &compute{status: 403, code: "UnauthorizedOperation", message: "No. Encoded authorization failure message: " + strings.Repeat("aB3_", 30)}
	out, errs, code := ec2.machine().run(t, "dry-run", "ec2", "StopInstances", "--json", "--decode")
	require.Equal(t, exitDenied, code, errs)
	var doc map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, "denied", doc["outcome"])
	require.Equal(t, "No.", doc["message"])
	require.Contains(t, doc["decoded_message"], `"explicitDeny":true`)
}
