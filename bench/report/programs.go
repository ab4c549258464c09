//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/credchain/credchain/bench/fixture"
)

// patience is how long a program may look for credentials that are nowhere.
const patience = 15 * time.Second

// program is what is known of one whole program. Times are in nanoseconds, sizes in bytes, and 0 means that
// it found no credentials or was not measured.
type program struct {
	binary            string
	size              float64
	packages, modules int // outside the standard library
	start, startPeak  float64
	startRatio        float64 // to the empty program
	files, filesPeak  float64 // 10,000 profiles
	refused, silent   float64 // time until the error
	coldBuild         float64
}

var programNames = []string{empty, ours, named, sdk, "minio-go", "aws-sdk-go-base"}

func (m *measured) programs(dir, tmp string, starts int, coldBuild bool) error {
	launch := filepath.Join(tmp, "launch")
	if err := build(dir, "./programs/launch", launch); err != nil {
		return err
	}
	for _, name := range programNames {
		fmt.Fprintln(os.Stderr, "program:", name)
		p := program{binary: filepath.Join(tmp, "program-"+name)}
		if err := build(dir, "./programs/"+name, p.binary); err != nil {
			return err
		}
		info, err := os.Stat(p.binary)
		if err != nil {
			return err
		}
		p.size = float64(info.Size())
		if p.packages, p.modules, err = dependencies(dir, "./programs/"+name); err != nil {
			return err
		}
		if coldBuild {
			cmd := exec.Command("go", "build", "-C", dir, "-o", os.DevNull, "./programs/"+name)
			cmd.Env = append(os.Environ(), "GOCACHE="+filepath.Join(tmp, "cache-"+name))
			begin := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			p.coldBuild = float64(time.Since(begin))
		}
		m.program[name] = p
	}
	if err := m.starts(launch, tmp, starts); err != nil {
		return err
	}
	if err := m.nothing(tmp); err != nil {
		return err
	}
	m.printPrograms()
	return m.commands(dir, tmp, launch, starts)
}

func build(dir, pkg, output string) error {
	_, err := goCommand("build", "-C", dir, "-trimpath", "-ldflags=-s -w", "-o", output, pkg)
	return err
}

// dependencies counts the packages outside the standard library that pkg links, and their modules.
func dependencies(dir, pkg string) (packages, modules int, err error) {
	out, err := goCommand("list", "-C", dir, "-deps", "-f", "{{if not .Standard}}{{.Module.Path}}{{end}}", pkg)
	if err != nil {
		return 0, 0, err
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if module := strings.TrimSpace(line); module != "" && !strings.HasSuffix(module, "/bench") {
			packages++
			seen[module] = true
		}
	}
	return packages, len(seen), nil
}

// launched is one run of a command.
type launched struct{ wall, peak float64 }

// launchAll runs the commands in turn, round after round. A command that fails has no results.
func launchAll(launch string, env []string, rounds int, commands ...string) ([][]launched, error) {
	cmd := exec.Command(launch, append([]string{strconv.Itoa(rounds)}, commands...)...)
	cmd.Env = env
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	results := make([][]launched, len(commands))
	for line := range strings.Lines(string(out)) {
		var index, exit int
		var wall, peak int64
		if _, err := fmt.Sscan(line, &index, &wall, &peak, &exit); err != nil {
			return nil, err
		}
		if exit == 0 {
			results[index] = append(results[index], launched{float64(wall), float64(peak) * maxrssUnit})
		}
	}
	return results, nil
}

func summary(runs []launched) (wall, peak float64) {
	var walls, peaks []float64
	for _, r := range runs {
		walls, peaks = append(walls, r.wall), append(peaks, r.peak)
	}
	return median(walls), median(peaks)
}

func (m *measured) starts(launch, tmp string, rounds int) error {
	refusing, err := fixture.Refusing()
	if err != nil {
		return err
	}
	var binaries []string
	for _, name := range programNames {
		binaries = append(binaries, m.program[name].binary)
	}
	fmt.Fprintln(os.Stderr, "programs: starts")
	runs, err := launchAll(launch, hermetic(tmp, refusing, "AWS_ACCESS_KEY_ID="+fixture.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+fixture.SecretAccessKey), rounds, binaries...)
	if err != nil {
		return err
	}
	home := filepath.Join(tmp, "10000")
	if err := profiles(home, 10_000); err != nil {
		return err
	}
	// The empty one has nothing to find in files.
	inFiles, err := launchAll(launch, hermetic(home, refusing, "AWS_PROFILE="+fixture.Profile), rounds, binaries[1:]...)
	if err != nil {
		return err
	}
	for i, name := range programNames {
		p := m.program[name]
		p.start, p.startPeak = summary(runs[i])
		var ratios []float64
		for round, r := range runs[i] {
			ratios = append(ratios, r.wall/runs[0][round].wall)
		}
		p.startRatio = median(ratios)
		if i > 0 {
			p.files, p.filesPeak = summary(inFiles[i-1])
		}
		m.program[name] = p
	}
	return nil
}

