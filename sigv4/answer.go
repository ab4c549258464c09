package sigv4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/credchain/credchain/internal/wire"
)

// answerError is an answer with a status of 400 or more, as an error to be sorted. It is never what a caller gets.
type answerError struct {
	code   string
	status int
	cut    error // how reading the body ended, if not well
}

func (f *answerError) Error() string {
	if f.code == "" {
		return fmt.Sprintf("HTTP status %d", f.status)
	}
	return fmt.Sprintf("%s (HTTP status %d)", f.code, f.status)
}

func (f *answerError) Unwrap() error { return f.cut }

// ErrorCode and HTTPStatusCode are the names by which backoff.Classify asks.
func (f *answerError) ErrorCode() string   { return f.code }
func (f *answerError) HTTPStatusCode() int { return f.status }

const maxPeek = 64 << 10 // bytes of a refusal that are read to find its code

// peek reads the beginning of a refusal and puts it back, so that whoever gets the answer reads all of it.
func peek(resp *http.Response) *answerError {
	f := &answerError{status: resp.StatusCode}
	body := resp.Body
	start, err := io.ReadAll(io.LimitReader(body, maxPeek))
	rest := io.Reader(body)
	if err != nil {
		f.cut, rest = fmt.Errorf("the answer is cut short: %w", err), failing{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), body}
	f.code = errorCode(resp.Header, start)
	return f
}

// failing is a body that ends as it did before.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// errorCode finds the error code of an answer: in the header that the services with a REST and JSON protocol send, or in
// the body.
func errorCode(h http.Header, body []byte) string {
	code, _, _ := strings.Cut(h.Get("X-Amzn-Errortype"), ":")
	if code == "" {
		code = readRefusal(body).code
	}
	return wire.Clean(code[strings.LastIndexByte(code, '#')+1:])
}

// rejectsCredentials says that a service does not take the credentials any more, or not yet. S3 and EC2 have codes of
// their own.
func rejectsCredentials(code string) bool {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
		"InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired":
		return true
	}
	return false
}

// RedirectError says that a service answered with a redirect to another host, and an [http.Client] wanted to follow it. The
// request was not sent: neither a signature nor the session token may go there. Fetch the address with another client, or
// set CheckRedirect to see the answer.
type RedirectError struct {
	// StatusCode is the status of the redirect.
	StatusCode int

	// From and To are the two hosts, with the scheme. The rest of an address can hold a secret.
	From, To string
}

// Error names the two hosts.
func (e *RedirectError) Error() string {
	return fmt.Sprintf("%s redirects to %s (HTTP status %d), where the signature and the session token must not go", e.From, e.To, e.StatusCode)
}

// HTTPStatusCode returns StatusCode.
func (e *RedirectError) HTTPStatusCode() int { return e.StatusCode }

// checkRedirect refuses a request that a redirect caused, unless it goes where the one before went.
func checkRedirect(r *http.Request) error {
	if r.Response == nil {
		return nil
	}
	e := &RedirectError{StatusCode: r.Response.StatusCode, To: origin(r)}
	if r.Response.Request == nil {
		return errors.New("a redirect from an unknown address is not followed")
	}
	if e.From = origin(r.Response.Request); e.From == e.To {
		return nil
	}
	return e
}

func origin(r *http.Request) string {
	return strings.ToLower(r.URL.Scheme) + "://" + strings.ToLower(withoutDefaultPort(r.URL.Host, r.URL.Scheme))
}
