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

	// Transport carries every HTTP request. Nil means a transport of the client's own, which never uses a
	// proxy for a link-local or loopback address.
	Transport http.RoundTripper

	// LookupHost resolves a host name to addresses. Nil means net.DefaultResolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)

	properties *properties // of the JVM, which a Java order reads before the environment; nil otherwise
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
	return openRegular(name)
}

func (s *System) lookupHost(ctx context.Context, host string) ([]string, error) {
	if s.LookupHost != nil {
		return s.LookupHost(ctx, host)
	}
	return net.DefaultResolver.LookupHost(ctx, host)
}
