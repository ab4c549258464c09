package sts_test

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

const host = "sts.eu-west-1.amazonaws.com"

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
