package realtest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// patience is far more than anything here should take. The library's limits are tested with its own fake
// clock; here it only has to be clear that nothing hangs.
const patience = 30 * time.Second

// newChain returns the default chain of a machine with these variables, an empty home and no way out but to
// loopback addresses. What the chain sends is in the returned wire.
func newChain(t testing.TB, env map[string]string) (*credchain.Chain, *wire) {
	t.Helper()
	w := newWire()
	return providers.Default(providers.Config{System: machine(t, env, w)}), w
}

// machine is a System with nothing of the real machine but its clock and its open files. A nil transport is
// the library's own, which only a test in a namespace may have.
func machine(t testing.TB, env map[string]string, transport http.RoundTripper) providers.System {
	t.Helper()
	require.True(t, inNamespace() || transport != nil, "the library's own transport outside a namespace")
	home := t.TempDir()
	return providers.System{
		Getenv:    func(name string) string { return env[name] },
		Home:      func() (string, error) { return home, nil },
		Transport: transport,
		LookupHost: func(_ context.Context, host string) ([]string, error) {
			return nil, fmt.Errorf("looked up %s", host)
		},
	}
}

// A wire carries requests to loopback addresses, refuses any other, and notes what it was asked to carry.
type wire struct {
	transport http.Transport
	mu        sync.Mutex
	requests  []string
}

func newWire() *wire {
	dialer := net.Dialer{Timeout: time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().IsLoopback() {
			return fmt.Errorf("a test wanted to connect to %s", address)
		}
		return nil
	}}
	return &wire{transport: http.Transport{DialContext: dialer.DialContext, DisableCompression: true}}
}

// RoundTrip carries one request. It does not note the look at the service by which the metadata client tells
// silence from a lost answer: whether that happens is a matter of how busy the machine is.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/latest/meta-data/" {
		w.mu.Lock()
		w.requests = append(w.requests, r.Method+" "+r.URL.Path)
		w.mu.Unlock()
	}
	return w.transport.RoundTrip(r)
}

// take returns what was carried since it was called last, as "GET /path".
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.requests
	w.requests = nil
	return taken
}

// retrieve is chain.Retrieve with an end.
func retrieve(t testing.TB, p aws.CredentialsProvider) (aws.Credentials, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	creds, err := p.Retrieve(ctx)
	require.NoError(t, ctx.Err(), "it took longer than %v", patience)
	return creds, err
}

// requireFinal checks that err ends a walk, and says all of what.
func requireFinal(t testing.TB, err error, what ...string) {
	t.Helper()
	require.Error(t, err)
	require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	for _, w := range what {
		require.ErrorContains(t, err, w)
	}
}

// requireSame checks that two providers gave the same keys. When to renew them is each provider's own affair.
func requireSame(t testing.TB, want, got aws.Credentials) {
	t.Helper()
	require.Equal(t, want.AccessKeyID, got.AccessKeyID, "access key ID")
	require.True(t, want.SecretAccessKey == got.SecretAccessKey, "the secret access keys differ")
	require.True(t, want.SessionToken == got.SessionToken, "the session tokens differ")
}

// attempt returns what the trace says of a link.
func attempt(t testing.TB, trace credchain.Trace, provider string) credchain.Attempt {
	t.Helper()
	i := slices.IndexFunc(trace.Attempts, func(a credchain.Attempt) bool { return a.Provider == provider })
	require.GreaterOrEqual(t, i, 0, "no %s in %v", provider, trace)
	return trace.Attempts[i]
}

func writeFile(t testing.TB, dir, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// script writes an executable shell script. Another process writes it: what this one has open for writing, any child that
// starts meanwhile has open as well, and a file that is open for writing cannot be run ("text file busy").
func script(t testing.TB, dir, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	cmd := exec.Command("sh", "-c", `cat >"$0" && chmod 700 "$0"`, path)
	cmd.Stdin = strings.NewReader(strings.Join(append([]string{"#!/bin/sh"}, lines...), "\n") + "\n")
	require.NoError(t, cmd.Run())
	return path
}

// static makes keys a provider for the SDK, as the other side of a comparison.
func static(id, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, Source: "realtest"}, nil
	})
}

// httpClient is an HTTP client without a proxy, and without any setting of the environment's.
func httpClient() *http.Client { return &http.Client{Transport: newWire()} }
