package imds_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

const (
	tokenPath    = "/latest/api/token"
	rolesPath    = "/latest/meta-data/iam/security-credentials/"
	extendedPath = "/latest/meta-data/iam/security-credentials-extended/"
	regionPath   = "/latest/meta-data/placement/region"
	documentPath = "/latest/dynamic/instance-identity/document"

	secret       = "wJalrSECRETSECRET"
	sessionToken = "IQoJbSECRETTOKEN=="
	roleDocument = `{
  "Code" : "Success",
  "LastUpdated" : "2026-11-24T08:00:00Z",
  "Type" : "AWS-HMAC",
  "AccessKeyId" : "ASIAEXAMPLE00000001",
  "SecretAccessKey" : "` + secret + `",
  "Token" : "` + sessionToken + `",
  "Expiration" : "2026-11-24T14:21:33Z"
}`
)

// fake is a metadata service: an http.Handler for a real server, and by transport an http.RoundTripper for
// tests of time. Its fields may be changed while it is not being asked.
type fake struct {
	// tokens counts the session tokens given out; the last, "token-N", is valid.
	tokens int
	// tokenStatus answers the token call if it is not 0.
	tokenStatus int
	// ttl is the token's life as the answer says, if not "".
	ttl string
	// paths holds the documents; anything else is a 404.
	paths map[string]string
	// before answers a request instead of what follows, if it returns true.
	before func(w http.ResponseWriter, r *http.Request) bool

	mu      sync.Mutex
	log     []string // "PUT /latest/api/token"
	headers []http.Header
}

// instance is a fake with a role, a region and an identity document.
func instance() *fake {
	return &fake{paths: map[string]string{
		rolesPath:                          "web-role\n",
		rolesPath + "web-role":             roleDocument,
		regionPath:                         "us-west-2",
		documentPath:                       `{"accountId":"123456789012","region":"us-west-2","instanceId":"i-0abc"}`,
		"/latest/meta-data/instance-id":    "i-0abc",
		"/latest/meta-data/":               "iam/\ninstance-id",
		"/proxied/latest/meta-data/ami-id": "ami-1",
	}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, r.Method+" "+r.URL.Path)
	f.headers = append(f.headers, r.Header.Clone())
	if f.before != nil && f.before(w, r) {
		return
	}
	switch {
	case r.URL.Path == tokenPath || r.URL.Path == "/proxied"+tokenPath:
		if r.Method != http.MethodPut || r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "21600" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if f.tokenStatus != 0 {
			w.WriteHeader(f.tokenStatus)
			return
		}
		f.tokens++
		if f.ttl != "" {
			w.Header().Set("X-aws-ec2-metadata-token-ttl-seconds", f.ttl)
		}
		fmt.Fprintf(w, "token-%d", f.tokens)
	case f.tokenStatus == 0 && r.Header.Get("X-aws-ec2-metadata-token") != fmt.Sprintf("token-%d", f.tokens):
		w.WriteHeader(http.StatusUnauthorized)
	case f.paths[r.URL.Path] == "":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<html>404 - Not Found</html>")
	default:
		fmt.Fprint(w, f.paths[r.URL.Path])
	}
}

// requests returns what has been asked since the last call, by method and path.
func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.log
	f.log = nil
	return log
}

func (f *fake) set(change func(f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// serve starts the fake on loopback and returns a client for it, which is patient: these tests are not about time,
// and a busy machine may take more than the usual second.
func serve(t *testing.T, h http.Handler) *imds.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &imds.Client{Endpoint: server.URL, AnswerTimeout: time.Minute}
}

// roundTrip is a transport without a network, as a synctest bubble needs it.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errNever = errors.New("never answered")

// silent is a transport behind which nobody answers, until the request's context ends.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, fmt.Errorf("%w: %w", errNever, r.Context().Err())
}

// direct calls the fake without a network; each answer takes delay.
func (f *fake) direct(delay time.Duration) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if err := pause(r.Context(), delay); err != nil {
			return nil, err
		}
		rec := httptest.NewRecorder()
		f.ServeHTTP(rec, r)
		resp := rec.Result()
		resp.Request = r
		return resp, nil
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count tells how many of the requests are the given one.
func count(log []string, request string) (n int) {
	for _, r := range log {
		if r == request {
			n++
		}
	}
	return n
}

// requireFailure checks an error of a service that is there: typed, and not taken for an absent one.
func requireFailure(t *testing.T, err error, status int, parts ...string) {
	t.Helper()
	var e *imds.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, status, e.StatusCode, "%v", err)
	require.Equal(t, status, e.HTTPStatusCode())
	for _, part := range append(parts, e.Method+" "+e.URL) {
		require.ErrorContains(t, err, part)
	}
	for _, absent := range []error{imds.ErrUnreachable, imds.ErrHopLimit, imds.ErrNoRole} {
		require.NotErrorIs(t, err, absent)
	}
	for _, hidden := range []string{secret, sessionToken, "token-1"} {
		require.NotContains(t, err.Error(), hidden)
	}
}
