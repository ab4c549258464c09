package providers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/sso"
)

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
