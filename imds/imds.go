// Package imds is a client of the EC2 instance metadata service: it fetches the instance's role, the role's
// credentials, the region, the identity document, and any other path.
//
//	var client imds.Client // the zero value asks http://169.254.169.254
//	credentials, err := client.RoleCredentials(ctx)
//
// # Session tokens
//
// The client speaks IMDSv2: it gets a session token by a PUT request and sends it with every GET. It falls back
// to IMDSv1, which has no token, only if the token call is answered 403, 404 or 405, and never because an answer
// was late; [Client.DisableV1] turns the fallback off. The token is shared by all callers and renewed before it
// ends, and at once when the service refuses it.
//
// # Time
//
// Off EC2 nothing answers at the metadata address, and a program must not hang there. So a client's first
// contact is special: if the service refuses the connection, or gives no answer within a second, the error is
// [ErrUnreachable] and nothing is tried again. Once the service has answered anything, it is there, and then a
// failure is retried: each attempt has a second, a request has three attempts, an operation has 5 seconds.
//
// # What the service does not know
//
// The service can name the instance's role, and hands out its credentials. A role's policies are not to be had
// from it: ask IAM (ListAttachedRolePolicies and ListRolePolicies, then GetPolicyVersion and GetRolePolicy),
// for which the credentials need permission.
package imds

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/credchain/credchain/internal/backoff"
)

// Endpoint is the address of the metadata service on every EC2 instance, which an empty [Client.Endpoint] means.
const Endpoint = "http://169.254.169.254"

// EndpointIPv6 is the address of the metadata service over IPv6, for [Client.Endpoint]. An instance answers it
// only if its metadata options have the IPv6 endpoint enabled.
const EndpointIPv6 = "http://[fd00:ec2::254]"

const (
	defaultAnswerTimeout = time.Second
	budget               = 5 * time.Second // for one operation, while AnswerTimeout is a second or less
	maxDocument          = 1 << 20
)

// Client asks one instance metadata service. The zero value is ready to use. Its fields must not be changed
// after the first call. It is safe for concurrent use, and must not be copied after the first call. It reads
// no environment variable.
type Client struct {
	// Endpoint is the base URL of the service, http or https, with or without a slash at its end; a path is
	// kept. "" means http://169.254.169.254.
	Endpoint string

	// Transport carries the requests. Nil means a transport of the client's own, which never uses a proxy
	// and gives a connection 1 s to be made.
	Transport http.RoundTripper

	// DisableV1 makes the client never speak IMDSv1, even if the service knows no session tokens.
	DisableV1 bool

	// ProfileName is the name of the role whose credentials to ask for without asking first which role the
	// instance has: what AWS's settings call ec2_instance_profile_name. It implies Extended. "" means to ask.
	ProfileName string

	// Extended makes RoleCredentials ask the extended API first, whose credentials carry the account ID, and
	// fall back to the ordinary one where the service does not have it.
	Extended bool

	// AnswerTimeout bounds each attempt of a request, from the connection to the last byte of the answer,
	// and the first contact as a whole. 0 means 1 s. An operation may take 5 s, or 5 times AnswerTimeout if
	// that is more.
	AnswerTimeout time.Duration

	// MaxAttempts is how often a request is tried once the service has answered anything, counting the first
	// time. 0 means 3.
	MaxAttempts int

	setup     sync.Once
	base      url.URL // Endpoint without the slash at its end
	setupErr  error
	transport http.RoundTripper
	quota     backoff.Quota

	contacted atomic.Bool // the service has answered something, be it an error

	mu         sync.Mutex // guards what follows; never held during a request
	session    session
	flight     *flight   // the token call under way, or nil
	v1         bool      // the service knows no tokens
	absent     error     // what the last first contact met, if it was silence
	absentTill time.Time // until when absent is the answer without asking again
	role       string    // the role asked for last
	noExtended bool      // the service has answered that it has no extended API
}

// Get fetches any path below the endpoint, for instance "/latest/meta-data/instance-id". The path starts with
// a slash and is taken literally, not as percent-encoded. The answer is at most 1 MiB.
//
// The error is [ErrUnreachable] or [ErrHopLimit] if there is no contact, and otherwise an [*Error]; its
// StatusCode is 404 for a path that the service does not have.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("imds: the path to get must start with a slash")
	}
	ctx = c.limit(ctx)
	var body []byte
	err := c.get(ctx, path, func(b []byte) error { body = b; return nil })
	return body, err
}

// limit gives a whole operation its time.
func (c *Client) limit(ctx context.Context) context.Context {
	end := time.Now().Add(max(budget, 5*c.answerTimeout()))
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		return ctx
	}
	return limited{ctx, end}
}

// limited is a context with an earlier deadline but without a timer for it: setting timers is a good part of what
// this package adds to the bare round trips. Retries see the deadline, and exchange and token keep it themselves.
type limited struct {
	context.Context
	end time.Time
}

func (l limited) Deadline() (time.Time, bool) { return l.end, true }

func (c *Client) answerTimeout() time.Duration {
	if c.AnswerTimeout <= 0 {
		return defaultAnswerTimeout
	}
	return c.AnswerTimeout
}

func (c *Client) policy() backoff.Policy {
	return backoff.Policy{MaxAttempts: c.MaxAttempts, Quota: &c.quota}
}

// get fetches a path with a session token, retries what is worth it, and hands the body of a 200 to read. An
// error of read counts as the attempt's failure.
func (c *Client) get(ctx context.Context, path string, read func(body []byte) error) error {
	if err := c.init(); err != nil {
		return err
	}
	renewed := false // a token that the service refuses is renewed once
	err := c.policy().Do(ctx, func(ctx context.Context) error {
		for {
			token, err := c.token(ctx)
			if err != nil {
				return backoff.Permanent(err) // the token call has had its own attempts
			}
			var header http.Header
			if token != "" {
				header = http.Header{tokenHeader: {token}}
			}
			a, err := c.exchange(ctx, http.MethodGet, path, header, maxDocument, c.answerTimeout())
			if err != nil {
				return err
			}
			if a.status == http.StatusUnauthorized && !renewed {
				renewed = true
				c.refuse(token)
				continue
			}
			if a.status != http.StatusOK {
				return c.failure(http.MethodGet, path, a.status, statusError(a.status))
			}
			if err := read(a.body); err != nil {
				return c.failure(http.MethodGet, path, a.status, err)
			}
			return nil
		}
	})
	if err == nil {
		return nil
	}
	return c.withURL(err, path)
}

// withURL adds what was asked for to an error that does not have it: that of a context which ended first.
func (c *Client) withURL(err error, path string) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return c.failure(http.MethodGet, path, 0, err)
}
