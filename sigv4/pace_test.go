package sigv4_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// sends counts how many requests a limiter lets go in a time, and tells it of a service that takes so many a second.
func sends(t *testing.T, p *sigv4.Pace, during time.Duration, takes float64) (sent, throttled int) {
	t.Helper()
	start, tokens, at := time.Now(), takes, time.Now()
	for time.Since(start) < during {
		require.NoError(t, p.Wait(t.Context()))
		now := time.Now()
		tokens = min(tokens+now.Sub(at).Seconds()*takes, takes)
		at = now
		sent++
		refused := takes > 0 && tokens < 1
		if refused {
			throttled++
		} else {
			tokens--
		}
		time.Sleep(time.Millisecond) // the service's
		p.Observe(now, refused)
	}
	return sent, throttled
}

func TestPaceHoldsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &sigv4.Pace{PerSecond: 100, Burst: 5}
		sent, _ := sends(t, p, 10*time.Second, 0)
		require.InDelta(t, 1000, sent, 10)
		time.Sleep(time.Minute) // what is not sent is not saved up, but for the burst
		start := time.Now()
		for range 5 {
			require.NoError(t, p.Wait(t.Context()))
		}
		require.Zero(t, time.Since(start))
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 10*time.Millisecond, time.Since(start))
	})
}

func TestPaceIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &sigv4.Pace{PerSecond: 10}
		start := time.Now()
		order := make(chan int, 20)
		for i := range 20 {
			go func() {
				require.NoError(t, p.Wait(t.Context()))
				order <- i
			}()
			synctest.Wait()
		}
		for i := range 20 {
			require.Equal(t, i, <-order)
		}
		require.Equal(t, 1900*time.Millisecond, time.Since(start))
	})
}

func TestPaceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &sigv4.Pace{PerSecond: 1}
		require.NoError(t, p.Wait(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, p.Wait(ctx), sigv4.ErrNoTime)
		require.Zero(t, time.Since(start), "nobody waits for what cannot come")

		gone, leave := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, leave)
		require.ErrorIs(t, p.Wait(gone), context.Canceled)
		require.ErrorIs(t, p.Wait(gone), context.Canceled)
		require.NoError(t, p.Wait(t.Context()), "who has left gives the turn back")
		require.Equal(t, time.Second, time.Since(start))
	})
}

// TestPaceSlowsDownAndRecovers: a service that takes less than was thought, and then more again.
func TestPaceSlowsDownAndRecovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		pace *sigv4.Pace
	}{{"a documented limit", &sigv4.Pace{PerSecond: 200}}, {"no limit of its own", &sigv4.Pace{}}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const takes = 50
				sends(t, tt.pace, 20*time.Second, takes) // finds its way
				sent, throttled := sends(t, tt.pace, time.Minute, takes)
				require.Greater(t, sent-throttled, 60*takes*80/100, "it uses what there is")
				require.Less(t, throttled, sent/20)
				sent, _ = sends(t, tt.pace, time.Minute, 100*takes)
				require.Greater(t, sent, 60*takes*2, "it does not stay slow")
			})
		})
	}
}

// TestPaceSlowsDownOnce for all that was under way, and never below half a request a second.
func TestPaceSlowsDownOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &sigv4.Pace{PerSecond: 100}
		sends(t, p, 5*time.Second, 0)
		sent := time.Now()
		time.Sleep(50 * time.Millisecond)
		for range 200 {
			p.Observe(sent, true)
		}
		start := time.Now()
		for range 9 {
			require.NoError(t, p.Wait(t.Context()))
		}
		require.InDelta(t, 0.1, time.Since(start).Seconds(), 0.03, "90 a second")
		time.Sleep(550 * time.Millisecond)
		p.Observe(sent, true) // the answer that took longest
		start = time.Now()
		for range 10 {
			require.NoError(t, p.Wait(t.Context()))
		}
		require.Less(t, time.Since(start).Seconds(), 0.11)
		for range 100 {
			time.Sleep(time.Second)
			p.Observe(time.Now(), true)
		}
		start = time.Now()
		require.NoError(t, p.Wait(t.Context()))
		require.LessOrEqual(t, time.Since(start), 2*time.Second)
	})
}

// TestReadyLimits: the documented rates, for each key of its own.
func TestReadyLimits(t *testing.T) {
	t.Parallel()
	const ec2, bucket = "https://ec2.eu-west-1.amazonaws.com/", "https://b.s3.eu-west-1.amazonaws.com/"
	form := func(body string) *http.Request {
		r, err := http.NewRequest("POST", ec2, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		return r
	}
	for _, tt := range []struct {
		name  string
		limit func(*http.Request) sigv4.Limiter
		r     *http.Request
		other *http.Request // of another key
		rate  float64       // 0: none
	}{
		{"S3 GET", sigv4.S3Limits(), request(t, "GET", bucket+"a/b"), request(t, "GET", bucket+"b/b"), 5500},
		{"S3 HEAD", sigv4.S3Limits(), request(t, "HEAD", bucket+"a/b"), request(t, "HEAD", bucket+"c"), 5500},
		{"S3 listing", sigv4.S3Limits(), request(t, "GET", bucket+"?prefix=a/b"), request(t, "GET", bucket+"?prefix=b/"), 5500},
		{"S3 PUT", sigv4.S3Limits(), request(t, "PUT", bucket+"a/b"), request(t, "GET", bucket+"a/b"), 3500},
		{"S3 DELETE", sigv4.S3Limits(), request(t, "DELETE", bucket+"a/b"), request(t, "GET", bucket+"a/b"), 3500},
		{"EC2 query", sigv4.EC2Limits(), request(t, "GET", ec2+"?Action=DescribeInstances"), request(t, "GET", ec2+"?Action=RunInstances"), 100},
		{"EC2 form", sigv4.EC2Limits(), form("Action=DescribeInstances&Version=2016-11-15"), form("Action=RunInstances"), 100},
		{"EC2 other action", sigv4.EC2Limits(), form("Action=RunInstances"), form("Action=DescribeInstances"), 0},
		{"adaptive", sigv4.AdaptiveLimits(), request(t, "GET", ec2), request(t, "GET", bucket), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				n := max(int(tt.rate), 100)
				for range n {
					require.NoError(t, tt.limit(tt.r).Wait(t.Context()))
				}
				took := time.Since(start).Seconds()
				if tt.rate == 0 {
					require.Zero(t, took)
				} else {
					require.InDelta(t, 1, took, 0.02)
				}
				start = time.Now()
				require.NoError(t, tt.limit(tt.other).Wait(t.Context()))
				require.Zero(t, time.Since(start), "another key does not wait")
			})
		})
	}
}

// TestTransportWaits at each attempt, and tells the limiter what it met.
func TestTransportWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(refuses(503, "SlowDown"), refuses(500, "InternalError"))
		l := &noting{}
		tr := &sigv4.Transport{Credentials: static(documented), Limiter: func(*http.Request) sigv4.Limiter { return l }}
		_, _, err := s.call(t, tr, request(t, "GET", "https://"+queue+"/"))
		require.NoError(t, err)
		require.Equal(t, 3, l.waits)
		require.Equal(t, []bool{true, false, false}, l.throttled)
	})
}

type noting struct {
	waits     int
	throttled []bool
}

func (l *noting) Wait(context.Context) error          { l.waits++; return nil }
func (l *noting) Observe(_ time.Time, throttled bool) { l.throttled = append(l.throttled, throttled) }
