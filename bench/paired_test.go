package bench

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"
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

// BenchmarkWarmPaired takes such turns with warm calls. Each processor has a goroutine that takes turns by itself, so
// that few turns are interrupted.
func BenchmarkWarmPaired(b *testing.B) {
	for _, s := range warm() {
		for _, procs := range []int{1, 2, 8} {
			b.Run(s.name+"-"+strconv.Itoa(procs)+"-procs", func(b *testing.B) {
				scrub(b)
				s.setup(b)
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				for _, other := range []client.Client{s.floor, client.SDK()} {
					b.Run("to="+other.Name, func(b *testing.B) {
						pair := [2]client.Retrieve{opened(b, client.Credchain()), opened(b, other)}
						var took [2][]time.Duration
						var mu sync.Mutex
						for b.Loop() {
							var wg sync.WaitGroup
							for range procs {
								wg.Go(func() {
									mine := turns(pair)
									mu.Lock()
									defer mu.Unlock()
									for i := range took {
										took[i] = append(took[i], mine[i]...)
									}
								})
							}
							wg.Wait()
						}
						b.ReportMetric(float64(median(took[0]))/float64(median(took[1])), "ratio")
					})
				}
			})
		}
	}
}

// turns times two retrievals in turns of some hundred calls each.
func turns(pair [2]client.Retrieve) (took [2][]time.Duration) {
	ctx := context.Background()
	for turn := range 100 {
		for i := range pair {
			i = (turn + i) % 2
			retrieve, start := pair[i], time.Now()
			for range 500 {
				if _, err := retrieve(ctx); err != nil {
					panic(err)
				}
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	return took
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
