package skew_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/skew"
)

func TestObserve(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) []string { return []string{now.Add(d).Format(http.TimeFormat)} }
	for name, tt := range map[string]struct {
		header http.Header
		took   time.Duration
		ahead  time.Duration
		ok     bool
	}{
		"ahead":              {http.Header{"Date": at(time.Hour)}, time.Second, time.Hour, true},
		"behind":             {http.Header{"Date": at(-time.Hour)}, time.Second, -time.Hour, true},
		"no Date":            {http.Header{}, time.Second, 0, false},
		"a Date that is odd": {http.Header{"Date": {"yesterday"}}, time.Second, 0, false},
		"from a cache":       {http.Header{"Date": at(time.Hour), "Age": {"0"}}, time.Second, 0, false},
		"slow":               {http.Header{"Date": at(time.Hour)}, 15 * time.Minute, time.Hour, true},
		"too slow":           {http.Header{"Date": at(time.Hour)}, 15*time.Minute + 1, 0, false},
		"before it was sent": {http.Header{"Date": at(time.Hour)}, -1, 0, false},
		"a year":             {http.Header{"Date": at(366 * 24 * time.Hour)}, time.Second, 366 * 24 * time.Hour, true},
		"years":              {http.Header{"Date": at(-367 * 24 * time.Hour)}, time.Second, 0, false},
	} {
		ahead, ok := skew.Observe(tt.header, now.Add(-tt.took), now)
		require.Equal(t, tt.ok, ok, name)
		if ok {
			require.Equal(t, tt.ahead, ahead, name)
		}
	}
}

func TestLearn(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	for name, tt := range map[string]struct {
		code                string
		known               time.Duration // from before
		observed, used, off time.Duration
		wrong               bool
		want                time.Duration // what is known then
	}{
		"more than four minutes":      {"SignatureDoesNotMatch", 0, 5 * m, 0, 5 * m, true, 5 * m},
		"four minutes":                {"SignatureDoesNotMatch", 0, 4 * m, 0, 0, false, 0},
		"behind":                      {"RequestExpired", 0, -20 * m, 0, -20 * m, true, -20 * m},
		"perhaps for the clock":       {"AccessDenied", 0, 20 * m, 0, 20 * m, true, 20 * m},
		"for another reason":          {"Throttling", 0, 20 * m, 0, 0, false, 0},
		"the clock was put right":     {"InvalidSignatureException", 60 * m, m, 60 * m, -59 * m, true, 0},
		"it did not help":             {"SignatureDoesNotMatch", 60 * m, 60 * m, 60 * m, 0, false, 0},
		"nothing to do with it":       {"AccessDenied", 60 * m, 60 * m, 60 * m, 0, false, 60 * m},
		"another request knew better": {"SignatureDoesNotMatch", 50 * m, 60 * m, 60 * m, 0, false, 50 * m},
	} {
		var o skew.Offset
		if tt.known != 0 {
			_, wrong := o.Learn("SignatureDoesNotMatch", tt.known, 0)
			require.True(t, wrong)
		}
		off, wrong := o.Learn(tt.code, tt.observed, tt.used)
		require.Equal(t, tt.wrong, wrong, name)
		require.Equal(t, tt.off, off, name)
		require.Equal(t, tt.want, o.Get(), name)
	}
	var o skew.Offset
	_, wrong := o.LearnNameless(20*m, 0)
	require.True(t, wrong)
	_, wrong = o.LearnNameless(20*m, 20*m)
	require.False(t, wrong)
	require.Equal(t, 20*m, o.Get(), "an answer without a code says nothing about the signature")
}
