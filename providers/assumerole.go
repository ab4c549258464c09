package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/sts"
)

// AssumeRole assumes a role with the credentials of another provider, which may be a whole chain. How STS is
// called (endpoint, FIPS, dual stack, CA bundle) the environment and the active profile say.
//
// It is for a role that a program names in its code. A role that a profile names needs none of this: [Default]
// assumes it. Put it into a [credchain.Chain], which caches; alone, each Retrieve is a call.
type AssumeRole struct {
	Source  aws.CredentialsProvider // whose credentials assume the role; nil is an error
	RoleARN string

	SessionName       string        // shown in the role's ARN and in CloudTrail; "": one is made up
	Duration          time.Duration // of the credentials, from 15 minutes up to what the role allows; 0: an hour
	ExternalID        string        // that the role's trust policy wants
	SourceIdentity    string        // kept through all roles that are assumed from this one
	Policy            string        // a JSON document that takes permissions away
	PolicyARNs        []string      // managed policies that do the same
	Tags              []sts.Tag     // of the session
	TransitiveTagKeys []string      // of the tags that stay through the roles assumed from this one

	// SerialNumber names the MFA device that the role wants. A person is asked for its code: once for all roles
	// with the same Sessions if Source gives a user's keys.
	SerialNumber string
	Sessions     *Sessions // nil: this provider has its own

	Profile string // whose settings say how STS is called; "": AWS_PROFILE, AWS_DEFAULT_PROFILE, else default
	Region  string // "": AWS_REGION, AWS_DEFAULT_REGION, else the profile's, else us-east-1
	System  System // zero: the real machine

	Store     store.Store // see Config
	NoSharing bool        // see Config

	own alone
}

var _ credchain.Detector = (*AssumeRole)(nil)

// Name returns "assume-role".
func (a *AssumeRole) Name() string { return "assume-role" }

// Detect names the role. It asks nobody.
func (a *AssumeRole) Detect(context.Context) (credchain.Evidence, error) {
	ev := credchain.Evidence{Summary: "role " + a.RoleARN, Temporary: true, Origins: []credchain.Origin{{Flag: "code", Key: "RoleARN"}}}
	switch {
	case a.RoleARN == "":
		return ev, &failure{what: "the role to assume has no RoleARN"}
	case a.Source == nil:
		return ev, &failure{what: "role " + a.RoleARN + " has no Source, whose credentials would assume it"}
	}
	return ev, nil
}

// Retrieve asks the source for its credentials and STS for those of the role. It fails if the source does; a
// source that is not configured is an error as well, since the role is. Credentials that STS refuses as expired or
// unknown are reported to a source that has a method Reject, such as a chain, which is asked once more.
func (a *AssumeRole) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if _, err := a.Detect(ctx); err != nil {
		return aws.Credentials{}, err
	}
	ctx = walk.Start(ctx)
	caller, err := a.caller(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	creds, err := a.assume(ctx, caller)
	if source, ok := a.Source.(interface{ Reject(aws.Credentials) }); ok && refusedKeys(err) {
		source.Reject(caller)
		other, e := a.caller(ctx)
		if e != nil { // it says more than the refusal, which it would not have heard of
			return aws.Credentials{}, fmt.Errorf("%w, after STS had refused those before: %w", e, err)
		}
		if other.AccessKeyID != caller.AccessKeyID {
			creds, err = a.assume(ctx, other)
		}
	}
	if err != nil {
		return aws.Credentials{}, &failure{what: "role " + a.RoleARN + " could not be assumed", err: err, remedy: assumeRemedy(err)}
	}
	return creds, nil
}

// caller returns the credentials of the source.
func (a *AssumeRole) caller(ctx context.Context) (aws.Credentials, error) {
	creds, err := a.Source.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, final("the credentials that assume role "+a.RoleARN, err)
	}
	if !creds.HasKeys() {
		return aws.Credentials{}, &failure{what: "the credentials that assume role " + a.RoleARN + " are empty"}
	}
	return creds, nil
}

func (a *AssumeRole) assume(ctx context.Context, caller aws.Credentials) (aws.Credentials, error) {
	v := a.own.services(Config{Profile: a.Profile, Region: a.Region, Sessions: a.Sessions, Store: a.Store, NoSharing: a.NoSharing}, &a.System)
	return v.assume(ctx, caller, sts.AssumeRoleInput{
		RoleARN: a.RoleARN, SessionName: a.SessionName, Duration: a.Duration, ExternalID: a.ExternalID,
		SourceIdentity: a.SourceIdentity, Policy: a.Policy, PolicyARNs: a.PolicyARNs,
		Tags: a.Tags, TransitiveTagKeys: a.TransitiveTagKeys,
	}, a.SerialNumber)
}

// Reject makes sure that credentials which a service refused do not come out of what the process or a Store keeps; see
// [credchain.Provider].
func (a *AssumeRole) Reject(creds aws.Credentials) { a.own.reject(creds) }

// Invalidate is like Reject, for all credentials up to now, and for those of Source.
func (a *AssumeRole) Invalidate() {
	a.own.forget()
	if source, ok := a.Source.(interface{ Invalidate() }); ok {
		source.Invalidate()
	}
}

