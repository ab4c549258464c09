package client

import (
	"context"
	"errors"
	"os"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Minio is minio-go's chain: environment, files, then container or instance. It shares one HTTP transport
// between all chains of the process, which no other client here does; the fixture's endpoints end each
// connection, so it too opens one for each resolution.
func Minio() Client {
	errNone := errors.New("no credentials: the chain gave anonymous ones")
	open := func() *credentials.Credentials {
		instance := &credentials.IAM{}
		if os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") == "" {
			// It reads no variable for the metadata endpoint, and would use one given here for containers too.
			instance.Endpoint = os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")
		}
		return credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, instance,
		})
	}
	get := func(c *credentials.Credentials) (string, error) {
		value, err := c.GetWithContext(nil)
		if err == nil && value.AccessKeyID == "" {
			err = errNone
		}
		return value.AccessKeyID, err
	}
	return Client{
		Name: "minio-go",
		Cold: func(context.Context) (string, error) { return get(open()) },
		Open: func(context.Context) (Retrieve, error) {
			c := open()
			return func(context.Context) (string, error) { return get(c) }, nil
		},
	}
}
