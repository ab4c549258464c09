package sts_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sts"
)

const (
	amzTime  = "20060102T150405Z"
	identity = `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>a</Arn><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
)

// offClock is a service whose clock is ahead of this machine's. It refuses what is signed more than tolerance
// away from its time.
type offClock struct {
	ahead     time.Duration
	dateAhead time.Duration // of the Date header, if not 0
	code      string        // of refusals; "" is SignatureDoesNotMatch
	always    bool          // refuses everything
	header    http.Header   // added to answers
	takes     time.Duration

	signed []time.Duration // how far off each request was signed
}

func (o *offClock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
	if err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	off := at.Sub(time.Now().Add(o.ahead)).Round(time.Minute)
	o.signed = append(o.signed, off)
	time.Sleep(o.takes)
	dateAhead := o.ahead
	if o.dateAhead != 0 {
		dateAhead = o.dateAhead
	}
	w.Header().Set("Date", time.Now().Add(dateAhead).UTC().Format(http.TimeFormat))
	for name, values := range o.header {
		w.Header()[name] = values
	}
	if o.always || off.Abs() > 5*time.Minute {
		code := o.code
		if code == "" {
			code = "SignatureDoesNotMatch"
		}
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(refusal(code, "no")))
		return
	}
	w.Write([]byte(identity))
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	for _, tt := range []struct {
		name    string
		service offClock
		want    time.Duration   // ClockSkew after the call
		signed  []time.Duration // off the service's time, by attempt
		err     string
	}{
		{"none", offClock{}, 0, []time.Duration{0}, ""},
		{"little", offClock{ahead: 3 * m}, 0, []time.Duration{-3 * m}, ""},
		{"ahead", offClock{ahead: time.Hour}, time.Hour, []time.Duration{-time.Hour, 0}, ""},
		{"behind", offClock{ahead: -20 * m}, -20 * m, []time.Duration{20 * m, 0}, ""},
		{"a month", offClock{ahead: 30 * 24 * time.Hour}, 30 * 24 * time.Hour, []time.Duration{-30 * 24 * time.Hour, 0}, ""},
		{"InvalidSignatureException", offClock{ahead: time.Hour, code: "InvalidSignatureException"}, time.Hour, []time.Duration{-time.Hour, 0}, ""},
		{"AuthFailure", offClock{ahead: time.Hour, code: "AuthFailure"}, time.Hour, []time.Duration{-time.Hour, 0}, ""},
		{"RequestTimeTooSkewed", offClock{ahead: time.Hour, code: "RequestTimeTooSkewed"}, time.Hour, []time.Duration{-time.Hour, 0}, ""},
		{"RequestExpired", offClock{ahead: time.Hour, code: "RequestExpired"}, time.Hour, []time.Duration{-time.Hour, 0}, ""},
		{"AccessDenied", offClock{ahead: time.Hour, code: "AccessDenied"}, time.Hour, []time.Duration{-time.Hour, 0}, ""},
		{"AccessDeniedException", offClock{ahead: time.Hour, code: "AccessDeniedException"}, time.Hour, []time.Duration{-time.Hour, 0}, ""},

		{"another code", offClock{ahead: time.Hour, code: "InvalidClientTokenId"}, 0, []time.Duration{-time.Hour}, "InvalidClientTokenId"},
		{"refused for another reason", offClock{always: true}, 0, []time.Duration{0}, "SignatureDoesNotMatch: no (HTTP status 403)"},
		{"at the threshold", offClock{always: true, dateAhead: 4 * m}, 0, []time.Duration{0}, "SignatureDoesNotMatch"},
		{"past the threshold", offClock{always: true, dateAhead: 4*m + 2*time.Second, code: "AccessDenied"}, 4*m + 2*time.Second, []time.Duration{0, 4 * m}, "AccessDenied"},
		{"from a cache", offClock{ahead: time.Hour, header: http.Header{"Age": {"0"}}}, 0, []time.Duration{-time.Hour}, "SignatureDoesNotMatch"},
		{"no Date", offClock{ahead: time.Hour, header: http.Header{"Date": nil}}, 0, []time.Duration{-time.Hour}, "SignatureDoesNotMatch"},
		{"a Date that is none", offClock{ahead: time.Hour, header: http.Header{"Date": {"yesterday"}}}, 0, []time.Duration{-time.Hour}, "SignatureDoesNotMatch"},
		{"a Date long ago", offClock{ahead: time.Hour, header: http.Header{"Date": {"Tue, 15 Nov 1994 08:12:31 GMT"}}}, 0, []time.Duration{-time.Hour}, "SignatureDoesNotMatch"},
		{"a Date far away", offClock{ahead: 500 * 24 * time.Hour}, 0, []time.Duration{-500 * 24 * time.Hour}, "SignatureDoesNotMatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := client(&tt.service, user)
				_, err := c.GetCallerIdentity(t.Context())
				if tt.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.err)
				}
				require.InDelta(t, tt.want, c.ClockSkew(), float64(time.Second))
				require.Equal(t, tt.signed, tt.service.signed)
			})
		})
	}
}

// What was learned serves the calls after; what has changed is learned anew.
func TestClockSkewStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &offClock{ahead: time.Hour}
		c := client(s, user)
		for range 3 {
			_, err := c.GetCallerIdentity(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, []time.Duration{-time.Hour, 0, 0, 0}, s.signed)

		s.signed, s.ahead = nil, 0 // somebody puts this machine's clock right
		_, err := c.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Hour, 0}, s.signed)
		require.Zero(t, c.ClockSkew())
	})
}

// An offset that does not help is forgotten: a proxy's Date must not spoil the calls after.
func TestClockSkewThatDoesNotHelp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &offClock{always: true, dateAhead: time.Hour}
		c := client(s, user)
		_, err := c.GetCallerIdentity(t.Context())
		var e *sts.Error
		require.ErrorAs(t, err, &e)
		require.NotContains(t, err.Error(), "the service's time")
		require.Equal(t, []time.Duration{0, time.Hour}, s.signed)
		require.Zero(t, c.ClockSkew())

		s.signed, s.always = nil, false
		_, err = c.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0}, s.signed)
	})
}

// AccessDenied is what STS says to many a request that was signed right: a good offset outlives it.
func TestClockSkewOutlivesAccessDenied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &offClock{ahead: time.Hour}
		c := client(s, user)
		_, err := c.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		s.always, s.code, s.signed = true, "AccessDenied", nil
		_, err = c.GetCallerIdentity(t.Context())
		require.ErrorContains(t, err, "AccessDenied")
		require.Equal(t, []time.Duration{0}, s.signed)
		require.Equal(t, time.Hour, c.ClockSkew())
	})
}

// A call is repeated once for its time, even if the service's time jumps on; the error says how far off it was.
func TestClockSkewRetriesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		c := client(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.Header().Set("Date", time.Now().Add(time.Duration(requests)*time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(403)
			w.Write([]byte(refusal("SignatureDoesNotMatch", "no")))
		}), user)
		c.MaxAttempts = 9
		_, err := c.GetCallerIdentity(t.Context())
		require.ErrorContains(t, err, "; it was signed 1h0m0s before the service's time (after 2 attempts)")
		require.Equal(t, 2, requests)
	})
}

// With one attempt there is no retry, but the next call is signed right.
func TestClockSkewWithOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &offClock{ahead: -time.Hour}
		c := client(s, user)
		c.MaxAttempts = 1
		_, err := c.GetCallerIdentity(t.Context())
		require.ErrorContains(t, err, "it was signed 1h0m0s after the service's time")
		var e *sts.Error
		require.ErrorAs(t, err, &e)
		_, err = c.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Hour, 0}, s.signed)
	})
}

// A Date that was a quarter of an hour on its way says nothing about now.
func TestClockSkewOfSlowAnswers(t *testing.T) {
	t.Parallel()
	for takes, want := range map[time.Duration]time.Duration{15 * time.Minute: time.Hour, 16 * time.Minute: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := &offClock{ahead: time.Hour, takes: takes}
			c := client(s, user)
			c.MaxAttempts, c.Transport = 1, patient{c.Transport}
			_, err := c.GetCallerIdentity(t.Context())
			require.ErrorContains(t, err, "SignatureDoesNotMatch")
			require.Equal(t, want, c.ClockSkew())
		})
	}
}

// patient waits for an answer past the request's deadline, as a machine does that is put to sleep meanwhile.
type patient struct{ next http.RoundTripper }

func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	return p.next.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
}

// Nothing is learned from calls that are not signed.
func TestClockSkewOfUnsignedCalls(t *testing.T) {
	t.Parallel()
	h := &scripted{answers: []answer{{status: 403, body: refusal("AccessDenied", "no"), header: http.Header{
		"Date": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)},
	}}}}
	c := client(h, user)
	_, err := c.AssumeRoleWithWebIdentity(t.Context(), goodInputs().web)
	require.Error(t, err)
	require.Zero(t, c.ClockSkew())
	require.Len(t, h.requests, 1)
}

// Many calls at once learn the same.
func TestClockSkewConcurrently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			at, _ := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			if time.Since(at) > -50*time.Minute {
				w.WriteHeader(403)
				w.Write([]byte(refusal("SignatureDoesNotMatch", "no")))
				return
			}
			w.Write([]byte(identity))
		}), user)
		errs := make(chan error, 20)
		for range 20 {
			go func() {
				_, err := c.GetCallerIdentity(t.Context())
				errs <- err
			}()
		}
		var all []error
		for range 20 {
			all = append(all, <-errs)
		}
		require.NoError(t, errors.Join(all...))
		require.InDelta(t, time.Hour, c.ClockSkew(), float64(2*time.Second))
	})
}

// The fake of this project, with its own clock check, takes what is signed with a learned offset.
func TestClockSkewAgainstSignatures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := service()
		c := client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			at, _ := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
			if time.Until(at) < 50*time.Minute {
				w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				w.WriteHeader(403)
				w.Write([]byte(refusal("SignatureDoesNotMatch", "no")))
				return
			}
			time.Sleep(time.Until(at)) // so that the fake's clock agrees
			h.ServeHTTP(w, r)
		}), user)
		c.Transport = patient{c.Transport}
		got, err := c.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		require.Equal(t, "123456789012", got.Account)
	})
}
