package awstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/credchain/credchain/providers"
)

// NoHome as the Home of a [World] is a user without a home directory.
const NoHome = "none"

// World is all that there is on the machine of a [Hermetic] test, and what may be looked for in vain. Paths
// that start with "~/" are in Home; other paths are as the code under test asks for them, with slashes.
type World struct {
	// Env has the environment variables that are set.
	Env map[string]string
	// Unset are patterns, as of path.Match, of variables that may be asked for and are not set: "AWS_*".
	Unset []string

	// Home is the home directory; "" means /home/hermetic, and NoHome that there is none.
	Home string
	// Files has the contents of files by path.
	Files map[string]string
	// Missing are patterns, as of path.Match, of files that may be looked for and are not there: "~/.aws/*".
	Missing []string
	// Broken has files by path that are there, and the errors with which they fail to open or to be written.
	Broken map[string]error
	// Writable are patterns, as of path.Match, of files that may be written, there or not: "~/.aws/sso/cache/*".
	Writable []string

	// Commands has programs by the name with which they are started. A function gets the whole command line;
	// nil is a program that is not installed. An exit code that is not 0 is a failure.
	Commands map[string]func(argv []string) (stdout, stderr string, exit int)

	// Answers are a person's answers to prompts, the first to the first prompt. NoTerminal is a machine with
	// nobody to ask: each prompt ends at once with providers.ErrNoTerminal.
	Answers    []string
	NoTerminal bool

	// Hosts has the handlers of network addresses, as for [Transport]: nil is where nobody listens.
	Hosts map[string]http.Handler
	// DNS has host names that are resolved, and their addresses. None is a name that does not exist.
	DNS map[string][]string
}

// Machine is a [World] in use. It remembers what was asked of it, found or not.
//
// A file that was written is read back by the code under test like any other, and by the test with File.
type Machine struct {
	t     TB
	home  string
	world World // with absolute paths; Files and Env are guarded by mu
	hosts http.RoundTripper

	mu        sync.Mutex
	ended     bool // the test is over, and t must not be used any more
	variables []string
	files     []string
	requests  []string
	lookups   []string
	programs  [][]string
	questions []string
	written   []string
	updating  map[string]chan struct{} // by file: holds one token while the file is being updated
}

// Hermetic returns a machine on which there is w and nothing else. The test t fails, by Errorf with the name of
// the thing, if anything else is asked for: a variable, a file, a host name, an address, a program, a write, or
// an answer to one prompt too many. The code that asked gets an error then; for a variable, it gets "".
func Hermetic(t TB, w World) *Machine {
	t.Helper()
	m := &Machine{t: t, home: orElse(w.Home, "/home/hermetic")}
	for _, pattern := range slices.Concat(w.Unset, w.Missing, w.Writable) {
		if _, err := path.Match(pattern, ""); err != nil {
			t.Fatalf("awstest: the pattern %q of Unset, Missing or Writable: %v", pattern, err)
			return m
		}
	}
	m.world = World{
		Env: maps.Clone(w.Env), Unset: slices.Clone(w.Unset),
		Files: make(map[string]string), Broken: make(map[string]error),
		DNS: maps.Clone(w.DNS), Commands: maps.Clone(w.Commands), Answers: slices.Clone(w.Answers), NoTerminal: w.NoTerminal,
	}
	if m.world.Env == nil {
		m.world.Env = make(map[string]string)
	}
	for name, content := range w.Files {
		m.world.Files[m.absolute(name)] = content
	}
	for name, err := range w.Broken {
		m.world.Broken[m.absolute(name)] = err
	}
	for _, pattern := range w.Missing {
		m.world.Missing = append(m.world.Missing, m.absolute(pattern))
	}
	for _, pattern := range w.Writable {
		m.world.Writable = append(m.world.Writable, m.absolute(pattern))
	}
	m.updating = make(map[string]chan struct{})
	m.hosts = Transport(w.Hosts)
	t.Cleanup(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended = true
	})
	return m
}

// System returns the seams to give to providers. None of its fields is nil.
func (m *Machine) System() providers.System {
	return providers.System{
		Getenv: m.getenv, Home: m.homeDir, Open: m.open, Transport: machineTransport{m}, LookupHost: m.lookupHost,
		Update: m.update, Run: m.run, Prompt: m.prompt,
	}
}

