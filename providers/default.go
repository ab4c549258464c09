package providers

import (
	"context"
	"flag"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/store"
)

// Config is what a program or its command line says about the credentials it wants. The zero Config says
// nothing: the order of the AWS CLI on this machine.
type Config struct {
	// Profile asks for a profile. Its presence means that the environment's keys and web identity are not
	// asked, as with the AWS CLI's --profile. "" leaves the choice to AWS_PROFILE, AWS_DEFAULT_PROFILE, else
	// the profile default.
	Profile string

	// Region goes before every other source of the region; "" asks those.
	Region string

	// Static has keys that the program was given; they go before everything else.
	Static Static

	// NoDefaultRegion makes Region fail where it would otherwise end with us-east-1.
	NoDefaultRegion bool

	// SystemProperties makes the JVM's system properties go before the environment's variables of the same
	// meaning, as they do in the AWS SDK for Java: aws.profile, aws.region and others, but not the keys. Java and
	// JavaV2 set it for their chains; set it for Region and ProfileName beside such a chain.
	SystemProperties bool

	// Sessions keeps what MFA codes have opened. Share one among chains, so that a person is asked once; nil
	// is one for each chain.
	Sessions *Sessions

	// Store keeps the sessions of roles, MFA, web identities and SSO for other processes too; see package store.
	// Nil keeps them in memory alone.
	Store store.Store

	// NoSharing makes a chain fetch everything for itself. Otherwise the chains of a process share what the first
	// of them has fetched, as long as it lasts, so that a chain built for each request is no request to AWS for
	// each. Chains with a System of their own share nothing but through Store.
	NoSharing bool

	// System is the machine; zero is the real one.
	System System

	bound bool // Profile and Region are flags
}

// Bind registers the flags --profile and --region with fs; their values go to c. It registers none for
// keys: a command line can be read by every user of the machine.
func (c *Config) Bind(fs *flag.FlagSet) {
	c.bound = true
	fs.StringVar(&c.Profile, "profile", c.Profile, "use this profile of the shared config and credentials files")
	fs.StringVar(&c.Region, "region", c.Region, "use this region")
}

// flag says where Profile and Region come from.
func (c *Config) flag(name string) string {
	if c.bound {
		return "--" + name
	}
	return "code"
}

// Default returns the order that the AWS CLI documents:
//
//  1. flags: keys or a profile from the program or its command line
//  2. environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
//  3. assume-role: role_arn in the profile
//  4. web-identity: AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file in the profile
//  5. sso: sso_account_id or sso_role_name in the profile
//  6. credentials-file: keys in the shared credentials file
//  7. login: login_session in the profile
//  8. process: credential_process in the profile
//  9. config-file: keys in the shared config file
//  10. container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
//  11. instance-profile: the instance metadata service
//
// A role's credentials come from what its source_profile or credential_source gives, to any depth. A role of a
// profile goes before the environment's web identity, and that before the profile's own.
//
// A chain belongs to one profile and caches: build it once and keep it.
func Default(c Config) *credchain.Chain {
	l := newLinks(c)
	l.chain.Providers = l.documented()
	return &l.chain
}

func (l *links) documented() []credchain.Provider {
	l.order = [...]credchain.Provider{&l.flags, &l.environment, &l.assumeRole, &l.webIdentity, &l.sso,
		&l.credentialsFile, &l.login, &l.process, &l.configFile, &l.container, &l.instanceProfile}
	return l.order[:]
}

// Java returns the order that the AWS SDK for Java documents: environment, system properties, web identity,
// profile, container, instance profile. A Config with keys or a profile goes before, as in Default. System
// properties are those that a Java program started here would have; see [SystemProperties].
func Java(c Config) *credchain.Chain {
	c.SystemProperties = true
	l := newLinks(c)
	l.chain.Providers = append([]credchain.Provider{&l.flags, &l.environment, l.javaProperties()}, l.javaTail()...)
	return &l.chain
}

// JavaV2 returns the order of version 2 of the AWS SDK for Java, which asks the system properties before
// the environment.
func JavaV2(c Config) *credchain.Chain {
	c.SystemProperties = true
	l := newLinks(c)
	l.chain.Providers = append([]credchain.Provider{&l.flags, l.javaProperties(), &l.environment}, l.javaTail()...)
	return &l.chain
}

