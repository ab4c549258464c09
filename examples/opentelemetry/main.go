// Opentelemetry tells of the chain's walks and renewals as spans, here on standard output.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

func main() {
	log.SetFlags(0)
	exporter, err := stdouttrace.New(stdouttrace.WithPrettyPrint())
	if err != nil {
		log.Fatal(err)
	}
	spans := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	ctx := context.Background()

	chain := providers.Default(providers.Config{})
	observe(chain, spans.Tracer("credchain"))
	_, err = chain.Retrieve(ctx)
	if e := spans.Shutdown(ctx); e != nil {
		log.Print(e)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// observe makes a span of each walk and renewal. The context is that of the caller, so the span is a child of whatever
// needed the credentials; what the chain has in memory costs no span.
func observe(chain *credchain.Chain, tracer trace.Tracer) {
	record := func(name string) func(context.Context, credchain.Event) {
		return func(ctx context.Context, e credchain.Event) {
			end := time.Now()
			_, span := tracer.Start(ctx, name, trace.WithTimestamp(end.Add(-e.Elapsed)))
			defer span.End(trace.WithTimestamp(end))
			span.SetAttributes(
				attribute.String("credchain.provider", e.Provider),
				attribute.Bool("credchain.background", e.Background))
			if !e.Expires.IsZero() {
				span.SetAttributes(attribute.String("credchain.expires", e.Expires.UTC().Format(time.RFC3339)))
			}
			for _, a := range e.Trace.Attempts {
				span.AddEvent(a.Provider, trace.WithAttributes(
					attribute.String("credchain.status", fmt.Sprint(a.Status)),
					attribute.Int64("credchain.elapsed_ms", a.Elapsed.Milliseconds())))
			}
			if e.Err != nil { // it holds no secret
				span.RecordError(e.Err)
				span.SetStatus(codes.Error, "no new credentials")
			}
		}
	}
	chain.OnResolve, chain.OnRenew = record("credchain.resolve"), record("credchain.renew")
}
