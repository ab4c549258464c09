package sigv4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sigv4"
)

// refusing is an answer in place of the service's own. The zero value is none.
type refusing struct {
	status int
	header http.Header
	body   string
	abort  bool // the connection breaks, after the status if there is one
}

func refuses(status int, code string) refusing {
	return refusing{status: status, body: "<Error><Code>" + code + "</Code></Error>"}
}

// service checks signatures with our verifier and with the SDK's signer, at a clock of its own.
type service struct {
	known  []aws.Credentials
	ahead  time.Duration // of the test's clock
	script []refusing    // one for each request

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	at       []time.Time
	wrong    []error
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Add(s.ahead)
	s.mu.Lock()
	n := len(s.requests)
	s.requests, s.at = append(s.requests, r), append(s.at, time.Now())
	s.mu.Unlock()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	verified, err := s.verify(r, now)
	body, readErr := io.ReadAll(r.Body)
	s.mu.Lock()
	s.bodies = append(s.bodies, string(body))
	s.mu.Unlock()
	if n < len(s.script) && (s.script[n].status != 0 || s.script[n].abort) {
		a := s.script[n]
		for key, values := range a.header {
			w.Header()[key] = values
		}
		if a.status != 0 {
			w.WriteHeader(a.status)
			io.WriteString(w, a.body)
		}
		if a.abort {
			panic(http.ErrAbortHandler)
		}
		return
	}
	if err == nil {
		err = readErr
	}
	if err == nil && !strings.HasPrefix(verified.Payload, "STREAMING-") {
		if disagree := s.sdk(r, verified, now); disagree != nil {
			s.mu.Lock()
			s.wrong = append(s.wrong, disagree)
			s.mu.Unlock()
		}
	}
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		if r.Method != http.MethodHead {
			io.WriteString(w, "<Error><Code>"+codeFor(err)+"</Code></Error>")
		}
		return
	}
	io.WriteString(w, "ok")
}

func (s *service) verify(r *http.Request, now time.Time) (sigv4.Verified, error) {
	v := sigv4.Verifier{Credentials: func(_ context.Context, id, _ string) (aws.Credentials, error) {
		if i := slices.IndexFunc(s.known, func(c aws.Credentials) bool { return c.AccessKeyID == id }); i >= 0 {
			return s.known[i], nil
		}
		return aws.Credentials{}, errUnknown
	}}
	return v.Verify(r, now)
}

// sdk signs the request again with the SDK's signer, a fresh one.
func (s *service) sdk(r *http.Request, verified sigv4.Verified, now time.Time) error {
	bare, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return err
	}
	for _, name := range verified.SignedHeaders {
		switch key := http.CanonicalHeaderKey(name); {
		case name == "content-length":
			bare.ContentLength = r.ContentLength
		case name != "host" && name != "x-amz-date" && name != "x-amz-security-token":
			bare.Header[key] = r.Header[key]
		}
	}
	i := slices.IndexFunc(s.known, func(c aws.Credentials) bool { return c.AccessKeyID == verified.AccessKeyID })
	err = v4.NewSigner().SignHTTP(r.Context(), s.known[i], bare, verified.Payload, verified.Service, verified.Region, verified.Time,
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = verified.Service == "s3" })
	if err == nil && bare.Header.Get("Authorization") != r.Header.Get("Authorization") {
		err = errors.New("the SDK signs " + bare.Header.Get("Authorization") + " and we " + r.Header.Get("Authorization"))
	}
	return err
}

func codeFor(err error) string {
	var e *sigv4.VerifyError
	if !errors.As(err, &e) {
		return "InternalError"
	}
	switch e.Part {
	case sigv4.PartTime:
		return "RequestTimeTooSkewed"
	case sigv4.PartAccessKey, sigv4.PartSessionToken:
		return "InvalidAccessKeyId"
	}
	return "SignatureDoesNotMatch"
}

const queue = "sqs.eu-central-1.amazonaws.com"

