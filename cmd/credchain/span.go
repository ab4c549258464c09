package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// span is a flag that takes a length of time: as Go writes it, in days, or in seconds as the flags of the AWS CLI are.
type span struct {
	text  string // as it was given
	value time.Duration
}

var _ pflag.Value = (*span)(nil)

func (s *span) String() string { return s.text }

// Type is what the help shows for the value.
func (s *span) Type() string { return "duration" }

// Set accepts 90, 90s, 30m, 12h, 7d and 1d12h.
func (s *span) Set(text string) error {
	value, ok := parseSpan(text)
	if !ok {
		return errors.New("write it as 7d, 12h, 30m, or as a number of seconds")
	}
	s.text, s.value = text, value
	return nil
}

func parseSpan(text string) (time.Duration, bool) {
	if n, ok := times(text, time.Second); ok {
		return n, true
	}
	days, rest, found := strings.Cut(text, "d")
	if !found {
		value, err := time.ParseDuration(text)
		return value, err == nil
	}
	value, ok := times(days, 24*time.Hour)
	if !ok || rest == "" {
		return value, ok
	}
	more, err := time.ParseDuration(rest)
	if err != nil || value < 0 || strings.ContainsAny(rest, "+-") || more > math.MaxInt64-value {
		return 0, false
	}
	return value + more, true
}

// times is a whole number of units.
func times(text string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > int64(math.MaxInt64/unit) || n < int64(math.MinInt64/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
