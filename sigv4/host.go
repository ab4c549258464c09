package sigv4

import (
	"fmt"
	"strings"

	"github.com/credchain/credchain/internal/endpoint"
)

// HostScope returns the signing name and the region of a host name of AWS's, with or without a port: "sqs" and
// "eu-central-1" for sqs.eu-central-1.amazonaws.com. It knows the regional, global, FIPS and dual-stack names and those of
// VPC endpoints, in all partitions. It fails for a host that is not AWS's, and for one that has no region in its name.
//
// The signing name is guessed where AWS documents no exception: it is the last word before the region. The exceptions are
// those of botocore's service models.
func HostScope(host string) (service, region string, err error) {
	name := strings.ToLower(strings.TrimSuffix(withoutPort(host), "."))
	rest, fallback, ok := cutPartition(name)
	if !ok {
		return "", "", fmt.Errorf("host %q: not a name of AWS's, so service and region must be given", host)
	}
	labels := strings.Split(rest, ".")
	if labels[len(labels)-1] == "vpce" {
		labels = labels[:len(labels)-1]
	}
	for i := len(labels) - 1; i >= 0 && region == ""; i-- {
		if endpoint.CheckRegion(labels[i]) == nil {
			region = labels[i]
			switch {
			case i == len(labels)-1:
				labels = labels[:i]
			case i == len(labels)-2: // the region goes first: domain.region.es.amazonaws.com
				labels = append(labels[:i:i], labels[i+1])
			default:
				region = ""
			}
			break
		}
	}
	if n := len(labels); n > 0 && labels[n-1] == "dualstack" {
		labels = labels[:n-1]
	}
	if len(labels) == 0 || labels[len(labels)-1] == "" {
		return "", "", fmt.Errorf("host %q: no service in it, so service and region must be given", host)
	}
	last := labels[len(labels)-1]
	if legacy, ok := strings.CutPrefix(last, "s3-"); ok && region == "" && endpoint.CheckRegion(legacy) == nil {
		last, region = "s3", legacy
	}
	last = strings.TrimSuffix(last, "-fips")
	service = signingName(labels[:len(labels)-1], last)
	if region == "" {
		region = globalRegion(service, fallback)
	}
	if region == "" {
		return "", "", fmt.Errorf("host %q: no region in it, so the region must be given", host)
	}
	return service, region, nil
}

func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		return host[:i]
	}
	return host
}

// cutPartition takes AWS's domain from a name, and says which region the partition's global services are signed for.
func cutPartition(name string) (rest, global string, ok bool) {
	for _, p := range [...]struct{ suffix, global string }{
		{"amazonaws.com", "us-east-1"}, {"api.aws", "us-east-1"}, {"on.aws", ""},
		{"amazonaws.com.cn", "cn-north-1"}, {"api.amazonwebservices.com.cn", "cn-north-1"},
		{"amazonaws.eu", "eusc-de-east-1"}, {"api.amazonwebservices.eu", "eusc-de-east-1"},
		{"c2s.ic.gov", "us-iso-east-1"}, {"api.aws.ic.gov", "us-iso-east-1"},
		{"sc2s.sgov.gov", "us-isob-east-1"}, {"api.aws.scloud", "us-isob-east-1"},
		{"cloud.adc-e.uk", "eu-isoe-west-1"}, {"api.cloud-aws.adc-e.uk", "eu-isoe-west-1"},
		{"csp.hci.ic.gov", "us-isof-south-1"}, {"api.aws.hci.ic.gov", "us-isof-south-1"},
	} {
		if rest, ok := strings.CutSuffix(name, "."+p.suffix); ok {
			if before, gov := strings.CutSuffix(rest, ".us-gov"); gov {
				return before, "us-gov-west-1", true
			}
			return rest, p.global, true
		}
	}
	return "", "", false
}

// globalRegions has the services with an endpoint that is in no region, and what requests to it are signed for in the
// partition aws.
var globalRegions = map[string]string{
	"account": "us-east-1", "budgets": "us-east-1", "ce": "us-east-1", "chime": "us-east-1", "cloudfront": "us-east-1",
	"globalaccelerator": "us-west-2", "health": "us-east-1", "iam": "us-east-1", "importexport": "us-east-1",
	"networkmanager": "us-west-2", "organizations": "us-east-1", "route53": "us-east-1", "s3": "us-east-1",
	"savingsplans": "us-east-1", "shield": "us-east-1", "sts": "us-east-1", "support": "us-east-1", "waf": "us-east-1",
}

// globalRegion is the region that requests to a global service are signed for, in the partition with this fallback; "" for
// a service that is not global.
func globalRegion(service, fallback string) string {
	region, ok := globalRegions[service]
	switch {
	case !ok:
		return ""
	case fallback == "us-east-1":
		return region
	case fallback == "cn-north-1" && service != "iam" && service != "support" && service != "sts":
		return "cn-northwest-1"
	}
	return fallback
}

// signingName is the name that signatures have for the service whose host name ends in last, before the region.
func signingName(before []string, last string) string {
	previous := ""
	if len(before) > 0 {
		previous = before[len(before)-1]
	}
	switch name := previous + "." + last; name {
	case "data.iot", "data-ats.iot", "ats.iot":
		return "iotdata"
	case "jobs.iot":
		return "iot-jobs-data"
	case "tunneling.iot":
		return "IoTSecuredTunneling"
	case "data.iotevents":
		return "ioteventsdata"
	case "participant.connect":
		return "execute-api"
	case "portal.sso":
		return "awsssoportal"
	case "sms-voice.pinpoint":
		return "sms-voice"
	}
	if name, ok := signingNames[last]; ok {
		return name
	}
	for _, family := range [...]string{"chime", "lex"} {
		if strings.HasSuffix(last, "-"+family) {
			return family
		}
	}
	switch {
	case last == "marketplace", strings.HasSuffix(last, "-marketplace"):
		return "aws-marketplace"
	case strings.HasPrefix(last, "s3express-"):
		return "s3express"
	}
	return last
}

// signingNames are the services that sign by another name than their host's.
var signingNames = map[string]string{
	"appconfigdata": "appconfig", "appstream2": "appstream", "bedrock-agent": "bedrock", "bedrock-agent-runtime": "bedrock",
	"bedrock-agentcore-control": "bedrock-agentcore", "bedrock-data-automation": "bedrock",
	"bedrock-data-automation-runtime": "bedrock", "bedrock-runtime": "bedrock", "cassandra-streams": "cassandra",
	"cloudhsmv2": "cloudhsm", "cloudsearchdomain": "cloudsearch", "contact-lens": "connect", "data-signer": "signer",
	"ddb": "dynamodb", "email": "ses", "forecastquery": "forecast", "ivsrealtime": "ivs", "lambda-url": "lambda",
	"mail-manager": "ses", "memory-db": "memorydb", "migrationhub-config": "mgh", "oidc": "sso-oauth",
	"personalize-events": "personalize", "personalize-runtime": "personalize", "pinpoint": "mobiletargeting", "queue": "sqs",
	"s3-accesspoint": "s3", "s3-accesspoint-fips": "s3", "s3-control": "s3", "s3-control-fips": "s3", "s3-fips": "s3",
	"servicecatalog-appregistry": "servicecatalog",
}
