package realtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/providers"
)

const goodKeys = `{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "process-secret"}`

// gone waits until the process whose number is in a file has ended. One that has ended, and that nobody has asked
// about, is a zombie.
func gone(t testing.TB, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err, "the grandchild has not even started")
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return true
		}
		end := bytes.LastIndexByte(stat, ')')
		return end > 0 && len(stat) > end+2 && stat[end+2] == 'Z'
	}, patience, 5*time.Millisecond, "process %d is still there", pid)
}

// await waits until a file is there and has something in it.
func await(t testing.TB, file string) {
	t.Helper()
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(file)
		return err == nil && bytes.HasSuffix(raw, []byte("\n"))
	}, patience, time.Millisecond, "%s is not there", file)
}

// TestGrandchildOfACredentialProcess: programs that fetch credentials leave agents behind, which inherit the pipe.
// Neither does anybody wait for them, nor do they stay.
func TestGrandchildOfACredentialProcess(t *testing.T) {
	t.Parallel()
	background := func(pids string) string { return "sleep 600 & echo $! > " + pids } // with standard output open
	t.Run("left behind by a good program", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		pids := filepath.Join(dir, "pid")
		creds, err := retrieve(t, &providers.Process{Command: script(t, dir, "fetch", background(pids), "echo '"+goodKeys+"'"), System: machine(t, nil, newWire())})
		require.NoError(t, err)
		require.Equal(t, "AKIAPROCESS", creds.AccessKeyID)
		gone(t, pids)
	})
	t.Run("of a program that hangs", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		pids := filepath.Join(dir, "pid")
		_, err := retrieve(t, &providers.Process{Command: script(t, dir, "fetch", background(pids), "sleep 600"), Timeout: 3 * time.Second, System: machine(t, nil, newWire())})
		requireFinal(t, err, "did not end within 3s")
		gone(t, pids)
	})
	t.Run("of a program that nobody waits for any more", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		pids := filepath.Join(dir, "pid")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		p := &providers.Process{Command: script(t, dir, "fetch", background(pids), "sleep 600"), System: machine(t, nil, newWire())}
		go func() {
			_, err := p.Retrieve(ctx)
			ended <- err
		}()
		await(t, pids)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		gone(t, pids)
	})
	t.Run("of the command's", func(t *testing.T) {
		t.Parallel()
		home := t.TempDir()
		pids := filepath.Join(home, "pid")
		writeFile(t, home, ".aws/config", "[profile p]", "credential_process = "+script(t, home, "fetch", background(pids), "echo '"+goodKeys+"'"))
		stdout, stderr, err := run(t, commandEnv(home, "AWS_EC2_METADATA_DISABLED=true"), credchainCLI.path(t), "export", "--profile", "p")
		require.NoError(t, err, stderr)
		require.Contains(t, stdout, "AKIAPROCESS")
		gone(t, pids)
	})
	// Nobody can clean up after a kill -9 but the kernel, which ends the program itself.
	t.Run("the program of a command that is killed", func(t *testing.T) {
		t.Parallel()
		home := t.TempDir()
		pids := filepath.Join(home, "pid")
		writeFile(t, home, ".aws/config", "[profile p]", "credential_process = "+script(t, home, "fetch", "echo $$ > "+pids, "exec sleep 600"))
		cmd := exec.Command(credchainCLI.path(t), "export", "--profile", "p")
		cmd.Env = commandEnv(home, "AWS_EC2_METADATA_DISABLED=true")
		require.NoError(t, cmd.Start())
		await(t, pids)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		gone(t, pids)
	})
}

// TestProcessProviderIsTheSDKs: what a program may write, and what it may not. The SDK runs a shell, and we do not.
func TestProcessProviderIsTheSDKs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines []string
		fails bool
	}{
		"keys":                      {lines: []string{"echo '" + goodKeys + "'"}},
		"a session":                 {lines: []string{`echo '{"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2099-01-02T03:04:05Z"}'`}},
		"an expiry with an offset":  {lines: []string{`echo '{"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2099-01-02T03:04:05+02:00"}'`}},
		"an account":                {lines: []string{`echo '{"Version": 1, "AccessKeyId": "AKIAX", "SecretAccessKey": "s", "AccountId": "111122223333"}'`}},
		"words beside it":           {lines: []string{"echo some words >&2", "echo '" + goodKeys + "'"}},
		"fields that nobody knows":  {lines: []string{`echo '{"Version": 1, "AccessKeyId": "AKIAX", "SecretAccessKey": "s", "Region": "eu-west-1", "More": [1]}'`}},
		"another version":           {lines: []string{`echo '{"Version": 2, "AccessKeyId": "AKIAX", "SecretAccessKey": "s"}'`}, fails: true},
		"no version":                {lines: []string{`echo '{"AccessKeyId": "AKIAX", "SecretAccessKey": "s"}'`}, fails: true},
		"no secret":                 {lines: []string{`echo '{"Version": 1, "AccessKeyId": "AKIAX"}'`}, fails: true},
		"no key":                    {lines: []string{`echo '{"Version": 1, "SecretAccessKey": "s"}'`}, fails: true},
		"an expiry that is no time": {lines: []string{`echo '{"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s", "Expiration": "soon"}'`}, fails: true},
		"no JSON":                   {lines: []string{"echo sign in first"}, fails: true},
		"nothing":                   {lines: []string{":"}, fails: true},
		"a failure":                 {lines: []string{"echo '" + goodKeys + "'", "exit 3"}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := script(t, t.TempDir(), "fetch", tt.lines...)
			theirs, sdkErr := retrieve(t, processcreds.NewProviderCommand(processcreds.NewCommandBuilderFunc(func(ctx context.Context) (*exec.Cmd, error) {
				cmd := exec.CommandContext(ctx, path)
				cmd.Env = []string{"PATH=/usr/bin:/bin"}
				return cmd, nil
			})))
			ours, err := retrieve(t, &providers.Process{Command: path, System: machine(t, nil, newWire())})
			if tt.fails {
				require.Error(t, sdkErr)
				requireFinal(t, err, path)
				require.NotContains(t, err.Error(), "process-secret")
				return
			}
			require.NoError(t, sdkErr)
			require.NoError(t, err)
			requireSame(t, theirs, ours)
			require.Equal(t, theirs.CanExpire, ours.CanExpire)
			require.True(t, theirs.Expires.Equal(ours.Expires), "%s, and we say %s", theirs.Expires, ours.Expires)
			require.Equal(t, theirs.AccountID, ours.AccountID)
		})
	}
}
