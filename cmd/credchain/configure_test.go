package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/profile"
	"github.com/credchain/credchain/providers"
)

// credchainCommand is the real command, in a process of its own with a home of its own.
func credchainCommand(home string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	cmd := exec.Command(self, args...)
	cmd.Err = errors.Join(cmd.Err, err)
	cmd.Args[0] = "credchain" // TestMain goes by it
	cmd.Env = []string{"HOME=" + home, "USERPROFILE=" + home, "AWS_EC2_METADATA_DISABLED=true"}
	return cmd
}

// homeWith makes a home directory with a config file.
func homeWith(t *testing.T, config string) (home, path string) {
	home = t.TempDir()
	path = filepath.Join(home, ".aws", "config")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(config), 0o640))
	return home, path
}

// crowd is a file with everything in it that an editor may spoil, and keys to change.
func crowd() string {
	var b strings.Builder
	b.WriteString("\ufeff; ours \r\nstray\r\n[default]\r\nregion=x # c\r\n\r\n[profile broken\r\n= v\r\n[profile dev] # team\r\n")
	for i := range 25 {
		fmt.Fprintf(&b, "  old%02d\t= 1 ; c%d\r\n\r\n", i, i)
	}
	b.WriteString("# end of dev\r\n[profile \"two words\"]\r\nunknown : key = \xff\r\n\r\n[plugins]\r\nk = v")
	return b.String()
}

// TestConcurrentSets: of 50 processes that set 50 keys in one file none undoes what another did, and every other byte
// stays.
func TestConcurrentSets(t *testing.T) {
	t.Parallel()
	home, path := homeWith(t, crowd())
	want := crowd()
	var all sync.WaitGroup
	added := map[string]bool{}
	for i := range 25 {
		want = strings.Replace(want, fmt.Sprintf("old%02d\t= 1 ; c%d\r\n", i, i), fmt.Sprintf("old%02d\t= value-%d ; c%d\r\n", i, i, i), 1)
		added[fmt.Sprintf("  new%02d = value-%d\r\n", i, i)] = true
		for _, key := range []string{"old", "new"} {
			all.Go(func() {
				out, err := credchainCommand(home, "configure", "set", "--profile", "dev", fmt.Sprintf("%s%02d", key, i), fmt.Sprintf("value-%d", i)).CombinedOutput()
				if err != nil {
					t.Errorf("%s%02d: %v: %s", key, i, err, out)
				}
			})
		}
	}
	all.Wait()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var rest strings.Builder
	for line := range strings.Lines(string(text)) {
		if added[line] {
			delete(added, line)
		} else {
			rest.WriteString(line)
		}
	}
	require.Empty(t, added, "keys were lost")
	require.Equal(t, want, rest.String())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	if len(entries) > 1 { // where a lock file cannot be removed
		require.Equal(t, "config.lock", entries[1].Name())
	}
}

// TestKilledSets kills the command at any point of its work, 200 times: the file is the old one or the new one.
func TestKilledSets(t *testing.T) {
	t.Parallel()
	for lane := range 4 {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			home, path := homeWith(t, crowd())
			filler := strings.Repeat("# "+strings.Repeat("x", 97)+"\r\n", 2000) // so that writing takes a while
			text := func(i int) string {
				return strings.Replace(crowd(), "old07\t= 1", fmt.Sprintf("old07\t= %d", i), 1) + "\r\n" + filler
			}
			require.NoError(t, os.WriteFile(path, []byte(text(1)), 0o600))
			set := func(i int) *exec.Cmd {
				return credchainCommand(home, "configure", "set", "--profile", "dev", "old07", fmt.Sprint(i))
			}
			start := time.Now()
			out, err := set(2).CombinedOutput()
			require.NoError(t, err, string(out))
			long := min(2*time.Since(start), 100*time.Millisecond) // so that some get to the end
			is, written := 2, 0
			for i := range 50 {
				cmd := set(i + 3)
				require.NoError(t, cmd.Start())
				time.Sleep(rand.N(long))
				_ = cmd.Process.Kill() // it may be done
				_ = cmd.Wait()
				got, err := os.ReadFile(path)
				require.NoError(t, err)
				switch string(got) {
				case text(is):
				case text(i + 3):
					is = i + 3
					written++
				default:
					t.Fatalf("after kill %d the file is neither the old nor the new one: %d bytes", i+1, len(got))
				}
			}
			t.Logf("%d of 50 were written", written)
			out, err = set(1000).CombinedOutput()
			require.NoError(t, err, string(out))
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, text(1000), string(got))
			leftovers, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".config.*"))
			require.NoError(t, err)
			require.Empty(t, leftovers)
		})
	}
}

