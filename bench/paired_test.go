package bench

import (
	"slices"
	"testing"
	"time"

	"github.com/credchain/credchain/bench/client"
)

// BenchmarkPaired takes turns between credchain and another, call by call, and reports the ratio of their
// medians: what the machine does meanwhile falls on both alike. ns/op means nothing here.
func BenchmarkPaired(b *testing.B) {
	for _, s := range cold() {
		b.Run(s.name, func(b *testing.B) {
			scrub(b)
			s.setup(b)
			ours := client.Credchain()
			warmUp(b, []client.Client{ours, client.SDK(), s.floor})
			for _, other := range []client.Client{s.floor, client.SDK()} {
				b.Run("to="+other.Name, func(b *testing.B) {
					pair := [2]struct {
						client.Client
						took []time.Duration
					}{{Client: ours}, {Client: other}}
					calls := batch(b, ours)
					for turn := 0; b.Loop(); turn++ {
						for i := range pair {
							p := &pair[(turn+i)%2]
							start := time.Now()
							for range calls {
								check(b, p.Cold)
							}
							p.took = append(p.took, time.Since(start))
						}
					}
					b.ReportMetric(float64(median(pair[0].took))/float64(median(pair[1].took)), "ratio")
				})
			}
		})
	}
}

// batch is how many calls to time together, so that reading the clock is none of it.
func batch(b *testing.B, c client.Client) int {
	least := time.Duration(1<<63 - 1)
	for range 10 {
		start := time.Now()
		check(b, c.Cold)
		least = min(least, time.Since(start))
	}
	return max(1, int(20*time.Microsecond/max(least, 1)))
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
