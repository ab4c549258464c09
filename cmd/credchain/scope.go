package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sigv4"
)

// signer returns one for a request: for the service and the region that the flags say, else the host, and for the region
// also the environment and the profile.
func (a *app) signer(cmd *cobra.Command, f *requestFlags, r *http.Request) (*sigv4.Signer, error) {
	s := &sigv4.Signer{Service: f.service}
	if flag := cmd.Flag("region"); flag != nil && flag.Changed {
		s.Region = strings.TrimSpace(flag.Value.String())
	}
	if cmd.Flag("region-set").Changed {
		var err error
		if s.RegionSet, err = regionSet(f.regionSet); err != nil {
			return nil, err
		}
	}
	if name := multiRegion(r.URL.Hostname()); name != "" {
		if s.RegionSet == "" {
			return nil, usage(fmt.Sprintf("host %q: it is in several regions, and takes only signatures for a set of regions (SigV4a)", r.URL.Host), "give --region-set '*'")
		}
		if s.Service == "" {
			s.Service = name
		}
	}
	if s.Service != "" && (s.Region != "" || s.RegionSet != "") {
		return s, nil
	}
	service, region, err := sigv4.HostScope(r.URL.Host)
	switch {
	case err != nil && s.RegionSet != "":
		return nil, usage(fmt.Sprintf("host %q: it does not say which service it is", r.URL.Host), "give --service NAME")
	case err != nil && s.Service == "":
		return nil, usage(err.Error(), "give --service NAME, and --region NAME unless the profile has one")
	}
	if s.Service == "" {
		s.Service = service
	}
	if s.RegionSet != "" {
		return s, nil
	}
	if s.Region == "" {
		s.Region = region
	}
	if s.Region == "" {
		s.Region, err = a.configuredRegion(cmd.Context(), r.URL.Host)
	}
	return s, err
}

// configuredRegion is the region of the environment, the profile or the instance. There is no default: a signature for a
// region that nobody named is refused, and the refusal does not say why.
func (a *app) configuredRegion(ctx context.Context, host string) (string, error) {
	cfg := a.cfg
	cfg.NoDefaultRegion = true
	region, _, err := providers.Region(ctx, cfg)
	switch {
	case errors.Is(err, providers.ErrNoRegion):
		return "", usage(fmt.Sprintf("host %q: it names no region, and none is configured", host), "give --region NAME, or set AWS_REGION, or region in the profile")
	case err != nil:
		return "", failed(err)
	}
	return region, nil
}

// regionSet is the value of --region-set as it is signed.
func regionSet(given string) (string, error) {
	regions := strings.Split(given, ",")
	for i, region := range regions {
		regions[i] = strings.TrimSpace(region)
		if regions[i] == "" || strings.Trim(regions[i], "abcdefghijklmnopqrstuvwxyz0123456789-*") != "" {
			return "", usage(fmt.Sprintf("--region-set: %q is no set of regions", given), "write it as '*' or us-east-1,eu-*")
		}
	}
	return strings.Join(regions, ","), nil
}

// multiRegion returns the signing name of a service whose host is in several regions, "" for all others: the Multi-Region
// Access Points of S3, the global endpoints of EventBridge, and the key value stores of CloudFront.
func multiRegion(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, known := range [...]struct{ suffix, service string }{
		{".accesspoint.s3-global.amazonaws.com", "s3"},
		{".endpoint.events.amazonaws.com", "events"},
		{".cloudfront-kvs.global.api.aws", "cloudfront-keyvaluestore"},
	} {
		if strings.HasSuffix(host, known.suffix) {
			return known.service
		}
	}
	return ""
}
