package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/credchain/credchain"
)

func TestSpans(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	spans := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	tracer := spans.Tracer("test")
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	broken := false
	chain := credchain.New(
		credchain.Named("nothing", aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, fmt.Errorf("no key: %w", credchain.ErrNotConfigured)
		})),
		credchain.Named("vault", aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			if broken {
				return aws.Credentials{}, errors.New("sealed")
			}
			return aws.Credentials{AccessKeyID: "ASIAVAULT", SecretAccessKey: "canary", SessionToken: "canary", CanExpire: true, Expires: expires}, nil
		})))
	observe(chain, tracer)

	ctx, request := tracer.Start(t.Context(), "request")
	_, err := chain.Retrieve(ctx)
	require.NoError(t, err)
	_, err = chain.Retrieve(ctx)
	require.NoError(t, err)
	require.Len(t, recorder.Ended(), 1, "what is in memory is no span")
	broken = true
	chain.Invalidate()
	_, err = chain.Retrieve(ctx)
	require.Error(t, err)
	request.End()

	ended := recorder.Ended()
	require.Len(t, ended, 3)
	resolved, failed := ended[0], ended[1]
	require.Equal(t, "credchain.resolve", resolved.Name())
	require.Equal(t, request.SpanContext().SpanID(), resolved.Parent().SpanID())
	require.Equal(t, codes.Unset, resolved.Status().Code)
	require.Contains(t, resolved.Attributes(), attribute.String("credchain.provider", "vault"))
	require.Contains(t, resolved.Attributes(), attribute.String("credchain.expires", expires.UTC().Format(time.RFC3339)))
	require.Equal(t, []string{"nothing", "vault"}, names(resolved.Events()))
	require.Equal(t, codes.Error, failed.Status().Code)
	require.Contains(t, names(failed.Events()), "exception")
	for _, s := range ended {
		require.NotContains(t, fmt.Sprintf("%+v", tracetest.SpanStubFromReadOnlySpan(s)), "canary")
	}
}

func names(events []sdktrace.Event) (all []string) {
	for _, e := range events {
		all = append(all, e.Name)
	}
	return all
}
