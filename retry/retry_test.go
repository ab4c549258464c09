package retry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/retry"
)

var _ aws.RetryerV2 = (&retry.Policy{}).Retryer().(aws.RetryerV2)

// status is an answer, as the SDK reports one.
func status(code int) error {
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: errors.New("refused")}
}

func coded(code string) error { return &smithy.GenericAPIError{Code: code, Message: "refused"} }

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want retry.Class
	}{
		{nil, retry.Final},
		{errors.New("unknown"), retry.Final},
		{context.Canceled, retry.Final},
		{coded("AccessDenied"), retry.Final},
		{status(404), retry.Final},
		{retry.Permanent(status(503)), retry.Final},
		{coded("RequestTimeout"), retry.Transient},
		{status(500), retry.Transient},
		{status(503), retry.Transient},
		{syscall.ECONNRESET, retry.Transient},
		{fmt.Errorf("call: %w", retry.After(1, status(502))), retry.Transient},
		{coded("ThrottlingException"), retry.Throttling},
		{coded("SlowDown"), retry.Throttling},
		{status(429), retry.Throttling},
	} {
		require.Equal(t, tt.want, retry.Classify(tt.err), "%v", tt.err)
	}
}

// script returns a function that meets these errors in turn, the last for ever.
func script(errs ...error) (func(context.Context) error, *int) {
	n := new(int)
	return func(context.Context) error { *n++; return errs[min(*n, len(errs))-1] }, n
}

func TestDo(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, tt := range []struct {
		name     string
		policy   *retry.Policy
		errs     []error
		attempts int
		want     string
	}{
		{"success", &retry.Policy{}, []error{nil}, 1, ""},
		{"final", &retry.Policy{}, []error{boom}, 1, "boom"},
		{"transient, then success", &retry.Policy{}, []error{status(500), nil}, 2, ""},
		{"three attempts", &retry.Policy{}, []error{coded("Throttling")}, 3, "after 3 attempts"},
		{"one attempt", &retry.Policy{MaxAttempts: 1}, []error{status(500)}, 1, "refused"},
		{"own classes: transient", &retry.Policy{Classify: func(error) retry.Class { return retry.Transient }}, []error{boom, boom, nil}, 3, ""},
		{"own classes: throttling", &retry.Policy{Classify: func(error) retry.Class { return retry.Throttling }}, []error{boom, nil}, 2, ""},
		{"own classes: final", &retry.Policy{Classify: func(error) retry.Class { return retry.Final }}, []error{status(500)}, 1, "refused"},
		{"permanent beats own classes", &retry.Policy{Classify: func(error) retry.Class { return retry.Transient }}, []error{retry.Permanent(boom)}, 1, "boom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				op, n := script(tt.errs...)
				err := tt.policy.Do(t.Context(), op)
				require.Equal(t, tt.attempts, *n)
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, tt.want)
				last := tt.errs[len(tt.errs)-1]
				if inner := errors.Unwrap(last); inner == boom {
					last = boom // Do takes the mark off
				}
				require.ErrorIs(t, err, last)
			})
		})
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		op, _ := script(retry.After(3*time.Second, status(500)), nil)
		start := time.Now()
		require.NoError(t, new(retry.Policy).Do(t.Context(), op))
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// sdkCall runs the SDK's own loop with a retryer.
func sdkCall(t *testing.T, r aws.Retryer, op func(context.Context) error) error {
	t.Helper()
	attempt := sdk.NewAttemptMiddleware(r, func(v any) any { return v })
	_, _, err := attempt.HandleFinalize(t.Context(), middleware.FinalizeInput{}, middleware.FinalizeHandlerFunc(
		func(ctx context.Context, _ middleware.FinalizeInput) (middleware.FinalizeOutput, middleware.Metadata, error) {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, op(ctx)
		}))
	return err
}

func TestRetryerInTheSDK(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		max      int
		errs     []error
		attempts int
		ok       bool
		longest  time.Duration
	}{
		{"success", 0, []error{nil}, 1, true, 0},
		{"final", 0, []error{coded("AccessDenied")}, 1, false, 0},
		{"transient", 0, []error{status(503), status(503), nil}, 3, true, 150 * time.Millisecond},
		{"throttling", 0, []error{coded("Throttling"), nil}, 2, true, time.Second},
		{"three attempts", 0, []error{status(500)}, 3, false, 150 * time.Millisecond},
		{"five attempts", 5, []error{status(500)}, 5, false, 750 * time.Millisecond},
		{"as the model says", 0, []error{says(true), nil}, 2, true, 50 * time.Millisecond},
		{"as the model does not say", 0, []error{errors.Join(says(false), status(500))}, 1, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				policy := &retry.Policy{MaxAttempts: tt.max}
				cfg := aws.Config{Retryer: policy.Retryer}
				op, n := script(tt.errs...)
				start := time.Now()
				err := sdkCall(t, cfg.Retryer(), op)
				require.Equal(t, tt.attempts, *n)
				require.Equal(t, tt.ok, err == nil, "%v", err)
				require.LessOrEqual(t, time.Since(start), tt.longest)
			})
		})
	}
}

type says bool

func (s says) Error() string        { return "a trait" }
func (s says) RetryableError() bool { return bool(s) }

// TestQuotaIsShared by the SDK's clients and by Do: 500 tokens, 14 for a retry, 5 after throttling.
func TestQuotaIsShared(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err     error
		retries int
	}{"transient": {status(500), 35}, "throttling": {coded("Throttling"), 100}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				policy := &retry.Policy{}
				op, n := script(tt.err)
				for range 100 {
					require.Error(t, sdkCall(t, policy.Retryer(), op))
				}
				require.Equal(t, 100+tt.retries, *n)
				require.ErrorIs(t, sdkCall(t, policy.Retryer(), op), retry.ErrQuota)
				require.ErrorContains(t, policy.Do(t.Context(), op), "quota")

				ok, _ := script(nil)
				for range 500 { // successes fill it again
					require.NoError(t, sdkCall(t, policy.Retryer(), ok))
				}
				*n = 0
				require.Error(t, policy.Do(t.Context(), op))
				require.Equal(t, 3, *n)
			})
		})
	}
}

func TestRetryerEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := new(retry.Policy).Retryer()
	_, err := r.GetRetryToken(ctx, status(500))
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, r.IsErrorRetryable(fmt.Errorf("call: %w", context.Canceled)))
	require.False(t, r.IsErrorRetryable(errors.Join(says(true), context.Canceled)))
}
