package sts_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

func TestEndpointOfRegion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ region, host, signed string }{
		{"us-east-1", "sts.us-east-1.amazonaws.com", "us-east-1"},
		{"ap-southeast-7", "sts.ap-southeast-7.amazonaws.com", "ap-southeast-7"},
		{"xx-new-11", "sts.xx-new-11.amazonaws.com", "xx-new-11"},
		{"aws-global", "sts.amazonaws.com", "us-east-1"},
		{"cn-north-1", "sts.cn-north-1.amazonaws.com.cn", "cn-north-1"},
		{"us-gov-west-1", "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"},
		{"eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"},
		{"us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"},
		{"us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"},
		{"eu-isoe-west-1", "sts.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"},
		{"us-isof-south-1", "sts.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"},
	} {
		t.Run(tt.region, func(t *testing.T) {
			t.Parallel()
			s := &awstest.STS{Region: tt.signed, Principals: []awstest.Principal{{Credentials: user}}}
			m := awstest.Hermetic(t, awstest.World{Hosts: map[string]http.Handler{tt.host: s}})
			c := client(s, user)
			c.Region, c.Transport = tt.region, m.System().Transport
			_, err := c.GetCallerIdentity(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"POST https://" + tt.host + "/"}, m.Requests())
		})
	}
}

// The other forms of the addresses, signed for the region all the same.
func TestEndpointVariants(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		region     string
		fips, dual bool
		host, err  string
	}{
		{"eu-west-1", true, false, "sts-fips.eu-west-1.amazonaws.com", ""},
		{"eu-west-1", false, true, "sts.eu-west-1.api.aws", ""},
		{"eu-west-1", true, true, "sts-fips.eu-west-1.api.aws", ""},
		{"us-gov-west-1", true, false, "sts.us-gov-west-1.amazonaws.com", ""},
		{"us-gov-west-1", true, true, "sts-fips.us-gov-west-1.api.aws", ""},
		{"cn-north-1", false, true, "sts.cn-north-1.api.amazonwebservices.com.cn", ""},
		{"aws-global", true, false, "", "region aws-global: the global endpoint has no FIPS form"},
		{"aws-global", false, true, "", "region aws-global: the global endpoint has no dual stack form"},
		{"dummy", true, true, "", `region "dummy": not the form of a region`},
	} {
		t.Run(tt.region+tt.host, func(t *testing.T) {
			t.Parallel()
			s := &awstest.STS{Region: tt.region, Principals: []awstest.Principal{{Credentials: user}}}
			m := awstest.Hermetic(t, awstest.World{Hosts: map[string]http.Handler{tt.host: s}})
			c := client(s, user)
			c.Region, c.FIPS, c.DualStack, c.Transport = tt.region, tt.fips, tt.dual, m.System().Transport
			_, err := c.GetCallerIdentity(t.Context())
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.Empty(t, m.Requests())
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{"POST https://" + tt.host + "/"}, m.Requests())
		})
	}
}

// An endpoint that is set has no variants: asking for one would be silently ignored, FIPS of all things.
func TestOwnEndpointHasNoVariants(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fips, dual bool
		err        string
	}{
		{true, false, "an endpoint is set, and so is FIPS, which is for AWS's own endpoints"},
		{false, true, "an endpoint is set, and so is dual stack, which"},
		{true, true, "an endpoint is set, and so is FIPS and dual stack, which"},
	} {
		h := &scripted{}
		c := client(h, user)
		c.Endpoint, c.FIPS, c.DualStack = "https://"+host, tt.fips, tt.dual
		_, err := c.GetCallerIdentity(t.Context())
		require.ErrorContains(t, err, tt.err)
		_, err = c.AssumeRoleWithWebIdentity(t.Context(), goodInputs().web)
		require.ErrorContains(t, err, tt.err)
		require.Empty(t, h.requests)
	}
}