// call sends one request through a transport to the service.
func (s *service) call(t *testing.T, tr *sigv4.Transport, r *http.Request) (*http.Response, string, error) {
	t.Helper()
	if tr.Base == nil {
		tr.Base = s.carrier()
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.Empty(t, s.wrong)
	return resp, string(body), err
}

func (s *service) carrier() http.RoundTripper {
	return awstest.Transport(map[string]http.Handler{queue: s, "bucket.s3.eu-west-1.amazonaws.com": s, "queue.example": s})
}

func newService(script ...refusing) *service {
	return &service{known: []aws.Credentials{documented}, script: script}
}

func TestTransportSigns(t *testing.T) {
	t.Parallel()
	temporary := aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "canary-secret", SessionToken: "canary/token=="}
	for _, tt := range []struct {
		name, method, url string
		body              io.Reader
		header            string
		signer            *sigv4.Signer
		service, region   string
	}{
		{name: "derived", method: "GET", url: "https://" + queue + "/1/q?b=2&a=1", service: "sqs", region: "eu-central-1"},
		{name: "a body in memory", method: "POST", url: "https://" + queue + "/", body: strings.NewReader("Action=X"), service: "sqs", region: "eu-central-1"},
		{name: "a small pipe", method: "POST", url: "https://" + queue + "/", body: iotest.OneByteReader(strings.NewReader("Action=X")), service: "sqs", region: "eu-central-1"},
		{name: "an empty pipe", method: "POST", url: "https://" + queue + "/", body: iotest.OneByteReader(strings.NewReader("")), service: "sqs", region: "eu-central-1"},
		{name: "given", method: "GET", url: "https://queue.example/", signer: &sigv4.Signer{Service: "execute-api", Region: "local"}, service: "execute-api", region: "local"},
		{name: "the service given", method: "GET", url: "https://" + queue + "/", signer: &sigv4.Signer{Service: "other"}, service: "other", region: "eu-central-1"},
		{name: "the region given", method: "GET", url: "https://" + queue + "/", signer: &sigv4.Signer{Region: "us-west-2"}, service: "sqs", region: "us-west-2"},
		{name: "S3", method: "PUT", url: "https://bucket.s3.eu-west-1.amazonaws.com/a//b c", body: strings.NewReader("x"), service: "s3", region: "eu-west-1"},
		{name: "unsigned by header", method: "PUT", url: "https://bucket.s3.eu-west-1.amazonaws.com/k", body: strings.NewReader("x"), header: sigv4.UnsignedPayload, service: "s3", region: "eu-west-1"},
		{name: "unsigned by signer", method: "PUT", url: "https://bucket.s3.eu-west-1.amazonaws.com/k", body: strings.NewReader("x"), signer: &sigv4.Signer{UnsignedPayload: true}, service: "s3", region: "eu-west-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &service{known: []aws.Credentials{temporary}}
			r, err := http.NewRequest(tt.method, strings.ReplaceAll(tt.url, " ", "%20"), tt.body)
			require.NoError(t, err)
			if tt.header != "" {
				r.Header.Set("X-Amz-Content-Sha256", tt.header)
			}
			before := r.Header.Clone()
			tr := &sigv4.Transport{Credentials: static(temporary), Signer: tt.signer}
			resp, body, err := s.call(t, tr, r)
			require.NoError(t, err)
			require.Equal(t, 200, resp.StatusCode, body)
			require.Equal(t, before, r.Header, "the caller's request is not changed")
			require.Contains(t, resp.Request.Header.Get("Authorization"), "/"+tt.region+"/"+tt.service+"/aws4_request")
			require.Equal(t, temporary.SessionToken, s.requests[0].Header.Get("X-Amz-Security-Token"))
		})
	}
}

