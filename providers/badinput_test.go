//go:build unix

package providers_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// Bad input, over real connections and from real files: what comes from outside is bounded, and the error says
// which variable, file or URL it was. Nothing of the real environment is visible.

// bare is a System on the real file system and network, with a new home and the given environment.
func bare(t *testing.T, env map[string]string) providers.System {
	home := t.TempDir()
	return providers.System{
		Getenv: func(name string) string { return env[name] },
		Home:   func() (string, error) { return home, nil },
	}
}

// services are the two clients of a credential service at an address, with what they call it in errors.
func services(t *testing.T, address string) map[string]credchain.Provider {
	return map[string]credchain.Provider{
		"container": &providers.Container{System: bare(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": address + "/creds"})},
		"instance profile": &providers.InstanceProfile{System: bare(t, map[string]string{
			"AWS_EC2_METADATA_SERVICE_ENDPOINT": address, "AWS_METADATA_SERVICE_TIMEOUT": "10"})},
	}
}

// asMetadata answers as the metadata service until the credentials are asked for, for which, and for everything else,
// there is bad.
func asMetadata(bad http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/latest/api/token":
			io.WriteString(w, metadataSession)
		case "/latest/meta-data/iam/security-credentials/":
			io.WriteString(w, "app")
		default:
			bad(w, r)
		}
	}
}

// fails checks the error of a source that is there and broken.
func fails(t *testing.T, p credchain.Provider, words ...string) {
	t.Helper()
	creds, err := p.Retrieve(t.Context())
	require.Error(t, err)
	require.Equal(t, aws.Credentials{}, creds)
	require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	require.Less(t, len(err.Error()), 1000, "an error is a line")
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
	require.Empty(t, leaks(err.Error()), err.Error())
}

// TestEndlessDocument has a service stream a gibibyte. It is not parallel, since it counts the whole process's
// allocations.
func TestEndlessDocument(t *testing.T) {
	const chunk = 1 << 20
	for name, ending := range map[string]func(http.ResponseWriter){
		"without a length": func(http.ResponseWriter) {},
		"with a length":    func(w http.ResponseWriter) { w.Header().Set("Content-Length", "1073741824") },
	} {
		filler := bytes.Repeat([]byte(" "), chunk)
		server := httptest.NewServer(asMetadata(func(w http.ResponseWriter, _ *http.Request) {
			ending(w)
			io.WriteString(w, `{"AccessKeyId":"`)
			for range 1 << 30 / chunk {
				if _, err := w.Write(filler); err != nil {
					return
				}
			}
		}))
		defer server.Close()
		for service, p := range services(t, server.URL) {
			t.Run(service+" "+name, func(t *testing.T) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				fails(t, p, server.URL, "longer than")
				runtime.ReadMemStats(&after)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
			})
		}
	}
}

// TestEndlessToken has the metadata service stream its session token, and the list of roles.
func TestEndlessToken(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/latest/api/token", "/latest/meta-data/iam/security-credentials/"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			filler := bytes.Repeat([]byte("x"), 1<<16)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != path {
					io.WriteString(w, metadataSession)
					return
				}
				for range 1 << 14 {
					if _, err := w.Write(filler); err != nil {
						return
					}
				}
			}))
			defer server.Close()
			fails(t, services(t, server.URL)["instance profile"], server.URL+path, "longer than")
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var elsewhere atomic.Int64
			target := httptest.NewServer(asMetadata(func(w http.ResponseWriter, _ *http.Request) {
				elsewhere.Add(1)
				io.WriteString(w, service{}.document("ASIASOMEBODYELSE0000", true))
			}))
			defer target.Close()
			server := httptest.NewServer(asMetadata(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, target.URL+r.URL.Path+"?token=s3cret/location", status)
			}))
			defer server.Close()
			for name, p := range services(t, server.URL) {
				t.Run(name, func(t *testing.T) { fails(t, p, server.URL, "redirect", fmt.Sprint(status)) })
			}
			require.Zero(t, elsewhere.Load(), "requests at the redirect's target")
		})
	}
}

// TestEndlessHeader has a service send a header line without an end.
func TestEndlessHeader(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		line := bytes.Repeat([]byte("s3cret"), 1<<12)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Endless: ")
				for err == nil {
					_, err = conn.Write(line)
				}
			}()
		}
	}()
	for name, p := range services(t, "http://"+listener.Addr().String()) {
		t.Run(name, func(t *testing.T) { fails(t, p, listener.Addr().String(), "header") })
	}
}

// TestNotHTTP has something else than a web server at the address: here one that leaves out the whole head of
// HTTP, and whose first line is the document.
func TestNotHTTP(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, service{}.document("ASIACONTAINER0000005", true)+"\r\n\r\n")
			conn.Close()
		}
	}()
	for name, p := range services(t, "http://"+listener.Addr().String()) {
		t.Run(name, func(t *testing.T) { fails(t, p, listener.Addr().String()) })
	}
}

