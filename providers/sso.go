package providers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
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

// ssoFile is the path of the file that holds the session.
func (v *services) ssoFile(place ssoPlace) (string, error) {
	home, err := v.active.sys.home()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".aws", "sso", "cache", sso.CacheFile(place.key())), nil
}

// ssoToken reads the session. One that has ended and cannot be refreshed is an error.
func (v *services) ssoToken(place ssoPlace) (sso.Token, error) {
	name, err := v.ssoFile(place)
	if err != nil {
		return sso.Token{}, err
	}
	raw, err := v.active.sys.readAtMost(name, maxCacheFile)
	if errors.Is(err, fs.ErrNotExist) {
		return sso.Token{}, place.signIn(time.Time{}, nil)
	}
	if err != nil {
		return sso.Token{}, &failure{what: "the SSO session cannot be read", err: err}
	}
	token, err := sso.ParseToken(raw)
	if err != nil {
		return sso.Token{}, &failure{what: "the SSO session in " + name, err: err, remedy: remedyOf(place.signIn(time.Time{}, nil))}
	}
	token = v.later(name, token)
	now := time.Now()
	if !token.Expires.After(now) && !token.CanRefresh(now) {
		return sso.Token{}, place.signIn(token.Expires, nil)
	}
	return token, nil
}

// later returns the session of a file, or the one that took its place and could not be written: its refresh token
// is the only one that is still good.
func (v *services) later(name string, token sso.Token) sso.Token {
	v.mu.Lock()
	defer v.mu.Unlock()
	if unsaved, ok := v.unsaved[name]; ok && unsaved.Expires.After(token.Expires) {
		return *unsaved
	}
	return token
}

// keep remembers a session that could not be written, until one is written.
func (v *services) keep(name string, token sso.Token, written bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if written {
		delete(v.unsaved, name)
		return
	}
	if v.unsaved == nil {
		v.unsaved = make(map[string]*sso.Token)
	}
	v.unsaved[name] = &token
}

const maxCacheFile = 1 << 20

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

// refreshSSO returns a session that lasts. While it is refreshed its file is locked; whoever comes second finds the
// new session there. If the refresh fails, a session that has not ended yet is used as it is. If the new session
// cannot be written it is used all the same, and kept in memory: the file's refresh token is worth nothing now.
func (v *services) refreshSSO(ctx context.Context, client *sso.Client, place ssoPlace, token sso.Token) (sso.Token, error) {
	now := time.Now()
	if token.Expires.Sub(now) > refreshEarly || !token.CanRefresh(now) {
		return token, nil
	}
	name, err := v.ssoFile(place)
	if err != nil {
		return sso.Token{}, err
	}
	current, refreshed := token, false
	err = v.active.sys.update(ctx, name, func(old []byte) ([]byte, error) {
		if t, err := sso.ParseToken(old); err == nil {
			current = v.later(name, t)
		}
		if time.Until(current.Expires) > refreshEarly || !current.CanRefresh(time.Now()) {
			return nil, nil // somebody else has refreshed it, or signed in
		}
		// Once the service has given a new refresh token the old one is worth nothing, so that a caller who
		// leaves must not end this.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshLimit)
		defer cancel()
		t, err := client.Refresh(ctx, current)
		if err != nil {
			return nil, err
		}
		current, refreshed = t, true
		return t.File()
	})
	if refreshed {
		v.keep(name, current, err == nil)
	} else if err != nil {
		// A tool that takes no lock may have used the refresh token meanwhile, and left a new session.
		if again, e := v.ssoToken(place); e == nil && again.AccessToken != current.AccessToken {
			current = again
		}
	}
	switch {
	case refreshed, current.Expires.After(time.Now()):
		return current, nil
	case err == nil:
		return sso.Token{}, place.signIn(current.Expires, nil)
	case needsSignIn(err):
		return sso.Token{}, place.signIn(current.Expires, err)
	}
	return sso.Token{}, &failure{what: "the SSO session could not be refreshed", err: err}
}

func needsSignIn(err error) bool {
	var refused *sso.Error
	return errors.As(err, &refused) && refused.NeedsSignIn()
}

// SSOSession is what a sign-in has left behind.
type SSOSession struct {
	Name     string // of the sso-session; "" for the legacy form
	StartURL string
	Expires  time.Time // of the access token, which is refreshed as long as Identity Center allows
	File     string    // where the session is kept
}

// SSOSignIn signs a person in to IAM Identity Center for the active profile: show tells them which page to visit and
// the code that it must show, and SSOSignIn waits until they have confirmed it. The session is kept where every
// SDK and the AWS CLI find it. It fails if the profile names no SSO session, if show does, and when the person
// refuses or takes too long.
func SSOSignIn(ctx context.Context, c Config, show func(sso.Device) error) (SSOSession, error) {
	l := newLinks(c)
	ctx = walk.Start(ctx)
	p, err := l.shared.load(ctx)
	if err != nil {
		return SSOSession{}, err
	}
	place, err := l.shared.ssoPlace(ctx, p)
	if err != nil {
		return SSOSession{}, err
	}
	if !place.session.set() && !place.startURL.set() {
		return SSOSession{}, &failure{what: fmt.Sprintf("profile %s has neither sso_session nor sso_start_url", p.name),
			remedy: "choose a profile that signs in by SSO"}
	}
	if err := place.check(); err != nil {
		return SSOSession{}, err
	}
	client, err := l.services.ssoClient(ctx, place)
	if err != nil {
		return SSOSession{}, err
	}
	name, err := l.services.ssoFile(place)
	if err != nil {
		return SSOSession{}, err
	}
	token, err := client.SignIn(ctx, sso.SignInInput{ClientName: strings.TrimSuffix("credchain-"+place.session.value, "-"),
		StartURL: place.startURL.value, Scopes: place.scopes, Show: show})
	if err != nil {
		return SSOSession{}, err
	}
	file, err := token.File()
	if err == nil {
		err = l.sys.update(ctx, name, func([]byte) ([]byte, error) { return file, nil })
	}
	if err != nil {
		return SSOSession{}, &failure{what: "signed in, but the session could not be kept", err: err}
	}
	return SSOSession{Name: place.session.value, StartURL: place.startURL.value, Expires: token.Expires, File: name}, nil
}
