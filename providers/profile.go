package providers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/ini"
	"github.com/credchain/credchain/internal/walk"
)

// profileSource finds the active profile in the shared files. The links of one chain share one source, and
// in one walk it reads the files once.
type profileSource struct {
	sys *System

	// name is the profile that the program or its command line asked for, and flag where that was; "" means
	// AWS_PROFILE, AWS_DEFAULT_PROFILE, else "default".
	name, flag string
}

// profile is the active profile as the two files have it.
type profile struct {
	name   string
	choice setting // what chose it
	named  bool    // somebody asked for it; else it is the default

	config, credentials *ini.Section // nil where it is not in the file
	configFile          sharedFile
	credentialsFile     sharedFile
}

// sharedFile is the place of one of the two files.
type sharedFile struct {
	path     string
	style    ini.Style
	explicit bool // a variable names it
	hidden   bool // a directory on its path may not be searched, so nobody knows whether it is there
}

// header returns the section header of a profile in this file, without its brackets.
func (f sharedFile) header(profile string) string {
	if f.style == ini.Config && profile != "default" {
		return "profile " + profile
	}
	return profile
}

// selected returns the name of the active profile with who chose it, and whether anybody did.
func (s *profileSource) selected() (choice setting, named bool) {
	if v := trimmedSetting(s.name, "the profile name", &credchain.Origin{Flag: s.flag}); v.set() {
		return v, true
	}
	if v := s.sys.first("AWS_PROFILE", "AWS_DEFAULT_PROFILE"); v.set() {
		return v, true
	}
	return setting{value: "default", name: "the profile name", from: &credchain.Origin{Key: "default"}}, false
}

type loaded struct {
	profile *profile
	err     error
}

// load reads the active profile. A profile that was asked for and is nowhere is an error; the default
// profile that is nowhere is merely empty. A malformed line in the profile is an error; in another
// profile it is not.
func (s *profileSource) load(ctx context.Context) (*profile, error) {
	l := walk.Once(ctx, s, func() loaded {
		p, err := s.read()
		return loaded{p, err}
	})
	return l.profile, l.err
}

func (s *profileSource) read() (*profile, error) {
	p := &profile{}
	p.choice, p.named = s.selected()
	p.name = p.choice.value
	err := p.choice.check()
	if err != nil {
		return nil, err
	}
	if p.credentialsFile, err = s.sys.sharedFile("AWS_SHARED_CREDENTIALS_FILE", "credentials", ini.Credentials); err == nil {
		p.configFile, err = s.sys.sharedFile("AWS_CONFIG_FILE", "config", ini.Config)
	}
	if errors.Is(err, errNoHome) && !p.named {
		return p, nil // nobody asked for a profile, and there is no place to look for one
	}
	if err != nil {
		return nil, err
	}
	var misplaced []*ini.Error
	ref := ini.Ref{Kind: ini.Profile, Name: p.name}
	for _, f := range [...]struct {
		file    *sharedFile
		section **ini.Section
	}{
		{&p.credentialsFile, &p.credentials},
		{&p.configFile, &p.config},
	} {
		doc, err := s.sys.readShared(f.file, ref)
		f.file.hidden = errors.Is(err, errUnsearchable) && !f.file.explicit
		if f.file.hidden {
			continue // as the AWS CLI, which sees no file there
		}
		if err != nil {
			return nil, err
		}
		if stray := doc.Stray(); stray != nil {
			return nil, stray
		}
		if *f.section = doc.Section(ref); *f.section != nil && (*f.section).Err != nil {
			return nil, (*f.section).Err
		}
		misplaced = append(misplaced, doc.Unplaced...)
	}
	if p.config != nil || p.credentials != nil {
		return p, nil
	}
	if len(misplaced) > 0 { // the profile may be what the broken line was meant to begin
		return nil, fmt.Errorf("profile %q is not found: %w", p.name, misplaced[0])
	}
	if p.named {
		return nil, s.missing(p)
	}
	return p, nil
}

// sharedFile returns the path of a shared file: the variable's value with a leading ~ and variables
// expanded as the AWS CLI does, else the file of that name in ~/.aws.
func (s *System) sharedFile(variable, name string, style ini.Style) (sharedFile, error) {
	if v := s.variable(variable); v.set() {
		if err := v.check(); err != nil {
			return sharedFile{}, err
		}
		path, err := s.expand(v.value)
		if err != nil {
			return sharedFile{}, fmt.Errorf("%s: %w", v.where(), err)
		}
		return sharedFile{path: path, style: style, explicit: true}, nil
	}
	home, err := s.home()
	if err != nil {
		return sharedFile{}, err
	}
	return sharedFile{path: filepath.Join(home, ".aws", name), style: style}, nil
}

func (s *System) expand(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		home, err := s.home()
		if err != nil {
			return "", err
		}
		path = home + rest
	}
	if !strings.Contains(path, "$") {
		return path, nil
	}
	return os.Expand(path, func(name string) string {
		if v := s.getenv(name); v != "" {
			return v
		}
		return "$" + name // as it stood, as in Python's expandvars
	}), nil
}

// readShared reads the wanted section of a shared file; a file that is not there is empty.
func (s *System) readShared(f *sharedFile, want ...ini.Ref) (*ini.Document, error) {
	r, err := s.open(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &ini.Document{}, nil
	case err != nil:
		return nil, &failure{what: "a shared file cannot be read", err: err}
	}
	defer r.Close()
	return ini.Read(r, f.path, f.style, want...)
}

// get returns a key of the profile. The credentials file goes before the config file, key by key.
func (p *profile) get(key string) setting {
	if v := p.keyIn(p.credentials, p.credentialsFile, key); v.set() {
		return v
	}
	return p.keyIn(p.config, p.configFile, key)
}

func (p *profile) keyIn(s *ini.Section, f sharedFile, key string) setting {
	if s == nil {
		return setting{}
	}
	k, ok := s.Get(key)
	if !ok {
		return setting{}
	}
	return setting{
		value: strings.TrimSpace(k.Value),
		name:  key,
		from:  &credchain.Origin{File: f.path, Line: k.Line, Section: f.header(p.name), Key: key},
	}
}

// searchRefused says that the shared files could not be looked for where they usually are.
func (p *profile) searchRefused() string {
	f := p.configFile
	if !f.hidden {
		f = p.credentialsFile
	}
	return "this user may not search the directory of " + f.path
}

// absent is the error of a link that looked into the profile and found nothing of its own.
func (p *profile) absent(what string) error {
	switch {
	case p.configFile.path == "":
		return absent("the shared files were not looked for: %v", errNoHome)
	case p.configFile.hidden || p.credentialsFile.hidden:
		return absent("%s", p.searchRefused())
	case p.config == nil && p.credentials == nil:
		return absent("there is no profile %s in %s or %s", p.name, p.credentialsFile.path, p.configFile.path)
	}
	return absent("profile %s has no %s", p.name, what)
}
