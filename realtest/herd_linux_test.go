package realtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sso"
)

const herdSize = 50

// A gate holds a service's answers to one path until it is opened, and notes when the first request is there.
type gate struct {
	service http.Handler
	path    string
	opened  chan struct{} // closed when it is
	arrived chan struct{} // closed when the first request is there
	once    sync.Once
}

func newGate(service http.Handler, path string) *gate {
	return &gate{service: service, path: path, opened: make(chan struct{}), arrived: make(chan struct{})}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == g.path {
		g.once.Do(func() { close(g.arrived) })
		select {
		case <-g.opened:
		case <-r.Context().Done():
			return
		}
	}
	g.service.ServeHTTP(w, r)
}

// A session is one that the command renews, in the home of a person with a profile for it.
type session struct {
	home     string
	file     string
	env      []string
	gate     *gate
	renewals func() int
	check    func(t testing.TB) // that the file is whole
	expire   func(t testing.TB) // makes it look as if it had ended
}

// export is the command that asks for the credentials.
func (s *session) export(t testing.TB) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(credchainCLI.path(t), "export", "--profile", "corp")
	cmd.Env = s.env
	return cmd
}

// end makes the session look as if it had ended, and forgets what the command may have kept of its credentials.
func (s *session) end(t testing.TB) {
	t.Helper()
	require.NoError(t, os.RemoveAll(filepath.Join(s.home, ".aws", "cli")))
	s.expire(t)
}

func (s *session) requireWhole(t testing.TB) {
	t.Helper()
	info, err := os.Stat(s.file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	s.check(t)
}

// requireFree checks that nobody holds the lock of the file.
func (s *session) requireFree(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(s.file+".lock", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), "the lock is held, and nobody is there who could")
}

// requireAlone checks that there is nothing left beside the file but its lock.
func (s *session) requireAlone(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(s.file))
	require.NoError(t, err)
	for _, e := range entries {
		require.Contains(t, []string{filepath.Base(s.file), filepath.Base(s.file) + ".lock"}, e.Name())
	}
}

// ssoSession is a session with Identity Center that has ended and can be refreshed. The file has a field that
// nobody knows.
func ssoSession(t testing.TB, service *awstest.SSO) *session {
	t.Helper()
	service.Roles = []awstest.SSORole{{AccountID: diffAccount, Name: "reader"}}
	g := newGate(service, "/token")
	url := awstest.Serve(t, g)
	home := t.TempDir()
	s := &session{home: home, gate: g, renewals: func() int { return service.Calls("CreateToken") },
		file: filepath.Join(home, ".aws/sso/cache", sso.CacheFile("corp")),
		env:  commandEnv(home, "AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL="+url)}
	writeFile(t, home, ".aws/config", "[profile corp]", "sso_session = corp", "sso_account_id = "+diffAccount, "sso_role_name = reader",
		"[sso-session corp]", "sso_start_url = "+ssoStartURL, "sso_region = "+ssoRegion)
	text := service.Session(time.Now().Add(-time.Minute)).File()
	text = strings.Replace(text, "{", `{"kept": ["by", "us"],`, 1)
	writeFile(t, home, strings.TrimPrefix(s.file, home+"/"), text)
	read := func(t testing.TB) sso.Token {
		t.Helper()
		raw, err := os.ReadFile(s.file)
		require.NoError(t, err)
		require.True(t, json.Valid(raw), "the file is half-written")
		require.Regexp(t, `"kept":\s*\["by",\s*"us"\]`, string(raw))
		token, err := sso.ParseToken(raw)
		require.NoError(t, err)
		return token
	}
	s.check = func(t testing.TB) { read(t) }
	s.expire = func(t testing.TB) {
		token := read(t)
		token.Expires = time.Now().Add(-time.Minute)
		raw, err := token.File()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(s.file, raw, 0o600))
	}
	return s
}

// loginSession is a session of `aws login` whose credentials have ended.
func loginSession(t testing.TB) (*session, *awstest.SignIn) {
	t.Helper()
	service := &awstest.SignIn{}
	g := newGate(service, "/v1/token")
	url := awstest.Serve(t, g)
	home := t.TempDir()
	d := &doorway{SignIn: service, dir: filepath.Join(home, ".aws/login/cache")}
	s := &session{home: home, gate: g, file: d.file(), renewals: func() int { return service.Calls("CreateOAuth2Token") },
		env: commandEnv(home, "AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_SIGNIN="+url)}
	writeFile(t, home, ".aws/config", "[profile corp]", "login_session = "+loginARN)
	text := service.Session(time.Now().Add(-time.Minute)).File()
	text = strings.Replace(text, "{", `{"kept": ["by", "us"],`, 1)
	writeFile(t, home, strings.TrimPrefix(s.file, home+"/"), text)
	s.check = func(t testing.TB) {
		document := d.read(t)
		require.Equal(t, []any{"by", "us"}, document["kept"])
		require.NotEmpty(t, document["idToken"])
		require.NotEmpty(t, document["refreshToken"])
		require.Contains(t, document["dpopKey"], "PRIVATE KEY")
	}
	s.expire = d.expire
	return s, service
}

