// Command credchain prints the access key ID that credchain's default chain finds.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/credchain/credchain/providers"
)

func main() {
	creds, err := providers.Default(providers.Config{}).Retrieve(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(creds.AccessKeyID)
}