// What is not signed needs no region if it is told where to go; otherwise it does.
func TestRegionOfUnsignedCalls(t *testing.T) {
	t.Parallel()
	h := &scripted{answers: []answer{{body: xmlAnswer("AssumeRoleWithWebIdentity", xmlCredentials)}}}
	c := client(h, user)
	c.Region, c.Credentials, c.Endpoint = "", nil, "https://"+host
	_, err := c.AssumeRoleWithWebIdentity(t.Context(), goodInputs().web)
	require.NoError(t, err)
	c = client(h, user)
	c.Region = ""
	_, err = c.AssumeRoleWithWebIdentity(t.Context(), goodInputs().web)
	require.EqualError(t, err, "sts: AssumeRoleWithWebIdentity: the region is not set")
	c = client(h, user)
	c.Region, c.Endpoint = "a/b", "https://"+host
	_, err = c.AssumeRoleWithWebIdentity(t.Context(), goodInputs().web)
	require.ErrorContains(t, err, `region "a/b"`)
	require.Len(t, h.requests, 1)
}

// A region that cannot be one is an error before anything is asked.
func TestBadRegions(t *testing.T) {
	t.Parallel()
	for _, region := range []string{
		"", " ", "default", "dummy", "us-east", "us-east-1a", "us-west-2-lax-1", "us-1", "-east-1", "us--1", "us-east-",
		"US-EAST-1", "us-east-1.evil.example", "us-east-1/", "us-east-1@x", "us-eäst-1", "aws-cn-global", "us-east-1 ",
		"a" + strings.Repeat("a", 40) + "-b-1", "us-east-1\n",
	} {
		t.Run(region, func(t *testing.T) {
			t.Parallel()
			m := awstest.Hermetic(t, awstest.World{})
			creds := awstest.Script(awstest.Result{Credentials: user})
			c := &sts.Client{Region: region, Credentials: creds, Transport: m.System().Transport}
			_, err := c.GetCallerIdentity(t.Context())
			require.ErrorContains(t, err, "sts: GetCallerIdentity: ")
			require.ErrorContains(t, err, "region")
			require.Empty(t, m.Requests())
			require.Zero(t, creds.Calls())
		})
	}
}

func TestOwnEndpoint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ endpoint, region, url, err string }{
		{"http://localhost:4566", "us-east-1", "http://localhost:4566/", ""},
		{"http://localhost:4566/", "aws-global", "http://localhost:4566/", ""},
		{"http://localhost:4566", "local", "http://localhost:4566/", ""},
		{"http://localhost:4566", "", "", "the region is not set"},
		{"http://localhost:4566", "a/b", "", `region "a/b"`},
		{"http://localhost:4566", "A", "", `region "A"`},
		{"localhost:4566", "us-east-1", "", "not an http or https URL"},
		{"ftp://localhost", "us-east-1", "", "not an http or https URL"},
		{"https://", "us-east-1", "", "not an http or https URL"},
		{"http://canary:canary@localhost", "us-east-1", "", `endpoint "http://localhost": a user name is not allowed`},
		{"http://localhost/?x=canary", "us-east-1", "", `endpoint "http://localhost/": a query or fragment is not allowed`},
		{"http://localhost/#canary", "us-east-1", "", `endpoint "http://localhost/": a query or fragment is not allowed`},
		{"http://canary:%zz@localhost", "us-east-1", "", "the endpoint is not a URL"},
	} {
		t.Run(tt.endpoint+" "+tt.region, func(t *testing.T) {
			t.Parallel()
			s := &awstest.STS{Principals: []awstest.Principal{{Credentials: user}}}
			if tt.region == "aws-global" {
				s.Region = "us-east-1"
			}
			m := awstest.Hermetic(t, awstest.World{Hosts: map[string]http.Handler{"localhost:4566": s}})
			c := client(s, user)
			c.Region, c.Endpoint, c.Transport = tt.region, tt.endpoint, m.System().Transport
			_, err := c.GetCallerIdentity(t.Context())
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.NotContains(t, err.Error(), "canary")
				require.Empty(t, m.Requests())
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{"POST " + tt.url}, m.Requests())
		})
	}
}
