package providers_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

func TestEndpoint(t *testing.T) {
	t.Parallel()
	const file = "/home/u/.aws/config"
	const own = "[default]\nregion = eu-west-1\n"
	const sections = "services = mine\nendpoint_url = http://profile\n[services mine]\nec2 =\n  endpoint_url = http://section-ec2\nservice_quotas =\n  endpoint_url = http://section-quotas\n"
	type env = map[string]string
	for name, tt := range map[string]struct {
		config  string
		env     env
		service string
		want    providers.ServiceEndpoint
		err     string
	}{
		"nothing":                  {own, nil, "EC2", providers.ServiceEndpoint{Region: "eu-west-1"}, ""},
		"the variable":             {own + sections, env{"AWS_ENDPOINT_URL_SERVICE_QUOTAS": "http://var", "AWS_ENDPOINT_URL": "http://all"}, "Service Quotas", providers.ServiceEndpoint{Region: "eu-west-1", URL: "http://var", Origin: credchain.Origin{Env: "AWS_ENDPOINT_URL_SERVICE_QUOTAS"}}, ""},
		"another's variable":       {own, env{"AWS_ENDPOINT_URL_STS": "http://var"}, "EC2", providers.ServiceEndpoint{Region: "eu-west-1"}, ""},
		"the variable for all":     {own + sections, env{"AWS_ENDPOINT_URL": "http://all"}, "EC2", providers.ServiceEndpoint{Region: "eu-west-1", URL: "http://all", Origin: credchain.Origin{Env: "AWS_ENDPOINT_URL"}}, ""},
		"the section":              {own + sections, nil, "EC2", providers.ServiceEndpoint{Region: "eu-west-1", URL: "http://section-ec2", Origin: credchain.Origin{File: file, Line: 7, Section: "services mine", Key: "ec2.endpoint_url"}}, ""},
		"the section, two words":   {own + sections, nil, "Service Quotas", providers.ServiceEndpoint{Region: "eu-west-1", URL: "http://section-quotas", Origin: credchain.Origin{File: file, Line: 9, Section: "services mine", Key: "service_quotas.endpoint_url"}}, ""},
		"the profile":              {own + sections, nil, "S3", providers.ServiceEndpoint{Region: "eu-west-1", URL: "http://profile", Origin: credchain.Origin{File: file, Line: 4, Section: "default", Key: "endpoint_url"}}, ""},
		"ignored":                  {own + sections, env{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE", "AWS_ENDPOINT_URL_EC2": "http://var"}, "EC2", providers.ServiceEndpoint{Region: "eu-west-1"}, ""},
		"ignored, in the profile":  {own + "ignore_configured_endpoint_urls = true\n" + sections, nil, "EC2", providers.ServiceEndpoint{Region: "eu-west-1"}, ""},
		"FIPS and dual stack":      {own, env{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}, "EC2", providers.ServiceEndpoint{Region: "eu-west-1", FIPS: true, DualStack: true}, ""},
		"both, in the profile":     {own + "use_fips_endpoint = true\nuse_dualstack_endpoint = true\n", nil, "EC2", providers.ServiceEndpoint{Region: "eu-west-1", FIPS: true, DualStack: true}, ""},
		"FIPS and a URL":           {own + sections, env{"AWS_USE_FIPS_ENDPOINT": "true"}, "EC2", providers.ServiceEndpoint{}, "endpoint_url (/home/u/.aws/config:7) is set, and so is FIPS"},
		"a region of one's own":    {own, env{"AWS_REGION": "local", "AWS_ENDPOINT_URL_EC2": "http://var"}, "EC2", providers.ServiceEndpoint{Region: "local", URL: "http://var", Origin: credchain.Origin{Env: "AWS_ENDPOINT_URL_EC2"}}, ""},
		"that has no endpoint":     {own, env{"AWS_REGION": "local", "AWS_ENDPOINT_URL_STS": "http://var"}, "EC2", providers.ServiceEndpoint{}, `AWS_REGION: region "local"`},
		"no region":                {"", nil, "EC2", providers.ServiceEndpoint{Region: "us-east-1"}, ""},
		"a bad URL":                {own, env{"AWS_ENDPOINT_URL_EC2": "http://u:canary@x"}, "EC2", providers.ServiceEndpoint{}, "AWS_ENDPOINT_URL_EC2: endpoint"},
		"a bad switch":             {own, env{"AWS_USE_FIPS_ENDPOINT": "yes"}, "EC2", providers.ServiceEndpoint{}, "AWS_USE_FIPS_ENDPOINT"},
		"a section that is absent": {own + "services = none\n", nil, "EC2", providers.ServiceEndpoint{}, "[services none]"},
		"no such profile":          {own, env{"AWS_PROFILE": "typo"}, "EC2", providers.ServiceEndpoint{}, "typo"},
		"a bundle that is absent":  {own, env{"AWS_CA_BUNDLE": "/nowhere"}, "EC2", providers.ServiceEndpoint{}, "/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &machine{env: tt.env, files: map[string]string{file: tt.config}}
			sys := m.system()
			if name == "a bundle that is absent" {
				sys.Transport = nil
			}
			got, err := providers.Endpoint(t.Context(), providers.Config{System: sys}, tt.service, "")
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.NotContains(t, err.Error(), "canary")
				require.Equal(t, tt.want, got)
				return
			}
			require.NoError(t, err)
			require.NotNil(t, got.Transport)
			got.Transport = nil
			require.Equal(t, tt.want, got)
		})
	}
}

