package providers_test

import (
	"context"
	"testing"

	"github.com/credchain/credchain/providers"
)

// BenchmarkCold builds the documented order and retrieves once, as a program does when it starts. The module
// bench has the same beside its peers.
func BenchmarkCold(b *testing.B) {
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary"}
	sys := providers.System{Getenv: func(name string) string { return env[name] }}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := providers.Default(providers.Config{System: sys}).Retrieve(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
