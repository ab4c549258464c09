// Assumerole assumes a role with the credentials of this machine, with a tag and fewer permissions than the role
// has, and asks STS who it is then. The role is named in ROLE_ARN.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/sts"
)

func main() {
	log.SetFlags(0)
	ctx := context.Background()

	role := credchain.New(&providers.AssumeRole{ // in a chain, which caches and renews
		Source:      providers.Default(providers.Config{}),
		RoleARN:     os.Getenv("ROLE_ARN"),
		SessionName: "example",
		Duration:    15 * time.Minute,
		Tags:        []sts.Tag{{Key: "team", Value: "ops"}},
		PolicyARNs:  []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
	})
	client, err := providers.STS(ctx, providers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	client.Credentials = role
	who, err := client.GetCallerIdentity(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("acting as", who.ARN)
}
