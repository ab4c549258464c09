//go:build unix

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// target is one thing to reach. Required ones are ratios or counts, which hold on any machine, and -check
// asserts them; goals are shown only.
type target struct {
	what     string
	value    float64
	limit    float64
	format   func(float64) string
	atLeast  bool
	required bool

	row   string // of the benchmark, "" if it is of none
	alone bool   // measured without turns

	// guard is where -check fails: beyond the limit, for a target that is not reached yet and must not get worse unseen,
	// and for one whose figure depends on how busy the machine is. 0 means at the limit.
	guard float64
}

func (t target) met() bool { return t.within(t.limit) }

func (t target) within(limit float64) bool {
	if t.atLeast {
		return t.value >= limit
	}
	return t.value <= limit
}

func times(v float64) string    { return fmt.Sprintf("%.3g ×", v) }
func count(v float64) string    { return fmt.Sprintf("%.0f", v) }
func kib(v float64) string      { return fmt.Sprintf("%.0f KiB", v/(1<<10)) }
func mib(v float64) string      { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }
func megabyte(v float64) string { return fmt.Sprintf("%.2f MB", v/1e6) }

// fails reports whether -check fails for it.
func (t target) fails() bool {
	return t.required && !t.met() && (t.guard == 0 || !t.within(t.guard))
}

// required are the targets of this version, which -check asserts.
func (m *measured) required() []target {
	const env, file, keys = "Cold/environment", "Cold/file-10000", "Cold/env-with-10000-on-disk"
	targets := append(m.signing(), []target{
		{what: "environment: faster than the SDK", row: env, value: 1 / m.ratio(env, sdk), limit: 10, guard: 8, format: times, atLeast: true},
		{what: "10,000 profiles: to the bare read-and-scan", row: file, value: m.ratio(file, floor), limit: 2.5, format: times},
		{what: "10,000 profiles: faster than the SDK", row: file, value: 1 / m.ratio(file, sdk), limit: 15, format: times, atLeast: true},
		{what: "10,000 profiles: allocations", row: file, alone: true, value: m.best(file, ours, allocations), limit: 200, format: count},
		// No file may be opened; a test of the library counts that. Reading these would take a hundred times as long.
		{what: "environment's keys, 10,000 profiles on disk: to none on disk", row: keys, alone: true, value: m.best(keys, ours, nanoseconds) / m.best(env, ours, nanoseconds), limit: 2, format: times},
		// Part of what these three add to the floor must be, as long as files go first: to open two files that are not there is
		// 0.05 of a round trip, to read two that are 0.3, and the first signature 0.14.
		{what: "container: to the bare round trip", row: "Cold/container", value: m.ratio("Cold/container", floor), limit: 1.15, guard: 1.5, format: times},
		{what: "IMDS: to three bare round trips", row: "Cold/imds", value: m.ratio("Cold/imds", floor), limit: 1.15, guard: 1.5, format: times},
		{what: "assume-role: to the bare round trip", row: "Cold/assume-role", value: m.ratio("Cold/assume-role", floor), limit: 1.2, guard: 2.2, format: times},
	}...)
	for _, procs := range []string{"1", "2", "8"} {
		row := "Warm/expiring-" + procs + "-procs"
		targets = append(targets, target{what: "warm, GOMAXPROCS=" + procs + ": to an atomic load and the wall clock", row: row, value: m.ratio(row, floor), limit: 1.2, guard: 1.5, format: times})
	}
	for _, row := range []string{"Warm/expiring/serial", "Warm/static/serial"} {
		targets = append(targets, target{what: row + ": allocations", row: row, alone: true, value: m.best(row, ours, allocations), format: count})
	}
	for _, by := range []string{ours, ours + "-in-config"} {
		targets = append(targets, target{what: "renewal: the slowest of 1,000 calls, " + by, row: renewal, value: m.slowest(by), limit: 1e6, guard: 3e6, format: duration})
	}
	for i := range targets {
		targets[i].required = true
	}
	return targets
}

// renewal is the row of BenchmarkRenewal.
const renewal = "Renewal"

// slowest is how long the slowest of 1,000 calls takes during renewals. It is not a number if that was not measured.
func (m *measured) slowest(by string) float64 {
	rounds := m.renewal[by]["p99.9-ms"]
	if len(rounds) == 0 {
		return math.NaN()
	}
	return 1e6 * median(rounds)
}

