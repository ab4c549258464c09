package client

import (
	"context"

	"github.com/credchain/credchain/providers"
)

// Credchain is ours: the default chain.
func Credchain() Client {
	return Client{
		Name: "credchain",
		Cold: func(ctx context.Context) (string, error) {
			// Without this a chain would find what the one before it has fetched.
			creds, err := providers.Default(providers.Config{NoSharing: true}).Retrieve(ctx)
			return creds.AccessKeyID, err
		},
		Open: func(context.Context) (Retrieve, error) {
			return retrieve(providers.Default(providers.Config{})), nil
		},
	}
}
