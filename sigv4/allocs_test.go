//go:build !race

package sigv4_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// The limits are performance.md's: 6 for a signature, 8 for a presigned URL. They do not grow with the request. Not run in
// parallel: other tests' allocations would count.
func TestAllocations(t *testing.T) {
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	for _, size := range []int{1, 10, 40} {
		r := request(t, "GET", "https://bucket.example/key?list-type=2&prefix="+strings.Repeat("a", size))
		for _, name := range []string{"X-Amz-Meta-A", "Accept", "Content-Type", "Range", "X-Amz-Meta-B"} {
			r.Header.Set(name, strings.Repeat("value", size))
		}
		got := testing.AllocsPerRun(200, func() {
			if err := s.Sign(r, session, emptyHash, at2015); err != nil {
				panic(err)
			}
		})
		require.LessOrEqual(t, got, 6.0, "Sign")
		plain := request(t, "GET", "https://bucket.example/key?versionId="+strings.Repeat("a", size))
		provider := static(session)
		got = testing.AllocsPerRun(200, func() {
			if _, err := s.Presign(context.Background(), plain, provider, sigv4.PresignInput{}, at2015); err != nil {
				panic(err)
			}
		})
		require.LessOrEqual(t, got, 8.0, "Presign")
	}
}

// TestCostIsLinear counts allocations, not time: a signer's first request of ten times the size makes few more of them than
// ten times as many, and the second makes as few as any.
func TestCostIsLinear(t *testing.T) {
	large := func(n int) *http.Request {
		r := request(t, "GET", "https://host.example/"+strings.Repeat("a/", n))
		var query strings.Builder
		for i := range n {
			r.Header.Set("X-Header-"+strconv.Itoa(i), strings.Repeat("v ", n/10))
			query.WriteString("p" + strconv.Itoa(i) + "=value&")
		}
		r.URL.RawQuery = query.String()
		return r
	}
	allocations := func(n int) (first, second float64) {
		r := large(n)
		first = testing.AllocsPerRun(5, func() {
			s := &sigv4.Signer{Service: "es", Region: "us-east-1"}
			if err := s.Sign(r, session, "", at2015); err != nil {
				panic(err)
			}
		})
		s := &sigv4.Signer{Service: "es", Region: "us-east-1"}
		second = testing.AllocsPerRun(5, func() {
			if err := s.Sign(r, session, "", at2015); err != nil {
				panic(err)
			}
		})
		return first, second
	}
	first, second := allocations(10)
	first10, second10 := allocations(100)
	require.LessOrEqual(t, first10, first+40, "the first request")
	require.LessOrEqual(t, second10, second+2, "the second request")
}
