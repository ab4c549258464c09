package providers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/wire"
	"github.com/credchain/credchain/store"
)

// Container asks the endpoint that ECS and EKS Pod Identity give to a container, named by
// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (a path at 169.254.170.2) or, if that is unset,
// AWS_CONTAINER_CREDENTIALS_FULL_URI. The request carries the content of the file that
// AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names, read anew each time, or else
// AWS_CONTAINER_AUTHORIZATION_TOKEN.
//
// It is configured when one of the two URIs is set; from then on every failure is an error. Without TLS
// only the host's own addresses are asked: loopback, 169.254.170.2, 169.254.170.23 and fd00:ec2::23, as in
// every AWS SDK. A request has 5 seconds, and there are at most 3.
type Container struct {
	System    System // zero: the real machine
	NoSharing bool   // see Config

	services *services // of the chain this link belongs to
	own      alone     // without one

	mu         sync.Mutex
	plain, tls http.RoundTripper // made when they are needed
}

var _ credchain.Detector = (*Container)(nil)

const (
	relativeURI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	fullURI     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenFile   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	tokenValue  = "AWS_CONTAINER_AUTHORIZATION_TOKEN"

	ecsEndpoint = "http://169.254.170.2"

	containerConnect = time.Second
	containerAnswer  = 5 * time.Second
	maxToken         = 16 << 10
)

var errContainer = absent("neither %s nor %s is set", relativeURI, fullURI)

// Name returns "container".
func (c *Container) Name() string { return "container" }

// Detect tells which endpoint would be asked. A URI that may not be asked is an error; what a host name stands
// for shows only when it is looked up, by Retrieve.
func (c *Container) Detect(context.Context) (credchain.Evidence, error) {
	u, from, err := c.endpoint()
	if !from.set() {
		return credchain.Evidence{}, errContainer
	}
	ev := credchain.Evidence{Origins: []credchain.Origin{from.origin()}, Temporary: true}
	if err != nil {
		return ev, err
	}
	ev.Summary = "the container's role at " + shown(u)
	token := c.System.first(tokenFile, tokenValue)
	if token.set() {
		ev.Origins = append(ev.Origins, token.origin())
	}
	ev.Warnings = trimmedWarnings(from, token)
	return ev, nil
}

// Retrieve asks the endpoint. The credentials expire when the endpoint says so.
func (c *Container) Retrieve(ctx context.Context) (aws.Credentials, error) {
	u, from, err := c.endpoint()
	switch {
	case !from.set():
		return aws.Credentials{}, errContainer
	case err != nil:
		return aws.Credentials{}, err
	}
	if err := c.checkHost(ctx, u, from); err != nil {
		return aws.Credentials{}, err
	}
	token := c.System.first(tokenFile, tokenValue) // the file's path, or the token itself
	key := store.Key{Operation: "Container", Service: u.String(), Caller: token.where() + " " + hash(token.value)}
	creds, err := c.shared().through(ctx, key, false, func(ctx context.Context) (creds aws.Credentials, err error) {
		err = backoff.Policy{}.Do(ctx, func(ctx context.Context) error {
			creds, err = c.fetch(ctx, u)
			return err
		})
		return creds, err
	})
	if err != nil {
		return aws.Credentials{}, &failure{what: fmt.Sprintf("the container endpoint %s (%s) gave no credentials", shown(u), from.where()), err: err}
	}
	return creds, nil
}

// Reject and Invalidate make sure that what the chains of this process share does not come again; see
// [credchain.Provider].
func (c *Container) Reject(creds aws.Credentials) { c.shared().reject(creds) }

// Invalidate is like Reject, for all credentials up to now.
func (c *Container) Invalidate() { c.shared().forget() }

func (c *Container) shared() *services {
	if c.services != nil {
		return c.services
	}
	return c.own.services(Config{NoSharing: c.NoSharing}, &c.System)
}

// transport returns the one for a URL. The one without TLS refuses a foreign address once more when it connects, so
// that a name cannot change its meaning after it was checked.
func (c *Container) transport(u *url.URL) http.RoundTripper {
	if c.System.Transport != nil {
		return c.System.Transport
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case u.Scheme != "http":
		if c.tls == nil {
			c.tls = wire.NewTransport(containerConnect)
		}
		return c.tls
	case c.plain == nil:
		plain := wire.NewTransport(containerConnect)
		plain.DialContext = (&net.Dialer{Timeout: containerConnect, Control: func(_, address string, _ syscall.RawConn) error {
			if ap, err := netip.ParseAddrPort(address); err != nil || !ownAddress(ap.Addr()) {
				return fmt.Errorf("%s is not an address of this host", address)
			}
			return nil
		}}).DialContext
		plain.Proxy = nil
		c.plain = plain
	}
	return c.plain
}

// fetch makes one request.
func (c *Container) fetch(ctx context.Context, u *url.URL) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, containerAnswer)
	defer cancel()
	token, err := c.token()
	if err != nil {
		return aws.Credentials{}, backoff.Permanent(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return aws.Credentials{}, backoff.Permanent(err)
	}
	r.Header.Set("Accept", "application/json")
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	resp, err := wire.Do(c.transport(u), r)
	if err != nil {
		return aws.Credentials{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return aws.Credentials{}, refusal(resp, token)
	}
	return containerCredentials(resp.Body)
}

// token returns what the Authorization header carries, "" if nothing is configured.
func (c *Container) token() (string, error) {
	if f := c.System.variable(tokenFile); f.set() {
		if err := f.check(); err != nil {
			return "", err
		}
		token, err := c.System.readToken(f)
		if err == nil && token == "" {
			err = &failure{what: f.value + " (" + f.where() + ") is empty", remedy: "wait for the agent to write it, or restart the container"}
		}
		return token, err
	}
	t := c.System.variable(tokenValue)
	return t.value, t.check()
}

// readToken reads a file that holds one line, with or without its line end.
func (s *System) readToken(f setting) (string, error) {
	raw, err := s.readAtMost(f.value, maxToken)
	switch {
	case errors.Is(err, errTooLong):
		return "", &failure{what: fmt.Sprintf("%s (%s) is longer than a token's 16 KiB", f.value, f.where())}
	case err != nil:
		return "", &failure{what: f.where(), err: err}
	}
	token := strings.TrimSpace(string(raw))
	if strings.IndexFunc(token, isControl) >= 0 {
		return "", &failure{what: fmt.Sprintf("%s (%s) holds more than one line, or a control character", f.value, f.where())}
	}
	return token, nil
}
