package awstest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Request is a request that a fake has answered.
type Request struct {
	// Method and Path are those of the request; Path has no query.
	Method, Path string

	// Authorized says that the request carried something to show: a session token for IMDS, an access token for
	// the SSO portal, a proof for the sign-in service, an Authorization header for the others. It does not say
	// that it was accepted.
	Authorized bool

	// Status is the HTTP status of the answer.
	Status int

	// Operation is what was called, where the service has names for it: "AssumeRole" or "GetRoleCredentials",
	// and with the OIDC service's grants "CreateToken refresh_token" and "CreateToken device_code".
	Operation string

	// Code is the error code of the answer, "" if it was none: "AccessDenied", "invalid_grant".
	Code string
}

// String gives method, path and status: "GET /latest/meta-data/ 200".
func (r Request) String() string { return r.Method + " " + r.Path + " " + strconv.Itoa(r.Status) }

// record is the part of every fake that remembers requests.
type record struct {
	mu       sync.Mutex
	requests []Request
}

// Requests returns the requests up to now, in the order in which they were answered. One that a [Faulty]
// kept from the fake is not among them.
func (l *record) Requests() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.requests)
}

// Count returns how many requests there were with this method ("" for any) and a path that starts with prefix.
func (l *record) Count(method, prefix string) int {
	n := 0
	for _, r := range l.Requests() {
		if (method == "" || r.Method == method) && strings.HasPrefix(r.Path, prefix) {
			n++
		}
	}
	return n
}

// Calls returns how many requests there were for an operation. "CreateToken" counts all grants.
func (l *record) Calls(operation string) int {
	n := 0
	for _, r := range l.Requests() {
		if r.Operation == operation || strings.HasPrefix(r.Operation, operation+" ") {
			n++
		}
	}
	return n
}

// reply is an answer before it is written. It is recorded first: once a client has the answer, the record
// has the request.
type reply struct {
	status      int
	contentType string
	header      http.Header
	body        []byte
	operation   string // as Request has it
	code        string
}

func (l *record) send(w http.ResponseWriter, r *http.Request, authorized bool, a reply) {
	l.mu.Lock()
	l.requests = append(l.requests, Request{r.Method, r.URL.Path, authorized, a.status, a.operation, a.code})
	l.mu.Unlock()
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // a client that has gone is not this fake's business
	}
}
