package client

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
)

// Base is aws-sdk-go-base, without its call to STS that checks the credentials.
func Base() Client {
	load := func(ctx context.Context) (aws.Config, error) {
		_, cfg, diags := awsbase.GetAwsConfig(ctx, &awsbase.Config{
			Region:              os.Getenv("AWS_REGION"),
			SkipCredsValidation: true,
		})
		if diags.HasError() {
			return cfg, errors.New(diags[0].Summary())
		}
		return cfg, nil
	}
	return Client{
		Name: "aws-sdk-go-base",
		Cold: func(ctx context.Context) (string, error) {
			cfg, err := load(ctx)
			if err != nil {
				return "", err
			}
			creds, err := cfg.Credentials.Retrieve(ctx)
			return creds.AccessKeyID, err
		},
		Open: func(ctx context.Context) (Retrieve, error) {
			cfg, err := load(ctx)
			return retrieve(cfg.Credentials), err
		},
	}
}
