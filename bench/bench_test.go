// Package bench measures credchain beside its peers and beside a floor. See README.md.
package bench

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/credchain/credchain/bench/client"
	"github.com/credchain/credchain/bench/fixture"
)

// scenario is one place that credentials come from.
type scenario struct {
	name  string
	setup func(b *testing.B)
	floor client.Client
}

// clients are those that can do the scenario. minio-go's chain knows no roles of profiles.
func (s scenario) clients() []client.Client {
	all := turned(s.floor)
	if s.name == "assume-role" {
		all = slices.DeleteFunc(all, func(c client.Client) bool { return c.Name == client.Minio().Name })
	}
	return all
}

func cold() []scenario {
	scenarios := []scenario{{"environment", useKeys, client.EnvironmentFloor()}}
	for _, n := range []int{1, 100, 1000, 10_000, 50_000} {
		scenarios = append(scenarios, scenario{"file-" + strconv.Itoa(n), func(b *testing.B) { useFiles(b, n) }, client.FilesFloor()})
	}
	return append(scenarios,
		scenario{"env-with-10000-on-disk", func(b *testing.B) {
			useFiles(b, 10_000)
			os.Unsetenv("AWS_PROFILE") // useFiles has registered its restoration
			useKeys(b)
		}, client.EnvironmentFloor()},
		scenario{"container", useContainer, client.ContainerFloor()},
		scenario{"imds", useInstance, client.InstanceFloor()},
		scenario{"assume-role", useRole, client.RoleFloor()},
	)
}

// BenchmarkCold builds a loader and retrieves once, in a warm process.
func BenchmarkCold(b *testing.B) {
	for _, s := range cold() {
		b.Run(s.name, func(b *testing.B) {
			scrub(b)
			s.setup(b)
			clients := s.clients()
			warmUp(b, clients)
			for _, c := range clients {
				b.Run("by="+c.Name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						check(b, c.Cold)
					}
				})
			}
		})
	}
}

func warm() []scenario {
	return []scenario{
		{"expiring", useContainer, client.ExpiringFloor()},
		{"static", func(b *testing.B) { useFiles(b, 1000) }, client.StaticFloor()},
	}
}

// opened returns the client's cached retrieval, which has been called once.
func opened(b *testing.B, c client.Client) client.Retrieve {
	retrieve, err := c.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	check(b, retrieve)
	return retrieve
}

// BenchmarkWarm retrieves again and again from one loader. Vary the processors with -cpu.
func BenchmarkWarm(b *testing.B) {
	for _, s := range warm() {
		b.Run(s.name, func(b *testing.B) {
			scrub(b)
			s.setup(b)
			clients := turned(s.floor)
			b.Run("serial", func(b *testing.B) {
				for _, c := range clients {
					b.Run("by="+c.Name, func(b *testing.B) {
						retrieve, ctx := opened(b, c), context.Background()
						b.ReportAllocs()
						for b.Loop() {
							if _, err := retrieve(ctx); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
			})
			b.Run("parallel", func(b *testing.B) {
				for _, c := range clients {
					b.Run("by="+c.Name, func(b *testing.B) {
						retrieve, ctx := opened(b, c), context.Background()
						b.ReportAllocs()
						b.ResetTimer()
						b.RunParallel(func(pb *testing.PB) {
							for pb.Next() {
								if _, err := retrieve(ctx); err != nil {
									b.Error(err)
									return
								}
							}
						})
					})
				}
			})
		})
	}
}

// turned returns the clients and the floor, beginning with another one in each of the report's rounds: the
// place in the order matters, in a process that is still growing.
func turned(floor client.Client) []client.Client {
	clients := append(client.All(), floor)
	round, _ := strconv.Atoi(os.Getenv("BENCH_ROUND"))
	first := round % len(clients)
	return append(clients[first:len(clients):len(clients)], clients[:first]...)
}

// warmUp grows the heap and pages the code in. Whoever came first would pay for it.
func warmUp(b *testing.B, clients []client.Client) {
	for _, c := range clients {
		for start := time.Now(); time.Since(start) < 20*time.Millisecond; {
			check(b, c.Cold)
		}
	}
}

func check(b *testing.B, retrieve client.Retrieve) {
	if id, err := retrieve(context.Background()); err != nil || id != fixture.AccessKeyID {
		b.Fatalf("got access key ID %q, error %v", id, err)
	}
}

// scrub takes the developer's own settings away. Afterwards no client can find a file, or reach any address
// but a loopback one.
func scrub(b *testing.B) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			b.Setenv(name, "") // restores it afterwards
			os.Unsetenv(name)
		}
	}
	refusing, err := fixture.Refusing()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	b.Setenv("HOME", dir)
	b.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	b.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	b.Setenv("AWS_REGION", "us-east-1")
	b.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	b.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", refusing)
}

func useKeys(b *testing.B) {
	b.Setenv("AWS_ACCESS_KEY_ID", fixture.AccessKeyID)
	b.Setenv("AWS_SECRET_ACCESS_KEY", fixture.SecretAccessKey)
}

func useFiles(b *testing.B, n int) {
	files, err := fixture.WriteFiles(b.TempDir(), n)
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv("AWS_CONFIG_FILE", files.Config)
	b.Setenv("AWS_SHARED_CREDENTIALS_FILE", files.Credentials)
	b.Setenv("AWS_PROFILE", fixture.Profile)
}

func useContainer(b *testing.B) {
	server := fixture.NewEndpoints()
	b.Cleanup(server.Close)
	b.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL+fixture.ContainerPath)
	b.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", fixture.ContainerToken)
}

func useRole(b *testing.B) {
	server := fixture.NewEndpoints()
	b.Cleanup(server.Close)
	files, err := fixture.WriteRole(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv("AWS_CONFIG_FILE", files.Config)
	b.Setenv("AWS_SHARED_CREDENTIALS_FILE", files.Credentials)
	b.Setenv("AWS_PROFILE", fixture.Profile)
	b.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
}

func useInstance(b *testing.B) {
	server := fixture.NewEndpoints()
	b.Cleanup(server.Close)
	b.Setenv("AWS_EC2_METADATA_DISABLED", "")
	b.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
}