// links holds every link of a documented order, and the chain, in one piece of memory.
type links struct {
	chain    credchain.Chain
	order    [11]credchain.Provider
	shared   profileSource
	sys      System
	services services
	sessions Sessions

	flags           flags
	environment     Environment
	assumeRole      profileLink
	webIdentity     profileLink
	sso             profileLink
	credentialsFile CredentialsFile
	login           profileLink
	process         profileLink
	configFile      ConfigFile
	container       Container
	instanceProfile InstanceProfile
}

func newLinks(c Config) *links {
	l := &links{sys: c.System}
	if c.SystemProperties {
		l.sys.properties = &properties{sys: c.System}
	}
	l.shared = profileSource{sys: &l.sys, name: c.Profile, flag: c.flag("profile"), services: &l.services}
	l.services.active, l.services.noDefaultRegion, l.services.sessions = &l.shared, c.NoDefaultRegion, c.Sessions
	if c.Sessions == nil {
		l.services.sessions = &l.sessions
	}
	l.services.sharing.store, l.services.sharing.off = c.Store, c.NoSharing
	if c.Region != "" {
		l.services.region = trimmedSetting(c.Region, "the region", &credchain.Origin{Flag: c.flag("region")})
	}
	l.flags = flags{static: c.Static, shared: &l.shared}
	l.environment.System, l.container.System, l.instanceProfile.System = l.sys, l.sys, l.sys
	if c.Profile != "" {
		l.environment.maskedBy = fmt.Sprintf("profile %s was asked for by %s", c.Profile, l.shared.flag)
	}
	l.assumeRole = profileLink{"assume-role", openRole, &l.shared}
	l.webIdentity = profileLink{"web-identity", openToken, &l.shared}
	l.sso = profileLink{"sso", openSSO, &l.shared}
	l.credentialsFile.shared = &l.shared
	l.login = profileLink{"login", openLogin, &l.shared}
	l.process = profileLink{"process", openProcess, &l.shared}
	l.configFile.shared = &l.shared
	l.container.services = &l.services
	l.instanceProfile.shared = &l.shared
	l.services.container, l.services.instance = &l.container, &l.instanceProfile
	return l
}

// javaProperties returns the link for keys in system properties.
func (l *links) javaProperties() *SystemProperties {
	return &SystemProperties{shared: l.sys.properties, maskedBy: l.environment.maskedBy}
}

// javaTail is what the Java orders have in common. Within the profile, Java's precedence is its own.
func (l *links) javaTail() []credchain.Provider {
	return []credchain.Provider{&l.webIdentity, &l.sso, &l.assumeRole, &l.process, &l.login,
		&l.credentialsFile, &l.configFile, &l.container, &l.instanceProfile}
}

// flags is the first link: what the program or its command line gave. A profile given so has its links
// further on in the chain; here it only has to exist.
type flags struct {
	static Static
	shared *profileSource
}

var _ credchain.Detector = (*flags)(nil)

func (f *flags) Name() string { return "flags" }

// Format keeps the keys out of a %+v, which does not see that they have a Format of their own.
func (f *flags) Format(w fmt.State, verb rune) { f.static.Format(w, verb) }

var errFlags = absent("no profile and no keys were given")

func (f *flags) Detect(ctx context.Context) (credchain.Evidence, error) {
	if f.static != (Static{}) {
		return f.static.Detect(ctx)
	}
	if f.shared.name == "" {
		return credchain.Evidence{}, errFlags
	}
	p, err := f.shared.load(ctx)
	if err != nil {
		return credchain.Evidence{}, err
	}
	return credchain.Evidence{Origins: []credchain.Origin{p.choice.origin()}},
		absent("profile %s was asked for by %s: its links follow", p.name, p.choice.origin())
}

func (f *flags) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if f.static != (Static{}) {
		return f.static.Retrieve(ctx)
	}
	if f.shared.name == "" {
		return aws.Credentials{}, errFlags
	}
	_, err := f.Detect(ctx)
	return aws.Credentials{}, err
}