// herd starts many processes that ask for the credentials of a session that has ended, and lets the service answer
// when all of them are there. All must get credentials, and the service one request.
func herd(t *testing.T, s *session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	commands := make([]*exec.Cmd, herdSize)
	var out, errs [herdSize]strings.Builder
	began := time.Now()
	for i := range commands {
		commands[i] = s.export(t)
		commands[i].Stdout, commands[i].Stderr = &out[i], &errs[i]
		require.NoError(t, commands[i].Start())
	}
	defer context.AfterFunc(ctx, func() {
		for _, cmd := range commands {
			cmd.Process.Kill()
		}
	})()
	select {
	case <-s.gate.arrived:
	case <-ctx.Done():
		require.NoError(t, ctx.Err(), "nobody has asked for a renewal")
	}
	// The others get as long as the first one took to come to the lock. Whether each of them does changes nothing in
	// what must hold.
	time.Sleep(min(time.Since(began), 5*time.Second))
	close(s.gate.opened)
	results := make([]error, herdSize)
	for i, cmd := range commands {
		results[i] = cmd.Wait()
	}
	keys := map[string]bool{}
	for i, err := range results {
		require.NoError(t, err, errs[i].String())
		var document struct{ AccessKeyId, SessionToken string }
		require.NoError(t, json.Unmarshal([]byte(out[i].String()), &document))
		require.NotEmpty(t, document.SessionToken)
		keys[document.AccessKeyId] = true
	}
	require.Equal(t, 1, s.renewals(), "every refresh token but one would be lost")
	s.requireWhole(t)
	s.requireFree(t)
	s.requireAlone(t)
	t.Logf("%d processes, %d different access keys", herdSize, len(keys))

	s.end(t)
	stdout, stderr, err := run(t, s.env, credchainCLI.path(t), "export", "--profile", "corp")
	require.NoError(t, err, "the refresh token that was kept is not good: %s", stderr)
	require.NotEmpty(t, stdout)
	require.Equal(t, 2, s.renewals())
	s.requireWhole(t)
}

// Not in parallel: a herd needs the machine for itself. So do the others here.
func TestHerdRefreshesSSOSessionOnce(t *testing.T) {
	herd(t, ssoSession(t, &awstest.SSO{}))
}

func TestHerdRenewsLoginSessionOnce(t *testing.T) {
	s, _ := loginSession(t)
	herd(t, s)
}

// killed starts the command often, kills it at a random point each time, and checks the file afterwards. Of two
// kills, one comes at any time, and one right around the moment when the service has answered.
func killed(t *testing.T, s *session, times int) {
	t.Helper()
	close(s.gate.opened)
	began := time.Now()
	stdout, stderr, err := run(t, s.env, credchainCLI.path(t), "export", "--profile", "corp")
	require.NoError(t, err, stderr)
	require.NotEmpty(t, stdout)
	whole := time.Since(began)
	died, renewed, written := 0, 0, 0
	for i := range times {
		s.end(t)
		before, err := os.ReadFile(s.file)
		require.NoError(t, err)
		asked := s.renewals()
		cmd := s.export(t)
		require.NoError(t, cmd.Start())
		if i%2 == 0 {
			time.Sleep(rand.N(whole)) // no time that counts, but whichever point it is at
		} else {
			for limit := time.Now().Add(5 * time.Second); s.renewals() == asked && time.Now().Before(limit); {
				time.Sleep(50 * time.Microsecond)
			}
			time.Sleep(rand.N(2*time.Millisecond + whole/10))
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			died++
			whole += whole / 8
		} else {
			whole -= whole / 4 // the first run may have been slower than all the others
		}
		s.requireWhole(t)
		s.requireFree(t)
		after, err := os.ReadFile(s.file)
		require.NoError(t, err)
		renewed += s.renewals() - asked
		if string(after) != string(before) {
			written++
		}
	}
	t.Logf("of %d processes %d were killed in time, %d had asked for a renewal, %d had written it", times, died, renewed, written)
	require.Greater(t, died, times/10, "nearly all had ended before they were killed")
	require.NotZero(t, renewed)
	require.NotZero(t, written)

	s.end(t)
	_, stderr, err = run(t, s.env, credchainCLI.path(t), "export", "--profile", "corp")
	require.NoError(t, err, stderr)
	s.requireWhole(t)
	s.requireAlone(t)
}

// The refresh tokens do not change here: a process that dies between the answer and the file takes the new one with
// it, which is nobody's fault, and says nothing about the file.
func TestKilledProcessLeavesTheSSOSessionWhole(t *testing.T) {
	killed(t, ssoSession(t, &awstest.SSO{KeepRefreshToken: true}), 100)
}

func TestKilledProcessLeavesTheLoginSessionWhole(t *testing.T) {
	s, service := loginSession(t)
	renew := s.expire
	s.expire = func(t testing.TB) { // signed in anew, since each refresh token is good once
		text := service.Session(time.Now().Add(-time.Minute)).File()
		text = strings.Replace(text, "{", fmt.Sprintf(`{"kept": ["by", "us"], "run": %d,`, service.Calls("CreateOAuth2Token")), 1)
		require.NoError(t, os.WriteFile(s.file, []byte(text), 0o600))
		renew(t)
	}
	killed(t, s, 40)
}
