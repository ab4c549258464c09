package credchain_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// warm are the paths of nearly every call: ours, the SDK's cache, and the least that anyone must do.
type warm struct {
	name string
	aws.CredentialsProvider
}

func warmPaths(life time.Duration) []warm {
	f := new(floor)
	f.held.Store(&aws.Credentials{AccessKeyID: "A", CanExpire: life > 0, Expires: time.Now().Add(life).Round(0)})
	return []warm{
		{"credchain", credchain.New(&link{creds: keys("A"), life: life})},
		{"aws-sdk-go-v2", aws.NewCredentialsCache(&link{creds: keys("A"), life: life})},
		{"floor", f},
	}
}

// floor loads a pointer, and looks at the wall clock if the credentials expire.
type floor struct {
	held atomic.Pointer[aws.Credentials]
}

func (f *floor) Retrieve(context.Context) (aws.Credentials, error) {
	c := f.held.Load()
	if c.CanExpire && !time.Now().Before(c.Expires) {
		return aws.Credentials{}, context.DeadlineExceeded
	}
	return *c, nil
}

var warmLives = []struct {
	name string
	life time.Duration
}{{"static", 0}, {"expiring", time.Hour}}

func TestWarmRetrieveAllocatesNothing(t *testing.T) { // not parallel: the allocations of all are counted
	for _, l := range warmLives {
		c := credchain.New(&link{creds: keys("A"), life: l.life})
		ctx := t.Context()
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = c.Retrieve(ctx) }), l.name)
	}
}

// BenchmarkWarm measures each path alone. Vary the processors with -cpu.
func BenchmarkWarm(b *testing.B) {
	for _, l := range warmLives {
		for _, w := range warmPaths(l.life) {
			b.Run(l.name+"/by="+w.name, func(b *testing.B) {
				ctx := context.Background()
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := w.Retrieve(ctx); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// BenchmarkWarmRatio takes turns and compares the best turns, so that a busy machine disturbs all alike. ns/op
// means nothing here.
func BenchmarkWarmRatio(b *testing.B) {
	const calls = 5000
	for _, l := range warmLives {
		b.Run(l.name, func(b *testing.B) {
			ctx, paths := context.Background(), warmPaths(l.life)
			best := make([]time.Duration, len(paths))
			for b.Loop() {
				for i, w := range paths {
					start := time.Now()
					for range calls {
						_, _ = w.Retrieve(ctx)
					}
					if took := time.Since(start); best[i] == 0 || took < best[i] {
						best[i] = took
					}
				}
			}
			floor := float64(best[2])
			b.ReportMetric(float64(best[0])/calls, "credchain-ns")
			b.ReportMetric(float64(best[0])/floor, "credchain/floor")
			b.ReportMetric(float64(best[1])/floor, "sdk/floor")
		})
	}
}
