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
			creds, err := providers.Default(providers.Config{}).Retrieve(ctx)
			return creds.AccessKeyID, err
		},
		Open: func(context.Context) (Retrieve, error) {
			return retrieve(providers.Default(providers.Config{})), nil
		},
	}
}
