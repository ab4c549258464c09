package providers

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/ini"
)

// CredentialsFile reads the active profile's access key from the shared credentials file:
// AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials.
//
// A file that is not there is not configured, and so is a profile without keys. Half a key pair, a malformed
// line in the profile, a file that cannot be read and a profile that was asked for and is in neither shared
// file are errors.
type CredentialsFile struct {
	Profile string // "": AWS_PROFILE, AWS_DEFAULT_PROFILE, else default
	System  System // zero: the real machine

	shared *profileSource // of the chain this link belongs to
}

// ConfigFile reads the active profile's access key from the shared config file: AWS_CONFIG_FILE, else
// ~/.aws/config. Its rules are those of [CredentialsFile].
type ConfigFile struct {
	Profile string // "": AWS_PROFILE, AWS_DEFAULT_PROFILE, else default
	System  System // zero: the real machine

	shared *profileSource
}

var (
	_ credchain.Detector = (*CredentialsFile)(nil)
	_ credchain.Detector = (*ConfigFile)(nil)
)

// Name returns "credentials-file".
func (c *CredentialsFile) Name() string { return "credentials-file" }

// Detect reads the file and tells whether the profile has keys in it.
func (c *CredentialsFile) Detect(ctx context.Context) (credchain.Evidence, error) {
	ev, _, err := c.read(ctx)
	return ev, err
}

// Retrieve returns the profile's keys. They do not expire.
func (c *CredentialsFile) Retrieve(ctx context.Context) (aws.Credentials, error) {
	_, creds, err := c.read(ctx)
	return creds, err
}

func (c *CredentialsFile) read(ctx context.Context) (credchain.Evidence, aws.Credentials, error) {
	return sourceOf(c.shared, c.Profile, &c.System).keys(ctx, "SharedCredentialsFile", func(p *profile) (*ini.Section, sharedFile) {
		return p.credentials, p.credentialsFile
	})
}

// Name returns "config-file".
func (c *ConfigFile) Name() string { return "config-file" }

// Detect reads the file and tells whether the profile has keys in it.
func (c *ConfigFile) Detect(ctx context.Context) (credchain.Evidence, error) {
	ev, _, err := c.read(ctx)
	return ev, err
}

// Retrieve returns the profile's keys. They do not expire.
func (c *ConfigFile) Retrieve(ctx context.Context) (aws.Credentials, error) {
	_, creds, err := c.read(ctx)
	return creds, err
}

func (c *ConfigFile) read(ctx context.Context) (credchain.Evidence, aws.Credentials, error) {
	return sourceOf(c.shared, c.Profile, &c.System).keys(ctx, "SharedConfigFile", func(p *profile) (*ini.Section, sharedFile) {
		return p.config, p.configFile
	})
}

// sourceOf returns the chain's profile source, or for a link that stands alone one of its own.
func sourceOf(shared *profileSource, name string, sys *System) *profileSource {
	if shared != nil {
		return shared
	}
	return &profileSource{sys: sys, name: name, flag: "code"}
}

// keys returns the access key that the profile has in one of its two files.
func (s *profileSource) keys(ctx context.Context, source string, in func(*profile) (*ini.Section, sharedFile)) (credchain.Evidence, aws.Credentials, error) {
	p, err := s.load(ctx)
	if err != nil {
		return credchain.Evidence{}, aws.Credentials{}, err
	}
	section, file := in(p)
	return p.keys(section, file, source)
}

// keys returns the access key that the profile has in a section of the given file.
func (p *profile) keys(section *ini.Section, file sharedFile, source string) (credchain.Evidence, aws.Credentials, error) {
	var k keySet
	k.read(&keyNames, func(key string) setting { return p.keyIn(section, file, key) })
	if !k.any() {
		return credchain.Evidence{}, aws.Credentials{}, &absentFromProfile{p, "access key", file.path}
	}
	creds, err := k.credentials(&keyNames, source, " in profile "+p.name+" of that file")
	ev := k.evidence()
	ev.Warnings = append(ev.Warnings, trimmedWarnings(p.choice)...)
	return ev, creds, err
}
