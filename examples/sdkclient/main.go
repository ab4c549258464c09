// Sdkclient gives the chain to a client of aws-sdk-go-v2 and asks STS who that makes us.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/credchain/credchain/providers"
)

func main() {
	log.SetFlags(0)
	ctx := context.Background()

	cfg, err := config.LoadDefaultConfig(ctx) // endpoints, retry mode and the rest, as usual
	if err != nil {
		log.Fatal(err)
	}
	cfg.Credentials = providers.Default(providers.Config{}) // config.WithCredentialsProvider would do as well
	if cfg.Region == "" {
		if cfg.Region, _, err = providers.Region(ctx, providers.Config{}); err != nil {
			log.Fatal(err)
		}
	}

	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*who.Arn)
}