// TestTransportRefuses says what is never sent.
func TestTransportRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		tr   *sigv4.Transport
		url  string
		want string
	}{
		{"no provider", &sigv4.Transport{}, "https://" + queue, "never sent"},
		{"no credentials", &sigv4.Transport{Credentials: static(aws.Credentials{})}, "https://" + queue, "empty credentials"},
		{"a foreign host", &sigv4.Transport{Credentials: static(documented)}, "https://queue.example", `host "queue.example"`},
		{"a host that ends like AWS's", &sigv4.Transport{Credentials: static(documented)}, "https://sqs.eu-central-1.evilamazonaws.com", "not a name of AWS's"},
		{"chunks for SQS", &sigv4.Transport{Credentials: static(documented)}, "https://" + queue + "/?chunks", "takes no payload in chunks"},
		{"no limit left", &sigv4.Transport{Credentials: static(documented), Limiter: func(*http.Request) sigv4.Limiter { return stopped{} }}, "https://" + queue, "limiter: stopped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService()
			closed := &closes{Reader: strings.NewReader("x")}
			r := request(t, "POST", tt.url)
			if r.Body = closed; strings.HasSuffix(tt.url, "chunks") {
				r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
			}
			_, _, err := s.call(t, tt.tr, r)
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "sigv4: ")
			require.Empty(t, s.requests)
			require.Eventually(t, closed.closed.Load, 10*time.Second, time.Millisecond, "the body is closed all the same")
			require.NotContains(t, err.Error(), documented.SecretAccessKey)
		})
	}
}

type stopped struct{}

func (stopped) Wait(context.Context) error { return errors.New("stopped") }

type closes struct {
	io.Reader
	closed atomic.Bool
}

func (c *closes) Close() error { c.closed.Store(true); return nil }

func TestTransportRetries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		script   []refusing
		max      int
		status   int
		attempts int
	}{
		{"nothing to retry", nil, 0, 200, 1},
		{"once", []refusing{refuses(503, "ServiceUnavailable")}, 0, 200, 2},
		{"twice", []refusing{refuses(500, "InternalError"), refuses(502, "")}, 0, 200, 3},
		{"three attempts", []refusing{refuses(500, "X"), refuses(500, "X"), refuses(500, "last"), {}}, 0, 500, 3},
		{"one attempt", []refusing{refuses(500, "X")}, 1, 500, 1},
		{"five attempts", slices.Repeat([]refusing{refuses(504, "")}, 4), 5, 200, 5},
		{"throttled by its code", []refusing{refuses(400, "Throttling")}, 0, 200, 2},
		{"throttled by JSON", []refusing{{status: 400, body: `{"__type":"com.amazonaws#ThrottlingException"}`}}, 0, 200, 2},
		{"throttled by a header", []refusing{{status: 400, header: http.Header{"X-Amzn-Errortype": {"TooManyRequestsException:http://x/"}}}}, 0, 200, 2},
		{"throttled by its status", []refusing{{status: 429}}, 0, 200, 2},
		{"refused for good", []refusing{refuses(403, "AccessDenied")}, 0, 403, 1},
		{"not found", []refusing{refuses(404, "NoSuchKey")}, 0, 404, 1},
		{"a broken connection", []refusing{{abort: true}}, 0, 200, 2},
		{"a refusal cut short", []refusing{{status: 400, body: "<Err", abort: true}}, 0, 200, 2},
		{"a redirect is an answer", []refusing{{status: 307, header: http.Header{"Location": {"https://x/"}}}}, 0, 307, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService(tt.script...)
				tr := &sigv4.Transport{Credentials: static(documented), MaxAttempts: tt.max}
				r, err := http.NewRequest("POST", "https://"+queue+"/", strings.NewReader("Action=X"))
				require.NoError(t, err)
				resp, body, err := s.call(t, tr, r)
				require.NoError(t, err)
				require.Equal(t, tt.status, resp.StatusCode)
				require.Len(t, s.requests, tt.attempts)
				if tt.status >= 400 {
					require.Equal(t, tt.script[tt.attempts-1].body, body, "the answer is whole")
				}
				for i, b := range s.bodies {
					require.Equal(t, "Action=X", b, "attempt %d", i+1)
				}
			})
		})
	}
}

