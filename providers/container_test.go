package providers_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// wire answers requests from memory and remembers them.
type wire struct {
	answer func(*http.Request) (*http.Response, error)

	mu       sync.Mutex
	requests []*http.Request
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, r)
	w.mu.Unlock()
	if w.answer == nil { // nobody is there
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return w.answer(r)
}

func answer(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
			ContentLength: int64(len(body)), Request: r}, nil
	}
}

const containerDocument = `{"RoleArn":"arn:aws:iam::123456789012:role/task","AccessKeyId":"ASIACONTAINER0000001",
	"SecretAccessKey":"canary-secret","Token":"canary-token","AccountId":"123456789012","Expiration":"2030-01-02T03:04:05Z"}`

// machine is a System of maps.
type machine struct {
	env   map[string]string
	files map[string]string
	hosts map[string][]string
	wire  wire
}

func (m *machine) system() providers.System {
	return providers.System{
		Getenv: func(name string) string { return m.env[name] },
		Home:   func() (string, error) { return "/home/u", nil },
		Open: func(name string) (io.ReadCloser, error) {
			text, ok := m.files[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return io.NopCloser(strings.NewReader(text)), nil
		},
		Transport: &m.wire,
		LookupHost: func(_ context.Context, host string) ([]string, error) {
			if a, ok := m.hosts[host]; ok {
				return a, nil
			}
			return nil, fmt.Errorf("no such host %s", host)
		},
	}
}

func TestContainerRequest(t *testing.T) {
	t.Parallel()
	const (
		relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
		full     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
		token    = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
		file     = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	)
	tests := []struct {
		name  string
		env   map[string]string
		files map[string]string
		url   string
		token string
	}{
		{"relative", map[string]string{relative: "/v2/credentials/id"}, nil, "http://169.254.170.2/v2/credentials/id", ""},
		{"relative with a query", map[string]string{relative: "/creds?id=1"}, nil, "http://169.254.170.2/creds?id=1", ""},
		{"relative beats full", map[string]string{relative: "/r", full: "http://127.0.0.1/f"}, nil, "http://169.254.170.2/r", ""},
		{"blank relative is unset", map[string]string{relative: " ", full: "http://127.0.0.1/f"}, nil, "http://127.0.0.1/f", ""},
		{"token", map[string]string{full: "http://127.0.0.1:81/f", token: "Bearer abc"}, nil, "http://127.0.0.1:81/f", "Bearer abc"},
		{"EKS token file", map[string]string{full: "http://169.254.170.23/v1/credentials", file: "/var/token"},
			map[string]string{"/var/token": "from file\n"}, "http://169.254.170.23/v1/credentials", "from file"},
		{"token file beats token", map[string]string{full: "http://[fd00:ec2::23]/v1/credentials", file: "/var/token", token: "no"},
			map[string]string{"/var/token": "from file\r\n"}, "http://[fd00:ec2::23]/v1/credentials", "from file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := &machine{env: tt.env, files: tt.files, wire: wire{answer: answer(200, containerDocument)}}
			c := &providers.Container{System: m.system()}
			got, err := c.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, aws.Credentials{
				AccessKeyID: "ASIACONTAINER0000001", SecretAccessKey: "canary-secret", SessionToken: "canary-token", AccountID: "123456789012",
				Source: "Container", CanExpire: true, Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
			}, got)
			require.Len(t, m.wire.requests, 1)
			r := m.wire.requests[0]
			require.Equal(t, http.MethodGet, r.Method)
			require.Equal(t, tt.url, r.URL.String())
			require.Equal(t, tt.token, r.Header.Get("Authorization"))
			require.Equal(t, "application/json", r.Header.Get("Accept"))
		})
	}
}