// alone has the services of a provider that is used without a chain's links.
type alone struct {
	once sync.Once
	made atomic.Bool
	s    *services
}

// reject and forget are those of the services; before the first call there is nothing to reject.
func (a *alone) reject(c aws.Credentials) {
	if a.made.Load() {
		a.s.reject(c)
	}
}

func (a *alone) forget() {
	if a.made.Load() {
		a.s.forget()
	}
}

// services makes them at the first call. c has no System: sys is that of the provider.
func (a *alone) services(c Config, sys *System) *services {
	a.once.Do(func() {
		defer a.made.Store(true)
		if c.Sessions == nil {
			c.Sessions = new(Sessions)
		}
		a.s = &services{active: &profileSource{sys: sys, name: c.Profile, flag: "code"}, sessions: c.Sessions,
			region: trimmedSetting(c.Region, "the region", &credchain.Origin{Flag: "code", Key: "Region"})}
		a.s.sharing.store, a.s.sharing.off = c.Store, c.NoSharing
		a.s.active.services = a.s
	})
	return a.s
}

// assume calls AssumeRole with the given credentials. serial names an MFA device whose code is to be shown.
func (v *services) assume(ctx context.Context, with aws.Credentials, in sts.AssumeRoleInput, serial string) (aws.Credentials, error) {
	client, err := v.stsClient(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	if serial == "" || with.SessionToken != "" {
		return v.assumeWith(ctx, client, with, in, serial)
	}
	session, err := v.sessions.get().open(ctx, v, client, with, serial)
	if err != nil {
		return aws.Credentials{}, err
	}
	creds, err := v.assumeWith(ctx, client, session, in, "")
	if !worthAnotherCode(err, session) || walk.InBackground(ctx) {
		return creds, err
	}
	v.reject(session)
	if session, err = v.sessions.get().open(ctx, v, client, with, serial); err != nil {
		return aws.Credentials{}, err
	}
	return v.assumeWith(ctx, client, session, in, "")
}

// worthAnotherCode reports whether a role may have been refused for the age of the MFA session: STS says that it has
// ended, or the role wants a code that was shown lately. Of a session that is new a person is not asked again.
func worthAnotherCode(err error, session aws.Credentials) bool {
	var refused *sts.Error
	if !errors.As(err, &refused) || !session.CanExpire {
		return false
	}
	old := time.Until(session.Expires) < mfaDuration-15*time.Minute
	return old && (refusedKeys(err) || refused.Code == "AccessDenied")
}

// mfaDuration is how long a session of GetSessionToken lasts where nothing else is asked for.
const mfaDuration = 12 * time.Hour

// assumeWith calls AssumeRole. Keys of a session open no other, so that a code is shown with the role itself.
func (v *services) assumeWith(ctx context.Context, client *sts.Client, with aws.Credentials, in sts.AssumeRoleInput, serial string) (aws.Credentials, error) {
	creds, err := v.through(ctx, roleKey(client, with, in, serial), true, func(ctx context.Context) (aws.Credentials, error) {
		in := in
		if serial != "" {
			code, err := v.sessions.get().code(ctx, v.active.sys, serial)
			if err != nil {
				return aws.Credentials{}, err
			}
			in.SerialNumber, in.TokenCode = serial, code
		}
		out, err := client.AssumeRole(carry(ctx, with), in)
		return out.Credentials, err
	})
	if err != nil {
		return aws.Credentials{}, err
	}
	creds.Source = "AssumeRole"
	return creds, nil
}

// roleKey has all that a role's session depends on. The keys that sign stand for whoever has them.
func roleKey(client *sts.Client, with aws.Credentials, in sts.AssumeRoleInput, serial string) store.Key {
	k := store.Key{Operation: "AssumeRole", Caller: callerOf(with), Service: client.Region + " " + client.Endpoint,
		RoleARN: in.RoleARN, SessionName: in.SessionName, ExternalID: in.ExternalID, SourceIdentity: in.SourceIdentity,
		Policy: in.Policy, SerialNumber: serial, PolicyARNs: in.PolicyARNs, TransitiveTagKeys: in.TransitiveTagKeys, Duration: in.Duration}
	for _, t := range in.Tags {
		k.Tags = append(k.Tags, [2]string{t.Key, t.Value})
	}
	return k
}

// assumeRemedy is what to do when STS refuses a role. AccessDenied stands for several causes, which STS does not
// tell apart.
func assumeRemedy(err error) string {
	var refused *sts.Error
	if advice := remedyOf(err); advice != "" || !errors.As(err, &refused) {
		return advice
	}
	switch refused.Class() {
	case sts.ClassDenied:
		if strings.Contains(refused.Message, "sts:TagSession") {
			return "allow sts:TagSession beside sts:AssumeRole in the role's trust policy: the session's tags are passed on"
		}
		if refused.Code == "AccessDenied" {
			return "see that the role exists and trusts this caller, that the caller may call sts:AssumeRole on it, and that the external ID and MFA code are right: STS does not tell these apart"
		}
		return "see whose credentials these are, and whether they are still in use"
	case sts.ClassExpired:
		return "renew the credentials that assume the role"
	case sts.ClassThrottled:
		return "call STS less often: keep a chain instead of building one for each use"
	}
	return ""
}
