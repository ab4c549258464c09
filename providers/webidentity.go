package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/sts"
)

// WebIdentity assumes a role with a token of an OpenID Connect issuer, as Kubernetes and CI systems give it to a
// program in a file. The file is read anew each time; a blank or line end around the token is dropped. The call
// is not signed and needs no other credentials.
//
// It is for a role that a program names in its code. [Default] finds AWS_WEB_IDENTITY_TOKEN_FILE with
// AWS_ROLE_ARN, and the profile's web_identity_token_file, by itself.
type WebIdentity struct {
	TokenFile string
	RoleARN   string

	SessionName string        // "": one is made up
	Duration    time.Duration // 0: an hour
	Policy      string        // a JSON document that takes permissions away
	PolicyARNs  []string      // managed policies that do the same

	Profile string // whose settings say how STS is called; "": AWS_PROFILE, AWS_DEFAULT_PROFILE, else default
	Region  string // "": AWS_REGION, AWS_DEFAULT_REGION, else the profile's, else us-east-1
	System  System // zero: the real machine

	Store     store.Store // see Config
	NoSharing bool        // see Config

	own alone
}

var _ credchain.Detector = (*WebIdentity)(nil)

// Reject makes sure that credentials which a service refused do not come out of what the process or a Store keeps; see
// [credchain.Provider].
func (w *WebIdentity) Reject(creds aws.Credentials) { w.own.reject(creds) }

// Invalidate is like Reject, for all credentials up to now.
func (w *WebIdentity) Invalidate() { w.own.forget() }

// maxIDToken is more than the 20,000 bytes that STS takes, so that STS says what it thinks of one that is longer.
const maxIDToken = 64 << 10

// Name returns "web-identity".
func (w *WebIdentity) Name() string { return "web-identity" }

// Detect names the role. It does not read the token.
func (w *WebIdentity) Detect(context.Context) (credchain.Evidence, error) {
	ev := credchain.Evidence{Summary: "role " + w.RoleARN, Temporary: true, Origins: []credchain.Origin{{Flag: "code", Key: "TokenFile"}}}
	switch {
	case w.TokenFile == "":
		return ev, &failure{what: "the web identity has no TokenFile"}
	case w.RoleARN == "":
		return ev, &failure{what: "the web identity has no RoleARN"}
	}
	return ev, nil
}

// Retrieve reads the token and asks STS for the credentials of the role.
func (w *WebIdentity) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if _, err := w.Detect(ctx); err != nil {
		return aws.Credentials{}, err
	}
	ctx = walk.Start(ctx)
	file := setting{value: w.TokenFile, name: "TokenFile", from: &credchain.Origin{Flag: "code", Key: "TokenFile"}}
	return w.own.services(Config{Profile: w.Profile, Region: w.Region, Store: w.Store, NoSharing: w.NoSharing}, &w.System).webIdentity(ctx, file, sts.AssumeRoleWithWebIdentityInput{
		RoleARN: w.RoleARN, SessionName: w.SessionName, Duration: w.Duration, Policy: w.Policy, PolicyARNs: w.PolicyARNs})
}

