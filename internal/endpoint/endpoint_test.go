package endpoint_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/endpoint"
)

var (
	plain = endpoint.Variant{}
	fips  = endpoint.Variant{FIPS: true}
	dual  = endpoint.Variant{DualStack: true}
	both  = endpoint.Variant{FIPS: true, DualStack: true}
)

// The addresses of each partition, as the endpoint rule sets of the SDKs give them.
func TestURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		service, region         string
		plain, fips, dual, both string
	}{
		{"sts", "us-east-1", "sts.us-east-1.amazonaws.com", "sts-fips.us-east-1.amazonaws.com", "sts.us-east-1.api.aws", "sts-fips.us-east-1.api.aws"},
		{"sts", "mx-central-1", "sts.mx-central-1.amazonaws.com", "sts-fips.mx-central-1.amazonaws.com", "sts.mx-central-1.api.aws", "sts-fips.mx-central-1.api.aws"},
		{"sts", "xx-new-11", "sts.xx-new-11.amazonaws.com", "sts-fips.xx-new-11.amazonaws.com", "sts.xx-new-11.api.aws", "sts-fips.xx-new-11.api.aws"},
		{"sts", "cn-north-1", "sts.cn-north-1.amazonaws.com.cn", "sts-fips.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.api.amazonwebservices.com.cn", "sts-fips.cn-north-1.api.amazonwebservices.com.cn"},
		{"sts", "us-gov-west-1", "sts.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.api.aws", "sts-fips.us-gov-west-1.api.aws"},
		{"oidc", "us-gov-east-1", "oidc.us-gov-east-1.amazonaws.com", "oidc.us-gov-east-1.amazonaws.com", "oidc.us-gov-east-1.api.aws", "oidc-fips.us-gov-east-1.api.aws"},
		{"portal.sso", "us-gov-east-1", "portal.sso.us-gov-east-1.amazonaws.com", "portal.sso.us-gov-east-1.amazonaws.com", "portal.sso.us-gov-east-1.api.aws", "portal.sso-fips.us-gov-east-1.api.aws"},
		{"ec2", "us-gov-west-1", "ec2.us-gov-west-1.amazonaws.com", "ec2.us-gov-west-1.amazonaws.com", "ec2.us-gov-west-1.api.aws", "ec2-fips.us-gov-west-1.api.aws"},
		{"servicequotas", "us-gov-west-1", "servicequotas.us-gov-west-1.amazonaws.com", "servicequotas.us-gov-west-1.amazonaws.com", "servicequotas.us-gov-west-1.api.aws", "servicequotas-fips.us-gov-west-1.api.aws"},
		{"servicequotas", "eu-west-1", "servicequotas.eu-west-1.amazonaws.com", "servicequotas-fips.eu-west-1.amazonaws.com", "servicequotas.eu-west-1.api.aws", "servicequotas-fips.eu-west-1.api.aws"},
		{"s3", "us-gov-west-1", "s3.us-gov-west-1.amazonaws.com", "s3-fips.us-gov-west-1.amazonaws.com", "s3.us-gov-west-1.api.aws", "s3-fips.us-gov-west-1.api.aws"},
		{"portal.sso", "eu-central-1", "portal.sso.eu-central-1.amazonaws.com", "portal.sso-fips.eu-central-1.amazonaws.com", "portal.sso.eu-central-1.api.aws", "portal.sso-fips.eu-central-1.api.aws"},
		{"sts", "eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu", "sts-fips.eusc-de-east-1.amazonaws.eu", "sts.eusc-de-east-1.api.amazonwebservices.eu", "sts-fips.eusc-de-east-1.api.amazonwebservices.eu"},
		{"sts", "us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov", "sts-fips.us-iso-east-1.c2s.ic.gov", "sts.us-iso-east-1.api.aws.ic.gov", "sts-fips.us-iso-east-1.api.aws.ic.gov"},
		{"sts", "us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov", "sts-fips.us-isob-east-1.sc2s.sgov.gov", "sts.us-isob-east-1.api.aws.scloud", "sts-fips.us-isob-east-1.api.aws.scloud"},
		{"sts", "eu-isoe-west-1", "sts.eu-isoe-west-1.cloud.adc-e.uk", "sts-fips.eu-isoe-west-1.cloud.adc-e.uk", "sts.eu-isoe-west-1.api.cloud-aws.adc-e.uk", "sts-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
		{"sts", "us-isof-south-1", "sts.us-isof-south-1.csp.hci.ic.gov", "sts-fips.us-isof-south-1.csp.hci.ic.gov", "sts.us-isof-south-1.api.aws.hci.ic.gov", "sts-fips.us-isof-south-1.api.aws.hci.ic.gov"},
	} {
		t.Run(tt.service+" "+tt.region, func(t *testing.T) {
			t.Parallel()
			for v, want := range map[endpoint.Variant]string{plain: tt.plain, fips: tt.fips, dual: tt.dual, both: tt.both} {
				got, err := endpoint.URL(tt.service, tt.region, v)
				require.NoError(t, err)
				require.Equal(t, "https://"+want+"/", got, "%v", v)
			}
		})
	}
}

