package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/credchain/credchain/internal/process"
	"github.com/credchain/credchain/internal/safefile"
)

// System holds the seams between the providers and the machine they run on. Its zero value is the real
// machine; a nil field means the real thing for that field alone. Nothing in this package reads the world
// by another way, so a test that fills the fields sees neither the developer's environment nor the network
// (package awstest has a System that insists on it).
type System struct {
	// Getenv returns the value of an environment variable, "" if it is unset. Nil means os.Getenv.
	Getenv func(name string) string

	// Home returns the home directory. Nil means $HOME (%USERPROFILE% on Windows), and where that is not set
	// the user's entry in the password database. A relative path counts as unknown.
	Home func() (string, error)

	// Open opens a file for reading. Its error must satisfy errors.Is(err, fs.ErrNotExist) for a file that
	// is not there. Nil opens regular files and the null device; a directory, a pipe or any other thing
	// that could block is an error.
	Open func(name string) (io.ReadCloser, error)

	// Update replaces the contents of a private file: it calls edit with what the file holds, nil if it is not
	// there, and writes what edit returns, unless that is nil. Nobody else may update the file meanwhile, and
	// a reader must see the old contents or the new. Nil means a lock file beside it, a new file with mode
	// 0600, and a rename.
	Update func(ctx context.Context, name string, edit func(old []byte) ([]byte, error)) error

	// Run runs a program, without a shell, and returns what it wrote. Its error has an ExitCode() int method if
	// the program ended by itself. Nil means a real process in a session of its own, without a terminal and with
	// nothing on standard input, which is killed with all that it started when it ends or ctx does; at most 1 MiB
	// of output is taken, and the last 4 KiB of standard error. It has the environment of this process, whatever
	// Getenv says.
	Run func(ctx context.Context, argv []string) (stdout, stderr []byte, err error)

	// Prompt asks a person and returns the answer. Nil means to ask on the terminal, on standard error; where
	// there is no terminal that is an error at once.
	Prompt func(ctx context.Context, question string) (string, error)

	// Transport carries every HTTP request. Nil means a transport of the client's own, which never uses a
	// proxy for a link-local or loopback address.
	Transport http.RoundTripper

	// LookupHost resolves a host name to addresses. Nil means net.DefaultResolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)

	properties *properties // of the JVM, which a Java order reads before the environment; nil otherwise
}

// real reports whether this is the machine that the program runs on, and nothing of it made up.
func (s *System) real() bool {
	return s.Getenv == nil && s.Home == nil && s.Open == nil && s.Update == nil && s.Run == nil && s.Prompt == nil &&
		s.Transport == nil && s.LookupHost == nil
}

func (s *System) getenv(name string) string {
	if s.Getenv != nil {
		return s.Getenv(name)
	}
	return os.Getenv(name)
}

// errNoHome says that the shared files cannot be looked for, because nobody knows where they would be.
var errNoHome = errors.New("the home directory is not known (HOME is not set, and the password database has none)")

func (s *System) home() (string, error) {
	if s.Home != nil {
		dir, err := s.Home()
		if err != nil {
			return "", fmt.Errorf("%w: %w", errNoHome, err)
		}
		return absolute(dir)
	}
	name := "HOME"
	if runtime.GOOS == "windows" {
		name = "USERPROFILE"
	}
	if dir := strings.TrimSpace(s.getenv(name)); filepath.IsAbs(dir) {
		return dir, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", errNoHome
	}
	return absolute(u.HomeDir)
}

// absolute refuses a home below the working directory, where anybody may have put keys.
func absolute(dir string) (string, error) {
	if !filepath.IsAbs(dir) {
		return "", errNoHome
	}
	return dir, nil
}

func (s *System) open(name string) (io.ReadCloser, error) {
	if s.Open != nil {
		return s.Open(name)
	}
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

var errTooLong = errors.New("longer")

// readAtMost reads a whole file, unless it is longer than it can be.
func (s *System) readAtMost(name string, most int64) ([]byte, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(raw)) > most:
		return nil, fmt.Errorf("%s is %w than %d bytes", name, errTooLong, most)
	}
	return raw, nil
}

func (s *System) update(ctx context.Context, name string, edit func([]byte) ([]byte, error)) error {
	if s.Update != nil {
		return s.Update(ctx, name, edit)
	}
	return safefile.Update(ctx, name, true, edit)
}

func (s *System) run(ctx context.Context, argv []string) (stdout, stderr []byte, err error) {
	if s.Run != nil {
		return s.Run(ctx, argv)
	}
	return process.Run(ctx, argv)
}

// Ask asks a person, as the providers do it for an MFA code. Its error wraps [ErrNoTerminal] if there is nobody to
// ask.
func (s System) Ask(ctx context.Context, question string) (string, error) {
	if s.Prompt != nil {
		return s.Prompt(ctx, question)
	}
	return askTerminal(ctx, question)
}

func (s *System) lookupHost(ctx context.Context, host string) ([]string, error) {
	if s.LookupHost != nil {
		return s.LookupHost(ctx, host)
	}
	return net.DefaultResolver.LookupHost(ctx, host)
}
