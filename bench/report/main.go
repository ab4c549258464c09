//go:build unix

// Command report measures credchain beside its peers and floors in one run and prints Markdown tables with the
// targets beside what was measured. With -check it measures only what is required, and fails if a required
// ratio is missed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Column names, which are the clients' names.
const (
	ours  = "credchain"
	named = "credchain-named"
	sdk   = "aws-sdk-go-v2"
	floor = "floor"
	empty = "empty"
)

// pairRounds is how many processes run a benchmark that takes turns; the median of their medians counts.
const pairRounds = 3

func main() {
	check := flag.Bool("check", false, "measure only what is required; exit 1 if a required ratio is missed")
	rounds := flag.Int("rounds", 15, "`number` of times to run each benchmark")
	benchtime := flag.String("benchtime", "25ms", "`time` for each benchmark in each round")
	starts := flag.Int("starts", 40, "`number` of times to start each program")
	raw := flag.String("raw", "", "write the benchmarks' own output to this `file`, for benchstat")
	coldBuild := flag.Bool("coldbuild", false, "also time builds with an empty cache (minutes)")
	flag.Parse()
	if err := run(*check, *rounds, *benchtime, *starts, *raw, *coldBuild); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(check bool, rounds int, benchtime string, starts int, raw string, coldBuild bool) error {
	out, err := goCommand("list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	dir := strings.TrimSpace(string(out)) // where go.mod is, wherever it was started
	tmp, err := os.MkdirTemp("", "credchain-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	binary := filepath.Join(tmp, "bench.test")
	if _, err := goCommand("test", "-C", dir, "-c", "-o", binary, "."); err != nil {
		return err
	}
	m := newMeasured()
	jobs := []job{
		{"^Benchmark(Sign|Warm)?Paired$", pairRounds, "1s"},
		{"^BenchmarkRenewal$", pairRounds, "1x"},
		{"^Benchmark(Cold|Warm|Sign)$", rounds, benchtime},
	}
	if check {
		raw = "" // it would be of the last job alone
		const places = "/^(environment|file-10000|env-with-10000-on-disk|container|imds|assume-role)$"
		jobs = []job{
			{"^BenchmarkPaired$" + places, pairRounds, "0.4s"},
			{"^BenchmarkSignPaired$", pairRounds, "0.2s"},
			{"^BenchmarkWarmPaired$/^expiring-/^to=" + floor + "$", pairRounds, "0.1s"},
			{"^BenchmarkRenewal$", 1, "1x"},
			{"^BenchmarkCold$" + places + "/^by=" + ours + "$", pairRounds, benchtime},
			{"^BenchmarkWarm$/./^serial$/^by=" + ours + "$", 1, benchtime},
			{"^BenchmarkSign$/./^by=" + ours + "$", 1, benchtime},
		}
	}
	for i, j := range jobs {
		if i < len(jobs)-1 {
			err = m.benchmarks(binary, tmp, j, "")
		} else {
			err = m.benchmarks(binary, tmp, j, raw)
		}
		if err != nil {
			return err
		}
	}
	if !check {
		m.printBenchmarks()
		m.printRenewal()
		if err := m.programs(dir, tmp, starts, coldBuild); err != nil {
			return err
		}
		m.printTargets(append(m.required(), m.goals()...))
		return nil
	}
	// A busy machine can spoil a round. What is missed is measured again, longer, before that counts.
	for range 2 {
		for _, j := range again(m.required()) {
			if err := m.benchmarks(binary, tmp, j, ""); err != nil {
				return err
			}
		}
	}
	if missed := m.printTargets(m.required()); len(missed) > 0 {
		return fmt.Errorf("required, and missed: %s", strings.Join(missed, "; "))
	}
	return nil
}

// goCommand runs the go command and returns what it printed.
func goCommand(args ...string) ([]byte, error) {
	out, err := exec.Command("go", args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(exit.Stderr))
	}
	return out, err
}

// hermetic returns an environment that has nothing of the developer's, and no address but loopback ones.
func hermetic(home, metadata string, more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"AWS_CONFIG_FILE=" + filepath.Join(home, "config"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(home, "credentials"),
		"AWS_REGION=us-east-1",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + metadata,
	}, more...)
}

// table prints a Markdown table.
func table(header []string, rows [][]string) {
	line := func(cells []string) { fmt.Println("| " + strings.Join(cells, " | ") + " |") }
	line(header)
	fmt.Println("|---" + strings.Repeat("|--:", len(header)-1) + "|")
	for _, row := range rows {
		line(row)
	}
	fmt.Println()
}

func median[T int | int64 | float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// duration shows nanoseconds with three digits.
func duration(ns float64) string {
	switch {
	case ns >= 1e9:
		return fmt.Sprintf("%.3g s", ns/1e9)
	case ns >= 1e6:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	default:
		return fmt.Sprintf("%.3g ns", ns)
	}
}