func TestVariantNames(t *testing.T) {
	t.Parallel()
	for v, want := range map[endpoint.Variant]string{plain: "", fips: "FIPS", dual: "dual stack", both: "FIPS and dual stack"} {
		require.Equal(t, want, v.String())
	}
}

func TestBadRegions(t *testing.T) {
	t.Parallel()
	for _, region := range []string{
		"", " ", "default", "dummy", "us-east", "us-east-1a", "us-west-2-lax-1", "us-1", "-east-1", "us--1", "us-east-",
		"US-EAST-1", "us-east-1.evil.example", "us-east-1/", "us-east-1@x", "us-eäst-1", "aws-global", "us-east-1 ",
		strings.Repeat("a", 40) + "-b-1", "us-east-1\n", "us-east-١",
	} {
		_, err := endpoint.URL("sts", region, plain)
		require.Error(t, err, region)
		require.Equal(t, err, endpoint.CheckRegion(region))
	}
	require.EqualError(t, endpoint.CheckRegion("dummy"), `region "dummy": not the form of a region, such as eu-central-1`)
	require.EqualError(t, endpoint.CheckRegion(""), "the region is not set")
}

func TestCheckScope(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"us-east-1", "local", "aws-global", "1"} {
		require.NoError(t, endpoint.CheckScope(region), region)
	}
	for _, region := range []string{"", "A", "a/b", "a b", "a\n", "ä"} {
		require.Error(t, endpoint.CheckScope(region), region)
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, want, err string }{
		{"http://localhost:4566", "http://localhost:4566/", ""},
		{"https://vpce-1.sts.example/x", "https://vpce-1.sts.example/x", ""},
		{"HTTPS://Example", "https://Example/", ""},
		{"localhost:4566", "", "not an http or https URL"},
		{"localhost", "", "not an http or https URL"},
		{"canary:canary@localhost", "", "not an http or https URL"},
		{"canary@localhost:4566", "", "not a URL"},
		{"ftp://localhost", "", "not an http or https URL"},
		{"https://", "", "not an http or https URL"},
		{"", "", "not an http or https URL"},
		{"http://canary:canary@localhost", "", `endpoint "http://localhost": a user name is not allowed`},
		{"http://localhost/?x=canary", "", `endpoint "http://localhost/": a query or fragment is not allowed`},
		{"http://localhost/#canary", "", `endpoint "http://localhost/": a query or fragment is not allowed`},
		{"http://canary:%zz@localhost", "", "the endpoint is not a URL"},
	} {
		got, err := endpoint.CheckURL(tt.raw)
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err, tt.raw)
			require.NotContains(t, err.Error(), "canary")
			continue
		}
		require.NoError(t, err, tt.raw)
		require.Equal(t, tt.want, got)
	}
}

func TestFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		region, set string
		v           endpoint.Variant
		want, err   string
	}{
		{"eu-west-1", "", dual, "https://ec2.eu-west-1.api.aws/", ""},
		{"local", "", plain, "", `region "local"`},
		{"local", "http://localhost:4566", plain, "http://localhost:4566/", ""},
		{"", "http://localhost:4566", plain, "", "the region is not set"},
		{"eu-west-1", "localhost:4566", plain, "", "not an http or https URL"},
		{"eu-west-1", "http://localhost:4566", fips, "", "an endpoint is set, and so is FIPS"},
	} {
		got, err := endpoint.For("ec2", tt.region, tt.set, tt.v)
		require.Equal(t, tt.want, got)
		if tt.err == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, tt.err)
		}
	}
}

// Whatever the region: an error, or an address whose host ends in AWS's domains, with the region as one label.
func FuzzURL(f *testing.F) {
	for _, region := range []string{"us-east-1", "us-gov-west-1", "us-east-1.evil.example", "us-east-1/", "a-b-1", "xn--a-b-1"} {
		f.Add(region, true, false)
	}
	f.Fuzz(func(t *testing.T, region string, fips, dual bool) {
		got, err := endpoint.URL("sts", region, endpoint.Variant{FIPS: fips, DualStack: dual})
		if err != nil {
			require.Empty(t, got)
			return
		}
		u, err := url.Parse(got)
		require.NoError(t, err)
		labels := strings.SplitN(u.Host, ".", 3)
		require.Equal(t, region, labels[1])
		require.Contains(t, []string{
			"amazonaws.com", "api.aws", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "amazonaws.eu",
			"api.amazonwebservices.eu", "c2s.ic.gov", "api.aws.ic.gov", "sc2s.sgov.gov", "api.aws.scloud",
			"cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "csp.hci.ic.gov", "api.aws.hci.ic.gov",
		}, labels[2])
	})
}
