// Command minio-go prints the access key ID that minio-go's chain finds.
package main

import (
	"fmt"
	"os"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	chain := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
		&credentials.IAM{Endpoint: os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")},
	})
	value, err := chain.GetWithContext(nil)
	if err == nil && value.AccessKeyID == "" {
		err = fmt.Errorf("no credentials: the chain gave anonymous ones")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(value.AccessKeyID)
}
