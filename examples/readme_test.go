package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func readme(t *testing.T) string {
	raw, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(raw), "\n"), 150, "the README is too long to be read")
	return string(raw)
}

// block returns the fenced block that begins with the given lines.
func block(t *testing.T, text, begin string) string {
	_, rest, found := strings.Cut(text, begin)
	require.Truef(t, found, "the README has no %q", begin)
	inner, _, found := strings.Cut(rest, "```\n")
	require.True(t, found)
	return inner
}

func TestReadmeProgramIsTheQuickstart(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("quickstart/main.go")
	require.NoError(t, err)
	want := strings.TrimSpace(block(t, readme(t), "```go\n"))
	indented := "\t" + strings.ReplaceAll(want, "\n", "\n\t")
	indented = strings.ReplaceAll(indented, "\n\t\n", "\n\n")
	require.Contains(t, string(source), indented)
}

// TestReadmeExplain shows the machine of the README to the real command. Only times and the home differ.
func TestReadmeExplain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bin := filepath.Join(dir, "credchain")
	out, err := exec.Command("go", "build", "-o", bin, "../cmd/credchain").CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".aws"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".aws/config"), []byte("[profile staging]\nregion = eu-west-1\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".aws/credentials"),
		[]byte("[staging]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = canary\n"), 0o600))
	cmd := exec.Command(bin, "explain")
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "AWS_PROFILE=staging", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=canary",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=.aws/config", "AWS_SHARED_CREDENTIALS_FILE=.aws/credentials"}
	out, err = cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	times := regexp.MustCompile(` *<?[0-9.]+ ?m?s `)
	normal := func(s string) string { return times.ReplaceAllString(s, " TIME ") }
	require.Equal(t, normal(block(t, readme(t), "<!-- explain -->\n```\n")), normal(string(out)))
}

// TestReadmeCommands knows every command line of the README, so that none is in it untried.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	text := readme(t)
	tried := map[string]bool{
		"go run ./cmd/credchain demo": true, // below
		"go test ./...":               true, // .ci/run takes it from the README
		"go install github.com/credchain/credchain/cmd/credchain@latest":                                true, // the path is checked below
		"credchain.New(&providers.Environment{}, &providers.Container{}, &providers.InstanceProfile{})": true, // in providers' package comment
		"client := &http.Client{Transport: &sigv4.Transport{Credentials: chain}}":                       true, // in sigv4's
	}
	for _, line := range regexp.MustCompile(`(?m)^    (\S.*)$`).FindAllStringSubmatch(text, -1) {
		require.Truef(t, tried[line[1]], "nobody tries %q", line[1])
		delete(tried, line[1])
	}
	require.Empty(t, tried, "no longer in the README")

	out, err := exec.Command("go", "list", "github.com/credchain/credchain/cmd/credchain").CombinedOutput()
	require.NoErrorf(t, err, "%s", out)

	demo := exec.Command("go", "run", "./cmd/credchain", "demo")
	demo.Dir = ".."
	out, err = demo.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	require.Contains(t, string(out), "instance-profile")

	bin := filepath.Join(t.TempDir(), "credchain")
	build := exec.Command("go", "build", "-o", bin, "./cmd/credchain")
	build.Dir = ".."
	out, err = build.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	// These need a cloud; cmd/credchain's tests run them against fakes of it. Here they must exist, with their flags.
	for line := range strings.Lines(block(t, text, "```sh\n")) {
		_, line, _ = strings.Cut(strings.Split(line, "#")[0], "credchain ")
		words := strings.Fields(line)
		help, err := exec.Command(bin, words[0], "--help").CombinedOutput()
		require.NoErrorf(t, err, "%s: %s", line, help)
		for _, w := range words {
			if strings.HasPrefix(w, "--") {
				require.Contains(t, string(help), w, line)
			}
		}
	}

	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		_, err := os.Stat(filepath.Join("..", link[1]))
		require.NoErrorf(t, err, "the README links to %s", link[1])
	}
}