// TestBadSharedFile puts things that are no shared file in the place of one. No link behind it may be used.
func TestBadSharedFile(t *testing.T) {
	t.Parallel()
	write := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	}
	keys := func(secret string) string {
		return "[default]\naws_access_key_id = AKIACREDENTIALS00003\naws_secret_access_key = " + secret + "\n"
	}
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want string // besides the path; FILE stands for it
	}{
		{"directory", func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "directory"},
		{"unreadable", func(t *testing.T, path string) {
			if os.Getuid() == 0 {
				t.Skip("root can read every file")
			}
			write(keys("s3cret/x"))(t, path)
			require.NoError(t, os.Chmod(path, 0))
		}, "permission denied"},
		{"pipe that nobody writes to", func(t *testing.T, path string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) }, "not a regular file but a pipe"},
		{"pipe with a writer", func(t *testing.T, path string) {
			require.NoError(t, syscall.Mkfifo(path, 0o600))
			pipe, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			t.Cleanup(func() { pipe.Close() })
			_, err = pipe.WriteString(keys("s3cret/pipe"))
			require.NoError(t, err)
		}, "pipe"},
		{"device", func(t *testing.T, path string) { require.NoError(t, os.Symlink("/dev/zero", path)) }, "device"},
		{"socket", func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Skip("the path is too long for a socket here")
			}
			t.Cleanup(func() { l.Close() })
		}, ""},
		{"link to itself", func(t *testing.T, path string) { require.NoError(t, os.Symlink(path, path)) }, ""},
		{"NUL in a secret", write(keys("s3cret/\x00+=")), "FILE:3) holds a control character"},
		{"NUL bytes alone", write(strings.Repeat("\x00", 1<<16)), "FILE:1:"},
		{"no text", write("\x7fELF\x02\x01\x01\x00\x00\xff\xfe"), "FILE:1:"},
		{"UTF-16", write("\xff\xfe[\x00d\x00e\x00f\x00a\x00u\x00l\x00t\x00]\x00\n\x00"), "FILE:1:"},
		{"endless header", write("[" + strings.Repeat("s3cret", 1<<19)), "FILE:1:"},
		{"endless line", write(keys(strings.Repeat("s3cret", 1<<19))), "FILE:3:"},
		{"endless line without =", write("[default]\n" + strings.Repeat("s3cret", 1<<19)), "FILE:2:"},
		{"endless continuation", write(keys(strings.Repeat("s3cret\n ", 1<<19))), ":"},
	}
	for _, tt := range tests {
		for _, file := range []string{"credentials", "config"} {
			t.Run(tt.name+" as "+file, func(t *testing.T) {
				t.Parallel()
				sys := bare(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/creds"})
				sys.Transport = &wire{answer: answer(200, containerDocument)}
				home, err := sys.Home()
				require.NoError(t, err)
				path := filepath.Join(home, ".aws", file)
				require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
				tt.make(t, path)
				chain := providers.Default(providers.Config{System: sys})
				fails(t, watched{chain}, path, strings.ReplaceAll(tt.want, "FILE", path))
				require.Empty(t, sys.Transport.(*wire).requests, "the container was asked")
			})
		}
	}
}

// watched is a provider that may hang at a file. Then Retrieve leaves it there and fails, so that one test fails
// and not the whole run. The limit is no measure of speed.
type watched struct{ credchain.Provider }

func (w watched) Retrieve(ctx context.Context) (aws.Credentials, error) {
	type result struct {
		creds aws.Credentials
		err   error
	}
	done := make(chan result, 1)
	go func() {
		creds, err := w.Provider.Retrieve(ctx)
		done <- result{creds, err}
	}()
	select {
	case r := <-done:
		return r.creds, r.err
	case <-time.After(20 * time.Second):
		return aws.Credentials{}, errors.New("it hangs")
	}
}

