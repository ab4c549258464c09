package providers

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// endpoint returns the address to ask and the variable that gives it.
func (c *Container) endpoint() (*url.URL, setting, error) {
	from := c.System.first(relativeURI, fullURI)
	if !from.set() {
		return nil, from, nil
	}
	if err := from.check(); err != nil {
		return nil, from, err
	}
	raw := from.value
	if from.name == relativeURI || from.name == "aws.containerCredentialsPath" {
		if !strings.HasPrefix(raw, "/") {
			return nil, from, &failure{what: from.where() + " does not begin with /", remedy: "for a whole URL there is " + fullURI}
		}
		raw = ecsEndpoint + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, from, &failure{what: from.where() + " is no URL"} // the parser's error quotes it
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, from, &failure{what: from.where() + " is no http or https URL with a host"}
	case u.Scheme == "http" && foreign(u.Hostname()):
		return nil, from, hostRefused(u.Hostname(), from)
	case u.User != nil:
		return nil, from, &failure{what: from.where() + " holds a user name or password", remedy: "use " + tokenValue + " instead"}
	}
	return u, from, nil
}

// checkHost keeps a request without TLS on this host. Of a name all addresses must be the host's own.
func (c *Container) checkHost(ctx context.Context, u *url.URL, from setting) error {
	if u.Scheme == "https" {
		return nil
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return nil // endpoint has looked at it
	}
	ctx, cancel := context.WithTimeout(ctx, containerAnswer)
	defer cancel()
	addresses, err := c.System.lookupHost(ctx, host)
	if err != nil {
		return &failure{what: fmt.Sprintf("the host of %s cannot be looked up", from.where()), err: err}
	}
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a); err != nil || !ownAddress(ip) {
			return hostRefused(host+", which is "+a, from)
		}
	}
	if len(addresses) == 0 {
		return hostRefused(host+", which has no address", from)
	}
	return nil
}

func hostRefused(host string, from setting) error {
	return &failure{
		what:   fmt.Sprintf("%s names the host %s, which is not asked without TLS", from.where(), host),
		remedy: "use https, a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]",
	}
}

// foreign reports whether host is the literal address of somebody else.
func foreign(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && !ownAddress(ip)
}

func ownAddress(ip netip.Addr) bool {
	ip = ip.Unmap()
	if ip.IsLoopback() {
		return true
	}
	switch ip.WithZone("").String() {
	case "169.254.170.2", "169.254.170.23", "fd00:ec2::23":
		return true
	}
	return false
}

// shown is a URL without what could be a secret.
func shown(u *url.URL) string {
	s := *u
	s.User, s.RawQuery, s.Fragment = nil, "", ""
	return s.String()
}
