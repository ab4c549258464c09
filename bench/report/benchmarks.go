//go:build unix

package main

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/credchain/credchain/bench/client"
	"github.com/credchain/credchain/bench/fixture"
)

// slowRounds is how many rounds the slowest benchmark takes part in.
const slowRounds = 3

// measured is everything that was measured in this run.
type measured struct {
	rows    []string                        // the benchmarks' rows in their order
	rounds  map[string]map[string][]sample  // row, client: one sample for each round
	pairs   map[string]map[string][]float64 // row, the other client: ours to the other's, for each round
	renewal map[string]map[string][]float64 // client, unit: for each round
	program map[string]program              // by name
	command map[string]float64              // wall time of `credchain export` in ns, by row
}

type sample struct{ ns, bytes, allocs float64 }

func newMeasured() *measured {
	return &measured{rounds: map[string]map[string][]sample{}, pairs: map[string]map[string][]float64{}, renewal: map[string]map[string][]float64{}, program: map[string]program{}, command: map[string]float64{}}
}

var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+)/by=(\S+?)(?:-\d+)?\s+\d+\s+(\S+) ns/op\s+(\S+) B/op\s+(\S+) allocs/op`)
var pairLine = regexp.MustCompile(`^Benchmark(Sign|Warm)?Paired/(\S+)/to=(\S+?)(?:-\d+)?\s+\d+\s+\S+ ns/op\s+(\S+) ratio`)
var renewalLine = regexp.MustCompile(`^BenchmarkRenewal/by=(\S+?)(?:-\d+)?\s+\d+\s+\S+ ns/op(.*)`)

// job is benchmarks to run in rounds, each in a process of its own.
type job struct {
	pattern   string
	rounds    int
	benchtime string
}

// benchmarks runs the benchmarks in rounds: all clients once, then all again.
func (m *measured) benchmarks(binary, home string, j job, raw string) error {
	refusing, err := fixture.Refusing()
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for round := range j.rounds {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", j.pattern, round+1, j.rounds)
		cmd := exec.Command(binary, "-test.run=^$", "-test.bench="+j.pattern, "-test.benchtime="+j.benchtime)
		if round >= slowRounds {
			cmd.Args = append(cmd.Args, "-test.skip=file-50000")
		}
		cmd.Env = hermetic(home, refusing, "BENCH_ROUND="+strconv.Itoa(round))
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w:\n%s", err, out)
		}
		all.Write(out)
		for line := range strings.Lines(string(out)) {
			if f := pairLine.FindStringSubmatch(line); f != nil {
				if err := m.addPair(f[1], f[2], f[3], f[4]); err != nil {
					return err
				}
				continue
			}
			if f := renewalLine.FindStringSubmatch(line); f != nil {
				if err := m.addRenewal(f[1], strings.Fields(f[2])); err != nil {
					return err
				}
				continue
			}
			f := benchmarkLine.FindStringSubmatch(line)
			if f == nil {
				continue
			}
			var s sample
			for i, v := range []*float64{&s.ns, &s.bytes, &s.allocs} {
				if *v, err = strconv.ParseFloat(f[3+i], 64); err != nil {
					return err
				}
			}
			row, by := f[1], f[2]
			if m.rounds[row] == nil {
				m.rows, m.rounds[row] = append(m.rows, row), map[string][]sample{}
			}
			m.rounds[row][by] = append(m.rounds[row][by], s)
		}
	}
	if raw != "" {
		return os.WriteFile(raw, all.Bytes(), 0o644)
	}
	return nil
}

func nanoseconds(s sample) float64 { return s.ns }
func allocated(s sample) float64   { return s.bytes }
func allocations(s sample) float64 { return s.allocs }

// best is the least of all rounds: what else the machine does only ever adds.
func (m *measured) best(row, by string, of func(sample) float64) float64 {
	least := math.Inf(1)
	for _, s := range m.rounds[row][by] {
		least = min(least, of(s))
	}
	return least
}

// ratio is ours to another's time: what taking turns gave, and where no turns were taken that of the best rounds.
func (m *measured) ratio(row, to string) float64 {
	if pairs := m.pairs[row][to]; len(pairs) > 0 {
		return median(pairs)
	}
	return m.best(row, ours, nanoseconds) / m.best(row, to, nanoseconds)
}

func (m *measured) addPair(kind, row, to, value string) error {
	ratio, err := strconv.ParseFloat(value, 64)
	if kind == "" {
		kind = "Cold"
	}
	row = kind + "/" + row
	if m.pairs[row] == nil {
		m.pairs[row] = map[string][]float64{}
	}
	m.pairs[row][to] = append(m.pairs[row][to], ratio)
	return err
}

func (m *measured) addRenewal(by string, metrics []string) error {
	if m.renewal[by] == nil {
		m.renewal[by] = map[string][]float64{}
	}
	for i := 0; i+1 < len(metrics); i += 2 {
		v, err := strconv.ParseFloat(metrics[i], 64)
		if err != nil {
			return err
		}
		m.renewal[by][metrics[i+1]] = append(m.renewal[by][metrics[i+1]], v)
	}
	return nil
}

func (m *measured) printRenewal() {
	fmt.Print("## While credentials are renewed\n\n64 callers ask every 10 ms; a renewal takes 300 ms, the credentials live for 1 s. How long a call takes.\n" +
		"All at once in one process; the median of the rounds.\n\n")
	var rows [][]string
	for _, by := range slices.Sorted(maps.Keys(m.renewal)) {
		row := []string{by}
		for _, unit := range []string{"p50-ms", "p99-ms", "p99.9-ms"} {
			row = append(row, duration(1e6*median(m.renewal[by][unit])))
		}
		rows = append(rows, append(row, fmt.Sprintf("%.2g %%", median(m.renewal[by]["%late"]))))
	}
	table([]string{"cache", "p50", "p99", "p99.9", "over 10 ms"}, rows)
}

func (m *measured) printBenchmarks() {
	fmt.Print("## Resolution in a warm process\n\nThe best round of each; the ratios are from taking turns. The floor does the least work that anyone\nmust do, unchecked.\n\n")
	header := []string{"work"}
	for _, c := range client.All() {
		header = append(header, c.Name)
	}
	var rows [][]string
	for _, name := range m.rows {
		row := []string{name}
		for _, by := range append(header[1:len(header):len(header)], floor) {
			if len(m.rounds[name][by]) == 0 {
				row = append(row, "–")
				continue
			}
			row = append(row, fmt.Sprintf("%s, %.0f allocs", duration(m.best(name, by, nanoseconds)), m.best(name, by, allocations)))
		}
		row = append(row, fmt.Sprintf("%.2f", m.ratio(name, floor)), fmt.Sprintf("%.3g", 1/m.ratio(name, sdk)))
		rows = append(rows, row)
	}
	table(append(header, floor, "ours / floor", "SDK / ours"), rows)
}
