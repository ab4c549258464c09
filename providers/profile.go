package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

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

	// services is how the services are called that give credentials for a profile. Nil for the links that ask none.
	services *services
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
		p, err := s.read(ctx)
		return loaded{p, err}
	})
	return l.profile, l.err
}

func (s *profileSource) read(ctx context.Context) (*profile, error) {
	choice, named := s.selected()
	return s.find(ctx, choice, named)
}

// find reads the profile that choice names. Nobody needs to have asked for it unless named says so.
func (s *profileSource) find(ctx context.Context, choice setting, named bool) (*profile, error) {
	p := &profile{name: choice.value, choice: choice, named: named}
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
		doc, err := s.readShared(ctx, f.file, ref)
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

// SharedFiles returns the paths of the config file and the credentials file, there or not: AWS_CONFIG_FILE and
// AWS_SHARED_CREDENTIALS_FILE with a leading ~ and variables expanded, else the files in ~/.aws. It fails if a path
// is in the home directory and nobody knows that.
func SharedFiles(c Config) (config, credentials string, err error) {
	l := newLinks(c)
	f, err := l.sys.sharedFile("AWS_CONFIG_FILE", "config", ini.Config)
	if err != nil {
		return "", "", err
	}
	g, err := l.sys.sharedFile("AWS_SHARED_CREDENTIALS_FILE", "credentials", ini.Credentials)
	return f.path, g.path, err
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

// readShared reads wanted sections of a shared file; a file that is not there is empty. One of the usual size is
// read once in a walk: each source profile of a role is looked for in it.
func (s *profileSource) readShared(ctx context.Context, f *sharedFile, want ...ini.Ref) (*ini.Document, error) {
	held := walk.Once(ctx, heldKey{s, f.path}, func() heldFile { return s.sys.hold(f.path) })
	r := held.rest
	switch {
	case held.err != nil:
		return nil, held.err
	case held.there && held.text != nil:
		return ini.ReadText(held.text, f.path, f.style, want...)
	case !held.there:
		return &ini.Document{}, nil
	case !held.first.CompareAndSwap(false, true): // it has been read to its end already
		var err error
		if r, err = s.sys.open(f.path); err != nil {
			return nil, &failure{what: "a shared file cannot be read", err: err}
		}
	}
	defer r.Close()
	return ini.Read(r, f.path, f.style, want...)
}

type heldKey struct {
	source *profileSource
	path   string
}

// heldFile is a shared file, in memory if it is of the usual size.
type heldFile struct {
	there bool
	err   error
	text  []byte        // nil for a file that is not held
	rest  io.ReadCloser // the file itself then, for the first who reads it
	first *atomic.Bool
}

const heldSize = 64 << 10

func (s *System) hold(path string) heldFile {
	r, err := s.open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return heldFile{}
	case err != nil:
		return heldFile{err: &failure{what: "a shared file cannot be read", err: err}}
	}
	f, ok := r.(*regularFile)
	if !ok || f.size > heldSize || f.size == 0 {
		return heldFile{there: true, rest: r, first: new(atomic.Bool)}
	}
	defer f.Close()
	text := make([]byte, f.size)
	n, err := io.ReadFull(f, text)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF { // it has become shorter meanwhile
		return heldFile{err: &failure{what: "a shared file cannot be read", err: err}}
	}
	return heldFile{there: true, text: text[:n]}
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

// absent is the error of a link that looked into the profile and found nothing of its own. Its words, too, are put
// together only when somebody reads them.
func (p *profile) absent(what string) error { return &absentFromProfile{p, what, ""} }

type absentFromProfile struct {
	profile *profile
	what    string
	file    string // where it was looked for, if that was not both
}

func (e *absentFromProfile) Error() string {
	p := e.profile
	why := "profile " + p.name + " has no " + e.what
	switch {
	case p.configFile.path == "":
		why = "the shared files were not looked for: " + errNoHome.Error()
	case p.configFile.hidden || p.credentialsFile.hidden:
		why = p.searchRefused()
	case p.config == nil && p.credentials == nil:
		why = "there is no profile " + p.name + " in " + p.credentialsFile.path + " or " + p.configFile.path
	case e.file != "":
		why += " in " + e.file
	}
	return why + ": " + credchain.ErrNotConfigured.Error()
}

func (e *absentFromProfile) Unwrap() error { return credchain.ErrNotConfigured }
