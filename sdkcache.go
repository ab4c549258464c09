package credchain

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/refresh"
)

// fromSDKCache reports whether an aws.CredentialsCache asks, as config.WithCredentialsProvider puts one around
// every provider. Such a cache asks again when what it has expires, which hides that a renewal is due before,
// and there is no other way to tell it than by the expiry. Others are to have that as the source gave it.
//
// The cache shows itself by its context, of a type of the SDK's own. Should a later SDK change that, then
// renewals are hidden as they would be without this; a test notices.
func fromSDKCache(ctx context.Context) bool { return reflect.TypeOf(ctx) == sdkCacheContext() }

// sdkCacheContext asks the SDK for the type, rather than know its name.
var sdkCacheContext = sync.OnceValue(func() (t reflect.Type) {
	probe := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		t = reflect.TypeOf(ctx)
		return aws.Credentials{}, nil
	})
	_, _ = aws.NewCredentialsCache(probe).Retrieve(context.Background())
	if t == reflect.TypeOf(context.Background()) {
		return nil // no type of its own
	}
	return t
})

// untilRenewal returns credentials that expire when the next renewal is due.
func untilRenewal(h *refresh.Held[found]) aws.Credentials {
	creds := h.Value.credentials
	until := h.Until()
	if time.Now().Before(creds.Expires) && until.Before(creds.Expires) {
		creds.Expires = until
	}
	return creds
}
