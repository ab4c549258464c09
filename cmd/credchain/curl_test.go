package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// server answers what was signed by the machine's keys with what came.
type server struct {
	answers []int // statuses before the first success
	ahead   time.Duration
	last    *http.Request
	body    string
	calls   int
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Add(s.ahead)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	w.Header().Set("X-Served", "yes")
	s.last = r
	s.calls++
	if s.calls <= len(s.answers) {
		w.Header().Set("Location", "https://elsewhere.example/")
		w.WriteHeader(s.answers[s.calls-1])
		io.WriteString(w, "refused")
		return
	}
	_, err := accepts(mine).Verify(r, now)
	body, _ := io.ReadAll(r.Body)
	if s.body = string(body); err != nil {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>%s</Message></Error>", err)
		return
	}
	io.WriteString(w, r.Method+" "+r.URL.RequestURI()+"\n")
}

func (s *server) machine(vars ...string) *machine {
	return &machine{env: environment(append([]string{"AWS_EC2_METADATA_DISABLED=true"}, vars...)...),
		imds: awstest.Transport(map[string]http.Handler{"sqs.eu-west-1.amazonaws.com": s, "b.s3.eu-west-1.amazonaws.com": s, "localhost:9000": s})}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "report.pdf")
	require.NoError(t, os.WriteFile(file, []byte("pages"), 0o600))
	for name, tt := range map[string]struct {
		args  []string
		stdin string
		out   string
		body  string
	}{
		"GET":              {[]string{queueURL}, "", "GET /?Action=ListQueues\n", ""},
		"POST":             {[]string{queueURL, "-d", "a=1"}, "", "POST /?Action=ListQueues\n", "a=1"},
		"standard input":   {[]string{queueURL, "-d", "@-"}, "from input", "POST /?Action=ListQueues\n", "from input"},
		"an upload":        {[]string{"-T", file, "https://b.s3.eu-west-1.amazonaws.com/reports/"}, "", "PUT /reports/report.pdf\n", "pages"},
		"DELETE":           {[]string{"-X", "DELETE", "https://b.s3.eu-west-1.amazonaws.com/k"}, "", "DELETE /k\n", ""},
		"HEAD":             {[]string{"-I", "https://b.s3.eu-west-1.amazonaws.com/k"}, "", "", ""},
		"another endpoint": {[]string{"--service", "s3", "--region", "local", "http://localhost:9000/b/k"}, "", "GET /b/k\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{}
			m := s.machine()
			m.stdin = tt.stdin
			out, errs, code := m.run(t, append([]string{"curl"}, tt.args...)...)
			require.Equal(t, exitFound, code, errs)
			require.Empty(t, errs)
			if name == "HEAD" {
				require.Contains(t, out, "HTTP/1.1 200 OK\n")
				require.Contains(t, out, "X-Served: yes\n")
				return
			}
			require.Equal(t, tt.out, out)
			require.Equal(t, tt.body, s.body)
		})
	}
}

func TestCurlOutput(t *testing.T) {
	t.Parallel()
	s := &server{}
	name := filepath.Join(t.TempDir(), "answer")
	out, errs, code := s.machine().run(t, "curl", "-i", "-o", name, "-H", "Accept: text/plain", "-H", "User-Agent: mine", queueURL)
	require.Equal(t, exitFound, code, errs)
	require.Empty(t, out)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Regexp(t, `(?s)^HTTP/1.1 200 OK\nDate: .*\nX-Served: yes\n\nGET /\?Action=ListQueues\n$`, string(text))
	require.Equal(t, "text/plain", s.last.Header.Get("Accept"))
	require.Equal(t, "mine", s.last.Header.Get("User-Agent"))

	_, errs, code = s.machine().run(t, "curl", "-o", "/nowhere/answer", queueURL)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "/nowhere/answer")
}

func TestCurlAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers []int
		ahead   time.Duration
		args    []string
		code    int
		out     string
		errs    string
		calls   int
	}{
		"tried again":         {[]int{503, 500}, 0, nil, exitFound, "GET /?Action=ListQueues\n", "", 3},
		"one attempt":         {[]int{503}, 0, []string{"--max-attempts", "1"}, exitFound, "refused", "", 1},
		"not found":           {[]int{404}, 0, nil, exitFound, "refused", "", 1},
		"not found, --fail":   {[]int{404}, 0, []string{"-f"}, exitFailed, "", "status 404", 1},
		"a redirect":          {[]int{302}, 0, nil, exitFound, "refused", "credchain: the redirect to elsewhere.example was not followed (status 302)\n", 1},
		"a redirect, --fail":  {[]int{307}, 0, []string{"-f"}, exitFailed, "", "redirect to elsewhere.example was not followed (status 307)\ncredchain: the service answered with the status 307\n", 1},
		"not modified":        {[]int{304}, 0, []string{"-f"}, exitFound, "refused", "", 1},
		"a clock that is off": {nil, time.Hour, nil, exitFound, "GET /?Action=ListQueues\n", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{answers: tt.answers, ahead: tt.ahead}
				out, errs, code := s.machine().run(t, append([]string{"curl", queueURL}, tt.args...)...)
				require.Equal(t, tt.code, code, errs)
				require.Equal(t, tt.out, out)
				require.Contains(t, errs, tt.errs)
				require.Equal(t, tt.errs == "", errs == "", errs)
				require.Equal(t, tt.calls, s.calls)
			})
		})
	}
}

// TestCurlDiagnoses says where the signature and the service's reading part, and shows no secret.
func TestCurlDiagnoses(t *testing.T) {
	t.Parallel()
	s := &server{}
	m := s.machine("AWS_SECRET_ACCESS_KEY=canary/another+key")
	out, errs, code := m.run(t, "curl", queueURL)
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "<Code>SignatureDoesNotMatch</Code>", "the answer is whole")
	require.Contains(t, errs, "SignatureDoesNotMatch: ")
	require.NotContains(t, errs, "canary")

	m = s.machine()
	m.imds = nil
	_, errs, code = m.run(t, "curl", "--max-attempts", "1", queueURL)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "connection refused")
}

// TestCurlHabits takes what the fingers of curl's users type.
func TestCurlHabits(t *testing.T) {
	t.Parallel()
	s := &server{}
	out, errs, code := s.machine().run(t, "curl", "-sSf", "-A", "mine/1", queueURL)
	require.Equal(t, exitFound, code, errs)
	require.Equal(t, "GET /?Action=ListQueues\n", out)
	require.Empty(t, errs)
	require.Equal(t, "mine/1", s.last.Header.Get("User-Agent"))
	s.machine().run(t, "curl", "-A", "mine/1", "-H", "User-Agent: yours", queueURL)
	require.Equal(t, "yours", s.last.Header.Get("User-Agent"))
	s.machine().run(t, "curl", queueURL)
	require.Equal(t, "credchain", s.last.Header.Get("User-Agent"))

	for _, flag := range []string{"-L", "-sSL", "--location"} {
		s, m := &server{}, (&server{}).machine()
		out, errs, code = m.run(t, "curl", flag, queueURL)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errs, "redirects are never followed (-L): the signature must not go to another host")
		require.Empty(t, out)
		require.Zero(t, s.calls)
		require.Zero(t, m.requests.Load())
	}
	out, _, _ = s.machine().run(t, "curl", "--help")
	require.Contains(t, out, "--user-agent")
	for _, hidden := range []string{"--silent", "--show-error", "--location"} {
		require.NotContains(t, out, hidden)
	}
}

// TestCurlRegionSet sends a request that several regions take.
func TestCurlRegionSet(t *testing.T) {
	t.Parallel()
	s := &server{}
	m := s.machine()
	m.imds = awstest.Transport(map[string]http.Handler{"alias.mrap.accesspoint.s3-global.amazonaws.com": s})
	out, errs, code := m.run(t, "curl", accessPoint, "--region-set", "*")
	require.Equal(t, exitFound, code, errs)
	require.Equal(t, "GET /k\n", out)
	require.Equal(t, "*", s.last.Header.Get("X-Amz-Region-Set"))
}

