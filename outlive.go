package credchain

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/refresh"
)

// outlive asks the provider whether the credentials that it could not renew are to stay in service. cause is what
// it said itself.
func (c *Chain) outlive(ctx context.Context, prev *found, cause error, o *refresh.Outcome[found]) {
	if p := outliver(c.Providers[prev.winner]); p != nil {
		var err error
		defer contain(&err)
		creds, err := p.HandleFailToRefresh(ctx, prev.credentials, cause)
		if err == nil && creds.HasKeys() {
			o.Outlives, o.Value, o.Expires = true, found{creds, prev.winner}, expiry(creds)
		}
	}
}

// outliver returns p if its credentials outlive an outage of their source, else nil.
func outliver(p Provider) aws.HandleFailRefreshCredentialsCacheStrategy {
	o, _ := bare(p).(aws.HandleFailRefreshCredentialsCacheStrategy)
	return o
}

// errExpired is the error of a renewal that brought nothing better.
var errExpired = errors.New("the provider answered with credentials that have expired")