// webIdentity reads the token from file and assumes the role of in with it.
func (v *services) webIdentity(ctx context.Context, file setting, in sts.AssumeRoleWithWebIdentityInput) (aws.Credentials, error) {
	token, err := v.active.sys.readIDToken(file)
	if err != nil {
		return aws.Credentials{}, err
	}
	client, err := v.stsClient(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	in.Token = token
	// The whole token, since only STS knows whether what it claims is true.
	key := store.Key{Operation: "AssumeRoleWithWebIdentity", Caller: hash(token), Service: client.Region + " " + client.Endpoint,
		RoleARN: in.RoleARN, SessionName: in.SessionName, Policy: in.Policy, PolicyARNs: in.PolicyARNs, Duration: in.Duration}
	creds, err := v.through(ctx, key, true, func(ctx context.Context) (aws.Credentials, error) {
		out, err := client.AssumeRoleWithWebIdentity(ctx, in)
		return out.Credentials, err
	})
	if err != nil {
		return aws.Credentials{}, &failure{
			what: fmt.Sprintf("role %s could not be assumed with the token of %s", in.RoleARN, file.where()),
			err:  err, remedy: webIdentityRemedy(err),
		}
	}
	creds.Source = "WebIdentity"
	return creds, nil
}

func webIdentityRemedy(err error) string {
	var refused *sts.Error
	if !errors.As(err, &refused) {
		return ""
	}
	switch {
	case refused.Code == "InvalidIdentityToken":
		return "see that the token's issuer is an identity provider of the role's account, and that its audience is allowed there"
	case refused.Code == "AccessDenied":
		return "see that the role exists, and that its trust policy allows sts:AssumeRoleWithWebIdentity for the token's issuer, subject and audience"
	case refused.Class() == sts.ClassExpired:
		return "renew the token in the file"
	}
	return ""
}

// readIDToken reads a token that is all of a file.
func (s *System) readIDToken(file setting) (string, error) {
	fail := func(err error) (string, error) {
		return "", &failure{what: "the token file of " + file.where(), err: err}
	}
	if err := file.check(); err != nil {
		return "", err
	}
	path, err := s.expand(file.value)
	if err != nil {
		return fail(err)
	}
	raw, err := s.readAtMost(path, maxIDToken)
	if err != nil {
		return fail(err)
	}
	token := strings.TrimSpace(string(raw))
	switch {
	case token == "":
		err = fmt.Errorf("%s is empty", path)
	case strings.ContainsFunc(token, func(r rune) bool { return isControl(r) || r == ' ' }):
		err = fmt.Errorf("%s holds a blank or a control character inside the token", path)
	}
	if err != nil {
		return fail(err)
	}
	return token, nil
}

// openToken finds a web identity in the environment, unless a profile was asked for explicitly, and else in the
// profile. The two are not mixed: a token of the one is never used for a role of the other.
func openToken(ctx context.Context, s *profileSource, p *profile) (source, error) {
	if s.name == "" {
		if file := s.sys.variable("AWS_WEB_IDENTITY_TOKEN_FILE"); file.set() {
			return s.tokenSource(file, s.sys.variable("AWS_ROLE_ARN"), s.sys.variable("AWS_ROLE_SESSION_NAME"), 0, "set AWS_ROLE_ARN")
		}
	}
	src, err := openProfileToken(ctx, s, p)
	if s.name == "" && errors.Is(err, credchain.ErrNotConfigured) {
		return source{}, p.absent("web_identity_token_file, and AWS_WEB_IDENTITY_TOKEN_FILE is not set")
	}
	return src, err
}

// openProfileToken finds a web identity in the profile alone.
func openProfileToken(_ context.Context, s *profileSource, p *profile) (source, error) {
	file := p.get("web_identity_token_file")
	if !file.set() {
		return source{}, p.absent("web_identity_token_file")
	}
	duration, err := p.duration()
	if err != nil {
		return source{evidence: credchain.Evidence{Temporary: true, Summary: file.name, Origins: []credchain.Origin{file.origin()}}}, err
	}
	return s.tokenSource(file, p.get("role_arn"), p.get("role_session_name"), duration, "add role_arn to profile "+p.name)
}

func (s *profileSource) tokenSource(file, role, name setting, duration time.Duration, remedy string) (source, error) {
	ev := credchain.Evidence{Temporary: true, Summary: file.name, Origins: []credchain.Origin{file.origin()}}
	if !role.set() {
		return source{evidence: ev}, &failure{what: file.where() + " is set, and no role for its token", remedy: remedy}
	}
	for _, v := range [...]setting{file, role, name} {
		if err := v.check(); err != nil {
			return source{evidence: ev}, err
		}
	}
	ev.Summary = "role " + role.value + ", with the token of " + file.name
	ev.Origins = append(ev.Origins, role.origin())
	ev.Warnings = trimmedWarnings(file, role, name)
	return source{ev, func(ctx context.Context) (aws.Credentials, error) {
		return s.services.webIdentity(ctx, file, sts.AssumeRoleWithWebIdentityInput{
			RoleARN: role.value, SessionName: name.value, Duration: duration})
	}}, nil
}
