package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// linuxProgram: "at-terminal" opens its terminal and runs a program that tries the same; "threads" runs one while
// its own threads end, and "nap" gives them the time.
func linuxProgram(mode string, args []string) int {
	switch mode {
	case "at-terminal":
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return 96
		}
		tty.Close()
		return runProgram(args)
	case "threads":
		go func() {
			for {
				go runtime.LockOSThread() // a goroutine that ends so takes its thread with it
				time.Sleep(time.Millisecond)
			}
		}()
		var runs sync.WaitGroup
		for range 6 { // the first thread of a process never ends
			runs.Go(func() { runProgram(args) })
		}
		runs.Wait()
		return 0
	case "nap":
		time.Sleep(300 * time.Millisecond)
		fmt.Print("awake")
		return 0
	}
	return 97
}

// openTerminal makes a pseudo-terminal and returns its two ends.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { master.Close() })
	var n, unlocked int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &n} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(arg)))
		require.Zero(t, errno)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestRunHasNoTerminal: even if the caller has one.
func TestRunHasNoTerminal(t *testing.T) {
	t.Parallel()
	_, slave := openTerminal(t)
	argv := command(t, "at-terminal", "tty")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "true<nil>", string(out))
}

// TestRunEndsWithItsCaller: when the caller is killed, so is the program.
func TestRunEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	argv := command(t, "run", "hang", dir)
	caller := exec.Command(argv[0], argv[1:]...)
	require.NoError(t, caller.Start())
	pids := awaitArrival(t, dir, 1)
	require.NoError(t, caller.Process.Kill())
	require.Error(t, caller.Wait())
	requireGone(t, pids, 1)
}

// TestRunEndsWithItsCallerOnly, not with a thread of it.
func TestRunEndsWithItsCallerOnly(t *testing.T) {
	t.Parallel()
	argv := command(t, "threads", "nap")
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("awake<nil>", 6), string(out))
}

// TestRunKeepsNothing: neither a goroutine nor a file, however a run ends.
func TestRunKeepsNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/script", []byte("#!/nonexistent\n"), 0o755))
	t.Parallel()
	argv := command(t, "leaks", dir)
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	require.NoError(t, err)
	require.Equal(t, "[0,0]\n", string(out))
	for _, pid := range arrived(dir) {
		require.Eventually(t, func() bool { return !alive(pid) }, patience, 5*time.Millisecond)
	}
}
