package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/ini"
	"github.com/credchain/credchain/sts"
)

// source is a place that a profile names for its credentials, found and ready to be asked.
type source struct {
	evidence credchain.Evidence
	retrieve func(context.Context) (aws.Credentials, error)
}

// opener looks for one kind of source in a profile. Its error wraps ErrNotConfigured if the profile does not
// ask for that kind.
type opener func(context.Context, *profileSource, *profile) (source, error)

// profileLink is the link of a chain for one kind of source of the active profile.
type profileLink struct {
	label  string
	open   opener
	shared *profileSource
}

var _ credchain.Detector = (*profileLink)(nil)

func (l *profileLink) Name() string { return l.label }

func (l *profileLink) source(ctx context.Context) (source, error) {
	p, err := l.shared.load(ctx)
	if err != nil {
		return source{}, err
	}
	return l.open(ctx, l.shared, p)
}

func (l *profileLink) Detect(ctx context.Context) (credchain.Evidence, error) {
	src, err := l.source(ctx)
	return src.evidence, err
}

func (l *profileLink) Retrieve(ctx context.Context) (aws.Credentials, error) {
	src, err := l.source(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return src.retrieve(ctx)
}

// graph is what a profile with a role comes to: roles to assume, each with the credentials of the one after it,
// and what the last is assumed with.
type graph struct {
	hops []hop
	base base
}

// hop is a role that a profile names.
type hop struct {
	profile *profile
	role    setting
	serial  setting // MFA device
	params  sts.AssumeRoleInput
}

// base is where a graph's credentials begin.
type base struct {
	source
	what string // in words: "profile base (sso)"
	link string // the name of the kind of source
}

// maxHops bounds a graph. Each hop is a request, and reads the shared files once.
const maxHops = 100

// openRole finds role_arn with a source. A role without a source is an error: to assume it from whatever comes
// next in the chain would be a guess.
func openRole(ctx context.Context, s *profileSource, p *profile) (source, error) {
	if !p.assumes() {
		return source{}, p.absent("role_arn")
	}
	role := p.get("role_arn")
	ev := credchain.Evidence{Summary: role.name, Origins: []credchain.Origin{role.origin()}, Temporary: true}
	g, err := s.graph(ctx, p)
	if err != nil {
		return source{evidence: ev}, err
	}
	return source{
		evidence: g.evidence(),
		retrieve: func(ctx context.Context) (aws.Credentials, error) { return s.services.walkUp(ctx, g) },
	}, nil
}

// assumes reports whether the profile has a role to be assumed with other credentials than a web identity token.
func (p *profile) assumes() bool {
	return p.get("role_arn").set() && !p.get("web_identity_token_file").set()
}

// hasKeys reports whether the profile has at least half a key pair in one of its files.
func (p *profile) hasKeys() bool {
	return p.get(keyNames.id).set() || p.get(keyNames.secret).set()
}

// graph follows the sources of p's role. A source profile with keys ends it, whatever else that profile has.
func (s *profileSource) graph(ctx context.Context, p *profile) (*graph, error) {
	g := &graph{}
	visited := []string{p.name}
	for {
		h, err := p.hop()
		if err != nil {
			return nil, err
		}
		g.hops = append(g.hops, h)
		from, with := p.get("source_profile"), p.get("credential_source")
		switch {
		case from.set() && with.set():
			return nil, &failure{
				what:   fmt.Sprintf("profile %s has both %s and %s", p.name, from.where(), with.where()),
				remedy: "keep one of them",
			}
		case with.set():
			if g.base, err = s.named(ctx, with); err != nil {
				return nil, err
			}
			return g, nil
		case !from.set():
			return nil, &failure{
				what:   fmt.Sprintf("profile %s has %s and nothing that says whose credentials assume it", p.name, h.role.where()),
				remedy: "add source_profile, credential_source or web_identity_token_file",
			}
		}
		again := slices.Contains(visited, from.value)
		visited = append(visited, from.value)
		if again && (from.value != p.name || !p.hasKeys()) {
			return nil, loop(visited, from)
		}
		next, err := s.sourceProfile(ctx, p, from)
		if err != nil {
			return nil, err
		}
		if !next.assumes() || next.hasKeys() {
			if g.base, err = s.base(ctx, next, from); err != nil {
				return nil, err
			}
			return g, g.inheritDevice(next)
		}
		if len(g.hops) == maxHops {
			return nil, &failure{what: fmt.Sprintf("more than %d roles are to be assumed one after the other, up to profile %s", maxHops, next.name)}
		}
		p = next
	}
}

func loop(visited []string, at setting) error {
	return &failure{
		what:   fmt.Sprintf("%s closes a loop of source profiles: %s", at.where(), strings.Join(visited, " -> ")),
		remedy: "let the last of them have credentials of its own",
	}
}

// sourceProfile reads the profile that from names.
func (s *profileSource) sourceProfile(ctx context.Context, p *profile, from setting) (*profile, error) {
	next, err := s.find(ctx, from, true)
	if err != nil {
		return nil, &failure{what: fmt.Sprintf("the source profile of profile %s", p.name), err: err}
	}
	return next, nil
}

// kindsOfSource are the kinds of a source profile, in the AWS CLI's order.
var kindsOfSource = [...]struct {
	link string
	open opener
}{
	{"web-identity", openProfileToken},
	{"sso", openSSO},
	{"credentials-file", openCredentialsKeys},
	{"login", openLogin},
	{"process", openProcess},
	{"config-file", openConfigKeys},
}

// base finds what a source profile without a role of its own gives.
func (s *profileSource) base(ctx context.Context, p *profile, from setting) (base, error) {
	for _, kind := range kindsOfSource {
		src, err := kind.open(ctx, s, p)
		switch {
		case err == nil:
			return base{src, "profile " + p.name + " (" + kind.link + ")", kind.link}, nil
		case !errors.Is(err, credchain.ErrNotConfigured):
			return base{}, &failure{what: fmt.Sprintf("profile %s, named by %s", p.name, from.where()), err: err}
		}
	}
	return base{}, &failure{
		what:   fmt.Sprintf("profile %s, named by %s, has no credentials", p.name, from.where()),
		remedy: "give it keys, a role, or another source",
	}
}

// named finds the source that credential_source names. The names are the AWS CLI's, in its spelling.
func (s *profileSource) named(ctx context.Context, by setting) (base, error) {
	b := base{what: "credential_source " + by.value}
	var link interface {
		credchain.Provider
		credchain.Detector
	}
	switch by.value {
	case "Environment":
		b.link, link = "environment", &Environment{System: *s.sys, named: true}
	case "EcsContainer":
		b.link, link = "container", s.services.containerLink()
	case "Ec2InstanceMetadata":
		b.link, link = "instance-profile", s.services.instanceLink()
	default:
		return base{}, &failure{
			what:   fmt.Sprintf("%s is none of Environment, Ec2InstanceMetadata and EcsContainer", by.where()),
			remedy: "write one of them, in this spelling",
		}
	}
	ev, err := link.Detect(ctx)
	ev.Origins = append([]credchain.Origin{by.origin()}, ev.Origins...)
	b.source = source{evidence: ev, retrieve: link.Retrieve}
	if err != nil {
		return base{}, final(by.where(), err)
	}
	return b, nil
}

// final makes an error of a source that is wanted by name one that ends the walk, also if the source says that it
// is not configured.
func final(what string, err error) error {
	remedy := remedyOf(err)
	if errors.Is(err, credchain.ErrNotConfigured) {
		text := strings.TrimSuffix(err.Error(), ": "+credchain.ErrNotConfigured.Error())
		err = errors.New(text)
	}
	return &failure{what: what, err: err, remedy: remedy}
}

// hop reads the role of a profile and checks how it is to be assumed.
func (p *profile) hop() (hop, error) {
	h := hop{profile: p, role: p.get("role_arn"), serial: p.get("mfa_serial")}
	name, external := p.get("role_session_name"), p.get("external_id")
	for _, s := range [...]setting{h.role, h.serial, name, external} {
		if err := s.check(); err != nil {
			return hop{}, err
		}
	}
	duration, err := p.duration()
	if err != nil {
		return hop{}, err
	}
	h.params = sts.AssumeRoleInput{RoleARN: h.role.value, SessionName: name.value, ExternalID: external.value, Duration: duration}
	return h, nil
}

// The durations of a role's session, from the documentation of AssumeRole.
const (
	minDuration     = 900 * time.Second
	maxDuration     = 43200 * time.Second
	chainedDuration = 3600 * time.Second // with the credentials of another role
)

// duration reads duration_seconds, 0 if it is not set.
func (p *profile) duration() (time.Duration, error) {
	s := p.get("duration_seconds")
	if !s.set() {
		return 0, nil
	}
	n, err := strconv.Atoi(s.value)
	d := time.Duration(n) * time.Second
	if err != nil || n > 1e6 || d < minDuration || d > maxDuration {
		return 0, &failure{what: fmt.Sprintf("%s is not a number from 900 to 43200", s.where())}
	}
	return d, nil
}

// inheritDevice lets the role that keys of a user assume use the MFA device which stands beside those keys.
func (g *graph) inheritDevice(of *profile) error {
	last := &g.hops[len(g.hops)-1]
	if !last.serial.set() && (g.base.link == "credentials-file" || g.base.link == "config-file") {
		last.serial = of.get("mfa_serial")
	}
	return last.serial.check()
}

// chained reports whether hop i is assumed with the credentials of another role.
func (g *graph) chained(i int) bool {
	if i < len(g.hops)-1 {
		return true
	}
	switch g.base.link {
	case "web-identity", "sso", "container", "instance-profile":
		return true
	}
	return false
}

// caller says in words whose credentials assume hop i.
func (g *graph) caller(i int) string {
	if i < len(g.hops)-1 {
		return fmt.Sprintf("profile %s (role %s)", g.hops[i+1].profile.name, g.hops[i+1].role.value)
	}
	return g.base.what
}

// evidence describes the graph.
func (g *graph) evidence() credchain.Evidence {
	ev := credchain.Evidence{Temporary: true}
	var roles []string
	for i, h := range g.hops {
		roles = append(roles, "role "+h.role.value)
		ev.Origins = append(ev.Origins, h.role.origin())
		ev.Warnings = append(ev.Warnings, trimmedWarnings(h.profile.choice)...)
		if h.params.Duration > chainedDuration && g.chained(i) {
			ev.Warnings = append(ev.Warnings, credchain.Warning{Code: "chained-duration", Message: fmt.Sprintf(
				"%s asks for more than an hour, which STS refuses to a role that is assumed with another role's credentials: one hour is asked for",
				h.profile.get("duration_seconds").where())})
		}
		if h.serial.set() && i < len(g.hops)-1 {
			ev.Warnings = append(ev.Warnings, credchain.Warning{Code: "mfa-of-a-role", Message: fmt.Sprintf(
				"%s is not used: only a user's own keys can show an MFA code, and this role is assumed with another role's credentials",
				h.serial.where())})
		}
	}
	ev.Summary = strings.Join(roles, ", with ") + ", with " + g.base.what
	ev.Origins = append(ev.Origins, g.base.evidence.Origins...)
	ev.Warnings = append(ev.Warnings, g.base.evidence.Warnings...)
	return ev
}

// walkUp assumes the roles of a graph, from its base to its top.
func (v *services) walkUp(ctx context.Context, g *graph) (aws.Credentials, error) {
	creds, refused, err := v.climb(ctx, g)
	if refused.HasKeys() {
		// What was kept may be no good any more, though it has not expired: once more, without it.
		v.reject(refused)
		creds, _, err = v.climb(ctx, g)
	}
	return creds, err
}

// climb returns the credentials of the top, or those that STS refused on the way, if they had been kept from before.
func (v *services) climb(ctx context.Context, g *graph) (creds, refused aws.Credentials, err error) {
	creds, err = g.base.retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, aws.Credentials{}, final(fmt.Sprintf("profile %s: the credentials of %s, which assume role %s",
			g.hops[0].profile.name, g.base.what, g.hops[len(g.hops)-1].role.value), err)
	}
	if g.base.link == "instance-profile" {
		ctx = context.WithValue(ctx, onInstance{}, v.instanceLink())
	}
	for i := len(g.hops) - 1; i >= 0; i-- {
		h := g.hops[i]
		if g.chained(i) {
			h.params.Duration = min(h.params.Duration, chainedDuration)
		}
		serial := h.serial.value
		if i < len(g.hops)-1 {
			serial = ""
		}
		caller := creds
		creds, err = v.assume(ctx, caller, h.params, serial)
		if err != nil {
			if refusedKeys(err) && v.sharing.wasKept(caller) {
				refused = caller
			}
			return aws.Credentials{}, refused, &failure{
				what: fmt.Sprintf("profile %s: role %s could not be assumed with the credentials of %s",
					h.profile.name, h.role.value, g.caller(i)),
				err: err, remedy: assumeRemedy(err),
			}
		}
	}
	return creds, aws.Credentials{}, nil
}

// openCredentialsKeys and openConfigKeys find the access key in one of the files.
func openCredentialsKeys(_ context.Context, _ *profileSource, p *profile) (source, error) {
	return p.openKeys(p.credentials, p.credentialsFile, "SharedCredentialsFile")
}

func openConfigKeys(_ context.Context, _ *profileSource, p *profile) (source, error) {
	return p.openKeys(p.config, p.configFile, "SharedConfigFile")
}

func (p *profile) openKeys(section *ini.Section, file sharedFile, name string) (source, error) {
	ev, creds, err := p.keys(section, file, name)
	return source{ev, func(context.Context) (aws.Credentials, error) { return creds, nil }}, err
}
