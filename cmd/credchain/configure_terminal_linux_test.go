package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// screen is a pseudo-terminal: what is typed at it, and what it shows.
type screen struct {
	master, slave *os.File

	mu    sync.Mutex
	shown bytes.Buffer
}

func newScreen(t *testing.T) *screen {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there is no pseudo-terminal: %v", err)
	}
	var number, unlock uint32
	control(t, master, syscall.TIOCGPTN, unsafe.Pointer(&number))
	control(t, master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	s := &screen{master: master, slave: slave}
	go func() {
		for b := make([]byte, 256); ; {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.shown.Write(b[:n])
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { slave.Close(); master.Close() })
	return s
}

func control(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	require.Zero(t, errno)
}

// echoes tells whether the terminal shows what is typed.
func (s *screen) echoes(t *testing.T) bool {
	var settings syscall.Termios
	control(t, s.slave, syscall.TCGETS, unsafe.Pointer(&settings))
	return settings.Lflag&syscall.ECHO != 0
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// credchainAt starts the command at a terminal. Its questions come out of questions.
func credchainAt(t *testing.T, s *screen, home string, args ...string) (cmd *exec.Cmd, questions *bufio.Reader) {
	cmd = credchainCommand(home, args...)
	cmd.Stdin = s.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stderr = w
	require.NoError(t, cmd.Start())
	w.Close()
	t.Cleanup(func() { r.Close(); cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewReader(r)
}

// await reads up to the end of a question.
func await(t *testing.T, questions *bufio.Reader, want string) {
	var got strings.Builder
	for !strings.HasSuffix(got.String(), "]: ") {
		b, err := questions.ReadByte()
		require.NoError(t, err, "after %q", got.String())
		got.WriteByte(b)
	}
	require.Equal(t, want, strings.TrimLeft(got.String(), "\n"))
}

// TestSecretsAreNotShown types what a person does, each answer when it is asked for.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	s, home := newScreen(t), t.TempDir()
	cmd, questions := credchainAt(t, s, home, "configure")
	for _, step := range []struct {
		question, answer string
		secret           bool
	}{
		{"AWS Access Key ID [None]: ", "ASIAIOSFODNN7EXAMPLE", false},
		{"AWS Secret Access Key [None]: ", "canary1", true},
		{"AWS Session Token [None]: ", "canary2", true},
		{"Default region name [None]: ", "eu-central-1", false},
		{"Default output format [None]: ", "json", false},
	} {
		await(t, questions, step.question)
		for s.echoes(t) == step.secret { // it is about to be switched
			time.Sleep(time.Millisecond)
		}
		_, err := io.WriteString(s.master, step.answer+"\n")
		require.NoError(t, err)
	}
	require.NoError(t, cmd.Wait())
	require.True(t, s.echoes(t))
	require.Contains(t, s.text(), "ASIAIOSFODNN7EXAMPLE")
	require.NotContains(t, s.text(), "canary")
	text, err := os.ReadFile(filepath.Join(home, ".aws", "credentials"))
	require.NoError(t, err)
	require.Equal(t, "[default]\naws_access_key_id = ASIAIOSFODNN7EXAMPLE\naws_secret_access_key = canary1\naws_session_token = canary2\n", string(text))
}

// TestInterruptAtAQuestion: Ctrl-C ends the command at once, with a terminal that shows again what is typed.
func TestInterruptAtAQuestion(t *testing.T) {
	t.Parallel()
	s, home := newScreen(t), t.TempDir()
	cmd, questions := credchainAt(t, s, home, "configure")
	await(t, questions, "AWS Access Key ID [None]: ")
	_, err := io.WriteString(s.master, "AKIAIOSFODNN7EXAMPLE\n")
	require.NoError(t, err)
	await(t, questions, "AWS Secret Access Key [None]: ")
	for s.echoes(t) {
		time.Sleep(time.Millisecond)
	}
	_, err = io.WriteString(s.master, "canary\x03")
	require.NoError(t, err)
	rest, err := io.ReadAll(questions)
	require.NoError(t, err)
	require.Equal(t, "\ncredchain: interrupted\n", string(rest))
	_ = cmd.Wait()
	require.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode())
	require.True(t, s.echoes(t), "the terminal was left without echo")
	require.NoDirExists(t, filepath.Join(home, ".aws"))
}

// TestSignalsAtAQuestion: whatever asks the command to end, it leaves a terminal that shows what is typed.
func TestSignalsAtAQuestion(t *testing.T) {
	t.Parallel()
	for sig, want := range map[syscall.Signal]struct {
		code int
		text string
	}{
		syscall.SIGTERM: {exitTerminated, "terminated"}, syscall.SIGHUP: {exitHangup, "hangup"}, syscall.SIGINT: {exitInterrupted, "interrupted"},
	} {
		s, home := newScreen(t), t.TempDir()
		cmd, questions := credchainAt(t, s, home, "configure")
		await(t, questions, "AWS Access Key ID [None]: ")
		_, err := io.WriteString(s.master, "AKIAIOSFODNN7EXAMPLE\n")
		require.NoError(t, err)
		await(t, questions, "AWS Secret Access Key [None]: ")
		for s.echoes(t) {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, cmd.Process.Signal(sig))
		rest, err := io.ReadAll(questions)
		require.NoError(t, err)
		require.Equal(t, "\ncredchain: "+want.text+"\n", string(rest))
		_ = cmd.Wait()
		require.Equal(t, want.code, cmd.ProcessState.ExitCode(), sig)
		require.True(t, s.echoes(t), "%v: the terminal was left without echo", sig)
	}
}

// TestIgnoredHangUp: nohup holds.
func TestIgnoredHangUp(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	in, feed, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	link := filepath.Join(t.TempDir(), "credchain") // TestMain goes by the name
	require.NoError(t, os.Symlink(self, link))
	cmd := exec.Command("sh", "-c", `trap "" HUP; echo; exec "$0" configure set region -`, link)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "AWS_CONFIG_FILE="+filepath.Join(home, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(home, "credentials"))
	cmd.Stdin = in
	started, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(started, make([]byte, 1))
	require.NoError(t, err)
	for range 100 { // at any point of its life
		require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
		time.Sleep(time.Millisecond)
	}
	_, err = io.WriteString(feed, "x\n")
	require.NoError(t, err)
	require.NoError(t, feed.Close())
	require.NoError(t, cmd.Wait())
}

// TestSignalEndsThePrograms that the command started, and what those started.
func TestSignalEndsThePrograms(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	script, pidFile := filepath.Join(home, "script"), filepath.Join(home, "pid")
	require.NoError(t, os.WriteFile(script, []byte("sleep 300 &\necho $! >"+pidFile+".new\nmv "+pidFile+".new "+pidFile+"\nwait\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", "config"), []byte("[default]\ncredential_process = /bin/sh "+script+"\n"), 0o600))
	cmd := credchainCommand(home, "export", "--no-cache")
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	require.NoError(t, cmd.Start())
	var text []byte
	for range 10_000 {
		var err error
		if text, err = os.ReadFile(pidFile); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	t.Cleanup(func() {
		if runs(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	// The shell's child becomes a sleep after the shell has written its number.
	require.Eventually(t, func() bool { return runs(pid) }, 10*time.Second, time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	require.Equal(t, exitTerminated, cmd.ProcessState.ExitCode())
	for range 10_000 { // it is killed, and not yet dead
		if !runs(pid) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("what the program has started lives on")
}

// runs reports whether a process, which is a sleep, is there and no zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), "(sleep) ") && !strings.Contains(string(stat), "(sleep) Z")
}

// interruptWhenAsked ends a context while a question is shown, before the answer is read.
type interruptWhenAsked struct{ interrupt context.CancelFunc }

func (w interruptWhenAsked) Write(b []byte) (int, error) {
	w.interrupt()
	return len(b), nil
}

// TestInterruptBeforeTheAnswer: the reader that is about to silence the terminal comes first.
func TestInterruptBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	s := newScreen(t)
	const times = 20
	for range times {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := (&atTerminal{s.slave, interruptWhenAsked{cancel}}).ask(ctx, "secret? ", true)
		require.ErrorIs(t, err, context.Canceled)
		for range 20 {
			require.True(t, s.echoes(t), "the terminal was left without echo")
			time.Sleep(time.Millisecond)
		}
		var asked strings.Builder
		_, err = (&atTerminal{s.slave, &asked}).ask(ctx, "secret? ", true)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, asked.String(), "it is too late to ask")
	}
	for range times { // the readers stay until they have their answers
		_, err := io.WriteString(s.master, "\n")
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
	}
}

// TestPipesAreNotRead: one that nobody writes to would never end.
func TestPipesAreNotRead(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	pipe := filepath.Join(home, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, args := range [][]string{{"assume", deploy, "--policy", pipe}, {"configure", "import", "--csv", pipe}} {
		cmd := credchainCommand(home, args...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		require.NoError(t, cmd.Start())
		late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		late.Stop()
		require.Contains(t, errs.String(), pipe+" cannot be read: it is no regular file", args)
	}
}
