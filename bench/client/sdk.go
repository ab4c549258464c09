package client

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// SDK is aws-sdk-go-v2: its default configuration.
func SDK() Client {
	return Client{
		Name: "aws-sdk-go-v2",
		Cold: func(ctx context.Context) (string, error) {
			cfg, err := config.LoadDefaultConfig(ctx)
			if err != nil {
				return "", err
			}
			creds, err := cfg.Credentials.Retrieve(ctx)
			return creds.AccessKeyID, err
		},
		Open: func(ctx context.Context) (Retrieve, error) {
			cfg, err := config.LoadDefaultConfig(ctx)
			return retrieve(cfg.Credentials), err
		},
	}
}

func retrieve(p aws.CredentialsProvider) Retrieve {
	return func(ctx context.Context) (string, error) {
		creds, err := p.Retrieve(ctx)
		return creds.AccessKeyID, err
	}
}