// answers is a person who answers in this order, and remembers the questions. "-" is Ctrl-D.
type answers struct {
	text  []string
	asked []string
}

func (a *answers) ask(_ context.Context, question string, secret bool) (string, error) {
	if secret {
		question += "(hidden) "
	}
	a.asked = append(a.asked, question)
	if len(a.text) == 0 || a.text[0] == "-" {
		return "", errors.New("the input ended")
	}
	answer := a.text[0]
	a.text = a.text[1:]
	return answer, nil
}

func TestConversation(t *testing.T) {
	t.Parallel()
	const (
		id, newID, tempID = "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7NEWNEW1", "ASIAIOSFODNN7EXAMPLE"
		had               = "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = canary\n"
		hadTemp           = "[default]\naws_access_key_id = " + tempID + "\naws_secret_access_key = canary\naws_session_token = canaryT\n"
	)
	tests := []struct {
		name                string
		credentials, config string
		answers             []string
		asked               string
		wantCredentials     string // "" is as it was
		wantConfig          string
		err                 string
	}{
		{name: "keep all", credentials: had, config: "[default]\nregion = x\n", answers: []string{"", "", "", ""},
			asked: "AWS Access Key ID [****************MPLE]: |AWS Secret Access Key [****************]: (hidden) |Default region name [x]: |Default output format [None]: "},
		{name: "nothing given", answers: []string{"", "", "", ""}},
		{name: "region alone", answers: []string{"", "", "eu-west-1", ""}, wantConfig: "[default]\nregion = eu-west-1\n"},
		{name: "new key", credentials: had, answers: []string{newID, "new", "", "json"},
			asked:           "AWS Access Key ID [****************MPLE]: |AWS Secret Access Key [None]: (hidden) |Default region name [None]: |Default output format [None]: ",
			wantCredentials: "[default]\naws_access_key_id = " + newID + "\naws_secret_access_key = new\n", wantConfig: "[default]\noutput = json\n"},
		{name: "new secret", credentials: had, answers: []string{"", "new", "", ""},
			wantCredentials: "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = new\n"},
		{name: "the same key once more", credentials: had, answers: []string{id, "", "", ""}},
		{name: "temporary key", credentials: had, answers: []string{tempID, "new", "newT", "", ""},
			wantCredentials: "[default]\naws_access_key_id = " + tempID + "\naws_secret_access_key = new\naws_session_token = newT\n"},
		{name: "new session token", credentials: hadTemp, answers: []string{"", "", "newT", "", ""},
			asked:           "AWS Access Key ID [****************MPLE]: |AWS Secret Access Key [****************]: (hidden) |AWS Session Token [****************]: (hidden) |Default region name [None]: |Default output format [None]: ",
			wantCredentials: "[default]\naws_access_key_id = " + tempID + "\naws_secret_access_key = canary\naws_session_token = newT\n"},
		{name: "no token stays", credentials: hadTemp + "aws_security_token = canaryT\n", answers: []string{newID, "new", "", ""},
			wantCredentials: "[default]\naws_access_key_id = " + newID + "\naws_secret_access_key = new\n"},
		{name: "key in the config file", config: had, answers: []string{"", "", "", ""}},
		{name: "halves in two files", credentials: "[default]\naws_access_key_id = " + newID + "\n", config: had, answers: []string{"", ""},
			asked: "AWS Access Key ID [****************NEW1]: |AWS Secret Access Key [None]: (hidden) ", err: "a new access key needs its secret access key"},
		{name: "token in the other file", credentials: "[default]\naws_session_token = canaryT\n", config: had, answers: []string{"", "new", "", ""},
			wantCredentials: "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = new\n"},
		{name: "token of the other file's key", credentials: had, config: "[default]\naws_session_token = canaryT\n", answers: []string{"", "new", "", ""},
			wantCredentials: "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = new\n"},
		{name: "stale token", credentials: had + "aws_session_token = canaryT\n", answers: []string{"", "new", "", ""},
			wantCredentials: "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = new\n"},
		{name: "stale token, keep all", credentials: had + "aws_session_token = canaryT\n", answers: []string{"", "", "", ""}},
		{name: "half a key", credentials: had, answers: []string{newID, ""}, err: "a new access key needs its secret access key; nothing was written"},
		{name: "other half", answers: []string{"", "new"}, err: "a secret access key needs its access key ID; nothing was written"},
		{name: "no session token", answers: []string{tempID, "new", ""}, err: "a temporary access key (ASIA...) needs its session token; nothing was written"},
		{name: "input ends", credentials: had, answers: []string{newID, "new", "-"}, err: "the input ended"},
		{name: "value that cannot be written", credentials: had, answers: []string{newID, "new", "a #b", ""}, err: `region: the value has a "#"`},
		{name: "malformed header", credentials: had, config: "[default\n", answers: []string{newID, "new", "x", ""}, err: "config:1: section header without"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			paths := map[string]string{"credentials": tt.credentials, "config": tt.config}
			for name, text := range paths {
				if text != "" {
					require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
				}
			}
			var errs strings.Builder
			a := &app{streams: streams{err: &errs}, cfg: providers.Config{System: providers.System{Getenv: func(name string) string {
				return map[string]string{"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials")}[name]
			}}}}
			p := &answers{text: tt.answers}
			err := new(configuration).converse(t.Context(), a, p)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.NotContains(t, err.Error(), "new\n")
			} else {
				require.NoError(t, err)
				require.Empty(t, p.text, "not all answers were asked for")
			}
			if tt.asked != "" {
				require.Equal(t, tt.asked, strings.Join(p.asked, "|"))
			}
			require.NotContains(t, strings.Join(p.asked, "")+errs.String(), "canary")
			for name, want := range map[string]string{"credentials": tt.wantCredentials, "config": tt.wantConfig} {
				if want == "" {
					want = paths[name]
				}
				text, err := os.ReadFile(filepath.Join(dir, name))
				if want == "" {
					require.ErrorIs(t, err, os.ErrNotExist)
				} else {
					require.NoError(t, err)
				}
				require.Equal(t, want, string(text), name)
			}
		})
	}
}