// TestCurlRedirect names the host alone: the rest of an address can be a secret.
func TestCurlRedirect(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"https://u:canary@b.s3.eu-west-2.amazonaws.com/canary?X-Amz-Signature=canary": "the redirect to b.s3.eu-west-2.amazonaws.com was not followed (status 301)",
		"/elsewhere":        "the redirect to sqs.eu-west-1.amazonaws.com was not followed (status 301)",
		"":                  "the service redirects, and does not say to which host (status 301)",
		"ht%tp://canary%zz": "the service redirects, and does not say to which host (status 301)",
	} {
		m := (&server{}).machine()
		m.imds = awstest.Transport(map[string]http.Handler{"sqs.eu-west-1.amazonaws.com": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(http.StatusMovedPermanently)
		})})
		_, errs, code := m.run(t, "curl", queueURL)
		require.Equal(t, exitFound, code, errs)
		require.Equal(t, "credchain: "+want+"\n", errs)
	}
}

// TestCurlVerbose shows the headers of every attempt, and no secret in them.
func TestCurlVerbose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		m := (&server{}).machine("AWS_SESSION_TOKEN=" + session)
		m.imds = awstest.Transport(map[string]http.Handler{"sqs.eu-west-1.amazonaws.com": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Echo", "it was "+r.Header.Get("X-Amz-Security-Token")+"\x1b")
			w.Header().Set("Set-Cookie", "id=canary-of-the-service")
			w.Header().Set("Location", "https://b.example/k?X-Amz-Security-Token=canary%2Bof,canary;&X%2DAmz%2DSignature=canary&a=1")
			if calls++; calls == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			io.WriteString(w, "answer")
		})})
		out, errs, code := m.run(t, "curl", "-v", "-H", "X-Api-Key: canary-of-the-person", "-H", "Proxy-Authorization: Basic canary", queueURL+"&AccessToken=canary")
		require.Equal(t, exitFound, code, errs)
		require.Equal(t, "answer", out)
		require.Equal(t, 2, strings.Count(errs, "> GET /?AccessToken=REDACTED&Action=ListQueues\n> Host: sqs.eu-west-1.amazonaws.com\n> Authorization: AWS4-HMAC-SHA256 Credential="+keyID+"/"), errs)
		require.Equal(t, 2, strings.Count(errs, ", Signature=REDACTED\n"), errs)
		require.Contains(t, errs, "> X-Amz-Security-Token: REDACTED\n")
		require.Contains(t, errs, "> X-Api-Key: REDACTED\n")
		require.Contains(t, errs, "< HTTP/1.1 503 Service Unavailable\n")
		require.Contains(t, errs, "< HTTP/1.1 200 OK\n")
		require.Contains(t, errs, "< Location: https://b.example/k?X-Amz-Security-Token=REDACTED&X%2DAmz%2DSignature=REDACTED&a=1\n")
		require.Contains(t, errs, "< X-Echo: it was REDACTED")
		require.NotContains(t, errs, "canary")
		require.NotContains(t, errs, "\x1b")
		for line := range strings.Lines(errs) {
			require.Regexp(t, "^[<>]( |\n)", line)
		}
	})
}

// TestWithoutValues: a secret parameter is found wherever it is.
func TestWithoutValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"GET /?Action=ListQueues&X-Amz-Security-Token=canary HTTP/1.1":               "GET /?Action=ListQueues&X-Amz-Security-Token=REDACTED HTTP/1.1",
		"Location: https://b.s3.example/year=2026/f?X-Amz-Security-Token=canary&a=b": "Location: https://b.s3.example/year=2026/f?X-Amz-Security-Token=REDACTED&a=b",
		"Refresh: 0;url=https://h/?token=canary":                                     "Refresh: 0;url=https://h/?token=REDACTED",
		"GET /a=b?X-Amz-Signature=canary":                                            "GET /a=b?X-Amz-Signature=REDACTED",
		"Location: https://h/?next=https%3A%2F%2Fx%2F%3Ftoken%3Dcanary":              "Location: https://h/?next=REDACTED",
		"Location: https://h/?next=https%3A%2F%2Fx%2F%3Fa%3Db":                       "Location: https://h/?next=https%3A%2F%2Fx%2F%3Fa%3Db",
		strings.Repeat("a=", 10) + "canary":                                          strings.Repeat("a=", 9) + "REDACTED",
	} {
		require.Equal(t, want, withoutValues(text, 0))
	}
}
