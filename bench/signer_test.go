package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/credchain/credchain/bench/fixture"
	"github.com/credchain/credchain/sigv4"
)

// sign is one way to sign a request: the same one again and again, with the key derived once.
type sign struct {
	name string
	do   func(*http.Request) error
}

// signing is one kind of work, and who does it.
type signing struct {
	name    string
	request func() *http.Request
	by      []sign
}

const (
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	region    = "us-east-1"
)

func signCreds() (aws.Credentials, aws.CredentialsProvider) {
	creds := aws.Credentials{AccessKeyID: fixture.AccessKeyID, SecretAccessKey: fixture.SecretAccessKey}
	return creds, aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
}

func signings(at time.Time) []signing {
	creds, provider := signCreds()
	ctx := context.Background()
	ours, sdk := &sigv4.Signer{Service: "s3", Region: region}, v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })

	get := func() *http.Request {
		r, _ := http.NewRequest("GET", "https://bucket.s3.us-east-1.amazonaws.com/some/key.txt?list-type=2&prefix=a", nil)
		for key, value := range map[string]string{"Accept": "*/*", "Range": "bytes=0-9", "X-Amz-Meta-A": "some value", "If-Match": `"etag"`, "X-Amz-Content-Sha256": emptyHash} {
			r.Header.Set(key, value)
		}
		return r
	}
	body := strings.Repeat("a", 1<<10)
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	post := func() *http.Request {
		r, _ := http.NewRequest("POST", "https://bucket.s3.us-east-1.amazonaws.com/", strings.NewReader(body))
		r.Header.Set("X-Amz-Content-Sha256", hash)
		return r
	}
	plain := func() *http.Request {
		r, _ := http.NewRequest("GET", "https://bucket.s3.us-east-1.amazonaws.com/some/key.txt", nil)
		return r
	}
	withExpires := func() *http.Request { // which the SDK leaves to its caller
		r := plain()
		r.URL.RawQuery = "X-Amz-Expires=900"
		return r
	}
	header := func(payload string) []sign {
		return []sign{
			{"credchain", func(r *http.Request) error { return ours.Sign(r, creds, payload, at) }},
			{"aws-sdk-go-v2", func(r *http.Request) error { return sdk.SignHTTP(ctx, creds, r, payload, "s3", region, at) }},
			{"minio-go", func(r *http.Request) error {
				signer.SignV4(*r, creds.AccessKeyID, creds.SecretAccessKey, "", region)
				return nil
			}},
			{"floor", newSignFloor(creds, at).header(payload)},
			{"hashing", hashingFloor(700)},
		}
	}
	// Each gets its own request, since the SDK wants an expiry in it.
	presign := []sign{
		{"credchain", func(r *http.Request) error {
			_, err := ours.Presign(ctx, r, provider, sigv4.PresignInput{}, at)
			return err
		}},
		{"aws-sdk-go-v2", func(r *http.Request) error {
			_, _, err := sdk.PresignHTTP(ctx, creds, r, sigv4.UnsignedPayload, "s3", region, at)
			return err
		}},
		{"minio-go", func(r *http.Request) error {
			u, c := *r.URL, *r // it writes into the URL
			c.URL = &u
			signer.PreSignV4(c, creds.AccessKeyID, creds.SecretAccessKey, "", region, 900)
			return nil
		}},
		{"floor", newSignFloor(creds, at).presign(func(string) {})},
		{"hashing", hashingFloor(400)},
	}
	return []signing{{"get-5-headers", get, header(emptyHash)}, {"post-1KiB-hash-given", post, header(hash)}, {"presign", withExpires, presign}}
}

// BenchmarkSign signs one request again and again.
func BenchmarkSign(b *testing.B) {
	for _, s := range signings(time.Now()) {
		b.Run(s.name, func(b *testing.B) {
			for _, by := range s.by {
				b.Run("by="+by.name, func(b *testing.B) {
					r := s.request()
					b.ReportAllocs()
					for b.Loop() {
						if err := by.do(r); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkSignPaired takes turns between credchain and another and reports the ratio of their medians, ours to theirs.
// ns/op means nothing here.
func BenchmarkSignPaired(b *testing.B) {
	const calls = 20 // together, so that reading the clock is none of it
	for _, s := range signings(time.Now()) {
		for _, other := range s.by[1:] {
			b.Run(s.name+"/to="+other.name, func(b *testing.B) {
				pair := [2]sign{s.by[0], other}
				var took [2][]time.Duration
				requests := [2]*http.Request{s.request(), s.request()}
				for turn := 0; b.Loop(); turn++ {
					for i := range pair {
						i = (turn + i) % 2
						start := time.Now()
						for range calls {
							if err := pair[i].do(requests[i]); err != nil {
								b.Fatal(err)
							}
						}
						took[i] = append(took[i], time.Since(start))
					}
				}
				b.ReportMetric(float64(median(took[0]))/float64(median(took[1])), "ratio")
			})
		}
	}
}

// BenchmarkSignSize shows that the cost grows with the number of headers and their bytes, and not faster.
func BenchmarkSignSize(b *testing.B) {
	creds, _ := signCreds()
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run("headers="+strconv.Itoa(n), func(b *testing.B) {
			s := &sigv4.Signer{Service: "s3", Region: region}
			r, _ := http.NewRequest("GET", "https://bucket.s3.us-east-1.amazonaws.com/some/key.txt", nil)
			for i := range n {
				r.Header.Set("X-Amz-Meta-"+strconv.Itoa(i), strings.Repeat("value ", 10))
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Sign(r, creds, emptyHash, time.Now()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/header")
		})
	}
}
