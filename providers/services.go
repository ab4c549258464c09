package providers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/internal/ini"
	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/internal/wire"
	"github.com/credchain/credchain/sso"
	"github.com/credchain/credchain/sts"
)

// services calls the services that give credentials for a profile: STS, IAM Identity Center and sign-in. How
// they are called the program says, the environment, and the active profile, also for the source profiles of a
// role, as the AWS CLI does it. One client and one transport serve all calls.
type services struct {
	active          *profileSource
	region          setting // that the program gave
	noDefaultRegion bool
	sessions        *Sessions
	sharing         sharing

	// The links of the chain for credential_source, so that they remember what they have learned. Nil: none yet.
	container *Container
	instance  *InstanceProfile

	mu         sync.Mutex
	sts        *sts.Client
	stsCalled  stsSettings                  // as sts was made for
	transports map[string]http.RoundTripper // by the CA bundle

	unsavedSSO   unsaved[sso.Token]
	unsavedLogin unsaved[*loginState]
}

// stsSettings are those of a client, by value.
type stsSettings struct {
	region, endpoint, bundle string
	fips, dualStack          bool
}

const (
	serviceConnect = 5 * time.Second
	maxBundle      = 16 << 20
)

// calling is how one service is called, but for its region.
type calling struct {
	endpoint        setting
	fips, dualStack bool
	bundle          setting
}

// calling finds the settings for a service, which has the given ID in variables and, in lower case, in a services
// section of the config file.
func (v *services) calling(ctx context.Context, id string) (calling, error) {
	p, err := v.active.load(ctx)
	if err != nil {
		return calling{}, err
	}
	at, err := v.endpointFor(ctx, p, id)
	if err != nil {
		return calling{}, err
	}
	return v.callingAt(p, at)
}

// callingAt finds the other settings.
func (v *services) callingAt(p *profile, at setting) (c calling, err error) {
	c.endpoint = at
	sys := v.active.sys
	if c.fips, err = sys.orKey("AWS_USE_FIPS_ENDPOINT", p, "use_fips_endpoint").flag(); err != nil {
		return calling{}, err
	}
	if c.dualStack, err = sys.orKey("AWS_USE_DUALSTACK_ENDPOINT", p, "use_dualstack_endpoint").flag(); err != nil {
		return calling{}, err
	}
	if c.bundle = sys.orKey("AWS_CA_BUNDLE", p, "ca_bundle"); c.bundle.check() != nil {
		return calling{}, c.bundle.check()
	}
	return c, nil
}

// orKey returns the variable, or if it is not set the profile's key.
func (s *System) orKey(variable string, p *profile, key string) setting {
	if v := s.variable(variable); v.set() {
		return v
	}
	return p.get(key)
}

// regionToCall returns the region that the program, the environment or the profile gives; for the instance's
// credentials the instance's own, and else the default.
func (v *services) regionToCall(ctx context.Context) (setting, error) {
	p, err := v.active.load(ctx)
	if err != nil {
		return setting{}, err
	}
	r := v.region
	if !r.set() {
		r = v.active.sys.first("AWS_REGION", "AWS_DEFAULT_REGION")
	}
	if !r.set() {
		r = p.get("region")
	}
	if instance, ok := ctx.Value(onInstance{}).(*InstanceProfile); ok && !r.set() {
		// What stands in for the service, as in Kubernetes, can have credentials and know no region.
		if known, err := instance.region(ctx); err == nil {
			r = known
		}
	}
	switch {
	case r.set():
		return r, r.check()
	case v.noDefaultRegion:
		return setting{}, ErrNoRegion
	}
	return setting{value: defaultRegion, name: "the default region", from: &credchain.Origin{Key: "default"}}, nil
}

// onInstance is the key of a context whose credentials are an instance's.
type onInstance struct{}

// endpointFor returns the URL that a setting wants called for the service, unset if none does.
func (v *services) endpointFor(ctx context.Context, p *profile, id string) (setting, error) {
	sys := v.active.sys
	ignored, err := sys.orKey("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", p, "ignore_configured_endpoint_urls").flag()
	if ignored || err != nil {
		return setting{}, err
	}
	url := sys.first("AWS_ENDPOINT_URL_"+id, "AWS_ENDPOINT_URL")
	if !url.set() {
		if url, err = v.active.inServices(ctx, p, strings.ToLower(id)); err != nil {
			return setting{}, err
		}
	}
	if !url.set() {
		url = p.get("endpoint_url")
	}
	if !url.set() {
		return setting{}, nil
	}
	if err := url.check(); err != nil {
		return setting{}, err
	}
	if _, err := endpoint.CheckURL(url.value); err != nil {
		return setting{}, &failure{what: url.where(), err: err}
	}
	return url, nil
}

// inServices returns the endpoint that the services section of the profile has for a service.
func (s *profileSource) inServices(ctx context.Context, p *profile, service string) (setting, error) {
	name := p.get("services")
	if !name.set() {
		return setting{}, nil
	}
	section, err := s.section(ctx, p, ini.Ref{Kind: ini.Services, Name: name.value}, name)
	if err != nil {
		return setting{}, err
	}
	of, _ := section.Get(service)
	for _, k := range of.Sub {
		if k.Name == "endpoint_url" {
			return trimmedSetting(k.Value, k.Name, &credchain.Origin{File: p.configFile.path, Line: k.Line,
				Section: "services " + name.value, Key: service + "." + k.Name}), nil
		}
	}
	return setting{}, nil
}

