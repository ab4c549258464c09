package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/internal/ini"
	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/sso"
	"github.com/credchain/credchain/store"
)

// SSO gets the credentials of a role from IAM Identity Center, with the session that `aws sso login`,
// `credchain login` or [SSOSignIn] has left in ~/.aws/sso/cache. A session that is about to end is refreshed if it
// can be; processes that do so at the same time make one request, and none loses the new refresh token. Without a
// session, Retrieve fails with a [*SignInError].
//
// It is for a role that a program names in its code. [Default] finds what a profile says by itself.
type SSO struct {
	Session   string // the name of the sso-session whose sign-in is used; "" for the legacy form, which has none
	StartURL  string
	Region    string // of Identity Center
	AccountID string
	RoleName  string

	System System // zero: the real machine

	Store     store.Store // see Config
	NoSharing bool        // see Config

	own alone
}

var _ credchain.Detector = (*SSO)(nil)

// Reject makes sure that credentials which a service refused do not come out of what the process or a Store keeps; see
// [credchain.Provider].
func (s *SSO) Reject(creds aws.Credentials) { s.own.reject(creds) }

// Invalidate is like Reject, for all credentials up to now.
func (s *SSO) Invalidate() { s.own.forget() }

// Name returns "sso".
func (s *SSO) Name() string { return "sso" }

// Detect reads the session and tells whether it can be used.
func (s *SSO) Detect(context.Context) (credchain.Evidence, error) {
	src, err := s.open()
	return src.evidence, err
}

// Retrieve returns the role's credentials.
func (s *SSO) Retrieve(ctx context.Context) (aws.Credentials, error) {
	src, err := s.open()
	if err != nil {
		return aws.Credentials{}, err
	}
	return src.retrieve(walk.Start(ctx))
}

func (s *SSO) open() (source, error) {
	code := func(name, value string) setting {
		return trimmedSetting(value, name, &credchain.Origin{Flag: "code", Key: name})
	}
	for _, f := range [...]struct{ name, value string }{{"AccountID", s.AccountID}, {"RoleName", s.RoleName}, {"StartURL", s.StartURL}, {"Region", s.Region}} {
		if strings.TrimSpace(f.value) == "" {
			return source{}, &failure{what: "the SSO role has no " + f.name}
		}
	}
	p := ssoPlace{session: code("Session", s.Session), startURL: code("StartURL", s.StartURL), region: code("Region", s.Region)}
	return s.own.services(Config{Store: s.Store, NoSharing: s.NoSharing}, &s.System).openSSO(p, code("AccountID", s.AccountID), code("RoleName", s.RoleName))
}

// ssoPlace says where a person signs in.
type ssoPlace struct {
	profile                   string
	session, startURL, region setting
	scopes                    []string
}

// openSSO finds sso_account_id and sso_role_name in a profile.
func openSSO(ctx context.Context, s *profileSource, p *profile) (source, error) {
	account, role := p.get("sso_account_id"), p.get("sso_role_name")
	if !account.set() && !role.set() {
		return source{}, p.absent("sso_account_id or sso_role_name")
	}
	place, err := s.ssoPlace(ctx, p)
	if err != nil {
		return source{evidence: ssoEvidence(place, account, role)}, err
	}
	return s.services.openSSO(place, account, role)
}

// ssoPlace reads where the profile signs in. If it names a session, the session's section says so, and only that.
func (s *profileSource) ssoPlace(ctx context.Context, p *profile) (ssoPlace, error) {
	place := ssoPlace{profile: p.name, session: p.get("sso_session"), startURL: p.get("sso_start_url"), region: p.get("sso_region")}
	if !place.session.set() {
		return place, nil
	}
	own := place
	section, err := s.section(ctx, p, ini.Ref{Kind: ini.SSOSession, Name: place.session.value}, place.session)
	if err != nil {
		return place, err
	}
	in := func(key string) setting {
		k, _ := section.Get(key)
		return trimmedSetting(k.Value, key, &credchain.Origin{File: p.configFile.path, Line: k.Line,
			Section: "sso-session " + place.session.value, Key: key})
	}
	place.startURL, place.region = in("sso_start_url"), in("sso_region")
	for _, both := range [...][2]setting{{own.startURL, place.startURL}, {own.region, place.region}} {
		if both[0].set() && both[0].value != both[1].value {
			return place, &failure{
				what:   fmt.Sprintf("%s is not what the sso-session %s says", both[0].where(), place.session.value),
				remedy: "take it out of the profile: the sso-session has it",
			}
		}
	}
	for _, scope := range strings.Split(in("sso_registration_scopes").value, ",") {
		if scope = strings.TrimSpace(scope); scope != "" {
			place.scopes = append(place.scopes, scope)
		}
	}
	return place, nil
}

func ssoEvidence(place ssoPlace, account, role setting) credchain.Evidence {
	ev := credchain.Evidence{Temporary: true, Warnings: trimmedWarnings(account, role)}
	for _, s := range [...]setting{account, role, place.session} {
		if s.set() {
			ev.Origins = append(ev.Origins, s.origin())
		}
	}
	at := "the SSO start URL " + place.startURL.value
	if place.session.set() {
		at = "the SSO session " + place.session.value
	}
	ev.Summary = fmt.Sprintf("role %s of account %s, by %s", role.value, account.value, at)
	return ev
}

