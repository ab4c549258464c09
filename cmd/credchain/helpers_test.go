package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// The secrets of every test. None of them may ever be shown, but by export.
const (
	keyID   = "AKIAIOSFODNN7EXAMPLE"
	secret  = "canary/secret+access=key"
	session = "canary-session-token=="
)

// machine is a made-up machine: what is not in it is not there.
type machine struct {
	env   map[string]string
	files map[string]string
	imds  http.RoundTripper // nil: no metadata service; it refuses the connection
	stdin string

	answers []string // of the person at the terminal; nil: there is no terminal

	requests atomic.Int32 // HTTP requests and look-ups
}

func (m *machine) config() providers.Config {
	return providers.Config{System: providers.System{
		Getenv: func(name string) string { return m.env[name] },
		Home:   func() (string, error) { return "/home/u", nil },
		Open: func(name string) (io.ReadCloser, error) {
			content, ok := m.files[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return io.NopCloser(strings.NewReader(content)), nil
		},
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			m.requests.Add(1)
			if m.imds == nil {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			}
			return m.imds.RoundTrip(r)
		}),
		Update: func(_ context.Context, name string, edit func([]byte) ([]byte, error)) error {
			text, err := edit([]byte(m.files[name]))
			if text != nil {
				m.files[name] = string(text)
			}
			return err
		},
		Prompt: func(context.Context, string) (string, error) {
			if len(m.answers) == 0 {
				return "", providers.ErrNoTerminal
			}
			answer := m.answers[0]
			m.answers = m.answers[1:]
			return answer, nil
		},
		LookupHost: func(context.Context, string) ([]string, error) {
			m.requests.Add(1)
			return nil, errors.New("no names are looked up here")
		},
	}}
}

// run runs one command line on the machine.
func (m *machine) run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return m.runOn(t, terminal{width: width}, args...)
}

func (m *machine) runOn(t testing.TB, screen terminal, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return m.runUnder(t.Context(), screen, args...)
}

func (m *machine) runUnder(ctx context.Context, screen terminal, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = run(ctx, args, streams{in: strings.NewReader(m.stdin), out: &out, err: &errs, terminal: screen}, m.config())
	return out.String(), errs.String(), code
}

// instance is the metadata service of an instance with the role web-app.
func instance(lifetime time.Duration) http.RoundTripper {
	return awstest.Transport(map[string]http.Handler{"169.254.169.254": &awstest.IMDS{
		Role: "web-app", Credentials: awstest.Temporary("web-app", time.Now().Add(lifetime)), Region: "eu-south-2", Mode: awstest.V2Only,
	}})
}

// environment returns variables of a pair of keys, with others over them. "" takes one away.
func environment(others ...string) map[string]string {
	env := map[string]string{"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secret}
	for _, o := range others {
		name, value, _ := strings.Cut(o, "=")
		env[name] = value
	}
	return env
}
