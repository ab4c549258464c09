package providers

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
)

// later is a link whose source this version recognises and cannot use yet. It stands at its place in the
// order so that a profile that asks for it is an error, never another identity.
type later struct {
	name   string
	shared *profileSource

	// find returns the setting that configures the link, unset if there is none.
	find func(*later, *profile) (setting, error)

	ignoreEnvironment bool // for a profile that was asked for explicitly
}

var _ credchain.Detector = (*later)(nil)

func (l *later) Name() string { return l.name }

func (l *later) Detect(ctx context.Context) (credchain.Evidence, error) {
	p, err := l.shared.load(ctx)
	if err != nil {
		return credchain.Evidence{}, err
	}
	s, err := l.find(l, p)
	if !s.set() && err == nil {
		return credchain.Evidence{}, p.absent(l.absent())
	}
	if err == nil {
		err = &failure{
			what:   fmt.Sprintf("%s asks for %s credentials, which this version does not support yet", s.where(), l.name),
			remedy: "let the AWS CLI fetch them with `aws configure export-credentials`, or choose another profile",
		}
	}
	return credchain.Evidence{Summary: s.name, Origins: []credchain.Origin{s.origin}, Temporary: true}, err
}

func (l *later) Retrieve(ctx context.Context) (aws.Credentials, error) {
	_, err := l.Detect(ctx)
	return aws.Credentials{}, err
}

func (l *later) absent() string {
	switch l.name {
	case "assume-role":
		return "role_arn"
	case "web-identity":
		if l.ignoreEnvironment {
			return "web_identity_token_file"
		}
		return "web_identity_token_file, and AWS_WEB_IDENTITY_TOKEN_FILE is not set"
	case "sso":
		return "sso_account_id or sso_role_name"
	case "login":
		return "login_session"
	default:
		return "credential_process"
	}
}

// findAssumeRole finds role_arn with a source. A role without a source is an error: to assume it from
// whatever comes next in the chain would be a guess.
func findAssumeRole(_ *later, p *profile) (setting, error) {
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

func findWebIdentity(l *later, p *profile) (setting, error) {
	if !l.ignoreEnvironment {
		if v := l.shared.sys.variable("AWS_WEB_IDENTITY_TOKEN_FILE"); v.set() {
			return v, nil
		}
	}
	return p.get("web_identity_token_file"), nil
}

func findSSO(_ *later, p *profile) (setting, error) {
	if v := p.get("sso_account_id"); v.set() {
		return v, nil
	}
	return p.get("sso_role_name"), nil
}

func findLogin(_ *later, p *profile) (setting, error) { return p.get("login_session"), nil }

func findProcess(_ *later, p *profile) (setting, error) {
	v := p.get("credential_process")
	v.value = strings.TrimSpace(v.value)
	return v, nil
}