// section returns a section of the config file that by names.
func (s *profileSource) section(ctx context.Context, p *profile, ref ini.Ref, by setting) (*ini.Section, error) {
	if err := by.check(); err != nil {
		return nil, err
	}
	doc, err := s.readShared(ctx, &p.configFile, ref)
	if err != nil {
		return nil, err
	}
	section := doc.Section(ref)
	if section == nil {
		return nil, &failure{what: fmt.Sprintf("%s names the section [%s %s], which is not in %s",
			by.where(), sectionWord(ref.Kind), ref.Name, p.configFile.path)}
	}
	return section, section.Err
}

func sectionWord(k ini.Kind) string {
	if k == ini.SSOSession {
		return "sso-session"
	}
	return "services"
}

// carrier returns the transport that a service is called with.
func (v *services) carrier(c calling) (http.RoundTripper, error) {
	sys := v.active.sys
	if sys.Transport != nil {
		return sys.Transport, nil
	}
	if strings.HasPrefix(c.endpoint.value, "http:") {
		c.bundle = setting{} // nothing there to verify
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := v.transports[c.bundle.value]; t != nil {
		return t, nil
	}
	t := wire.NewTransport(serviceConnect)
	if c.bundle.set() {
		roots, err := sys.readBundle(c.bundle)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	if v.transports == nil {
		v.transports = make(map[string]http.RoundTripper)
	}
	v.transports[c.bundle.value] = t
	return t, nil
}

// readBundle reads the certificates that are trusted in place of the machine's own.
func (s *System) readBundle(name setting) (*x509.CertPool, error) {
	fail := func(err error) (*x509.CertPool, error) {
		return nil, &failure{what: "the CA bundle of " + name.where(), err: err,
			remedy: "name a readable file of PEM certificates, or unset it to trust those of this machine"}
	}
	path, err := s.expand(name.value)
	if err != nil {
		return fail(err)
	}
	pem, err := s.readAtMost(path, maxBundle)
	if err != nil {
		return fail(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fail(fmt.Errorf("%s holds no PEM certificate", path))
	}
	return pool, nil
}

// stsClient returns the client of STS. Its requests are signed with the credentials that the context carries. As long
// as the settings are the same it is the same client, which remembers the service's clock.
func (v *services) stsClient(ctx context.Context) (*sts.Client, error) {
	c, err := v.calling(ctx, "STS")
	if err != nil {
		return nil, err
	}
	region, err := v.regionToCall(ctx)
	if err != nil {
		return nil, err
	}
	if !c.endpoint.set() && region.value != "aws-global" {
		if err := endpoint.CheckRegion(region.value); err != nil {
			return nil, badRegion(region, err)
		}
	}
	rt, err := v.carrier(c)
	if err != nil {
		return nil, err
	}
	want := stsSettings{region.value, c.endpoint.value, c.bundle.value, c.fips, c.dualStack}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sts == nil || v.stsCalled != want {
		v.stsCalled = want
		v.sts = &sts.Client{Region: want.region, Endpoint: want.endpoint, FIPS: want.fips, DualStack: want.dualStack,
			Transport: rt, Credentials: carried{}}
	}
	return v.sts, nil
}

func badRegion(region setting, err error) error {
	return &failure{what: region.where(), err: err, remedy: "set it to the name of a region"}
}

// carried gives the credentials that the context of a call carries, so that one client, with what it has learned
// about the service, serves every caller.
type carried struct{}

type carriedKey struct{}

func carry(ctx context.Context, creds aws.Credentials) context.Context {
	return context.WithValue(ctx, carriedKey{}, creds)
}

func (carried) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, _ := ctx.Value(carriedKey{}).(aws.Credentials)
	return creds, nil
}

// STS returns a client of STS that is called as the Config, the environment and the active profile say: region,
// endpoint, FIPS, dual stack and CA bundle. Its requests are signed with the credentials of Default(c). It fails
// if one of those settings is wrong.
func STS(ctx context.Context, c Config) (*sts.Client, error) {
	l := newLinks(c)
	ctx = walk.Start(ctx)
	l.chain.Providers = l.documented()
	ctx, err := l.forInstance(ctx)
	if err != nil {
		return nil, err
	}
	client, err := l.services.stsClient(ctx)
	if err != nil {
		return nil, err
	}
	return &sts.Client{Region: client.Region, Endpoint: client.Endpoint, FIPS: client.FIPS, DualStack: client.DualStack,
		Transport: client.Transport, Credentials: &l.chain}, nil
}

// containerLink and instanceLink are the chain's links for these sources, which remember what they have learned.
func (v *services) containerLink() *Container {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.container == nil {
		v.container = &Container{System: *v.active.sys, services: v}
	}
	return v.container
}

func (v *services) instanceLink() *InstanceProfile {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.instance == nil {
		v.instance = &InstanceProfile{System: *v.active.sys, shared: v.active}
	}
	return v.instance
}
