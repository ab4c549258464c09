package extended_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server describes how to start one of the parts, all of which serve HTTP.
type server struct {
	part  *part
	args  []string
	env   []string
	addr  string // host:port to serve on, of a free port
	ready string // path that is answered as soon as the server is ready
}

// A running server can be stopped before the end of the test, which stops it anyway.
type running struct {
	*process
	addr string // host:port
}

func (r *running) url() string { return "http://" + r.addr }

// start starts s and waits until it answers. Its address is chosen before, since other parts have to know it.
func (s server) start(t testing.TB) *running {
	t.Helper()
	r := &running{startProcess(t, s.env, s.part.path(t), s.args...), s.addr}
	if err := r.awaitHTTP(r.url() + s.ready); err != nil {
		require.NoError(t, err, "%s on %s:\n%s", s.part.name, s.addr, r.output.String())
	}
	return r
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// A process is a running program, with whatever it started itself.
type process struct {
	cmd    *exec.Cmd
	output buffer
	ended  chan struct{} // closed when the process has ended
}

// startProcess starts a program with an environment that holds an empty home and env, and nothing else.
func startProcess(t testing.TB, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED=true"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = 5 * time.Second
	setGroup(p.cmd)
	started := make(chan error)
	go func() {
		// The kernel ends the process together with the thread that started it (see setGroup), so that a
		// test that panics or runs out of time leaves nothing behind. The thread must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait()
		}
		close(p.ended)
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("output of %s:\n%s", path, p.output.String())
		}
	})
	return p
}

func (p *process) stop() {
	select {
	case <-p.ended: // its number may be somebody else's by now
	default:
		killGroup(p.cmd)
		<-p.ended
	}
}

// awaitHTTP waits until url is answered, whatever the answer.
func (p *process) awaitHTTP(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("ended before it was ready: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// run runs a program to its end with exactly the given environment, and returns what it wrote and its error.
func run(t testing.TB, env []string, path string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errs
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// A buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = &buffer{}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
