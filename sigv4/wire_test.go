package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

var errUnknown = errors.New("no such key")

// received writes r as net/http sends it and reads it as net/http receives it.
func received(r *http.Request) (*http.Request, error) {
	if r.GetBody != nil {
		r = r.Clone(context.Background())
		var err error
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return nil, err
	}
	return http.ReadRequest(bufio.NewReader(&b))
}

// verifyAny knows every key: its secret is its session token.
func verifyAny(_ context.Context, id, token string) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: token, SessionToken: token}, nil
}