// check refuses a place that lacks something.
func (p ssoPlace) check() error {
	for _, s := range [...]setting{p.session, p.startURL, p.region} {
		if err := s.check(); err != nil {
			return err
		}
	}
	missing, where := "", "the profile"
	switch {
	case !p.startURL.set():
		missing = "sso_start_url"
	case !p.region.set():
		missing = "sso_region"
	}
	if p.session.set() {
		where = "the section [sso-session " + p.session.value + "]"
	}
	if missing != "" {
		return &failure{what: fmt.Sprintf("%s has no %s", where, missing), remedy: "add it there"}
	}
	if err := endpoint.CheckRegion(p.region.value); err != nil {
		return badRegion(p.region, err)
	}
	return nil
}

// key is what the name of the session's file is made of.
func (p ssoPlace) key() string {
	if p.session.set() {
		return p.session.value
	}
	return p.startURL.value
}

// signIn is the error that sends a person to sign in.
func (p ssoPlace) signIn(expired time.Time, refusal error) error {
	e := &SignInError{Profile: p.profile, Session: p.session.value, StartURL: p.startURL.value, Expired: expired, err: refusal,
		Command: "aws sso login" + profileFlag(p.profile)}
	if p.profile == "" && e.Session != "" {
		e.Command += " --sso-session " + shellWord(e.Session)
	}
	return e
}

// openSSO finds the session for a role.
func (v *services) openSSO(place ssoPlace, account, role setting) (source, error) {
	src := source{evidence: ssoEvidence(place, account, role)}
	for _, half := range [...]struct {
		present, missing setting
		name             string
	}{{account, role, "sso_role_name"}, {role, account, "sso_account_id"}} {
		if !half.missing.set() {
			return src, &failure{what: fmt.Sprintf("%s is set, but %s is not", half.present.where(), half.name), remedy: "set both"}
		}
		if err := half.present.check(); err != nil {
			return src, err
		}
	}
	if err := place.check(); err != nil {
		return src, err
	}
	token, err := v.ssoToken(place)
	if err != nil {
		return src, err
	}
	src.retrieve = func(ctx context.Context) (aws.Credentials, error) {
		return v.ssoCredentials(ctx, place, token, account.value, role.value)
	}
	return src, nil
}

func (v *services) ssoClient(ctx context.Context, place ssoPlace) (*sso.Client, error) {
	portal, err := v.calling(ctx, "SSO")
	if err != nil {
		return nil, err
	}
	oidc, err := v.calling(ctx, "SSO_OIDC")
	if err != nil {
		return nil, err
	}
	secured := portal // one transport is for both: if one of them needs a CA bundle, it has it
	if strings.HasPrefix(portal.endpoint.value, "http:") {
		secured = oidc
	}
	rt, err := v.carrier(secured)
	if err != nil {
		return nil, err
	}
	return &sso.Client{Region: place.region.value, Endpoint: portal.endpoint.value, OIDCEndpoint: oidc.endpoint.value,
		FIPS: portal.fips, DualStack: portal.dualStack, Transport: rt}, nil
}

// ssoCredentials asks the portal for the role's credentials, with the session refreshed before if that is due.
func (v *services) ssoCredentials(ctx context.Context, place ssoPlace, token sso.Token, account, role string) (aws.Credentials, error) {
	client, err := v.ssoClient(ctx, place)
	if err != nil {
		return aws.Credentials{}, err
	}
	if token, err = v.refreshSSO(ctx, client, place, token); err != nil {
		return aws.Credentials{}, err
	}
	key := store.Key{Operation: "GetRoleCredentials", Caller: hash(token.AccessToken), Service: place.region.value + " " + client.Endpoint,
		RoleARN: account + "/" + role}
	creds, err := v.through(ctx, key, true, func(ctx context.Context) (aws.Credentials, error) {
		creds, err := client.RoleCredentials(ctx, token.AccessToken, account, role)
		if refusedBy(err, http.StatusUnauthorized) {
			// Somebody may have signed in anew, or refreshed, since the file was read.
			if again, e := v.ssoToken(place); e == nil && again.AccessToken != token.AccessToken {
				creds, err = client.RoleCredentials(ctx, again.AccessToken, account, role)
			}
		}
		return creds, err
	})
	switch {
	case err == nil:
		creds.Source = "SSO"
		return creds, nil
	case refusedBy(err, http.StatusUnauthorized):
		return aws.Credentials{}, place.signIn(token.Expires, err)
	case refusedBy(err, http.StatusForbidden):
		return aws.Credentials{}, &failure{what: fmt.Sprintf("role %s of account %s", role, account), err: err,
			remedy: "see that the account and the role are assigned to whoever has signed in"}
	}
	return aws.Credentials{}, fmt.Errorf("role %s of account %s: %w", role, account, err)
}

func refusedBy(err error, status int) bool {
	var refused *sso.Error
	return errors.As(err, &refused) && refused.StatusCode == status
}
