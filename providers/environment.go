package providers

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
)

// Environment reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (or, if that is unset,
// AWS_SECURITY_TOKEN), AWS_ACCOUNT_ID and AWS_CREDENTIAL_EXPIRATION, the variables that
// `aws configure export-credentials` writes. It is configured when either half of the key pair is set.
type Environment struct {
	System System // zero: the real machine

	maskedBy string // see credchain.Evidence
	named    bool   // a profile names it as its credential_source, so that it masks nothing
}

var _ credchain.Detector = (*Environment)(nil)

// Name returns "environment".
func (e *Environment) Name() string { return "environment" }

var (
	errEnvironment = absent("neither AWS_ACCESS_KEY_ID nor AWS_SECRET_ACCESS_KEY is set")
	errMasked      = absent("a profile was asked for explicitly")
)

// misspelt are names that people set and other tools read, but not the AWS SDKs at large.
var misspelt = [...]string{"AWS_ACCESS_KEY", "AWS_SECRET_KEY"}

// Detect tells which of the variables are set. Half a key pair is an error.
func (e *Environment) Detect(context.Context) (credchain.Evidence, error) {
	var k keySet
	_, err := e.read(&k)
	if !k.any() {
		return credchain.Evidence{}, e.absent()
	}
	ev := k.evidence()
	if e.maskedBy != "" {
		ev.MaskedBy = e.maskedBy
		return ev, errMasked
	}
	if p := e.System.first("AWS_PROFILE", "AWS_DEFAULT_PROFILE"); p.set() && !e.named {
		ev.Warnings = append(ev.Warnings, credchain.Warning{Code: "environment-masks-profile", Message: fmt.Sprintf(
			"%s asks for the profile %s, but the environment's keys go before it, as in most AWS SDKs; unset them, or ask for the profile explicitly",
			p.where(), p.value)})
	}
	return ev, err
}

// Retrieve returns the variables' credentials. They expire only if AWS_CREDENTIAL_EXPIRATION says so; once
// it has passed they are an error.
func (e *Environment) Retrieve(context.Context) (aws.Credentials, error) {
	var k keySet
	creds, err := e.read(&k)
	switch {
	case !k.any():
		return aws.Credentials{}, e.absent()
	case e.maskedBy != "":
		return aws.Credentials{}, errMasked
	}
	return creds, err
}

func (e *Environment) absent() error {
	for _, name := range misspelt {
		if e.System.variable(name).set() {
			return absent("%s is set, but the SDKs' variables are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which are not", name)
		}
	}
	return errEnvironment
}

// read fills k, and checks it if there is anything in it.
func (e *Environment) read(k *keySet) (aws.Credentials, error) {
	k.read(&envNames, e.System.variable)
	if !k.any() {
		return aws.Credentials{}, nil
	}
	creds, err := k.credentials(&envNames, "Environment", "")
	if err != nil {
		return aws.Credentials{}, err
	}
	if end := e.System.variable("AWS_CREDENTIAL_EXPIRATION"); end.set() {
		t, err := time.Parse(time.RFC3339, end.value)
		if err != nil {
			return aws.Credentials{}, &failure{what: end.where() + " is not a time such as 2006-01-02T15:04:05Z"}
		}
		if !t.After(time.Now()) {
			return aws.Credentials{}, &failure{
				what:   fmt.Sprintf("the credentials in the environment expired at %s (AWS_CREDENTIAL_EXPIRATION)", t.UTC().Format(time.RFC3339)),
				remedy: "export fresh ones, or unset the AWS_ variables",
			}
		}
		creds.CanExpire, creds.Expires = true, t
	}
	return creds, nil
}
