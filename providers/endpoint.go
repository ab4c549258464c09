package providers

import (
	"context"
	"net/http"
	"strings"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/internal/walk"
)

// ServiceEndpoint is how a service is called.
type ServiceEndpoint struct {
	// Region is where, and what requests are signed for.
	Region string

	// URL is what the program, a variable or the profile wants called, "" for AWS's own endpoint in Region. Origin is where it
	// was found.
	URL    string
	Origin credchain.Origin

	// FIPS and DualStack say which of AWS's endpoints is meant.
	FIPS, DualStack bool

	// Transport carries requests with the CA bundle that is configured.
	Transport http.RoundTripper
}

// Endpoint returns how a service is called, as the Config, the environment and the active profile say. It has the ID that
// the service's API model gives it, such as "EC2" or "Service Quotas": blanks become _ in the variable
// AWS_ENDPOINT_URL_SERVICE_QUOTAS, and in service_quotas, which is its key in a services section of the config file.
//
// The first of these gives the URL: given, the service's variable, AWS_ENDPOINT_URL, the services section that the profile
// names, endpoint_url of the profile. AWS_IGNORE_CONFIGURED_ENDPOINT_URLS turns all but the first off; that is the order of
// the SDKs (AWS SDKs and Tools Reference Guide, "Service-specific endpoints"). given can be "". The region is that of [STS].
//
// It fails if one of the settings is wrong that are needed (no other URL is if one is given), if the profile cannot be read, if there is a URL and FIPS or dual stack is wanted
// too, and without a URL for a region that cannot be one.
func Endpoint(ctx context.Context, c Config, service, given string) (ServiceEndpoint, error) {
	l := newLinks(c)
	ctx = walk.Start(ctx)
	l.chain.Providers = l.documented()
	ctx, err := l.forInstance(ctx)
	if err != nil {
		return ServiceEndpoint{}, err
	}
	var how calling
	if given != "" {
		how, err = l.services.callingGiven(ctx, setting{value: given, name: "the endpoint", from: &credchain.Origin{Flag: c.flag("endpoint-url")}})
	} else {
		how, err = l.services.calling(ctx, strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	}
	if err != nil {
		return ServiceEndpoint{}, err
	}
	region, err := l.services.regionToCall(ctx)
	if err != nil {
		return ServiceEndpoint{}, err
	}
	variant := endpoint.Variant{FIPS: how.fips, DualStack: how.dualStack}
	switch {
	case !how.endpoint.set():
		if err := endpoint.CheckRegion(region.value); err != nil {
			return ServiceEndpoint{}, badRegion(region, err)
		}
	case variant != endpoint.Variant{}:
		return ServiceEndpoint{}, &failure{what: how.endpoint.where() + " is set, and so is " + variant.String() + ", which is for AWS's own endpoints",
			remedy: "take one of them away; FIPS and dual stack are set by AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT, and such keys of the profile"}
	}
	rt, err := l.services.carrier(how)
	if err != nil {
		return ServiceEndpoint{}, err
	}
	return ServiceEndpoint{Region: region.value, URL: how.endpoint.value, Origin: how.endpoint.origin(),
		FIPS: how.fips, DualStack: how.dualStack, Transport: rt}, nil
}

// callingGiven is calling at the URL that the program gives: no other is looked for, so none can be wrong.
func (v *services) callingGiven(ctx context.Context, given setting) (calling, error) {
	if _, err := endpoint.CheckURL(given.value); err != nil {
		return calling{}, &failure{what: given.where(), err: err}
	}
	p, err := v.active.load(ctx)
	if err != nil {
		return calling{}, err
	}
	return v.callingAt(p, given)
}
