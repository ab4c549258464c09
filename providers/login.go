package providers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/dpop"
	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/internal/wire"
)

// Login gives the credentials of the session that `aws login` has left in AWS_LOGIN_CACHE_DIRECTORY, else in
// ~/.aws/login/cache. They last 15 minutes, and are renewed with the session's key as long as the session does;
// processes that do so at the same time make one request. Without a session, Retrieve fails with a [*SignInError].
//
// It is for a session that a program names in its code. [Default] finds the profile's login_session by itself.
type Login struct {
	Session string // the ARN that login_session has
	Region  string // "": AWS_REGION, AWS_DEFAULT_REGION, else the active profile's, else us-east-1
	System  System // zero: the real machine

	own alone
}

var _ credchain.Detector = (*Login)(nil)

// Name returns "login".
func (l *Login) Name() string { return "login" }

// Detect reads the session and tells whether it can be used.
func (l *Login) Detect(context.Context) (credchain.Evidence, error) {
	src, err := l.open()
	return src.evidence, err
}

// Retrieve returns the session's credentials.
func (l *Login) Retrieve(ctx context.Context) (aws.Credentials, error) {
	src, err := l.open()
	if err != nil {
		return aws.Credentials{}, err
	}
	return src.retrieve(walk.Start(ctx))
}

func (l *Login) open() (source, error) {
	session := trimmedSetting(l.Session, "Session", &credchain.Origin{Flag: "code", Key: "Session"})
	if !session.set() {
		return source{}, &failure{what: "the login has no Session"}
	}
	return l.own.services(Config{Region: l.Region}, &l.System).openLogin(session, "")
}

// openLogin finds login_session in a profile.
func openLogin(_ context.Context, s *profileSource, p *profile) (source, error) {
	session := p.get("login_session")
	if !session.set() {
		return source{}, p.absent("login_session")
	}
	return s.services.openLogin(session, p.name)
}

// loginPlace is a login session and the file that holds it.
type loginPlace struct {
	session       setting
	profile, file string
}

func (p loginPlace) signIn(expired time.Time, refusal error) error {
	return &SignInError{Profile: p.profile, Session: p.session.value, Expired: expired, login: true, err: refusal,
		Command: "aws login" + profileFlag(p.profile)}
}

func (v *services) openLogin(session setting, profile string) (source, error) {
	src := source{evidence: credchain.Evidence{Temporary: true, Summary: "the login session " + session.value,
		Origins: []credchain.Origin{session.origin()}, Warnings: trimmedWarnings(session)}}
	if err := session.check(); err != nil {
		return src, err
	}
	dir, err := v.loginDirectory()
	if err != nil {
		return src, err
	}
	sum := sha256.Sum256([]byte(session.value))
	place := loginPlace{session, profile, filepath.Join(dir, hex.EncodeToString(sum[:])+".json")}
	state, err := v.loginState(place)
	if err != nil {
		return src, err
	}
	src.retrieve = func(ctx context.Context) (aws.Credentials, error) { return v.loginCredentials(ctx, place, state) }
	return src, nil
}

func (v *services) loginDirectory() (string, error) {
	sys := v.active.sys
	if dir := sys.variable("AWS_LOGIN_CACHE_DIRECTORY"); dir.set() {
		if err := dir.check(); err != nil {
			return "", err
		}
		return sys.expand(dir.value)
	}
	home, err := sys.home()
	return filepath.Join(home, ".aws", "login", "cache"), err
}

// loginState is a login session as its file has it. What is not known here stays in it.
type loginState struct {
	all    map[string]json.RawMessage
	access map[string]json.RawMessage // the object accessToken in it

	creds                           aws.Credentials
	clientID, refreshToken, dpopKey string
}

func (v *services) loginState(place loginPlace) (*loginState, error) {
	raw, err := v.active.sys.readAtMost(place.file, maxCacheFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, place.signIn(time.Time{}, nil)
	}
	if err != nil {
		return nil, &failure{what: "the login session cannot be read", err: err}
	}
	state, err := parseLogin(raw)
	if err != nil {
		return nil, &failure{what: "the login session in " + place.file, err: err, remedy: remedyOf(place.signIn(time.Time{}, nil))}
	}
	return v.laterLogin(place.file, state), nil
}

// laterLogin and keepLogin are for login sessions what later and keep are for those of SSO.
func (v *services) laterLogin(file string, state *loginState) *loginState {
	v.mu.Lock()
	defer v.mu.Unlock()
	if unsaved := v.unsavedIn[file]; unsaved != nil && unsaved.creds.Expires.After(state.creds.Expires) {
		return unsaved.clone()
	}
	return state
}

func (s *loginState) clone() *loginState {
	c := *s
	c.all, c.access = maps.Clone(s.all), maps.Clone(s.access)
	return &c
}

func (v *services) keepLogin(file string, state *loginState, written bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if written {
		delete(v.unsavedIn, file)
		return
	}
	if v.unsavedIn == nil {
		v.unsavedIn = make(map[string]*loginState)
	}
	v.unsavedIn[file] = state.clone()
}

