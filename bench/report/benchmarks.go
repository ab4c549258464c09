//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
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
	program map[string]program              // by name
	command map[string]float64              // wall time of `credchain export` in ns, by row
}

type sample struct{ ns, bytes, allocs float64 }

func newMeasured() *measured {
	return &measured{rounds: map[string]map[string][]sample{}, pairs: map[string]map[string][]float64{}, program: map[string]program{}, command: map[string]float64{}}
}

var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+)/by=(\S+?)(?:-\d+)?\s+\d+\s+(\S+) ns/op\s+(\S+) B/op\s+(\S+) allocs/op`)
var pairLine = regexp.MustCompile(`^Benchmark(Sign)?Paired/(\S+)/to=(\S+?)(?:-\d+)?\s+\d+\s+\S+ ns/op\s+(\S+) ratio`)

// benchmarks runs the benchmarks in rounds: all clients once, then all again.
func (m *measured) benchmarks(binary, home, pattern string, rounds int, benchtime, raw string) error {
	refusing, err := fixture.Refusing()
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", pattern, round+1, rounds)
		cmd := exec.Command(binary, "-test.run=^$", "-test.bench="+pattern, "-test.benchtime="+benchtime)
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

// ratio is ours to another's time: what taking turns gave, and for warm calls, which are too short to take
// turns, that of the best rounds.
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
