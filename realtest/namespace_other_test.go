//go:build !linux

package realtest_test

import (
	"runtime"
	"testing"
)

func inNamespace() bool { return false }

func withAddresses(t *testing.T, _ []string, _ []program, _ func(*testing.T)) {
	t.Helper()
	t.Skipf("skipped: no user and network namespaces on %s", runtime.GOOS)
}
