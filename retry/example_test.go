package retry_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/retry"
)

func ExamplePolicy_Do() {
	var policy retry.Policy
	attempts := 0
	err := policy.Do(context.Background(), func(context.Context) error {
		attempts++
		return retry.Permanent(errors.New("there is no such table"))
	})
	fmt.Println(err, attempts)
	// Output: there is no such table 1
}

func ExamplePolicy_Retryer() {
	policy := &retry.Policy{MaxAttempts: 5}
	cfg := aws.Config{Retryer: policy.Retryer}
	fmt.Println(cfg.Retryer().MaxAttempts())
	// Output: 5
}