// TestTransportSignsEachAttemptAnew: with the credentials and the time of the moment.
func TestTransportSignsEachAttemptAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		second := aws.Credentials{AccessKeyID: "AKIDSECOND", SecretAccessKey: "another"}
		s := newService(refusing{status: 503, header: http.Header{"X-Amz-Retry-After": {"3000"}}})
		s.known = append(s.known, second)
		n := 0
		tr := &sigv4.Transport{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			n++
			return s.known[min(n, 2)-1], nil
		})}
		resp, _, err := s.call(t, tr, request(t, "GET", "https://"+queue+"/"))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Contains(t, s.requests[0].Header.Get("Authorization"), documented.AccessKeyID)
		require.Contains(t, s.requests[1].Header.Get("Authorization"), second.AccessKeyID)
		require.Equal(t, 3*time.Second, s.at[1].Sub(s.at[0]), "the service's hint")
		require.NotEqual(t, s.requests[0].Header.Get("X-Amz-Date"), s.requests[1].Header.Get("X-Amz-Date"))
	})
}

func TestTransportConnectionFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		n := 0
		tr := &sigv4.Transport{Credentials: static(documented), Base: carry(func(*http.Request) (*http.Response, error) { n++; return nil, refused })}
		_, err := tr.RoundTrip(request(t, "GET", "https://"+queue+"/"))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.ErrorContains(t, err, "after 3 attempts")
		require.Equal(t, 3, n)

		// The quota is the transport's: 500 tokens, 14 for a retry, of which 2 are gone.
		for range 100 {
			_, err = tr.RoundTrip(request(t, "GET", "https://"+queue+"/"))
		}
		require.ErrorContains(t, err, "quota")
		require.Equal(t, 101+35, n)
	})
}

type carry func(*http.Request) (*http.Response, error)

func (f carry) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestTransportContextEnds wants the caller's own end, during an attempt and during a pause.
func TestTransportContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(slices.Repeat([]refusing{{status: 503, header: http.Header{"X-Amz-Retry-After": {"5000"}}}}, 3)...)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		tr := &sigv4.Transport{Credentials: static(documented)}
		_, _, err := s.call(t, tr, request(t, "GET", "https://"+queue+"/").WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, s.requests, 1)

		// With no time for another attempt, the answer is worth more than the deadline.
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		resp, _, err := s.call(t, tr, request(t, "GET", "https://"+queue+"/").WithContext(ctx))
		require.NoError(t, err)
		require.Equal(t, 503, resp.StatusCode)
	})
}

