package bench

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/credchain/credchain"
)

// slowSource issues credentials that live for life, and takes 300 ms for it, as STS does on a bad day.
type slowSource struct {
	life  time.Duration
	calls atomic.Int32
}

func (s *slowSource) Retrieve(context.Context) (aws.Credentials, error) {
	n := s.calls.Add(1)
	time.Sleep(300 * time.Millisecond)
	return aws.Credentials{
		AccessKeyID: "ASIA" + strconv.Itoa(int(n)), SecretAccessKey: "secret",
		CanExpire: true, Expires: time.Now().Add(s.life),
	}, nil
}

// cached are the caches that are compared: a chain, a chain as config.WithCredentialsProvider wraps it, and the
// SDK's cache by itself, without and with an early renewal.
func cached(life time.Duration) map[string]aws.CredentialsProvider {
	wrapped, err := config.LoadDefaultConfig(context.Background(), config.WithCredentialsProvider(credchain.New(&slowSource{life: life})),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil), config.WithRegion("us-east-1"))
	if err != nil {
		panic(err)
	}
	return map[string]aws.CredentialsProvider{
		"credchain":           credchain.New(&slowSource{life: life}),
		"credchain-in-config": wrapped.Credentials,
		"aws-sdk-go-v2":       aws.NewCredentialsCache(&slowSource{life: life}),
		"aws-sdk-go-v2-early": aws.NewCredentialsCache(&slowSource{life: life}, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = life * 6 / 10 }),
	}
}

// crowd has 64 callers ask for so long, each pausing in between, and returns how long each call took, in order.
func crowd(p aws.CredentialsProvider, during, pause time.Duration) []time.Duration {
	ctx := context.Background()
	if _, err := p.Retrieve(ctx); err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	start := time.Now()
	for range 64 {
		wg.Go(func() {
			var mine []time.Duration
			for time.Since(start) < during {
				asked := time.Now()
				if _, err := p.Retrieve(ctx); err != nil {
					panic(err)
				}
				mine = append(mine, time.Since(asked))
				time.Sleep(pause)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took
}

// TestNobodyWaitsForARenewal is the crowd in fake time: what a caller waits is the cache's doing alone.
func TestNobodyWaitsForARenewal(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true") // config asks nobody for what it is given; this makes sure
	t.Setenv("AWS_DEFAULTS_MODE", "standard")
	for _, life := range []time.Duration{time.Second, 15 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			for name, p := range cached(life) {
				took := crowd(p, 10*life, max(10*time.Millisecond, life/500))
				if life > time.Minute { // and at every 10 ms, where something happens: from 5 minutes before the expiry, and then
					for _, window := range [][2]time.Duration{{life - 5*time.Minute - time.Second, 47 * time.Second}, {life - time.Second, 2 * time.Second}} {
						q := cached(life)[name]
						if _, err := q.Retrieve(t.Context()); err != nil {
							t.Fatal(err)
						}
						time.Sleep(window[0])
						took = append(took, crowd(q, window[1], 10*time.Millisecond)...)
					}
					slices.Sort(took)
				}
				worst := took[len(took)-1]
				t.Logf("lifetime %v, %s: p99.9 %v, worst %v of %d calls", life, name, took[len(took)*999/1000], worst, len(took))
				if name == "credchain" || name == "credchain-in-config" {
					if worst > 0 {
						t.Errorf("lifetime %v, %s: a caller waited for %v", life, name, worst)
					}
				} else if worst < 250*time.Millisecond {
					t.Errorf("lifetime %v, %s: nobody waited for more than %v; is the test still one?", life, name, worst)
				}
			}
			time.Sleep(time.Second) // the renewals under way
		})
	}
}

// BenchmarkRenewal is the crowd in real time: every 10 ms, lifetime 1 s. All caches have theirs at once, so that what
// the machine does meanwhile falls on all alike. ns/op means nothing here.
func BenchmarkRenewal(b *testing.B) {
	scrub(b)
	caches := cached(time.Second)
	caches["minio-go"] = minioCache(time.Second)
	took := make(map[string][]time.Duration)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, p := range caches {
		wg.Go(func() {
			all := crowd(p, 5*time.Second, 10*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			took[name] = all
		})
	}
	wg.Wait()
	for _, name := range []string{"credchain", "credchain-in-config", "aws-sdk-go-v2", "aws-sdk-go-v2-early", "minio-go"} {
		b.Run("by="+name, func(b *testing.B) {
			for b.Loop() {
			}
			all := took[name]
			late, _ := slices.BinarySearch(all, 10*time.Millisecond)
			ms := func(perMille int) float64 { return float64(all[len(all)*perMille/1000].Nanoseconds()) / 1e6 }
			b.ReportMetric(ms(500), "p50-ms")
			b.ReportMetric(ms(990), "p99-ms")
			b.ReportMetric(ms(999), "p99.9-ms")
			b.ReportMetric(100*float64(len(all)-late)/float64(len(all)), "%late")
		})
	}
}

// minioCache is minio-go's cache, as an SDK provider.
func minioCache(life time.Duration) aws.CredentialsProvider {
	c := credentials.New(&minioSource{source: slowSource{life: life}})
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		v, err := c.GetWithContext(nil)
		return aws.Credentials{AccessKeyID: v.AccessKeyID, SecretAccessKey: v.SecretAccessKey}, err
	})
}

// minioSource is slowSource in minio-go's form.
type minioSource struct {
	credentials.Expiry
	source slowSource
}

func (m *minioSource) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	creds, err := m.source.Retrieve(context.Background())
	m.SetExpiration(creds.Expires, 0)
	return credentials.Value{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey}, err
}

func (m *minioSource) Retrieve() (credentials.Value, error) { return m.RetrieveWithCredContext(nil) }
