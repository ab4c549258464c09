// Quickstart finds AWS credentials as the AWS CLI does and puts them where aws-sdk-go-v2 takes them.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

func main() {
	log.SetFlags(0)
	ctx := context.Background()

	chain := providers.Default(providers.Config{})
	creds, err := chain.Retrieve(ctx)
	switch {
	case errors.Is(err, credchain.ErrNotConfigured):
		fmt.Println("no credentials on this machine")
		os.Exit(1)
	case err != nil: // configured, and broken
		log.Fatal(err)
	}
	region, _, err := providers.Region(ctx, providers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	cfg := aws.Config{Region: region, Credentials: chain} // for any client: s3.NewFromConfig(cfg)

	shown := credchain.Redact(creds)
	fmt.Printf("%s key %s from %s, region %s\n", shown.Kind, shown.AccessKeyID, creds.Source, cfg.Region)
}
