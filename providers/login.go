package providers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/walk"
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
	return v.unsavedLogin.later(place.file, state, state.creds.Expires), nil
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
			state = v.unsavedLogin.later(place.file, s, s.creds.Expires)
		}
		if lasts(refreshEarly) {
			return nil, nil // somebody else has renewed them, or signed in
		}
		// As with SSO, a caller who leaves must not end this.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshLimit)
		defer cancel()
		next, err := client.renew(ctx, state)
		if err != nil {
			return nil, err
		}
		state, renewed = next, true
		return state.file(), nil
	})
	if renewed {
		v.unsavedLogin.keep(place.file, state, state.creds.Expires, err == nil)
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
