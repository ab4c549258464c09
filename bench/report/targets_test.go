//go:build unix

package main

import "testing"

// TestNothingMeasured: a benchmark with another name than its target fails the check.
func TestNothingMeasured(t *testing.T) {
	t.Parallel()
	for _, target := range newMeasured().required() {
		if !target.fails() || target.row == "" {
			t.Errorf("%s: %v in row %q", target.what, target.value, target.row)
		}
	}
}
