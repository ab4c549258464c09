package awstest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is one way for an answer to go wrong. Method, Path, Skip and Times choose the requests; of the other
// fields set what shall happen. A Fault that sets only Delay is a slow service with right answers.
type Fault struct {
	// Method is the requests' method, "" for any.
	Method string

	// Path is how the path of the requests starts, "" for any.
	Path string

	// Skip is how many of the requests pass before the first fault.
	Skip int

	// Times is how many requests after those are hit; 0 means all.
	Times int

	// Delay is waited before anything else, or until the request's context ends.
	Delay time.Duration

	// Drop gives no answer at all, until the request's context ends, as when packets are lost. With Truncate,
	// the connection stays open after the cut, and nothing more comes.
	Drop bool

	// Reset breaks the connection in place of an answer.
	Reset bool

	// Status is answered in place of the handler's answer, with Header and Body.
	Status int
	// Header is added to the answer of Status, Redirect or Huge.
	Header http.Header
	// Body is the body of the answer of Status.
	Body string

	// Truncate lets the handler answer, sends this many bytes of its body (never all of them), and breaks the
	// connection. 0 is no fault.
	Truncate int

	// Huge sends a body of this many blanks, made as they are read. The status is Status, or 200.
	Huge int64

	// Redirect sends the client to this URL. The status is Status, or 302.
	Redirect string
}

// Faulty puts faults before h. A request meets the first of them that matches and has turns left, and only
// that one counts it; so several in a row are a script: first a 503, then a reset, then h's own answers.
func Faulty(h http.Handler, faults ...Fault) http.Handler {
	return &faulty{next: h, faults: faults, seen: make([]int, len(faults))}
}

type faulty struct {
	next   http.Handler
	faults []Fault

	mu   sync.Mutex
	seen []int // by fault: the requests that it counted
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, hit := f.choose(r)
	if !hit {
		f.next.ServeHTTP(w, r)
		return
	}
	if fault.Delay > 0 && !pause(r, fault.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case fault.Truncate > 0:
		f.truncate(w, r, fault)
	case fault.Drop:
		hang(r)
	case fault.Reset:
		reset(w)
	case fault.Huge > 0:
		fault.writeHead(w, http.StatusOK, fault.Huge)
		_, _ = io.CopyN(w, blanks{}, fault.Huge) // ends when the client hangs up
	case fault.Redirect != "":
		w.Header().Set("Location", fault.Redirect)
		fault.writeHead(w, http.StatusFound, 0)
	case fault.Status > 0:
		fault.writeHead(w, fault.Status, int64(len(fault.Body)))
		_, _ = io.WriteString(w, fault.Body)
	default:
		f.next.ServeHTTP(w, r)
	}
}

func (f *faulty) choose(r *http.Request) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.faults {
		matches := strings.HasPrefix(r.URL.Path, fault.Path) && (fault.Method == "" || fault.Method == r.Method)
		if !matches || fault.Times > 0 && f.seen[i] >= fault.Skip+fault.Times {
			continue
		}
		f.seen[i]++
		if f.seen[i] <= fault.Skip {
			continue
		}
		return fault, true
	}
	return Fault{}, false
}

func (fault Fault) writeHead(w http.ResponseWriter, status int, length int64) {
	for name, values := range fault.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	if fault.Status > 0 {
		status = fault.Status
	}
	w.WriteHeader(status)
}

func (f *faulty) truncate(w http.ResponseWriter, r *http.Request, fault Fault) {
	whole := &kept{header: make(http.Header), status: http.StatusOK}
	f.next.ServeHTTP(whole, r)
	for name, values := range whole.header {
		w.Header()[name] = values
	}
	body := whole.body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(whole.status)
	_, _ = w.Write(body[:min(fault.Truncate, max(len(body)-1, 0))])
	_ = http.NewResponseController(w).Flush() // or net/http could drop what it has not sent yet
	if fault.Drop {
		hang(r)
	}
	panic(http.ErrAbortHandler)
}

// pause waits for d and says whether the request still stands.
func pause(r *http.Request, d time.Duration) bool {
	drain(r)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// hang never answers.
func hang(r *http.Request) {
	drain(r)
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// drain keeps the body for the handler and reads it off the connection: a server of net/http notices that the
// client has gone only after that.
func drain(r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
}

// reset makes the client see "connection reset by peer" where there is a TCP connection.
func reset(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
		return
	}
	panic(http.ErrAbortHandler)
}

// blanks is an endless reader: JSON and XML decoders go on reading blanks for ever.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// kept is a ResponseWriter that keeps the answer.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }
