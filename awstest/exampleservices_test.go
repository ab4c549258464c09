package awstest_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sso"
	"github.com/credchain/credchain/sts"
)

// A role that a user may assume with an external ID, and what the fake remembers of it.
func ExampleSTS() {
	user := awstest.LongTerm("deploy")
	service := &awstest.STS{
		Principals: []awstest.Principal{{Credentials: user, ARN: "arn:aws:iam::111122223333:user/deploy"}},
		Roles: []awstest.Role{{
			ARN: "arn:aws:iam::444455556666:role/app", Trust: []string{"arn:aws:iam::111122223333:root"}, ExternalID: "partner",
		}},
	}
	client := sts.Client{
		Region:      "eu-west-1",
		Credentials: awstest.Script(awstest.Result{Credentials: user}),
		Transport:   awstest.Transport(map[string]http.Handler{"sts.eu-west-1.amazonaws.com": service}),
	}
	in := sts.AssumeRoleInput{RoleARN: "arn:aws:iam::444455556666:role/app", SessionName: "nightly"}
	_, err := client.AssumeRole(context.Background(), in)
	fmt.Println(err != nil, service.Requests()[0].Code)
	in.ExternalID = "partner"
	out, err := client.AssumeRole(context.Background(), in)
	fmt.Println(out.AssumedRole.ARN, err)
	session := service.Sessions()[0]
	fmt.Println(session.Caller, session.Duration)
	// Output:
	// true AccessDenied
	// arn:aws:sts::444455556666:assumed-role/app/nightly <nil>
	// arn:aws:iam::111122223333:user/deploy 1h0m0s
}

// A user who signed in a while ago: the access token has ended, and is refreshed once.
func ExampleSSO() {
	service := &awstest.SSO{Roles: []awstest.SSORole{{AccountID: "111122223333", Name: "ReadOnly"}}}
	session := service.Session(time.Now().Add(-time.Minute)) // session.File() is what the AWS CLI would have kept
	client := sso.Client{
		Region: "eu-west-1",
		Transport: awstest.Transport(map[string]http.Handler{
			"oidc.eu-west-1.amazonaws.com": service, "portal.sso.eu-west-1.amazonaws.com": service,
		}),
	}
	token, err := sso.ParseToken([]byte(session.File()))
	if err != nil {
		fmt.Println(err)
		return
	}
	fresh, err := client.Refresh(context.Background(), token)
	if err != nil {
		fmt.Println(err)
		return
	}
	creds, err := client.RoleCredentials(context.Background(), fresh.AccessToken, "111122223333", "ReadOnly")
	fmt.Println(creds.AccessKeyID[:4], err)
	_, err = client.Refresh(context.Background(), token) // the refresh token was good once
	fmt.Println(err != nil, service.Calls("CreateToken refresh_token"))
	// Output:
	// ASIA <nil>
	// true 2
}

// A job of a CI system, whose token assumes a role without any keys.
func ExampleOIDC() {
	ci := &awstest.OIDC{Issuer: "https://ci.example"}
	service := &awstest.STS{
		Issuers: []*awstest.OIDC{ci},
		Roles: []awstest.Role{{
			ARN:         "arn:aws:iam::444455556666:role/release",
			WebIdentity: []awstest.WebIdentityTrust{{Issuer: "https://ci.example", Subject: "repo:app:*", Audience: "sts.amazonaws.com"}},
		}},
	}
	client := sts.Client{
		Region:    "eu-west-1",
		Transport: awstest.Transport(map[string]http.Handler{"sts.eu-west-1.amazonaws.com": service}),
	}
	in := sts.AssumeRoleWithWebIdentityInput{RoleARN: "arn:aws:iam::444455556666:role/release", SessionName: "build"}
	for _, subject := range []string{"repo:app:main", "repo:other:main"} {
		in.Token = ci.Token(awstest.Claims{Subject: subject})
		out, err := client.AssumeRoleWithWebIdentity(context.Background(), in)
		fmt.Println(out.Subject, err != nil)
	}
	// Output:
	// repo:app:main false
	//  true
}

// A machine with a program and a person, and a file that may be written.
func ExampleMachine() {
	m := awstest.Hermetic(t, awstest.World{
		Commands: map[string]func([]string) (string, string, int){
			"helper": func(argv []string) (string, string, int) { return "for " + argv[1], "", 0 },
		},
		Answers:  []string{"123456"},
		Writable: []string{"~/.aws/cli/cache/*"},
	})
	system := m.System()
	out, _, err := system.Run(context.Background(), []string{"helper", "dev"})
	fmt.Println(string(out), err)
	answer, err := system.Prompt(context.Background(), "MFA code: ")
	fmt.Println(answer, err)
	err = system.Update(context.Background(), "/home/hermetic/.aws/cli/cache/x.json", func([]byte) ([]byte, error) { return []byte("{}"), nil })
	fmt.Println(m.Written(), err)
	_, err = system.Prompt(context.Background(), "MFA code: ")
	fmt.Println(err != nil)
	// Output:
	// for dev <nil>
	// 123456 <nil>
	// [~/.aws/cli/cache/x.json] <nil>
	// FAIL: awstest: there is no answer left in Answers for the prompt "MFA code: "
	// true
}
