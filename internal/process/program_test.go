package process_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/process"
)

// patience is what no test waits for unless it is broken. A program that nobody kills outlives it, but not for ever.
const (
	patience = 20 * time.Second
	life     = 3 * patience
)

// TestMain makes the test binary also the program that the tests run.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "program:" {
		time.AfterFunc(life, func() { os.Exit(99) })
		os.Exit(program(os.Args[2], os.Args[3:]))
	}
	// Under the race detector the programs would each take a second to end.
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	os.Exit(m.Run())
}

// command is the argv of such a program.
func command(t *testing.T, mode string, args ...string) []string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return append([]string{self, "program:", mode}, args...)
}

// program is one of these. A directory among the arguments is where a process leaves a file with its number.
func program(mode string, args []string) int {
	switch mode {
	case "echo":
		for _, a := range args {
			fmt.Println(a)
		}
	case "raw":
		os.Stdout.Write([]byte("\xff\xfe\x00out"))
		os.Stderr.Write([]byte("\xff\xfe\x00err"))
	case "fail":
		fmt.Print("canary")
		fmt.Fprint(os.Stderr, "last words")
		code, _ := strconv.Atoi(args[0])
		return code
	case "size":
		n, _ := strconv.Atoi(args[0])
		os.Stdout.Write(bytes.Repeat([]byte("x"), n))
	case "words":
		n, _ := strconv.Atoi(args[0])
		fmt.Fprint(os.Stderr, "first words ")
		os.Stderr.Write(bytes.Repeat([]byte("x"), n))
		fmt.Fprint(os.Stderr, " last words")
		fmt.Print("out")
	case "flood":
		f := os.Stdout
		if args[0] == "stderr" {
			f = os.Stderr
		}
		arrive(args[1])
		for block := bytes.Repeat([]byte("canary\n"), 1<<10); ; {
			if _, err := f.Write(block); err != nil {
				return 1
			}
		}
	case "stdin":
		in, err := io.ReadAll(os.Stdin)
		fmt.Print(len(in), err)
	case "world":
		dir, _ := os.Getwd()
		fmt.Print(dir, " ", os.Getenv("PATH"))
	case "hang":
		arrive(args[0])
		time.Sleep(life)
	case "close": // its output, and goes on
		fmt.Print("out")
		os.Stdout.Close()
		arrive(args[0])
		time.Sleep(life)
	case "family": // DIRECTORY KIND END: leaves a process that holds both outputs, and then ends or does not
		child := exec.Command(os.Args[0], "program:", "hang", args[0])
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if args[1] == "daemon" {
			child.SysProcAttr = ownSession()
		}
		if err := child.Start(); err != nil {
			return 98
		}
		for len(arrived(args[0])) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		fmt.Print("out")
		fmt.Fprint(os.Stderr, "last words")
		arrive(args[0])
		if args[2] == "hang" {
			time.Sleep(life)
		}
		code, _ := strconv.Atoi(args[2])
		return code
	case "late": // leaves a process that writes the output a moment later
		child := exec.Command(os.Args[0], "program:", "echo", "out")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			return 98
		}
	case "run": // is itself a program that runs another
		return runProgram(args)
	case "leaks":
		return leaks(args[0])
	default:
		return onlyHere(mode, args)
	}
	return 0
}

func runProgram(args []string) int {
	stdout, _, err := process.Run(context.Background(), append([]string{os.Args[0], "program:"}, args...))
	fmt.Print(string(stdout), err)
	return 0
}

// leaks runs programs of all kinds and prints how many goroutines and open files there are more than before.
func leaks(dir string) int {
	count := func() (goroutines, files int) {
		list, _ := os.ReadDir("/proc/self/fd")
		return runtime.NumGoroutine(), len(list)
	}
	run := func(ctx context.Context, argv ...string) error {
		_, _, err := process.Run(ctx, append([]string{os.Args[0], "program:"}, argv...))
		return err
	}
	run(context.Background(), "echo") // what the runtime opens for itself
	goroutines, files := count()
	run(context.Background(), "echo", "x")
	run(context.Background(), "fail", "3")
	run(context.Background(), "flood", "stdout", dir)
	process.Run(context.Background(), []string{dir})
	process.Run(context.Background(), []string{filepath.Join(dir, "script")})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	run(ctx, "hang", dir)
	cancel()
	run(context.Background(), "family", dir, "daemon", "0")
	for range 1000 { // goroutines end a moment after what they tell
		if g, _ := count(); g <= goroutines {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	g, f := count()
	json.NewEncoder(os.Stdout).Encode([]int{max(g-goroutines, 0), f - files}) // the first run's may have been counted
	for _, pid := range arrived(dir) {                                        // the daemon
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}
	return 0
}

// arrive says that this process is there.
func arrive(dir string) {
	os.WriteFile(filepath.Join(dir, strconv.Itoa(os.Getpid())), nil, 0o600)
}

// arrived are the numbers of the processes that are, or were, there.
func arrived(dir string) []int {
	entries, _ := os.ReadDir(dir)
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// awaitArrival waits for so many processes.
func awaitArrival(t *testing.T, dir string, n int) []int {
	t.Helper()
	require.Eventually(t, func() bool { return len(arrived(dir)) >= n }, patience, 5*time.Millisecond, "the program does not start")
	return arrived(dir)
}

// cancelOnArrival is a context that ends when a process is there.
func cancelOnArrival(t *testing.T, dir string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(arrived(dir)) == 0 && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	return ctx, cancel
}
