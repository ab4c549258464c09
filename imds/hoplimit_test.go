package imds_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

// The token call gets no answer while a GET does: the hop limit.
func TestHopLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		probe time.Duration // how long the GET takes
		hop   bool
	}{
		{"GET is answered", 10 * time.Millisecond, true},
		{"GET is answered too late", 600 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := instance()
				f.tokens = 1 // as if another had a token: the probe's is not valid
				var puts atomic.Int32
				var status atomic.Int32
				client := &imds.Client{DisableV1: true, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPut {
						puts.Add(1)
						return silent(r)
					}
					resp, err := f.direct(tt.probe)(r)
					if err == nil {
						status.Store(int32(resp.StatusCode))
					}
					return resp, err
				})}
				start := time.Now()
				_, err := client.RoleCredentials(t.Context())
				require.Equal(t, time.Second, time.Since(start))
				require.EqualValues(t, 1, puts.Load())
				if !tt.hop {
					require.ErrorIs(t, err, imds.ErrUnreachable)
					require.NotErrorIs(t, err, imds.ErrHopLimit)
					return
				}
				require.ErrorIs(t, err, imds.ErrHopLimit)
				require.NotErrorIs(t, err, imds.ErrUnreachable)
				require.ErrorContains(t, err,
					"aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2")
				require.EqualValues(t, 401, status.Load())
				require.Equal(t, []string{"GET /latest/meta-data/"}, f.requests())
				require.NotEmpty(t, f.headers[0].Get("X-Aws-Ec2-Metadata-Token"), "a request without one would be IMDSv1")

				// Asked again soon it costs no second, asked later it is looked into again.
				_, err = client.Region(t.Context())
				require.ErrorIs(t, err, imds.ErrHopLimit)
				require.EqualValues(t, 1, puts.Load())
				time.Sleep(5 * time.Second)
				_, err = client.Region(t.Context())
				require.ErrorIs(t, err, imds.ErrHopLimit)
				require.EqualValues(t, 2, puts.Load())
			})
		})
	}
}

// A token call that is slow but answered is not the hop limit, whatever the probe has seen; one that is fast
// sends no probe at all.
func TestProbeOnlyAtHalfTime(t *testing.T) {
	t.Parallel()
	for delay, probes := range map[time.Duration]int{499 * time.Millisecond: 0, 700 * time.Millisecond: 1} {
		synctest.Test(t, func(t *testing.T) {
			f := instance()
			client := &imds.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPut {
					return f.direct(delay)(r)
				}
				return f.direct(0)(r)
			})}
			_, err := client.Get(t.Context(), instanceID)
			require.NoError(t, err)
			time.Sleep(time.Minute)
			require.Equal(t, probes, count(f.requests(), "GET /latest/meta-data/"))
		})
	}
}