// TestConfigureShowsNoSecret: whatever goes wrong, in whatever file.
func TestConfigureShowsNoSecret(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"keys":            "[default]\naws_access_key_id=" + keyID + "\naws_secret_access_key=canary\naws_session_token=canary\n",
		"no equals sign":  "[default]\naws_secret_access_key canary\n",
		"no section":      "aws_secret_access_key = canary\n[default]\n",
		"broken header":   "[default aws_secret_access_key=canary\n",
		"continued":       "[default]\naws_secret_access_key=canary\n  canary\n",
		"commented":       "[default]\nregion = x\n# aws_secret_access_key = canary\n",
		"in another case": "[default]\nAWS_SECRET_ACCESS_KEY = canary\n",
	}
	commands := [][]string{
		{"set", "aws_secret_access_key", "new"}, {"set", "aws_secret_access_key", "new", "--dry-run"}, {"set", "aws_session_token", "a canary", "--dry-run"},
		{"set", "aws_secret_access_key", "canary #x"}, {"set", "aws_secret_access_key", "canary\n"}, {"set", "aws_secret_access_key.x", "canary"},
		{"set", "region", "eu-west-1", "--dry-run"}, {"get", "region"}, {"list"}, {"list-profiles"}, {}, {"import", "--csv", "FILE"},
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, command := range commands {
				dir := t.TempDir()
				file := filepath.Join(dir, "file")
				require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
				m := &machine{env: map[string]string{"AWS_CONFIG_FILE": file, "AWS_SHARED_CREDENTIALS_FILE": file, "AWS_EC2_METADATA_DISABLED": "true"}, files: map[string]string{file: text}}
				args := append([]string{"configure"}, command...)
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "FILE", file)
				}
				stdout, stderr, _ := m.run(t, args...)
				require.NotContains(t, stdout+stderr, "canary", args)
			}
		})
	}
}