func TestTransportBodies(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 1<<20+1)
	for _, tt := range []struct {
		name     string
		body     func(t *testing.T) io.Reader
		length   int64
		header   string
		attempts int
		is       error
		signed   string // what stands for the payload
	}{
		{name: "in memory", body: func(*testing.T) io.Reader { return strings.NewReader(big) }, attempts: 3},
		{name: "a small pipe", body: func(*testing.T) io.Reader { return pipeOf(big[:1<<20]) }, attempts: 3},
		{name: "a small pipe of a known length", body: func(*testing.T) io.Reader { return pipeOf("xxx") }, length: 3, attempts: 3},
		{name: "a big pipe", body: func(*testing.T) io.Reader { return pipeOf(big) }, is: sigv4.ErrNotReplayable},
		{name: "a big pipe, unsigned", body: func(*testing.T) io.Reader { return pipeOf(big) }, header: sigv4.UnsignedPayload, attempts: 1},
		{name: "a big pipe in signed chunks", body: func(*testing.T) io.Reader { return pipeOf(big) }, length: int64(len(big)),
			header: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", attempts: 1},
		{name: "memory in signed chunks", body: func(*testing.T) io.Reader { return strings.NewReader(big) },
			header: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", attempts: 3},
		{name: "memory in unsigned chunks", body: func(*testing.T) io.Reader { return strings.NewReader(big) },
			header: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", attempts: 3},
		{name: "a file", body: file(big), length: int64(len(big)), attempts: 1},
		{name: "a small file", body: file("xxx"), length: 3, attempts: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := tt.body(t)
			want, err := io.ReadAll(tt.body(t))
			require.NoError(t, err)
			s := newService(refuses(503, "SlowDown"), refuses(503, "SlowDown"))
			tr := &sigv4.Transport{Credentials: static(documented), Limiter: func(*http.Request) sigv4.Limiter { return nil }}
			synctest.Test(t, func(t *testing.T) {
				r, err := http.NewRequest("PUT", "https://bucket.s3.eu-west-1.amazonaws.com/key", body)
				require.NoError(t, err)
				if tt.length > 0 {
					r.ContentLength = tt.length
				}
				if tt.header != "" {
					r.Header.Set("X-Amz-Content-Sha256", tt.header)
					r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
					if !strings.HasSuffix(tt.header, "TRAILER") {
						r.Header.Del("X-Amz-Trailer")
					}
				}
				resp, _, err := s.call(t, tr, r)
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
					return
				}
				require.NoError(t, err)
				require.Equal(t, map[int]int{1: 503, 3: 200}[tt.attempts], resp.StatusCode)
			})
			require.Len(t, s.bodies, tt.attempts)
			for _, b := range s.bodies {
				require.True(t, b == string(want), "the body came as it is: %d of %d bytes", len(b), len(want))
			}
		})
	}
}

// pipeOf is a body that can be read only once, and says nothing of its length.
func pipeOf(text string) io.Reader { return iotest.DataErrReader(bytes.NewBufferString(text)) }

func file(text string) func(*testing.T) io.Reader {
	return func(t *testing.T) io.Reader {
		name := t.TempDir() + "/body"
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		f, err := os.Open(name)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
}

// TestTransportBodyOnceSaysSo: the error of a connection says why there was no other attempt.
func TestTransportBodyOnceSaysSo(t *testing.T) {
	t.Parallel()
	tr := &sigv4.Transport{Credentials: static(documented), Base: carry(func(r *http.Request) (*http.Response, error) {
		r.Body.Close()
		return nil, syscall.ECONNRESET
	})}
	r, err := http.NewRequest("PUT", "https://bucket.s3.eu-west-1.amazonaws.com/key", pipeOf(strings.Repeat("x", 2<<20)))
	require.NoError(t, err)
	r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
	_, err = tr.RoundTrip(r)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.ErrorContains(t, err, "only once")
}

// TestTransportLearnsTheClock: 20 minutes off either way, by the codes and by the answer to a HEAD, which has none.
func TestTransportLearnsTheClock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method string
		ahead  time.Duration
	}{"behind": {"GET", 20 * time.Minute}, "ahead": {"GET", -20 * time.Minute}, "HEAD": {"HEAD", time.Hour}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				s.ahead = tt.ahead
				tr := &sigv4.Transport{Credentials: static(documented)}
				for range 2 {
					resp, body, err := s.call(t, tr, request(t, tt.method, "https://"+queue+"/"))
					require.NoError(t, err)
					require.Equal(t, 200, resp.StatusCode, body)
				}
				require.Len(t, s.requests, 3, "only the first request is sent twice")
				require.InDelta(t, tt.ahead.Seconds(), tr.ClockSkew().Seconds(), 2)
				require.Equal(t, 200, func() int { // and it forgets when the clock is put right
					s.ahead = 0
					resp, _, err := s.call(t, tr, request(t, tt.method, "https://"+queue+"/"))
					require.NoError(t, err)
					return resp.StatusCode
				}())
				require.Zero(t, tr.ClockSkew())
			})
		})
	}
}

