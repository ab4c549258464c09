//go:build unix

package process_test

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/process"
)

// alive reports whether a process is there and is more than an entry in the table.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err) || !isDir("/proc/self")
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// onlyHere are the programs that only these systems have.
func onlyHere(mode string, args []string) int {
	switch mode {
	case "signal":
		fmt.Fprint(os.Stderr, "last words")
		n, _ := strconv.Atoi(args[0])
		syscall.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(life)
	case "stop": // itself, as a read from the terminal in the background would
		arrive(args[0])
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "deaf":
		signal.Ignore()
		arrive(args[0])
		time.Sleep(life)
	case "careless": // a caller that lets the kernel reap its children
		signal.Ignore(syscall.SIGCHLD)
		return runProgram(args)
	case "tty":
		group, err := syscall.Getpgid(0)
		fmt.Print(err == nil && group == os.Getpid())
		if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
			fmt.Print(" has a terminal")
			tty.Close()
		}
	default:
		return linuxProgram(mode, args)
	}
	return 0
}

func TestRunSignal(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			argv := command(t, "signal", strconv.Itoa(int(s)))
			_, stderr, err := process.Run(t.Context(), argv)
			require.EqualError(t, err, argv[0]+": ended by a signal: "+s.String())
			var exit *process.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, process.ExitError{Code: -1, Signal: s.String()}, *exit)
			require.Equal(t, "last words", string(stderr))
		})
	}
}

// TestRunKillsTheUnwilling: a program that is stopped, or ignores every signal it can, is killed as well.
func TestRunKillsTheUnwilling(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"stop", "deaf"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := cancelOnArrival(t, dir)
			defer cancel()
			_, _, err := process.Run(ctx, command(t, mode, dir))
			require.ErrorIs(t, err, ctx.Err())
			requireGone(t, arrived(dir), 1)
		})
	}
}

// TestRunDaemon: what made a session of its own lives on, and keeps nobody waiting although it holds both outputs.
func TestRunDaemon(t *testing.T) {
	t.Parallel()
	for _, code := range []int{0, 3} {
		t.Run(fmt.Sprint("exit code ", code), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			stdout, stderr, err := process.Run(t.Context(), command(t, "family", dir, "daemon", strconv.Itoa(code)))
			require.Equal(t, "last words", string(stderr))
			living := 0
			for _, pid := range arrived(dir) {
				if alive(pid) {
					living++
					require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
				}
			}
			require.Equal(t, 1, living)
			if code == 0 {
				require.NoError(t, err)
				require.Equal(t, "out", string(stdout))
			} else {
				require.Error(t, err)
			}
		})
	}
}

// TestRunWithoutExitCode: success that nobody can know of is none.
func TestRunWithoutExitCode(t *testing.T) {
	t.Parallel()
	stdout, _, err := process.Run(t.Context(), command(t, "careless", "echo", "canary"))
	require.NoError(t, err)
	require.Contains(t, string(stdout), ": how it ended is not known: ")
	require.NotContains(t, string(stdout), "canary")
}

func TestRunHasItsOwnGroup(t *testing.T) {
	t.Parallel()
	stdout, _, err := process.Run(t.Context(), command(t, "tty"))
	require.NoError(t, err)
	require.Equal(t, "true", string(stdout))
}