func profiles(home string, n int) error {
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	_, err := fixture.WriteFiles(home, n)
	return err
}

// nothing measures how long each program takes to say that there are no credentials.
func (m *measured) nothing(tmp string) error {
	refusing, err := fixture.Refusing()
	if err != nil {
		return err
	}
	silent, listener, err := fixture.NewSilent()
	if err != nil {
		return err
	}
	defer listener.Close()
	for _, name := range programNames[1:] {
		fmt.Fprintln(os.Stderr, "nothing configured:", name)
		p := m.program[name]
		for endpoint, took := range map[string]*float64{refusing: &p.refused, silent: &p.silent} {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			cmd := exec.CommandContext(ctx, p.binary)
			cmd.Env = hermetic(tmp, endpoint)
			begin := time.Now()
			err := cmd.Run()
			*took = float64(time.Since(begin))
			cancel()
			if err == nil {
				return fmt.Errorf("%s found credentials although there are none", name)
			}
		}
		m.program[name] = p
	}
	return nil
}

func (m *measured) printPrograms() {
	fmt.Print("## A whole minimal program\n\nStripped. Starts alternate between the programs; medians.\n\n")
	row := func(label string, cell func(program) string) []string {
		cells := []string{label}
		for _, name := range programNames {
			cells = append(cells, cell(m.program[name]))
		}
		return cells
	}
	timed := func(ns float64) string {
		switch {
		case ns == 0:
			return "–"
		case ns >= float64(patience):
			return "> " + duration(float64(patience))
		default:
			return duration(ns)
		}
	}
	none := m.program[empty].size
	rows := [][]string{
		row("binary", func(p program) string { return fmt.Sprintf("%s (+%.2f)", megabyte(p.size), (p.size-none)/1e6) }),
		row("packages outside std / modules", func(p program) string { return fmt.Sprintf("%d / %d", p.packages, p.modules) }),
		row("start to credentials, environment", func(p program) string {
			return fmt.Sprintf("%s, %s, %s", timed(p.start), times(p.startRatio), mib(p.startPeak))
		}),
		row("start to credentials, 10,000 profiles", func(p program) string {
			if p.files == 0 {
				return "–"
			}
			return timed(p.files) + ", " + mib(p.filesPeak)
		}),
		row("nothing configured, metadata port refuses", func(p program) string { return timed(p.refused) }),
		row("nothing configured, metadata service silent", func(p program) string { return timed(p.silent) }),
	}
	if m.program[empty].coldBuild > 0 {
		rows = append(rows, row("cold build", func(p program) string { return timed(p.coldBuild) }))
	}
	table(append([]string{""}, programNames...), rows)
}

// commands measures `credchain export` beside the AWS CLI, if that is installed.
func (m *measured) commands(dir, tmp, launch string, rounds int) error {
	binary := filepath.Join(tmp, "credchain")
	if err := build(filepath.Dir(dir), "./cmd/credchain", binary); err != nil {
		fmt.Printf("The command does not build: %v\n\n", err)
		return nil
	}
	refusing, err := fixture.Refusing()
	if err != nil {
		return err
	}
	commands, header := []string{binary + " export"}, []string{"", "credchain export"}
	aws := ""
	if path, err := exec.LookPath("aws"); err == nil {
		// Version 1 cannot export; it resolves the credentials all the same when it lists the settings.
		aws = path + " configure export-credentials"
		cmd := exec.Command(path, "configure", "export-credentials")
		cmd.Env = hermetic(tmp, refusing, "AWS_ACCESS_KEY_ID="+fixture.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+fixture.SecretAccessKey)
		if cmd.Run() != nil {
			aws = path + " configure list"
		}
		header = append(header, strings.Replace(aws, path, "aws", 1))
	}
	var rows [][]string
	for _, size := range []struct {
		label string
		n     int
	}{{"1 profile", 1}, {"10,000 profiles", 10_000}} {
		fmt.Fprintln(os.Stderr, "command:", size.label)
		home := filepath.Join(tmp, "command-"+strconv.Itoa(size.n))
		if err := profiles(home, size.n); err != nil {
			return err
		}
		env := hermetic(home, refusing, "AWS_PROFILE="+fixture.Profile)
		runs, err := launchAll(launch, env, rounds, commands...)
		if err != nil {
			return err
		}
		if aws != "" { // slow, so a few times only
			peer, err := launchAll(launch, env, 3, aws)
			if err != nil {
				return err
			}
			runs = append(runs, peer...)
		}
		row := []string{size.label}
		for i, r := range runs {
			wall, peak := summary(r)
			if wall == 0 {
				row = append(row, "failed")
				continue
			}
			row = append(row, duration(wall)+", "+mib(peak))
			if i == 0 {
				m.command[size.label] = wall
			}
		}
		rows = append(rows, row)
	}
	fmt.Print("## The command\n\n")
	table(header, rows)
	return nil
}