// TestDryRunCannotSteerTheTerminal: it shows what is in files.
func TestDryRunCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("[default]\nk\t= a\x1b]0;owned\x07\n"), 0o600))
	m := &machine{env: map[string]string{"AWS_CONFIG_FILE": file, "AWS_SHARED_CREDENTIALS_FILE": file}}
	stdout, _, code := m.run(t, "configure", "set", "k", "v", "--dry-run")
	require.Equal(t, exitFound, code)
	require.Equal(t, "--- "+file+"\n+++ "+file+"\n [default]\n-k\t= a?]0;owned?\n+k\t= v\n", stdout)
}

func TestKeysGoToTheirFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := &machine{env: map[string]string{"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials")}}
	for _, key := range []string{"aws_access_key_id", "AWS_Secret_access_key", "aws_session_token", "aws_security_token", "aws_account_id", "region", "role_arn"} {
		_, stderr, code := m.run(t, "configure", "set", key, "v")
		require.Equal(t, exitFound, code, stderr)
	}
	for name, style := range map[string]profile.Style{"config": profile.Config, "credentials": profile.Credentials} {
		f, err := profile.Read(filepath.Join(dir, name), style)
		require.NoError(t, err)
		keys, err := f.Keys(profile.Section{Name: "default"})
		require.NoError(t, err)
		var names []string
		for _, k := range keys {
			names = append(names, k.Name)
		}
		require.Equal(t, map[string][]string{
			"config":      {"aws_account_id", "region", "role_arn"},
			"credentials": {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token"},
		}[name], names)
	}
}

// TestLockHeldByAnother: the command does not wait for ever, and says what for.
func TestLockHeldByAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config")
	m := &machine{env: map[string]string{"AWS_CONFIG_FILE": path}}
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, profile.Edit(t.Context(), path, profile.Config, func(*profile.File) error {
			before := time.Now()
			_, stderr, code := m.run(t, "configure", "set", "region", "x")
			require.Equal(t, exitFailed, code)
			require.Equal(t, "credchain: "+path+" cannot be updated: another process holds the lock on "+path+".lock: given up after 10s\n", stderr)
			require.Less(t, time.Since(before), 11*time.Second)
			return nil
		}))
	})
}

// endless is standard input on which nothing comes. To read it interrupts the command.
type endless struct {
	interrupt context.CancelFunc
	ended     <-chan struct{}
}

func (e endless) Read([]byte) (int, error) {
	e.interrupt()
	<-e.ended
	return 0, io.EOF
}

// TestInterruptedReads: whoever waits for standard input can be interrupted.
func TestInterruptedReads(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"decode"}, {"configure", "set", "region", "-"}} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		time.AfterFunc(10*time.Second, func() { close(ended) }) // without which a broken one never ends
		var errs strings.Builder
		m, _ := online()
		code := run(ctx, args, streams{in: endless{cancel, ended}, out: io.Discard, err: &errs}, m.config())
		require.Equal(t, exitInterrupted, code, args)
		require.Equal(t, "credchain: interrupted\n", errs.String())
		select {
		case <-ended:
			t.Error("it waited for the end of the input")
		default:
		}
	}
}