func TestContainerHosts(t *testing.T) {
	t.Parallel()
	hosts := map[string][]string{
		"localhost":      {"127.0.0.1", "::1"},
		"agent.internal": {"127.0.0.1"},
		"mixed.example":  {"127.0.0.1", "203.0.113.7"},
		"public.example": {"203.0.113.7"},
		"empty.example":  {},
	}
	tests := []struct {
		url string
		ok  bool
	}{
		{"http://127.0.0.1/c", true}, {"http://127.8.9.10:99/c", true}, {"http://[::1]/c", true}, {"http://[::ffff:127.0.0.1]/c", true},
		{"http://169.254.170.2/c", true}, {"http://169.254.170.23/c", true}, {"http://[fd00:ec2::23]/c", true},
		{"http://localhost/c", true}, {"http://agent.internal/c", true},
		{"https://public.example/c", true}, {"https://203.0.113.7/c", true},
		{"http://169.254.169.254/c", false}, {"http://169.254.170.3/c", false}, {"http://[fd00:ec2::24]/c", false},
		{"http://203.0.113.7/c", false}, {"http://10.0.0.1/c", false}, {"http://0.0.0.0/c", false},
		{"http://public.example/c", false}, {"http://mixed.example/c", false}, {"http://empty.example/c", false}, {"http://unknown.example/c", false},
		{"ftp://127.0.0.1/c", false}, {"127.0.0.1/c", false}, {"http:///c", false}, {"http://user:canary@127.0.0.1/c", false}, {"http://[::1/c", false},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			t.Parallel()
			m := &machine{env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": tt.url}, hosts: hosts,
				wire: wire{answer: answer(200, containerDocument)}}
			_, err := (&providers.Container{System: m.system()}).Retrieve(t.Context())
			if tt.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
			require.NotErrorIs(t, err, credchain.ErrNotConfigured)
			require.NotContains(t, err.Error(), "canary")
			require.Empty(t, m.wire.requests, "a refused host was asked")
		})
	}
}

func TestContainerTokenIsReadAnew(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t"},
		files: map[string]string{"/t": "one"}, wire: wire{answer: answer(200, containerDocument)}}
	c := &providers.Container{System: m.system()}
	for _, token := range []string{"one", "two"} {
		m.files["/t"] = token
		_, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, token, m.wire.requests[len(m.wire.requests)-1].Header.Get("Authorization"))
	}
}

func TestContainerFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		token    string // content of the token file; "-" means none is there
		answer   func(*http.Request) (*http.Response, error)
		want     string
		requests int
	}{
		{"refused", "t", answer(403, `{"code":"AccessDenied","message":"no such token"}`), "HTTP 403: AccessDenied: no such token", 1},
		{"the ECS agent's words", "t", answer(400, `{"code":"NoIdInRequest","message":"No Credential ID in the request","HTTPErrorCode":400}`), "HTTP 400: NoIdInRequest", 1},
		{"an answer that is no JSON", "t", answer(404, "canary page"), "HTTP 404", 1},
		{"down, and down again", "t", answer(500, ""), "HTTP 500", 3},
		{"throttled", "t", answer(429, ""), "HTTP 429", 3},
		{"unreachable", "t", func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, "EOF", 3},
		{"no JSON", "t", answer(200, "canary"), "no JSON document", 1},
		{"no keys", "t", answer(200, `{"Token":"canary"}`), "AccessKeyId", 1},
		{"half a key", "t", answer(200, `{"AccessKeyId":"ASIACONTAINER0000001"}`), "SecretAccessKey", 1},
		{"no time", "t", answer(200, `{"AccessKeyId":"A","SecretAccessKey":"canary","Token":"canary","Expiration":"canary"}`), "Expiration", 1},
		{"two lines of token", "canary\ncanary", answer(200, containerDocument), "more than one line", 0},
		{"an empty token", "\n", answer(200, containerDocument), "is empty", 0},
		{"no token file", "-", answer(200, containerDocument), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", 0},
		{"a token of 17 KiB", strings.Repeat("c", 17<<10), answer(200, containerDocument), "16 KiB", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &machine{env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t"},
					files: map[string]string{"/t": tt.token}, wire: wire{answer: tt.answer}}
				if tt.token == "-" {
					delete(m.files, "/t")
				}
				_, err := (&providers.Container{System: m.system()}).Retrieve(t.Context())
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, err, "http://127.0.0.1/c")
				require.NotErrorIs(t, err, credchain.ErrNotConfigured)
				require.NotContains(t, err.Error(), "canary")
				require.Len(t, m.wire.requests, tt.requests)
			})
		})
	}
}

func TestContainerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &machine{env: map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/c"}}
		m.wire.answer = func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		start := time.Now()
		_, err := (&providers.Container{System: m.system()}).Retrieve(t.Context())
		require.Error(t, err)
		require.NotErrorIs(t, err, credchain.ErrNotConfigured)
		require.Less(t, time.Since(start), 16*time.Second)
		require.Len(t, m.wire.requests, 3)
	})
}
