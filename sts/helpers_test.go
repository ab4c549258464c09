package sts_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

const (
	host     = "sts.eu-west-1.amazonaws.com"
	ns       = `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`
	metadata = `<ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>`
)

// user signs the requests of most tests.
var user = awstest.LongTerm("user")

// client calls h as STS in eu-west-1 with creds.
func client(h http.Handler, creds aws.Credentials) *sts.Client {
	return &sts.Client{
		Region:      "eu-west-1",
		Credentials: awstest.Script(awstest.Result{Credentials: creds}),
		Transport:   awstest.Transport(map[string]http.Handler{host: h}),
	}
}

// service knows user.
func service() *awstest.STS {
	return &awstest.STS{Region: "eu-west-1", Principals: []awstest.Principal{{Credentials: user}}}
}

// says answers everything with status and body.
func says(status int, body string) http.Handler {
	return awstest.Faulty(nil, awstest.Fault{Status: status, Body: body})
}

// scripted gives one answer after the other, the last again and again, and keeps what came in.
type scripted struct {
	answers []answer

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

// answer is a document with a status, 0 for 200.
type answer struct {
	status int
	body   string
	header http.Header
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(body))
	a := s.answers[min(len(s.requests), len(s.answers))-1]
	s.mu.Unlock()
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	io.WriteString(w, a.body)
}

// form is the body of the request at i, parsed.
func (s *scripted) form(i int) url.Values {
	form, err := url.ParseQuery(s.bodies[i])
	if err != nil {
		return url.Values{"unreadable": {s.bodies[i]}}
	}
	return form
}

// refusal is an error document of STS.
func refusal(code, message string) string {
	return `<ErrorResponse ` + ns + `><Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message +
		`</Message></Error><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ErrorResponse>`
}

// xmlCredentials are the canary's, in a document.
const xmlCredentials = `<Credentials>
  <SessionToken>canary/session+token==</SessionToken>
  <SecretAccessKey>canary/secret+key</SecretAccessKey>
  <Expiration>2026-07-15T23:28:33.359Z</Expiration>
  <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>
</Credentials>`

const xmlSizes = `<PackedPolicySize>6</PackedPolicySize><SessionTokenSize>1024</SessionTokenSize><SessionTokenUtilization>25</SessionTokenUtilization>`

// xmlAnswer is the document that answers an operation.
func xmlAnswer(operation string, parts ...string) string {
	return "<" + operation + "Response " + ns + "><" + operation + "Result>" + strings.Join(parts, "") +
		"</" + operation + "Result>" + metadata + "</" + operation + "Response>"
}
