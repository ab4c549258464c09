// Command credchain-named prints the access key ID that a chain of two named links finds.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

func main() {
	chain := credchain.New(&providers.Environment{}, &providers.CredentialsFile{})
	creds, err := chain.Retrieve(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(creds.AccessKeyID)
}
