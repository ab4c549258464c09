package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
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
		"a redirect":          {[]int{302}, 0, nil, exitFound, "refused", "", 1},
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
