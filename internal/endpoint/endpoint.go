// Package endpoint knows where an AWS service is: the address for a region, its partition, and the FIPS and
// dual-stack forms. It looks nothing up.
package endpoint

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Variant says which form of a service's address is meant. The zero value is the ordinary one.
type Variant struct {
	// FIPS is the endpoint with FIPS 140 validated cryptography.
	FIPS bool
	// DualStack is the endpoint that answers over IPv6 as well.
	DualStack bool
}

// String names the variant as an error does: "FIPS", "dual stack", both, or "".
func (v Variant) String() string {
	switch {
	case v.FIPS && v.DualStack:
		return "FIPS and dual stack"
	case v.FIPS:
		return "FIPS"
	case v.DualStack:
		return "dual stack"
	}
	return ""
}

// CheckRegion accepts the shape that the regions of all partitions have: words of letters, then a number. It
// is asked before any name is looked up, because a region that cannot be one must not become a DNS query for a
// name that somebody else may own.
func CheckRegion(region string) error {
	if region == "" {
		return errors.New("the region is not set")
	}
	parts := strings.Split(region, "-")
	words, number := parts[:len(parts)-1], parts[len(parts)-1]
	ok := len(words) >= 2 && number != "" && len(region) <= 40 && !strings.ContainsFunc(number, not(isDigit))
	for _, w := range words {
		ok = ok && w != "" && !strings.ContainsFunc(w, not(isLower))
	}
	if !ok {
		return fmt.Errorf("region %q: not the form of a region, such as eu-central-1", region)
	}
	return nil
}

// CheckScope accepts what may stand in a signature's scope: a region that an own endpoint goes by, such as
// "local". It is looser than CheckRegion because no address is made from it.
func CheckScope(region string) error {
	if region == "" {
		return errors.New("the region is not set")
	}
	if strings.ContainsFunc(region, func(r rune) bool { return !isLower(r) && !isDigit(r) && r != '-' }) {
		return fmt.Errorf("region %q: only a-z, 0-9 and - are allowed", region)
	}
	return nil
}

func isLower(r rune) bool { return 'a' <= r && r <= 'z' }
func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func not(is func(rune) bool) func(rune) bool {
	return func(r rune) bool { return !is(r) }
}

// partition is a set of regions that share a domain. The figures are those of the SDKs' partitions table.
type partition struct{ prefix, suffix, dualStack string }

// standard is also the partition of a prefix that is not in the table, so that a new region works on its
// first day.
var standard = partition{"", "amazonaws.com", "api.aws"}

func partitionOf(region string) partition {
	for _, p := range []partition{
		{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
		{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
		{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
		{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
		{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p
		}
	}
	return standard
}

// URL is where service is in region: https://sts.eu-west-1.amazonaws.com/ for "sts". In the us-gov partition
// the ordinary addresses of STS, IAM Identity Center, EC2 and Service Quotas are the FIPS ones; that is the rule of the
// SDKs' endpoint rule sets for these services. A region that cannot be one is an error.
func URL(service, region string, v Variant) (string, error) {
	if err := CheckRegion(region); err != nil {
		return "", err
	}
	p := partitionOf(region)
	suffix := p.suffix
	if v.DualStack {
		suffix = p.dualStack
	}
	if v.FIPS && !(!v.DualStack && strings.HasPrefix(region, "us-gov-") && fipsAlready(service)) {
		service += "-fips"
	}
	return "https://" + service + "." + region + "." + suffix + "/", nil
}

// For is where service is called: at the URL that somebody set, or if it is "" at AWS's own for region. A URL has no variants;
// with one it needs a region to sign for, in any form.
func For(service, region, set string, v Variant) (string, error) {
	switch {
	case set == "":
		return URL(service, region, v)
	case v != Variant{}:
		return "", fmt.Errorf("an endpoint is set, and so is %s, which is for AWS's own endpoints", v)
	}
	if err := CheckScope(region); err != nil {
		return "", err
	}
	return CheckURL(set)
}

// fipsAlready says that service's ordinary address in us-gov is the FIPS one.
func fipsAlready(service string) bool {
	switch service {
	case "sts", "oidc", "portal.sso", "ec2", "servicequotas":
		return true
	}
	return false
}

// CheckURL returns an endpoint that somebody set, with "/" for an empty path. It refuses what cannot be called
// or could carry a secret into an error, and its errors quote neither user names nor queries.
func CheckURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("the endpoint is not a URL") // url.Parse would quote it, with a password in it
	}
	hasUser, hasQuery := u.User != nil, u.RawQuery != "" || u.Fragment != ""
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", errors.New("the endpoint is not an http or https URL") // a forgotten scheme leaves the password anywhere
	case hasUser:
		return "", fmt.Errorf("endpoint %q: a user name is not allowed", u)
	case hasQuery:
		return "", fmt.Errorf("endpoint %q: a query or fragment is not allowed", u)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}