// parseLogin reads the file of a login session. Its errors name a field and never quote one.
func parseLogin(raw []byte) (*loginState, error) {
	s := &loginState{}
	if json.Unmarshal(raw, &s.all) != nil || s.all == nil {
		return nil, errors.New("it is not a JSON object")
	}
	if json.Unmarshal(s.all["accessToken"], &s.access) != nil || s.access == nil {
		return nil, errors.New("accessToken is not a JSON object")
	}
	var expires string
	s.creds = aws.Credentials{Source: "Login", CanExpire: true}
	for _, f := range [...]struct {
		in   map[string]json.RawMessage
		name string
		to   *string
	}{
		{s.access, "accessKeyId", &s.creds.AccessKeyID},
		{s.access, "secretAccessKey", &s.creds.SecretAccessKey},
		{s.access, "sessionToken", &s.creds.SessionToken},
		{s.access, "accountId", &s.creds.AccountID},
		{s.access, "expiresAt", &expires},
		{s.all, "clientId", &s.clientID},
		{s.all, "refreshToken", &s.refreshToken},
		{s.all, "dpopKey", &s.dpopKey},
	} {
		if json.Unmarshal(f.in[f.name], f.to) != nil || *f.to == "" {
			return nil, fmt.Errorf("%s is missing, or no text", f.name)
		}
		if f.name != "dpopKey" && strings.ContainsFunc(*f.to, isControl) {
			return nil, fmt.Errorf("%s holds a control character", f.name)
		}
	}
	var err error
	if s.creds.Expires, err = time.Parse(time.RFC3339, expires); err != nil {
		return nil, errors.New("expiresAt is not a time in the form of RFC 3339")
	}
	return s, nil
}

// file is the session as it is written: what has changed, and everything else as it was.
func (s *loginState) file() []byte {
	put := func(in map[string]json.RawMessage, name string, v any) {
		in[name], _ = json.Marshal(v) // strings and objects of strings: it cannot fail
	}
	put(s.access, "accessKeyId", s.creds.AccessKeyID)
	put(s.access, "secretAccessKey", s.creds.SecretAccessKey)
	put(s.access, "sessionToken", s.creds.SessionToken)
	put(s.access, "expiresAt", s.creds.Expires.UTC().Format("2006-01-02T15:04:05Z"))
	put(s.all, "accessToken", s.access)
	put(s.all, "refreshToken", s.refreshToken)
	raw, _ := json.Marshal(s.all)
	return raw
}

