package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServiceEndpoints: EC2 and Service Quotas are called where the flags, the environment and the profile say, as STS is.
func TestServiceEndpoints(t *testing.T) {
	t.Parallel()
	const sections = "[default]\nservices = mine\nendpoint_url = http://profile.example\n[services mine]\nec2 =\n  endpoint_url = http://section-ec2.example\n" +
		"service_quotas =\n  endpoint_url = http://section-quotas.example\n"
	const bare = "[default]\nendpoint_url = http://profile.example\n"
	for name, tt := range map[string]struct {
		config string
		vars   []string
		args   string
		ec2    string // where a dry run goes; "" nowhere
		quotas string
		code   int // of those that go nowhere
		errs   string
	}{
		"AWS's own":                {ec2: "ec2.eu-west-1.amazonaws.com", quotas: "servicequotas.eu-west-1.amazonaws.com"},
		"FIPS":                     {vars: []string{"AWS_USE_FIPS_ENDPOINT=true"}, ec2: "ec2-fips.eu-west-1.amazonaws.com", quotas: "servicequotas-fips.eu-west-1.amazonaws.com"},
		"FIPS of the profile":      {config: "[default]\nuse_fips_endpoint = true\n", ec2: "ec2-fips.eu-west-1.amazonaws.com", quotas: "servicequotas-fips.eu-west-1.amazonaws.com"},
		"dual stack":               {vars: []string{"AWS_USE_DUALSTACK_ENDPOINT=true"}, ec2: "ec2.eu-west-1.api.aws", quotas: "servicequotas.eu-west-1.api.aws"},
		"FIPS in GovCloud":         {vars: []string{"AWS_REGION=us-gov-west-1", "AWS_USE_FIPS_ENDPOINT=true"}, ec2: "ec2.us-gov-west-1.amazonaws.com", quotas: "servicequotas.us-gov-west-1.amazonaws.com"},
		"a variable each":          {config: sections, vars: []string{"AWS_ENDPOINT_URL_EC2=http://a.example", "AWS_ENDPOINT_URL_SERVICE_QUOTAS=http://b.example"}, ec2: "a.example", quotas: "b.example"},
		"STS's variable":           {vars: []string{"AWS_ENDPOINT_URL_STS=http://a.example"}, ec2: "ec2.eu-west-1.amazonaws.com", quotas: "servicequotas.eu-west-1.amazonaws.com"},
		"the variable for all":     {config: sections, vars: []string{"AWS_ENDPOINT_URL=http://a.example"}, ec2: "a.example", quotas: "a.example"},
		"the services section":     {config: sections, ec2: "section-ec2.example", quotas: "section-quotas.example"},
		"the profile":              {config: bare, ec2: "profile.example", quotas: "profile.example"},
		"ignored":                  {config: sections, vars: []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_ENDPOINT_URL=http://a.example"}, ec2: "ec2.eu-west-1.amazonaws.com", quotas: "servicequotas.eu-west-1.amazonaws.com"},
		"the flag":                 {config: sections, vars: []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"}, args: "--endpoint-url http://a.example", ec2: "a.example", quotas: "a.example"},
		"the flag, in no region":   {args: "--region local --endpoint-url http://a.example", ec2: "a.example", quotas: "a.example"},
		"a URL in no region":       {vars: []string{"AWS_ENDPOINT_URL=http://a.example", "AWS_REGION=local"}, ec2: "a.example", quotas: "a.example"},
		"no region":                {vars: []string{"AWS_REGION=local"}, code: exitFailed, errs: `AWS_REGION: region "local"`},
		"the flag and FIPS":        {vars: []string{"AWS_USE_FIPS_ENDPOINT=true"}, args: "--endpoint-url http://a.example", code: exitFailed, errs: "--endpoint-url is set, and so is FIPS"},
		"a variable that is wrong": {vars: []string{"AWS_ENDPOINT_URL=nowhere"}, code: exitFailed, errs: "AWS_ENDPOINT_URL: the endpoint is not"},
		"an empty flag":            {args: "--endpoint-url=", code: exitUsage, errs: "--endpoint-url: "},
		"a profile that is absent": {args: "--profile typo", code: exitFailed, errs: "typo"},
	} {
		for command, want := range map[string]string{"dry-run ec2 StopInstances": tt.ec2, "quotas list": tt.quotas} {
			t.Run(name+" "+command, func(t *testing.T) {
				t.Parallel()
				var called string
				m := &machine{env: environment(append([]string{"AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true"}, tt.vars...)...),
					files: map[string]string{"/home/u/.aws/config": tt.config},
					imds: roundTrip(func(r *http.Request) (*http.Response, error) {
						called = r.URL.Host
						return nil, http.ErrHandlerTimeout // any
					})}
				_, errs, code := m.run(t, append(strings.Fields(command), strings.Fields(tt.args)...)...)
				require.Equal(t, want, called, errs)
				if want == "" {
					require.Equal(t, tt.code, code, errs)
					require.Contains(t, errs, tt.errs)
				}
			})
		}
	}
}
