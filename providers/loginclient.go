package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/dpop"
	"github.com/credchain/credchain/internal/endpoint"
	"github.com/credchain/credchain/internal/wire"
)

// loginClient calls the sign-in service.
type loginClient struct {
	url       string
	transport http.RoundTripper
}

const loginAttempt = 10 * time.Second

func (v *services) loginClient(ctx context.Context) (*loginClient, error) {
	c, err := v.calling(ctx, "SIGNIN")
	if err != nil {
		return nil, err
	}
	rt, err := v.carrier(c)
	if err != nil {
		return nil, err
	}
	base, variant := c.endpoint.value, endpoint.Variant{FIPS: c.fips, DualStack: c.dualStack}
	switch {
	case c.endpoint.set() && variant != endpoint.Variant{}:
		return nil, &failure{what: c.endpoint.where() + " and " + variant.String() + " endpoints exclude one another", remedy: "turn off one of them"}
	case !c.endpoint.set():
		region, err := v.regionToCall(ctx)
		if err != nil {
			return nil, err
		}
		if base, err = signinURL(region.value, variant); err != nil {
			return nil, badRegion(region, err)
		}
	}
	return &loginClient{strings.TrimSuffix(base, "/") + "/v1/token", rt}, nil
}

// signinURL is the address of the sign-in service, whose names follow the common pattern only in part (the SDKs'
// endpoint rules for signin).
func signinURL(region string, v endpoint.Variant) (string, error) {
	common, err := endpoint.URL("signin", region, v)
	gov := strings.HasPrefix(region, "us-gov-")
	switch {
	case err != nil, v.DualStack, v.FIPS && !gov:
		return common, err
	case v.FIPS && region == "us-gov-west-1":
		return "https://signin-fips.amazonaws-us-gov.com", nil
	case v.FIPS:
		return "https://" + region + ".signin-fips.amazonaws-us-gov.com", nil
	}
	suffix := "aws.amazon.com"
	for _, p := range [...]struct{ prefix, suffix string }{
		{"cn-", "amazonaws.cn"},
		{"us-gov-", "amazonaws-us-gov.com"},
		{"eusc-", "amazonaws-eusc.eu"},
		{"us-iso-", "c2shome.ic.gov"},
		{"us-isob-", "sc2shome.sgov.gov"},
		{"us-isof-", "csphome.hci.ic.gov"},
		{"eu-isoe-", "csphome.adc-e.uk"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			suffix = p.suffix
		}
	}
	return "https://" + region + ".signin." + suffix, nil
}

// loginError is an answer that refuses. Its codes are those of CreateOAuth2Token.
type loginError struct{ answerError }

// over reports whether only a new sign-in helps.
func (e *loginError) over() bool {
	switch e.code {
	case "TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED", "AUTHCODE_EXPIRED":
		return true
	}
	return false
}

// renew exchanges the session's refresh token for new credentials.
func (c *loginClient) renew(ctx context.Context, s *loginState) (next *loginState, err error) {
	body, err := json.Marshal(map[string]string{"clientId": s.clientID, "grantType": "refresh_token", "refreshToken": s.refreshToken})
	if err != nil {
		return nil, err
	}
	err = backoff.Policy{}.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, loginAttempt)
		defer cancel()
		proof, err := dpop.Proof([]byte(s.dpopKey), http.MethodPost, c.url, time.Now())
		if err != nil {
			return backoff.Permanent(fmt.Errorf("dpopKey: %w", err))
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
		req.Header.Set("User-Agent", "credchain")
		req.Header.Set("DPoP", proof)
		resp, err := wire.Do(c.transport, req)
		if err != nil {
			return fmt.Errorf("%s: %w", c.url, err)
		}
		if resp.StatusCode != http.StatusOK {
			return refusedLogin(resp, s.refreshToken, proof)
		}
		if next, err = s.renewed(resp.Body); err != nil {
			return fmt.Errorf("%s: %w", c.url, err)
		}
		return nil
	})
	return next, err
}

func refusedLogin(resp *wire.Response, secrets ...string) error {
	var d struct{ Error, Message string }
	_ = json.Unmarshal(resp.Body, &d) // any other body says nothing that may be shown
	return backoff.Hinted(resp.Header, &loginError{answerError{resp.StatusCode, wire.Clean(d.Error, secrets...), wire.Clean(d.Message, secrets...)}})
}
