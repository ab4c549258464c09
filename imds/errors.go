package imds

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// ErrUnreachable means that there seems to be no metadata service: the client's first contact was refused, had
// no route, or met silence. Off EC2 this is what to expect. Silence, which costs a second, is remembered for 5
// seconds.
var ErrUnreachable = errors.New("no metadata service answers")

// ErrHopLimit means that the metadata service answers a GET, while the answer to the token call gets lost on
// its way: the instance's hop limit is 1, and a container's network is a second hop.
var ErrHopLimit = errors.New("the metadata service is there, but its answer to the token call does not arrive: " +
	"the hop limit is too low for a container; raise it by " +
	"aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2")

// ErrNoRole means that the instance has no role, so that there are no credentials to be had.
var ErrNoRole = errors.New("the instance has no role")

// Error is a failed request to the metadata service. Its text never repeats a body, which could hold secrets.
type Error struct {
	Method     string // GET or PUT
	URL        string
	StatusCode int    // of the answer; 0 if there was none
	Code       string // why the service has no credentials for the role, if it says so, as "AssumeRoleUnauthorizedAccess"
	Err        error  // what is wrong
}

// Error names the request and says what is wrong with its answer.
func (e *Error) Error() string { return fmt.Sprintf("imds: %s %s: %v", e.Method, e.URL, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatusCode returns StatusCode.
func (e *Error) HTTPStatusCode() int { return e.StatusCode }

func (c *Client) failure(method, path string, status int, err error) error {
	return &Error{Method: method, URL: c.url(path).String(), StatusCode: status, Err: err}
}

// statusError is an answer with a status that is not the one wanted.
type statusError int

func (s statusError) Error() string {
	text := "answered " + strconv.Itoa(int(s))
	if name := http.StatusText(int(s)); name != "" {
		text += " " + name
	}
	switch {
	case s >= 300 && s < 400:
		text += "; redirects are never followed, and the metadata service sends none"
	case s == http.StatusForbidden:
		text += "; the metadata service may be turned off for this instance"
	}
	return text
}

// noAnswer is an attempt that took too long.
type noAnswer time.Duration

func (d noAnswer) Error() string {
	return fmt.Sprintf("no complete answer within %v", time.Duration(d))
}
func (d noAnswer) Timeout() bool { return true }