// TestEndpointGiven: what the program gives goes first.
func TestEndpointGiven(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{"AWS_REGION": "local", "AWS_ENDPOINT_URL_EC2": "http://var", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}}
	got, err := providers.Endpoint(t.Context(), providers.Config{System: m.system()}, "EC2", "http://given")
	require.NoError(t, err)
	require.Equal(t, "http://given", got.URL)
	require.Equal(t, credchain.Origin{Flag: "code"}, got.Origin)
	require.Equal(t, "local", got.Region)
	_, err = providers.Endpoint(t.Context(), providers.Config{System: m.system()}, "EC2", "http://u:canary@given")
	require.EqualError(t, err, `the endpoint: endpoint "http://given": a user name is not allowed`)
	m.env["AWS_USE_DUALSTACK_ENDPOINT"] = "true"
	_, err = providers.Endpoint(t.Context(), providers.Config{System: m.system()}, "EC2", "http://given")
	require.ErrorContains(t, err, "the endpoint is set, and so is dual stack")
}

// TestEndpointGivenOnly: what is not to be used is not looked at, and what holds beside the URL is.
func TestEndpointGivenOnly(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]string{
		"its variable":        {"AWS_ENDPOINT_URL_EC2": "localhost:4566"},
		"the one for all":     {"AWS_ENDPOINT_URL": "http://u:p@x"},
		"the switch":          {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "perhaps"},
		"a section":           {"AWS_PROFILE": "absent-section"},
		"the profile's own":   {"AWS_PROFILE": "bad-url"},
		"nothing else at all": {},
	} {
		m := &machine{env: env, files: map[string]string{"/home/u/.aws/config": "[profile absent-section]\nservices = none\n[profile bad-url]\nendpoint_url = x\n"}}
		got, err := providers.Endpoint(t.Context(), providers.Config{System: m.system()}, "EC2", "http://given")
		require.NoError(t, err, name)
		require.Equal(t, "http://given", got.URL, name)
	}
	for name, value := range map[string]string{"AWS_USE_FIPS_ENDPOINT": "yes", "AWS_USE_DUALSTACK_ENDPOINT": "yes", "AWS_CA_BUNDLE": "a\nb", "AWS_PROFILE": "typo"} {
		m := &machine{env: map[string]string{name: value}}
		_, err := providers.Endpoint(t.Context(), providers.Config{System: m.system()}, "EC2", "http://given")
		require.Error(t, err, name)
	}
}