// roundsOf says how many rounds the value of t is from.
func (m *measured) roundsOf(t target) string {
	n := 0
	switch {
	case t.row == renewal:
		n = len(m.renewal[ours]["p99.9-ms"])
	case t.alone || m.pairs[t.row] == nil:
		n = len(m.rounds[t.row][ours])
	default:
		for _, pairs := range m.pairs[t.row] {
			n = max(n, len(pairs))
		}
	}
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// again is what to measure once more before the targets that fail are held to have failed.
func again(targets []target) (jobs []job) {
	for _, t := range targets {
		if !t.fails() {
			continue
		}
		kind, name, _ := strings.Cut(t.row, "/")
		var j job
		switch {
		case t.row == renewal:
			j = job{"^BenchmarkRenewal$", 2, "1x"}
		case t.alone:
			j = job{"^Benchmark" + kind + "$/^" + strings.ReplaceAll(name, "/", "$/^") + "$/^by=" + ours + "$", pairRounds, "50ms"}
		default:
			j = job{"^Benchmark" + strings.TrimPrefix(kind, "Cold") + "Paired$/^" + name + "$", 2 * pairRounds, "0.5s"}
		}
		if !slices.Contains(jobs, j) {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// signing are the targets of the signer. The floor writes the canonical request, headers and all, and gives the same
// signature; see signFloor.
func (m *measured) signing() (targets []target) {
	for _, s := range []struct {
		row           string
		allocs, guard float64
	}{{"Sign/get-5-headers", 6, 2.5}, {"Sign/post-1KiB-hash-given", 6, 2.5}, {"Sign/presign", 8, 2.5}} {
		targets = append(targets,
			target{what: s.row + ": faster than the SDK", row: s.row, value: 1 / m.ratio(s.row, sdk), limit: 3, guard: 2.5, format: times, atLeast: true},
			target{what: s.row + ": to the floor with canonical headers", row: s.row, value: m.ratio(s.row, floor), limit: 2.2, guard: s.guard, format: times},
			target{what: s.row + ": allocations", row: s.row, alone: true, value: m.best(s.row, ours, allocations), limit: s.allocs, format: count})
	}
	return targets
}

// goals are the rest of the targets; those with absolute times mean a machine as fast as the one that they
// were set on.
func (m *measured) goals() []target {
	const env = "Cold/environment"
	goals := []target{
		{what: "environment: time", value: m.best(env, ours, nanoseconds), limit: 1500, format: duration},
		{what: "environment: time, later", value: m.best(env, ours, nanoseconds), limit: 1000, format: duration},
		{what: "environment: allocations", value: m.best(env, ours, allocations), limit: 8, format: count},
	}
	for _, file := range []struct {
		row   string
		limit float64
	}{{"Cold/file-1", 1.4}, {"Cold/file-100", 2}, {"Cold/file-1000", 2}, {"Cold/file-10000", 2}, {"Cold/file-50000", 2}} {
		goals = append(goals, target{what: file.row + ": to the floor", value: m.ratio(file.row, floor), limit: file.limit, format: times})
	}
	goals = append(goals,
		target{what: "Cold/file-1000: allocations", value: m.best("Cold/file-1000", ours, allocations), limit: 100, format: count},
		target{what: "Cold/file-10000: allocations", value: m.best("Cold/file-10000", ours, allocations), limit: 100, format: count},
		target{what: "Cold/file-10000: allocated", value: m.best("Cold/file-10000", ours, allocated), limit: 256 << 10, format: kib},
		target{what: "Cold/container: to the floor", value: m.ratio("Cold/container", floor), limit: 1.1, format: times},
		target{what: "Cold/imds: to the floor", value: m.ratio("Cold/imds", floor), limit: 1.1, format: times},
	)
	goals = append(goals,
		target{what: "Warm/static/serial: time", value: m.best("Warm/static/serial", ours, nanoseconds), limit: 10, format: duration})

	all, some, none := m.program[ours], m.program[named], m.program[empty]
	if all.size == 0 {
		return goals
	}
	goals = append(goals,
		target{what: "binary: more than the empty one", value: all.size - none.size, limit: 1e6, format: megabyte},
		target{what: "binary, two named links: more than the empty one", value: some.size - none.size, limit: 0.5e6, format: megabyte},
		target{what: "packages outside std", value: float64(all.packages), limit: 30, format: count},
		target{what: "modules", value: float64(all.modules), limit: 3, format: count},
		target{what: "start to credentials, environment: to the empty program", value: all.startRatio, limit: 1.25, format: times},
		target{what: "peak memory, environment", value: all.startPeak, limit: 6.5 * (1 << 20), format: mib},
		target{what: "start to credentials, 10,000 profiles", value: all.files, limit: 6e6, format: duration},
		target{what: "peak memory, 10,000 profiles", value: all.filesPeak, limit: 12 << 20, format: mib},
		target{what: "nothing configured, metadata port refuses", value: all.refused, limit: 20e6, format: duration},
		target{what: "nothing configured, metadata service silent", value: all.silent, limit: 1.1e9, format: duration},
	)
	for name, limit := range map[string]float64{"1 profile": 10e6, "10,000 profiles": 15e6} {
		if v, ok := m.command[name]; ok {
			goals = append(goals, target{what: "`credchain export`, " + name, value: v, limit: limit, format: duration})
		}
	}
	if all.coldBuild > 0 {
		goals = append(goals, target{what: "cold build", value: all.coldBuild, limit: 17e9, format: duration})
	}
	return goals
}

// printTargets prints each target beside its measurement, and returns those for which -check fails.
func (m *measured) printTargets(targets []target) (missed []string) {
	fmt.Print("## Targets\n\n")
	var rows [][]string
	for _, t := range targets {
		sign, kind, result := "≤ ", "goal", "pass"
		if t.atLeast {
			sign = "≥ "
		}
		if t.required {
			kind = "required"
		}
		if !t.met() {
			result = "**miss**"
		}
		if t.fails() {
			missed = append(missed, fmt.Sprintf("%s: %s instead of %s%s", t.what, t.format(t.value), sign, t.format(t.limit)))
		}
		rows = append(rows, []string{t.what, t.format(t.value), sign + t.format(t.limit), kind, m.roundsOf(t), result})
	}
	table([]string{"what", "measured", "target", "kind", "rounds", "result"}, rows)
	return missed
}
