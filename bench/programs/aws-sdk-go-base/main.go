// Command aws-sdk-go-base prints the access key ID that aws-sdk-go-base finds, unchecked by STS.
package main

import (
	"context"
	"fmt"
	"os"

	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
)

func main() {
	ctx := context.Background()
	_, cfg, diags := awsbase.GetAwsConfig(ctx, &awsbase.Config{
		Region:              os.Getenv("AWS_REGION"),
		SkipCredsValidation: true,
	})
	if diags.HasError() {
		fmt.Fprintln(os.Stderr, diags[0].Summary())
		os.Exit(1)
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(creds.AccessKeyID)
}
