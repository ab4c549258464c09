package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what the scenarios in testdata/explain print into them")

// scenario is a machine, a command line, and all that is to be printed. Elapsed times are those of a fake
// clock, which stands still unless somebody waits.
type scenario struct {
	archive *txtar.Archive
	machine *machine
	args    []string
	colour  bool
}

func readScenario(t *testing.T, path string) *scenario {
	archive, err := txtar.ParseFile(path)
	require.NoError(t, err)
	s := &scenario{archive: archive, machine: &machine{env: map[string]string{}, files: map[string]string{}}}
	for _, f := range archive.Files {
		lines := strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		switch f.Name {
		case "args":
			s.args = strings.Fields(lines[0])
		case "env":
			for _, line := range lines {
				name, value, found := strings.Cut(line, "=")
				require.True(t, found, "%s: %q is no variable", path, line)
				s.machine.env[name] = value
			}
		case "instance":
			lifetime, err := time.ParseDuration(lines[0])
			require.NoError(t, err)
			s.machine.imds = instance(lifetime)
		case "colour":
			s.colour = true
		case "stdout", "stderr", "code":
		default:
			require.True(t, filepath.IsAbs(f.Name), "%s: what is %s?", path, f.Name)
			s.machine.files[f.Name] = string(f.Data)
		}
	}
	return s
}

func (s *scenario) file(t *testing.T, name string) *txtar.File {
	for i := range s.archive.Files {
		if s.archive.Files[i].Name == name {
			return &s.archive.Files[i]
		}
	}
	require.True(t, *update, "there is no file %s in the scenario", name)
	s.archive.Files = append(s.archive.Files, txtar.File{Name: name})
	return &s.archive.Files[len(s.archive.Files)-1]
}

func TestExplainScenarios(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/explain/*.txtar")
	require.NoError(t, err)
	require.Greater(t, len(paths), 10, "there are too few scenarios")
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := readScenario(t, path)
				stdout, stderr, code := s.machine.runOn(t, terminal{width: width, colour: s.colour}, s.args...)
				got := map[string]string{"stdout": strings.ReplaceAll(stdout, "\x1b", "<ESC>"), "stderr": stderr, "code": fmt.Sprintln(code)}
				for _, name := range []string{"stdout", "stderr", "code"} {
					want := s.file(t, name)
					if *update {
						want.Data = []byte(got[name])
					}
					if diff := cmp.Diff(string(want.Data), got[name]); diff != "" {
						t.Errorf("%s (-want +got):\n%s", name, diff)
					}
				}
				if *update {
					require.NoError(t, os.WriteFile(path, txtar.Format(s.archive), 0o644))
				}
				for _, line := range strings.Split(stdout, "\n") {
					if !s.colour && !strings.Contains(stdout, "{\n") {
						require.LessOrEqual(t, len(line), width, "a line is too long: %s", line)
					}
				}
			})
		})
	}
}

func TestOfflineAsksNobody(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"nothing configured":   nil,
		"keys":                 environment(),
		"a container by name":  {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://container.invalid/role"},
		"an endpoint":          {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"},
		"a region is missing":  environment("AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="),
		"a profile is missing": {"AWS_PROFILE": "typo"},
	}
	for name, env := range tests {
		for _, order := range []string{"cli", "java", "java-v2"} {
			t.Run(name+" "+order, func(t *testing.T) {
				t.Parallel()
				m := &machine{env: env, imds: instance(time.Hour)}
				for _, args := range [][]string{{"explain", "--offline"}, {"explain", "--offline", "--json"}} {
					_, stderr, _ := m.run(t, append(args, "--order", order)...)
					require.NotContains(t, stderr, "offline:", "an error of the cut-off network was shown")
				}
				require.Zero(t, m.requests.Load())
			})
		}
	}
	m := &machine{imds: instance(time.Hour)}
	m.run(t, "explain")
	require.NotZero(t, m.requests.Load(), "the counter does not count")
}

func TestAbsentMetadataServiceIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		_, _, code := m.run(t, "explain")
		require.Equal(t, exitNothing, code)
		require.EqualValues(t, 1, m.requests.Load(), "people wait a second for each time")
	})
}
