package imds_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

// data answers the token call, and leaves every other request to h.
func data(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tokenPath {
			_, _ = io.WriteString(w, "token-1")
			return
		}
		h(w, r)
	})
}

func TestBodySize(t *testing.T) {
	t.Parallel()
	for _, announced := range []bool{true, false} {
		for size, ok := range map[int]bool{0: true, 1 << 20: true, 1<<20 + 1: false} {
			t.Run(fmt.Sprint(size, announced), func(t *testing.T) {
				t.Parallel()
				client := serve(t, data(func(w http.ResponseWriter, r *http.Request) {
					if announced {
						w.Header().Set("Content-Length", strconv.Itoa(size))
					} else {
						w.(http.Flusher).Flush()
					}
					_, _ = io.WriteString(w, strings.Repeat("x", size))
				}))
				body, err := client.Get(t.Context(), "/big")
				if ok {
					require.NoError(t, err)
					require.Len(t, body, size)
					return
				}
				requireFailure(t, err, 200, "the answer is longer than 1048576 bytes")
			})
		}
	}
}

// An answer of 1 GiB, announced or not, is cut off early, and is not tried again.
func TestHugeBody(t *testing.T) {
	t.Parallel()
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprint("announced ", announced), func(t *testing.T) {
			t.Parallel()
			const huge = 1 << 30
			var sent, tries atomic.Int64
			client := serve(t, data(func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				if announced {
					w.Header().Set("Content-Length", strconv.Itoa(huge))
				}
				chunk := make([]byte, 64<<10)
				for sent.Load() < huge {
					n, err := w.Write(chunk)
					sent.Add(int64(n))
					if err != nil {
						return
					}
				}
			}))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := client.Document(t.Context())
			runtime.ReadMemStats(&after)
			requireFailure(t, err, 200, "longer than 1048576 bytes")
			require.EqualValues(t, 1, tries.Load())
			require.Less(t, sent.Load(), int64(64<<20), "the server could go on sending")
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(200<<20)) // other tests allocate too
		})
	}
}

// A redirect is refused, and nobody follows it.
func TestRedirect(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	f := instance()
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/elsewhere" {
			followed.Store(true)
		}
		if r.URL.Path != tokenPath {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return true
		}
		return false
	}
	_, err := serve(t, f).RoleCredentials(t.Context())
	requireFailure(t, err, 302, "redirects are never followed")
	require.False(t, followed.Load())
	require.Len(t, f.requests(), 2)
}

// A body that is shorter than announced is an error, and tried again.
func TestTruncatedBody(t *testing.T) {
	t.Parallel()
	wire := map[string]string{
		"by its length":  "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
		"by its chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n",
		"by the content": "HTTP/1.0 200 OK\r\n\r\n",
	}
	for name, head := range wire {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, broken := range []int64{2, 1000} {
				var tries atomic.Int64
				f := instance()
				f.before = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != rolesPath+"web-role" || tries.Add(1) > broken {
						return false
					}
					conn, _, err := w.(http.Hijacker).Hijack()
					if err == nil {
						_, _ = io.WriteString(conn, head+roleDocument[:100])
						conn.Close()
					}
					return true
				}
				creds, err := serve(t, f).RoleCredentials(t.Context())
				if broken == 2 {
					require.NoError(t, err)
					require.Equal(t, secret, creds.SecretAccessKey)
					continue
				}
				requireFailure(t, err, 200, "the answer is cut short", "(after 3 attempts)")
				require.Zero(t, creds)
				require.EqualValues(t, 3, tries.Load())
			}
		})
	}
}

// The answer to the token call can be cut short as well.
func TestTruncatedToken(t *testing.T) {
	t.Parallel()
	f := instance()
	broken := 1
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != tokenPath || broken == 0 {
			return false
		}
		broken--
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "tok")
		return true
	}
	_, err := serve(t, f).Region(t.Context())
	require.NoError(t, err)
}

// Who listens there may not speak HTTP at all.
func TestNotHTTP(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096)) // the request; an early banner net/http would log
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.9\r\n")
			conn.Close()
		}
	}()
	client := imds.Client{Endpoint: "http://" + listener.Addr().String(), AnswerTimeout: time.Minute}
	_, err = client.Region(t.Context())
	requireFailure(t, err, 0)
}

// One operation's requests travel over one connection, after errors too.
func TestConnectionIsReused(t *testing.T) {
	t.Parallel()
	f := instance()
	addresses := map[string]bool{}
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		addresses[r.RemoteAddr] = true
		return false
	}
	client := serve(t, f)
	for range 3 {
		_, err := client.RoleCredentials(t.Context())
		require.NoError(t, err)
		_, err = client.Get(t.Context(), "/not/there")
		requireFailure(t, err, 404, "answered 404 Not Found")
	}
	require.Len(t, f.requests(), 1+1+3+3)
	require.Len(t, addresses, 1)
}
