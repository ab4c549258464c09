package sts

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// format prints v, a value without methods of its own, as the verb and its flags say.
func format(s fmt.State, verb rune, v any) { fmt.Fprintf(s, fmt.FormatString(s, verb), v) }

// mask hides a secret and leaves to see whether there is one.
func mask(secret *string) {
	if *secret != "" {
		*secret = "REDACTED"
	}
}

func maskCredentials(creds *aws.Credentials) {
	mask(&creds.SecretAccessKey)
	mask(&creds.SessionToken)
}
