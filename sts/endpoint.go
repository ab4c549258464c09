package sts

import (
	"errors"
	"fmt"

	"github.com/credchain/credchain/internal/endpoint"
)

// globalRegion is the region name that stands for the one endpoint that is in no region.
const globalRegion = "aws-global"

// resolve returns the URL to call and the region to sign for, which a call that is not signed does not need if
// the client has an endpoint. It looks nothing up: a region that cannot be one must not become a DNS query for
// a name that somebody else may own.
func (c *Client) resolve(unsigned bool) (address, signingRegion string, err error) {
	variant := endpoint.Variant{FIPS: c.FIPS, DualStack: c.DualStack}
	signingRegion = c.Region
	if c.Region == globalRegion {
		signingRegion = "us-east-1"
	}
	switch {
	case c.Endpoint != "" && variant != endpoint.Variant{}:
		return "", "", fmt.Errorf("an endpoint is set, and so is %s, which is for AWS's own endpoints", variant)
	case c.Endpoint != "":
		if err := endpoint.CheckScope(c.Region); err != nil && !(unsigned && c.Region == "") {
			if c.Region == "" {
				err = errors.New("the region is not set; it is needed to sign, also for the endpoint that is set")
			}
			return "", "", err
		}
		address, err = endpoint.CheckURL(c.Endpoint)
		return address, signingRegion, err
	case c.Region == globalRegion && variant != endpoint.Variant{}:
		return "", "", fmt.Errorf("region %s: the global endpoint has no %s form; set a region", globalRegion, variant)
	case c.Region == globalRegion:
		return "https://sts.amazonaws.com/", signingRegion, nil
	}
	address, err = endpoint.URL("sts", c.Region, variant)
	return address, signingRegion, err
}
