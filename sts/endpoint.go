package sts

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// globalRegion is the region name that stands for the one endpoint that is in no region.
const globalRegion = "aws-global"

// resolve returns the URL to call and the region to sign for. It looks nothing up: a region that cannot be
// one must not become a DNS query for a name that somebody else may own.
func resolve(endpoint, region string) (address, signingRegion string, err error) {
	signingRegion = region
	if region == globalRegion {
		signingRegion = "us-east-1"
	}
	if endpoint != "" {
		if region == "" {
			return "", "", errors.New("the region is not set; it is needed to sign, also for the endpoint that is set")
		}
		if strings.ContainsFunc(region, func(r rune) bool { return !isLower(r) && !isDigit(r) && r != '-' }) {
			return "", "", fmt.Errorf("region %q: only a-z, 0-9 and - are allowed", region)
		}
		address, err = checkEndpoint(endpoint)
		return address, signingRegion, err
	}
	if region == globalRegion {
		return "https://sts.amazonaws.com/", signingRegion, nil
	}
	if err := checkRegion(region); err != nil {
		return "", "", err
	}
	return "https://sts." + region + "." + dnsSuffix(region) + "/", signingRegion, nil
}

// checkRegion accepts the shape that the regions of all partitions have: words of letters, then a number.
func checkRegion(region string) error {
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

func isLower(r rune) bool { return 'a' <= r && r <= 'z' }
func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func not(is func(rune) bool) func(rune) bool {
	return func(r rune) bool { return !is(r) }
}

// dnsSuffix is the domain of the partition that region is in (the SDKs' partitions table). A prefix that is
// not in the table belongs to the standard partition, so that a new region works on its first day.
func dnsSuffix(region string) string {
	for _, p := range []struct{ prefix, suffix string }{
		{"cn-", "amazonaws.com.cn"},
		{"us-gov-", "amazonaws.com"},
		{"eusc-", "amazonaws.eu"},
		{"us-iso-", "c2s.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"},
		{"us-isof-", "csp.hci.ic.gov"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.suffix
		}
	}
	return "amazonaws.com"
}

// checkEndpoint refuses what cannot be called or could carry a secret into an error.
func checkEndpoint(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", errors.New("the endpoint is not a URL") // url.Parse would quote it, with a password in it
	}
	hasUser, hasQuery := u.User != nil, u.RawQuery != "" || u.Fragment != ""
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", fmt.Errorf("endpoint %q: not an http or https URL", u)
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
