package sigv4_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

func TestHostScope(t *testing.T) {
	t.Parallel()
	for host, want := range map[string][2]string{
		"sqs.eu-central-1.amazonaws.com":                               {"sqs", "eu-central-1"},
		"SQS.EU-Central-1.amazonaws.com.:443":                          {"sqs", "eu-central-1"},
		"sts-fips.us-east-1.amazonaws.com":                             {"sts", "us-east-1"},
		"lambda.us-west-2.api.aws":                                     {"lambda", "us-west-2"},
		"sts.cn-north-1.amazonaws.com.cn":                              {"sts", "cn-north-1"},
		"sts.us-gov-west-1.amazonaws.com":                              {"sts", "us-gov-west-1"},
		"sqs.eusc-de-east-1.amazonaws.eu":                              {"sqs", "eusc-de-east-1"},
		"sqs.us-iso-east-1.c2s.ic.gov":                                 {"sqs", "us-iso-east-1"},
		"eu-west-1.queue.amazonaws.com":                                {"sqs", "eu-west-1"},
		"email.eu-west-1.amazonaws.com":                                {"ses", "eu-west-1"},
		"bedrock-runtime.us-east-1.amazonaws.com":                      {"bedrock", "us-east-1"},
		"runtime.sagemaker.us-east-1.amazonaws.com":                    {"sagemaker", "us-east-1"},
		"data-ats.iot.eu-west-1.amazonaws.com":                         {"iotdata", "eu-west-1"},
		"abc.execute-api.eu-west-1.amazonaws.com":                      {"execute-api", "eu-west-1"},
		"id.lambda-url.eu-west-1.on.aws":                               {"lambda", "eu-west-1"},
		"123456789012.ddb.us-east-1.amazonaws.com":                     {"dynamodb", "us-east-1"},
		"search-d-x.eu-west-1.es.amazonaws.com":                        {"es", "eu-west-1"},
		"id.eu-west-1.aoss.amazonaws.com":                              {"aoss", "eu-west-1"},
		"vpce-1-2.sts.eu-west-1.vpce.amazonaws.com":                    {"sts", "eu-west-1"},
		"bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com":              {"s3", "eu-west-1"},
		"s3.eu-west-1.amazonaws.com":                                   {"s3", "eu-west-1"},
		"a.bucket.s3.eu-west-1.amazonaws.com":                          {"s3", "eu-west-1"},
		"bucket.s3.dualstack.eu-west-1.amazonaws.com":                  {"s3", "eu-west-1"},
		"bucket.s3-fips.us-east-1.amazonaws.com":                       {"s3", "us-east-1"},
		"bucket.s3-eu-west-1.amazonaws.com":                            {"s3", "eu-west-1"},
		"bucket.s3.amazonaws.com":                                      {"s3", "us-east-1"},
		"us-east-2.s3.eu-west-1.amazonaws.com":                         {"s3", "eu-west-1"},
		"point-1234.s3-accesspoint.eu-west-1.amazonaws.com":            {"s3", "eu-west-1"},
		"1234.s3-control.eu-west-1.amazonaws.com":                      {"s3", "eu-west-1"},
		"l.s3-object-lambda.eu-west-1.amazonaws.com":                   {"s3-object-lambda", "eu-west-1"},
		"b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com": {"s3express", "us-east-1"},
		"iam.amazonaws.com":                                            {"iam", "us-east-1"},
		"route53.amazonaws.com.cn":                                     {"route53", "cn-northwest-1"},
		"iam.us-gov.amazonaws.com":                                     {"iam", "us-gov-west-1"},
		"globalaccelerator.amazonaws.com":                              {"globalaccelerator", "us-west-2"},
		"metering.marketplace.us-east-1.amazonaws.com":                 {"aws-marketplace", "us-east-1"},
		"models-v2-lex.us-east-1.amazonaws.com":                        {"lex", "us-east-1"},
	} {
		service, region, err := sigv4.HostScope(host)
		require.NoError(t, err, host)
		require.Equal(t, want, [2]string{service, region}, host)
	}
	for _, host := range []string{"", "localhost:4566", "amazonaws.com", ".amazonaws.com", "sqs.eu-west-1.amazonaws.com.example", "eu-west-1.amazonaws.com",
		"sqs.eu-west-1.notamazonaws.com", "sqs.amazonaws.com", "127.0.0.1", "[::1]:80", "id.lambda-url.on.aws", "a..amazonaws.com"} {
		service, region, err := sigv4.HostScope(host)
		require.Error(t, err, "%q gave %q %q", host, service, region)
	}
}

const botocoreHosts = `
import json, sys, botocore.session
json.load(sys.stdin)
s = botocore.session.get_session()
resolver = s.get_component("endpoint_resolver")
for name in s.get_available_services():
    m = s.get_service_model(name)
    if m.signature_version not in ("v4", "s3", "s3v4"):
        continue
    for region in ("eu-west-1", "us-gov-west-1", "cn-north-1"):
        e = resolver.construct_endpoint(m.endpoint_prefix, region)
        if not e or "hostname" not in e:
            continue
        scope = e.get("credentialScope", {})
        print(json.dumps([e["hostname"], scope.get("service", m.signing_name), scope.get("region", region)]))
`

// TestHostScopeOfBotocore compares with the hosts and signing names of all services that botocore knows.
func TestHostScopeOfBotocore(t *testing.T) {
	t.Parallel()
	if !*models {
		t.Skip("it reads every model of botocore's: -models does that")
	}
	n := 0
	for _, line := range python(t, "botocore.session", botocoreHosts, nil) {
		var c [3]string
		require.NoError(t, json.Unmarshal(line, &c))
		service, region, err := sigv4.HostScope(c[0])
		if err != nil {
			require.ErrorContains(t, err, "no region in it", c[0]) // an answer all the same: give it
			t.Log(c[0])
			continue
		}
		if service != c[1] || region != c[2] {
			t.Errorf("%s: %s in %s, and botocore says %s in %s", c[0], service, region, c[1], c[2])
		}
		n++
	}
	require.Greater(t, n, 700)
}

func FuzzHostScope(f *testing.F) {
	f.Add("bucket.s3.dualstack.eu-west-1.amazonaws.com:443")
	f.Add("vpce-1.sts.us-gov-west-1.vpce.amazonaws.com")
	f.Fuzz(func(t *testing.T, host string) {
		if service, region, err := sigv4.HostScope(host); err == nil && (service == "" || region == "") {
			t.Errorf("%q: %q %q", host, service, region)
		}
	})
}
