package providers

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/credchain/credchain/sso"
)

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
	token = v.unsavedSSO.later(name, token, token.Expires)
	now := time.Now()
	if !token.Expires.After(now) && !token.CanRefresh(now) {
		return sso.Token{}, place.signIn(token.Expires, nil)
	}
	return token, nil
}

const maxCacheFile = 1 << 20

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
			current = v.unsavedSSO.later(name, t, t.Expires)
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
		v.unsavedSSO.keep(name, current, current.Expires, err == nil)
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
