package providers

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
)

// later is a link whose source this version recognises and cannot use yet. It stands at its place in the
// order so that a profile that asks for it is an error, never another identity.
type later struct {
	*source
	shared *profileSource
}

// source is how such a link is asked for.
type source struct {
	name     string
	key      string // what the profile does not have if it does not ask for the link
	variable string // asks for it as well, unless a profile was asked for explicitly; "" if none does

	// find returns the setting in the profile that configures the link, unset if there is none.
	find func(*profile) (setting, error)
}

var (
	assumeRole  = &source{name: "assume-role", key: "role_arn", find: findAssumeRole}
	webIdentity = &source{name: "web-identity", key: "web_identity_token_file", variable: "AWS_WEB_IDENTITY_TOKEN_FILE",
		find: anyOf("web_identity_token_file")}
	sso     = &source{name: "sso", key: "sso_account_id or sso_role_name", find: anyOf("sso_account_id", "sso_role_name")}
	login   = &source{name: "login", key: "login_session", find: anyOf("login_session")}
	process = &source{name: "process", key: "credential_process", find: anyOf("credential_process")}
)

var _ credchain.Detector = (*later)(nil)

func (l *later) Name() string { return l.name }

func (l *later) Detect(ctx context.Context) (credchain.Evidence, error) {
	p, err := l.shared.load(ctx)
	if err != nil {
		return credchain.Evidence{}, err
	}
	var s setting
	variable := l.variable
	if l.shared.name != "" {
		variable = ""
	}
	if variable != "" {
		s = l.shared.sys.variable(variable)
	}
	if !s.set() {
		s, err = l.find(p)
	}
	if !s.set() && err == nil {
		if variable != "" {
			return credchain.Evidence{}, p.absent(l.key + ", and " + variable + " is not set")
		}
		return credchain.Evidence{}, p.absent(l.key)
	}
	if err == nil {
		err = &failure{
			what:   fmt.Sprintf("%s asks for %s credentials, which this version does not support yet", s.where(), l.name),
			remedy: "let the AWS CLI fetch them with `aws configure export-credentials`, or choose another profile",
		}
	}
	return credchain.Evidence{Summary: s.name, Origins: []credchain.Origin{s.origin()}, Temporary: true}, err
}

func (l *later) Retrieve(ctx context.Context) (aws.Credentials, error) {
	_, err := l.Detect(ctx)
	return aws.Credentials{}, err
}

// findAssumeRole finds role_arn with a source. A role without a source is an error: to assume it from
// whatever comes next in the chain would be a guess.
func findAssumeRole(p *profile) (setting, error) {
	role := p.get("role_arn")
	if !role.set() || p.get("web_identity_token_file").set() {
		return setting{}, nil
	}
	from, with := p.get("source_profile"), p.get("credential_source")
	switch {
	case from.set() && with.set():
		return role, &failure{
			what:   fmt.Sprintf("profile %s has both %s and %s", p.name, from.where(), with.where()),
			remedy: "keep one of them",
		}
	case !from.set() && !with.set():
		return role, &failure{
			what:   fmt.Sprintf("profile %s has %s and nothing that says whose credentials assume it", p.name, role.where()),
			remedy: "add source_profile, credential_source or web_identity_token_file",
		}
	}
	return role, nil
}

// anyOf finds the first of some keys.
func anyOf(keys ...string) func(*profile) (setting, error) {
	return func(p *profile) (setting, error) {
		for _, k := range keys {
			if v := p.get(k); v.set() {
				return v, nil
			}
		}
		return setting{}, nil
	}
}
