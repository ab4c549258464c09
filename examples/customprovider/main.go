// Customprovider puts a source of its own before the documented order: keys in a file of the program.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// keyFile reads {"id": …, "secret": …}.
type keyFile struct{ path string }

// Retrieve follows the one rule: only "there is nothing here" lets the walk go on.
func (k keyFile) Retrieve(context.Context) (aws.Credentials, error) {
	raw, err := os.ReadFile(k.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return aws.Credentials{}, fmt.Errorf("%s is not there: %w", k.path, credchain.ErrNotConfigured)
	case err != nil:
		return aws.Credentials{}, err
	}
	var key struct{ ID, Secret string }
	if err := json.Unmarshal(raw, &key); err != nil {
		return aws.Credentials{}, fmt.Errorf("%s is no JSON: %w", k.path, err)
	}
	return aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret, Source: "keyFile"}, nil
}

func main() {
	log.SetFlags(0)
	chain := credchain.New(
		credchain.Named("key-file", keyFile{os.Getenv("KEY_FILE")}),
		providers.Default(providers.Config{}), // a chain is a link like any other
	)
	creds, err := chain.Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(credchain.Redact(creds).AccessKeyID, "from", creds.Source)
}
