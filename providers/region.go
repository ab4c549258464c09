package providers

import (
	"context"
	"errors"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/walk"
)

// ErrNoRegion says that no source gives a region, and that the program does not want a default.
var ErrNoRegion = errors.New("no region is configured: set AWS_REGION, or region in the profile")

const defaultRegion = "us-east-1"

// Region returns the region and where it comes from: the Config, AWS_REGION, AWS_DEFAULT_REGION, region in
// the active profile, the instance's own region if no link before the instance profile is configured, else
// us-east-1, whose origin is the key "default". It reads the profile and asks the metadata service only if it
// has to, and with a client of its own: where nobody answers that takes a second, so ask for credentials first.
//
// It fails if the profile cannot be read, if there is a metadata service and it fails, and with
// [ErrNoRegion] if NoDefaultRegion is set and nothing else gives a region.
func Region(ctx context.Context, c Config) (string, credchain.Origin, error) {
	ctx = walk.Start(ctx)
	l := newLinks(c)
	region := setting{value: c.Region, name: "the region", from: &credchain.Origin{Flag: c.flag("region")}}
	if !region.set() {
		region = l.sys.first("AWS_REGION", "AWS_DEFAULT_REGION")
	}
	if !region.set() {
		p, err := l.shared.load(ctx)
		if err != nil {
			return "", credchain.Origin{}, err
		}
		region = p.get("region")
	}
	if !region.set() {
		var err error
		if region, err = l.instanceRegion(ctx); err != nil {
			return "", credchain.Origin{}, err
		}
	}
	switch {
	case region.set():
		return region.value, region.origin(), region.check()
	case c.NoDefaultRegion:
		return "", credchain.Origin{}, ErrNoRegion
	}
	return defaultRegion, credchain.Origin{Key: "default"}, nil
}

// instanceRegion asks the metadata service for its region if no link before the instance profile is
// configured; else it is unset. A service that is not there has no region.
func (l *links) instanceRegion(ctx context.Context) (setting, error) {
	if !l.endsAtInstance(ctx) {
		return setting{}, nil // the credentials are another link's, or nobody's
	}
	return l.instanceProfile.region(ctx)
}

// endsAtInstance reports whether no link before the instance profile is configured.
func (l *links) endsAtInstance(ctx context.Context) bool {
	before := l.documented()
	if l.sys.properties != nil {
		before = append([]credchain.Provider{l.javaProperties()}, before...)
	}
	for _, p := range before {
		if p == credchain.Provider(&l.instanceProfile) {
			break
		}
		if _, err := p.(credchain.Detector).Detect(ctx); !errors.Is(err, credchain.ErrNotConfigured) {
			return false
		}
	}
	return true
}

// forInstance marks ctx if the chain's credentials would be the instance's.
func (l *links) forInstance(ctx context.Context) (context.Context, error) {
	if _, err := l.shared.load(ctx); err != nil {
		return ctx, err
	}
	if l.endsAtInstance(ctx) {
		ctx = context.WithValue(ctx, onInstance{}, &l.instanceProfile)
	}
	return ctx, nil
}

// region asks the metadata service for its region. It is unset if there is none.
func (p *InstanceProfile) region(ctx context.Context) (setting, error) {
	m, client, err := p.connect(ctx)
	if err != nil {
		if errors.Is(err, credchain.ErrNotConfigured) {
			err = nil
		}
		return setting{}, err
	}
	region, err := client.Region(ctx)
	switch err = m.translate(err); {
	case errors.Is(err, credchain.ErrNotConfigured):
		return setting{}, nil
	case err != nil:
		return setting{}, &failure{what: "the instance's region is not known", err: err}
	}
	return setting{value: region, name: "the instance's region", from: &credchain.Origin{URL: m.url()}}, nil
}

// ProfileName returns the name of the active profile and who chose it; the origin of an unchosen "default" is
// the key "default". It reads no file.
func ProfileName(c Config) (string, credchain.Origin) {
	l := newLinks(c)
	choice, _ := l.shared.selected()
	return choice.value, choice.origin()
}

// ProfileKey returns what the active profile has for a key, and where; "" if it has none. The credentials file goes
// before the config file. It fails if the profile cannot be read, or was asked for and is not there.
func ProfileKey(ctx context.Context, c Config, key string) (string, credchain.Origin, error) {
	l := newLinks(c)
	p, err := l.shared.load(ctx)
	if err != nil {
		return "", credchain.Origin{}, err
	}
	v := p.get(key)
	return v.value, v.origin(), v.check()
}
