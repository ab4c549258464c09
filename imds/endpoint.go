package imds

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/credchain/credchain/internal/wire"
)

// init checks the endpoint and chooses the transport, once.
func (c *Client) init() error {
	c.setup.Do(func() {
		c.base, c.setupErr = parseEndpoint(c.Endpoint)
		if c.setupErr == nil && c.ProfileName != "" && !isRoleName(c.ProfileName) {
			c.setupErr = fmt.Errorf("imds: the instance profile name %.200q is not the name of a role", c.ProfileName)
		}
		if c.transport = c.Transport; c.transport == nil {
			c.transport = ownTransport()
		}
	})
	return c.setupErr
}

// ownTransport is a transport that talks to the metadata service and to nobody else. A proxy cannot reach the
// address of this machine's metadata service: it would reach its own machine's, or nothing. So there is none,
// whatever HTTP_PROXY says.
func ownTransport() *http.Transport {
	t := wire.NewTransport(time.Second)
	t.Proxy = nil
	return t
}

// CheckEndpoint tells what is wrong with an endpoint URL, nil if a Client would take it. It asks nobody.
func CheckEndpoint(endpoint string) error {
	_, err := parseEndpoint(endpoint)
	return err
}

// parseEndpoint checks an endpoint and takes the slashes off its end. Its error does not repeat a URL that has
// user information, which could be a password.
func parseEndpoint(endpoint string) (url.URL, error) {
	endpoint = strings.TrimSpace(endpoint)
	if endpoint == "" {
		endpoint = Endpoint
	}
	u, err := url.Parse(endpoint)
	if strings.Contains(endpoint, "@") && (err != nil || u.User != nil) {
		return url.URL{}, errors.New("imds: the endpoint URL has user information, which the metadata service has no use for")
	}
	problem := ""
	switch {
	case err != nil:
		problem = "is not a URL like http://HOST"
	case u.Scheme != "http" && u.Scheme != "https":
		problem = "does not start with http:// or https://"
	case u.Hostname() == "":
		problem = "has no host"
	case u.RawQuery != "" || u.ForceQuery:
		problem = "has a query"
	case u.Fragment != "":
		problem = "has a fragment"
	}
	// 269 is no octet, yet the address stands in a number of notes. Asked for, it would become a host name
	// that nobody knows, and a puzzle for whoever reads the error.
	if strings.Contains(endpoint, "169.254.269.254") {
		problem = "has 169.254.269.254, a common misprint (269 is no octet) for 169.254.169.254"
	}
	if problem != "" {
		return url.URL{}, fmt.Errorf("imds: the endpoint %.200q %s", endpoint, problem)
	}
	return url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}
