package credchain_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
)

// service gives SVC1, SVC2, … each good for life, unless do, if not nil, does something else.
type service struct {
	life, takes time.Duration
	do          func(ctx context.Context, call int) (aws.Credentials, error)
	calls       atomic.Int32
}

func (s *service) Retrieve(ctx context.Context) (aws.Credentials, error) {
	call := int(s.calls.Add(1))
	if s.do != nil {
		return s.do(ctx, call)
	}
	return s.issue(ctx, call)
}

func (s *service) issue(ctx context.Context, call int) (aws.Credentials, error) {
	select {
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	case <-time.After(s.takes):
	}
	return aws.Credentials{
		AccessKeyID: fmt.Sprintf("SVC%d", call), SecretAccessKey: secret, SessionToken: secret,
		CanExpire: true, Expires: time.Now().Add(s.life),
	}, nil
}

var errAway = errors.New("the service is away")

// call retrieves, and fails the test if that takes more than patience.
func call(t *testing.T, p aws.CredentialsProvider, patience time.Duration) aws.Credentials {
	t.Helper()
	start := time.Now()
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, time.Since(start), patience, "a caller waited")
	return creds
}