// TestTransportDoesNotBelieveEveryDate: a refusal for another reason, or a Date that a cache kept, changes nothing.
func TestTransportDoesNotBelieveEveryDate(t *testing.T) {
	t.Parallel()
	hour := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for name, a := range map[string]refusing{
		"another code": {status: 400, body: "<Code>ValidationError</Code>", header: http.Header{"Date": {hour}}},
		"a cache":      {status: 403, body: "<Code>SignatureDoesNotMatch</Code>", header: http.Header{"Date": {hour}, "Age": {"3600"}}},
		"no date":      {status: 403, body: "<Code>SignatureDoesNotMatch</Code>", header: http.Header{"Date": {"soon"}}},
		"absurd":       {status: 403, body: "<Code>SignatureDoesNotMatch</Code>", header: http.Header{"Date": {"Mon, 02 Jan 2090 15:04:05 GMT"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(a)
			tr := &sigv4.Transport{Credentials: static(documented)}
			resp, _, err := s.call(t, tr, request(t, "GET", "https://"+queue+"/"))
			require.NoError(t, err)
			require.Equal(t, a.status, resp.StatusCode)
			require.Len(t, s.requests, 1)
			require.Zero(t, tr.ClockSkew())
		})
	}
}

// TestTransportCorrectsTheClockOnce: a service whose clock is different each time does not get the request again and again.
func TestTransportCorrectsTheClockOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		tr := &sigv4.Transport{Credentials: static(documented), MaxAttempts: 10, Base: carry(func(*http.Request) (*http.Response, error) {
			n++
			date := time.Now().Add(time.Duration(n) * time.Hour).UTC().Format(http.TimeFormat)
			return &http.Response{StatusCode: 403, Header: http.Header{"Date": {date}}, Body: io.NopCloser(strings.NewReader("<Code>SignatureDoesNotMatch</Code>"))}, nil
		})}
		resp, err := tr.RoundTrip(request(t, "GET", "https://"+queue+"/"))
		require.NoError(t, err)
		require.Equal(t, 403, resp.StatusCode)
		require.Equal(t, 2, n)
	})
}

// TestTransportClosesWhatItGivesUp: the body of each answer but the last.
func TestTransportClosesWhatItGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var bodies []*closes
		tr := &sigv4.Transport{Credentials: static(documented), Base: carry(func(*http.Request) (*http.Response, error) {
			bodies = append(bodies, &closes{Reader: strings.NewReader("x")})
			return &http.Response{StatusCode: 503, Body: bodies[len(bodies)-1]}, nil
		})}
		resp, err := tr.RoundTrip(request(t, "GET", "https://"+queue+"/"))
		require.NoError(t, err)
		require.Len(t, bodies, 3)
		require.Equal(t, []bool{true, true, false}, []bool{bodies[0].closed.Load(), bodies[1].closed.Load(), bodies[2].closed.Load()})
		require.NoError(t, resp.Body.Close())
		require.True(t, bodies[2].closed.Load())
		require.NotNil(t, resp.Request)

		bodies = nil
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = tr.RoundTrip(request(t, "GET", "https://"+queue+"/").WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, bodies)
	})
}

// provider gives its credentials in turn, one further for each rejection.
type provider struct {
	mu       sync.Mutex
	all      []aws.Credentials
	rejected []string
}

func (p *provider) Retrieve(context.Context) (aws.Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[min(len(p.rejected), len(p.all)-1)], nil
}

func (p *provider) Reject(creds aws.Credentials) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rejected = append(p.rejected, creds.AccessKeyID)
}