// Setenv sets a variable while the machine is in use.
func (m *Machine) Setenv(name, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.world.Env[name] = value
}

// WriteFile replaces or adds a file while the machine is in use.
func (m *Machine) WriteFile(name, content string) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.world.Files[m.absolute(name)] = content
}

// Variables returns the environment variables that were asked for, in order, set or not.
func (m *Machine) Variables() []string { return m.copyOf(&m.variables) }

// Opened returns the files that were asked for, in order, there or not. Paths in the home directory start with "~/".
func (m *Machine) Opened() []string { return m.copyOf(&m.files) }

// Requests returns the HTTP requests that were made, in order, answered or not: "GET http://host/path".
// Nothing in it means that no socket would have been opened. Queries are left out.
func (m *Machine) Requests() []string { return m.copyOf(&m.requests) }

// Lookups returns the host names that were to be resolved, in order.
func (m *Machine) Lookups() []string { return m.copyOf(&m.lookups) }

func (m *Machine) copyOf(list *[]string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(*list)
}

// absolute puts the home directory in place of "~", and slashes in place of the system's separators.
func (m *Machine) absolute(name string) string {
	name = filepath.ToSlash(name)
	rest, inHome := strings.CutPrefix(name, "~/")
	if !inHome {
		return name
	}
	if m.home == NoHome {
		m.t.Helper()
		m.t.Fatalf("awstest: the file %s is in a home directory, and there is none", name)
	}
	return path.Join(filepath.ToSlash(m.home), rest)
}

func (m *Machine) short(name string) string {
	if rest, ok := strings.CutPrefix(name, filepath.ToSlash(m.home)+"/"); ok {
		return "~/" + rest
	}
	return name
}

// stranger fails the test for something that it did not name; m.mu must be held.
func (m *Machine) stranger(format string, args ...any) error {
	err := fmt.Errorf("awstest: "+format, args...)
	if !m.ended {
		m.t.Errorf("%v", err)
	}
	return err
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name) // Hermetic has checked the patterns
		return ok
	})
}

func (m *Machine) getenv(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.variables = append(m.variables, name)
	value, set := m.world.Env[name]
	if !set && !matches(m.world.Unset, name) {
		_ = m.stranger("the variable %s is neither in Env nor in Unset", name)
	}
	return value
}

func (m *Machine) homeDir() (string, error) {
	if m.home == NoHome {
		return "", errors.New("awstest: this user has no home directory")
	}
	return m.home, nil
}

func (m *Machine) open(asked string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := filepath.ToSlash(asked)
	m.files = append(m.files, m.short(name))
	if err, broken := m.world.Broken[name]; broken {
		return nil, &fs.PathError{Op: "open", Path: asked, Err: err}
	}
	if content, there := m.world.Files[name]; there {
		return io.NopCloser(strings.NewReader(content)), nil
	}
	if matches(m.world.Missing, name) {
		return nil, &fs.PathError{Op: "open", Path: asked, Err: fs.ErrNotExist}
	}
	if matches(m.world.Writable, name) {
		return nil, &fs.PathError{Op: "open", Path: asked, Err: fs.ErrNotExist}
	}
	return nil, m.stranger("the file %s is neither in Files nor in Missing nor in Broken", m.short(name))
}

func (m *Machine) lookupHost(ctx context.Context, host string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lookups = append(m.lookups, host)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	addresses, named := m.world.DNS[host]
	switch {
	case !named:
		return nil, m.stranger("the host name %s is not in DNS", host)
	case len(addresses) == 0:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return slices.Clone(addresses), nil
}

type machineTransport struct{ m *Machine }

func (t machineTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	m := t.m
	u := *r.URL
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	m.mu.Lock()
	m.requests = append(m.requests, r.Method+" "+u.String())
	m.mu.Unlock()
	resp, err := m.hosts.RoundTrip(r)
	var unknown *unknownHost
	if errors.As(err, &unknown) {
		m.mu.Lock()
		defer m.mu.Unlock()
		return nil, m.stranger("the address %s is not in Hosts (%s %s)", unknown.address, r.Method, &u)
	}
	return resp, err
}