// loginCredentials returns the session's credentials, renewed if that is due. While they are renewed the file is
// locked; whoever comes second finds the new ones there. If the renewal fails, credentials that are still good
// are used.
func (v *services) loginCredentials(ctx context.Context, place loginPlace, state *loginState) (aws.Credentials, error) {
	lasts := func(margin time.Duration) bool { return time.Until(state.creds.Expires) > margin }
	if lasts(refreshEarly) {
		return state.creds, nil
	}
	client, err := v.loginClient(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	renewed := false
	err = v.active.sys.update(ctx, place.file, func(old []byte) ([]byte, error) {
		if s, err := parseLogin(old); err == nil {
			state = v.laterLogin(place.file, s)
		}
		if lasts(refreshEarly) {
			return nil, nil // somebody else has renewed them, or signed in
		}
		// As with SSO, a caller who leaves must not end this.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshLimit)
		defer cancel()
		if err := client.renew(ctx, state); err != nil {
			return nil, err
		}
		renewed = true
		return state.file(), nil
	})
	if renewed {
		v.keepLogin(place.file, state, err == nil)
	} else if err != nil {
		// A tool that takes no lock may have used the refresh token meanwhile, and left new credentials.
		if again, e := v.loginState(place); e == nil {
			state = again
		}
	}
	var refused *loginError
	switch {
	case renewed, lasts(0):
		return state.creds, nil
	case errors.As(err, &refused) && refused.over():
		return aws.Credentials{}, place.signIn(state.creds.Expires, refused)
	case err == nil:
		return aws.Credentials{}, place.signIn(state.creds.Expires, nil)
	}
	f := &failure{what: "the login session could not be renewed", err: err}
	if refused != nil && refused.code == "INSUFFICIENT_PERMISSIONS" {
		f.remedy = "let whoever has signed in call signin:CreateOAuth2Token"
	}
	return aws.Credentials{}, f
}

// loginClient calls the sign-in service.
type loginClient struct {
	url       string
	transport http.RoundTripper
}

const loginAttempt = 10 * time.Second

func (v *services) loginClient(ctx context.Context) (*loginClient, error) {
	c, err := v.calling(ctx, "SIGNIN")
	if err != nil {
		return nil, err
	}
	rt, err := v.carrier(c)
	if err != nil {
		return nil, err
	}
	base := c.endpoint.value
	switch {
	case c.dualStack:
		return nil, &failure{what: "the sign-in service has no dual-stack endpoint for this", remedy: "turn off dual-stack endpoints for this profile"}
	case c.endpoint.set() && c.fips:
		return nil, &failure{what: c.endpoint.where() + " and FIPS endpoints exclude one another", remedy: "turn off one of them"}
	case !c.endpoint.set():
		region, err := v.regionToCall(ctx)
		if err != nil {
			return nil, err
		}
		if err := endpoint.CheckRegion(region.value); err != nil {
			return nil, badRegion(region, err)
		}
		if base, err = signinURL(region.value, c.fips); err != nil {
			return nil, err
		}
	}
	return &loginClient{strings.TrimSuffix(base, "/") + "/v1/token", rt}, nil
}

// signinURL is the address of the sign-in service, whose names follow no pattern (the SDKs' endpoint rules).
func signinURL(region string, fips bool) (string, error) {
	gov := strings.HasPrefix(region, "us-gov-")
	switch {
	case fips && gov:
		return "https://" + region + ".signin-fips.amazonaws-us-gov.com", nil
	case fips:
		return "", &failure{what: "the sign-in service has no FIPS endpoint in " + region, remedy: "turn off FIPS endpoints for this profile"}
	}
	suffix := "aws.amazon.com"
	for _, p := range [...]struct{ prefix, suffix string }{
		{"cn-", "amazonaws.cn"},
		{"us-gov-", "amazonaws-us-gov.com"},
		{"eusc-", "amazonaws-eusc.eu"},
		{"us-iso-", "c2shome.ic.gov"},
		{"us-isob-", "sc2shome.sgov.gov"},
		{"us-isof-", "csphome.hci.ic.gov"},
		{"eu-isoe-", "csphome.adc-e.uk"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			suffix = p.suffix
		}
	}
	return "https://" + region + ".signin." + suffix, nil
}

// loginError is an answer that refuses. Its codes are those of CreateOAuth2Token.
type loginError struct{ answerError }

// over reports whether only a new sign-in helps.
func (e *loginError) over() bool {
	switch e.code {
	case "TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED", "AUTHCODE_EXPIRED":
		return true
	}
	return false
}

// renew exchanges the refresh token for new credentials, which it puts into s.
func (c *loginClient) renew(ctx context.Context, s *loginState) error {
	body, err := json.Marshal(map[string]string{"clientId": s.clientID, "grantType": "refresh_token", "refreshToken": s.refreshToken})
	if err != nil {
		return err
	}
	return backoff.Policy{}.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, loginAttempt)
		defer cancel()
		proof, err := dpop.Proof([]byte(s.dpopKey), http.MethodPost, c.url, time.Now())
		if err != nil {
			return backoff.Permanent(fmt.Errorf("dpopKey: %w", err))
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
		req.Header.Set("User-Agent", "credchain")
		req.Header.Set("DPoP", proof)
		resp, err := wire.Do(c.transport, req)
		if err != nil {
			return fmt.Errorf("%s: %w", c.url, err)
		}
		if resp.StatusCode != http.StatusOK {
			return refusedLogin(resp, s.refreshToken, proof)
		}
		if err := s.take(resp.Body); err != nil {
			return fmt.Errorf("%s: %w", c.url, err)
		}
		return nil
	})
}

func refusedLogin(resp *wire.Response, secrets ...string) error {
	var d struct{ Error, Message string }
	_ = json.Unmarshal(resp.Body, &d) // any other body says nothing that may be shown
	return backoff.Hinted(resp.Header, &loginError{answerError{resp.StatusCode, wire.Clean(d.Error, secrets...), wire.Clean(d.Message, secrets...)}})
}

// take takes over what an answer gives.
func (s *loginState) take(body []byte) error {
	var d struct {
		AccessToken  struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		ExpiresIn    int64
		RefreshToken string
	}
	if json.Unmarshal(body, &d) != nil {
		return errors.New("the answer is not JSON of the expected form")
	}
	t := d.AccessToken
	for _, f := range [...]struct{ name, value string }{
		{"accessKeyId", t.AccessKeyId}, {"secretAccessKey", t.SecretAccessKey},
		{"sessionToken", t.SessionToken}, {"refreshToken", d.RefreshToken},
	} {
		if f.value == "" || strings.ContainsFunc(f.value, isControl) {
			return fmt.Errorf("the answer has no %s, or one with control characters", f.name)
		}
	}
	if d.ExpiresIn <= 0 || d.ExpiresIn > 86400 {
		return errors.New("the answer has no expiresIn, or one out of bounds")
	}
	s.creds.AccessKeyID, s.creds.SecretAccessKey, s.creds.SessionToken = t.AccessKeyId, t.SecretAccessKey, t.SessionToken
	s.creds.Expires = time.Now().Add(time.Duration(d.ExpiresIn) * time.Second).Round(0).Truncate(time.Second)
	s.refreshToken = d.RefreshToken
	return nil
}