func TestTransportReportsRejectedCredentials(t *testing.T) {
	t.Parallel()
	old := aws.Credentials{AccessKeyID: "AKIDOLD", SecretAccessKey: "old"}
	older := aws.Credentials{AccessKeyID: "AKIDOLDER", SecretAccessKey: "older"}
	for name, tt := range map[string]struct {
		all      []aws.Credentials
		status   int
		rejected []string
		requests int
	}{
		"good ones":                     {[]aws.Credentials{documented}, 200, nil, 1},
		"replaced":                      {[]aws.Credentials{old, documented}, 200, []string{"AKIDOLD"}, 2},
		"no others":                     {[]aws.Credentials{old}, 403, []string{"AKIDOLD"}, 1},
		"the new ones are refused, too": {[]aws.Credentials{older, old, documented}, 403, []string{"AKIDOLDER"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, p := newService(), &provider{all: tt.all}
				resp, _, err := s.call(t, &sigv4.Transport{Credentials: p}, request(t, "GET", "https://"+queue+"/"))
				require.NoError(t, err)
				require.Equal(t, tt.status, resp.StatusCode)
				require.Equal(t, tt.rejected, p.rejected)
				require.Len(t, s.requests, tt.requests)
			})
		})
	}
	for _, code := range []string{"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken"} {
		s, p := newService(refuses(400, code)), &provider{all: []aws.Credentials{documented}}
		_, _, err := s.call(t, &sigv4.Transport{Credentials: p}, request(t, "GET", "https://"+queue+"/"))
		require.NoError(t, err)
		require.Len(t, p.rejected, 1, code)
	}
}

// TestTransportRedirects: neither signature nor token follow to another host, and a client that follows says so.
func TestTransportRedirects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		location string
		status   int
		follows  bool
	}{
		"another host":   {"https://queue.example/steal", 302, false},
		"with the body":  {"https://queue.example/steal", 307, false},
		"without TLS":    {"http://" + queue + "/x", 302, false},
		"another port":   {"https://" + queue + ":8443/x", 302, false},
		"the same host":  {"/x", 302, true},
		"the usual port": {"https://" + strings.ToUpper(queue) + ":443/x", 302, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(refusing{status: tt.status, header: http.Header{"Location": {tt.location}}})
			stolen := 0
			base := awstest.Transport(map[string]http.Handler{
				queue: s, "http://" + queue: nil,
				"queue.example": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen++ }),
			})
			client := &http.Client{Transport: &sigv4.Transport{Credentials: static(documented), Base: base, Signer: &sigv4.Signer{Service: "sqs", Region: "eu-central-1"}}}
			resp, err := client.Post("https://"+queue+"/", "text/plain", strings.NewReader("x"))
			require.Zero(t, stolen)
			if tt.follows {
				require.NoError(t, err)
				defer resp.Body.Close()
				require.Equal(t, 200, resp.StatusCode)
				require.Len(t, s.requests, 2)
				return
			}
			var e *sigv4.RedirectError
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.status, e.StatusCode)
			require.Equal(t, "https://"+queue, e.From)
			require.NotContains(t, e.Error(), "steal")
			require.Len(t, s.requests, 1)
		})
	}
}

// TestTransportCutAnswer: what breaks in the middle of a good answer is the reader's to see, and is not repeated.
func TestTransportCutAnswer(t *testing.T) {
	t.Parallel()
	s := newService(refusing{status: 200, body: "half", abort: true})
	_, body, err := s.call(t, &sigv4.Transport{Credentials: static(documented)}, request(t, "GET", "https://"+queue+"/"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "half", body)
	require.Len(t, s.requests, 1)
}

// TestTransportLongRefusal is whole, although only its beginning is looked at.
func TestTransportLongRefusal(t *testing.T) {
	t.Parallel()
	long := "<Error><Code>AccessDenied</Code>" + strings.Repeat("x", 100<<10)
	s := newService(refusing{status: 403, body: long})
	_, body, err := s.call(t, &sigv4.Transport{Credentials: static(documented)}, request(t, "GET", "https://"+queue+"/"))
	require.NoError(t, err)
	sum, want := sha256.Sum256([]byte(body)), sha256.Sum256([]byte(long))
	require.Equal(t, hex.EncodeToString(want[:]), hex.EncodeToString(sum[:]))
}