func TestBadTokenFile(t *testing.T) {
	t.Parallel()
	write := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	}
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"missing", func(*testing.T, string) {}, "no such file"},
		{"directory", func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "directory"},
		{"unreadable", func(t *testing.T, path string) {
			if os.Getuid() == 0 {
				t.Skip("root can read every file")
			}
			write("auth0/x")(t, path)
			require.NoError(t, os.Chmod(path, 0))
		}, "permission denied"},
		{"pipe that nobody writes to", func(t *testing.T, path string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) }, "not a regular file but a pipe"},
		{"zeros without end", func(t *testing.T, path string) { require.NoError(t, os.Symlink("/dev/zero", path)) }, "device"},
		{"null device", func(t *testing.T, path string) { require.NoError(t, os.Symlink(os.DevNull, path)) }, ""},
		{"empty", write(""), "empty"},
		{"blank", write(" \r\n\t\n"), "empty"},
		{"1 MiB", write(strings.Repeat("auth0/", 1<<20/6)), "16 KiB"},
		{"one byte too much", write(strings.Repeat("x", 16<<10+1)), "16 KiB"},
		{"NUL", write("auth0/\x00+="), "control character"},
		{"two lines", write("auth0/one\nauth0/two\n"), "more than one line"},
		{"carriage return inside", write("auth0/one\rauth0/two"), "more than one line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "token")
			tt.make(t, path)
			var requests atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
			defer server.Close()
			p := &providers.Container{System: bare(t, map[string]string{
				"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path})}
			fails(t, watched{p}, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, tt.want)
			require.Zero(t, requests.Load(), "the endpoint was asked without its token")
		})
	}
}

// TestEndlessTokenFile has the program's own Open give a file without an end: what is read of it is bounded too.
func TestEndlessTokenFile(t *testing.T) {
	t.Parallel()
	var read atomic.Int64
	sys := bare(t, map[string]string{
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token"})
	sys.Open = func(string) (io.ReadCloser, error) { return io.NopCloser(endless{&read}), nil }
	sys.Transport = &wire{}
	fails(t, watched{&providers.Container{System: sys}}, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "16 KiB")
	require.Less(t, read.Load(), int64(1<<20))
}

// endless is a reader that counts.
type endless struct{ read *atomic.Int64 }

func (e endless) Read(p []byte) (int, error) {
	if e.read.Add(int64(len(p))) > 1<<30 {
		return 0, errors.New("somebody reads and reads")
	}
	return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
}

// transport is a RoundTripper that keeps nothing, for requests at the same time.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// drip is a body of one byte each half second, which ends with the request.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(500 * time.Millisecond):
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d drip) Close() error { return nil }

// TestSlowBody drips an answer without end, at each place of the exchange. The limits are those of the design,
// section 5: 5 s for an answer of the container and three attempts, 5 s for the metadata service in all; and 10 s for
// each of three attempts of the services that sign people and programs in.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		path  string // the last path that is asked for
		limit time.Duration
	}{
		{"container", "/creds", 15*time.Second + 200*time.Millisecond},
		{"metadata token", "/latest/api/token", 5 * time.Second},
		{"metadata list", "/latest/meta-data/iam/security-credentials/", 5 * time.Second},
		{"metadata credentials", "/latest/meta-data/iam/security-credentials/app", 5 * time.Second},
		{"web identity", "sts.us-east-1.amazonaws.com/", 30*time.Second + 200*time.Millisecond},
		{"sso", "/federation/credentials", 30*time.Second + 200*time.Millisecond},
		{"sso refresh", "/token", 30*time.Second + 200*time.Millisecond},
		{"login", "/v1/token", 30*time.Second + 200*time.Millisecond},
	}
	for _, tt := range tests {
		for _, length := range []int64{-1, 500} {
			t.Run(fmt.Sprintf("%s, length %d", tt.name, length), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					env := map[string]string{}
					if tt.path == "/creds" {
						env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/creds"
					}
					sys := bare(t, env)
					if files := sessions(tt.name); files != nil {
						home, err := sys.Home()
						require.NoError(t, err)
						files(t, home, env)
					}
					sys.Transport = transport(func(r *http.Request) (*http.Response, error) {
						if r.URL.Path == tt.path || r.URL.Host+r.URL.Path == tt.path {
							return &http.Response{StatusCode: 200, ContentLength: length, Body: drip{r.Context()}, Header: http.Header{}, Request: r}, nil
						}
						rec := httptest.NewRecorder()
						asMetadata(func(http.ResponseWriter, *http.Request) {})(rec, r)
						return rec.Result(), nil
					})
					start := time.Now()
					fails(t, providers.Default(providers.Config{System: sys}), tt.path)
					require.LessOrEqual(t, time.Since(start), tt.limit)
				})
			})
		}
	}
}

// TestCallerGivesUp ends the caller's context during each wait: the call returns at once with the context's error.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/creds"}, nil} {
		t.Run(fmt.Sprint(len(env)), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sys := bare(t, env)
				sys.Transport = transport(func(r *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, ContentLength: -1, Body: drip{r.Context()}, Header: http.Header{}, Request: r}, nil
				})
				ctx, cancel := context.WithTimeoutCause(t.Context(), 700*time.Millisecond, errors.New("the caller is tired"))
				defer cancel()
				start := time.Now()
				_, err := providers.Default(providers.Config{System: sys}).Retrieve(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, credchain.ErrNotConfigured)
				require.Equal(t, 700*time.Millisecond, time.Since(start))
				time.Sleep(time.Minute) // a call that others could share goes on until its own end
			})
		})
	}
}
