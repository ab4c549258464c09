// Package examples runs the programs beside it, each in an environment that the test writes.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

func TestExamples(t *testing.T) {
	t.Parallel()
	keys := []string{"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=canary", "AWS_REGION=eu-west-1"}
	file := filepath.Join(t.TempDir(), "key.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"id": "AKIAIOSFODNN8EXAMPLE", "secret": "canary"}`), 0o600))
	tests := []struct {
		name    string
		program string
		env     []string
		want    string
		status  int
	}{
		{"keys", "quickstart", keys, "long-term key ****************MPLE from Environment, region eu-west-1\n", 0},
		{"nothing", "quickstart", nil, "no credentials on this machine\n", 1},
		{"half a pair", "quickstart", keys[:1], "credchain: environment: AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not; set both, or neither\n", 1},
		{"its own file", "customprovider", append(keys, "KEY_FILE="+file), "****************MPLE from keyFile\n", 0},
		{"no file of its own", "customprovider", append(keys, "KEY_FILE=/nonexistent"), "****************MPLE from Environment\n", 0},
		{"broken file of its own", "customprovider", append(keys, "KEY_FILE="+filepath.Dir(file)), "credchain: key-file: read " + filepath.Dir(file) + ": is a directory\n", 1},
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./...")
	out, err := build.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	for _, tt := range tests {
		t.Run(tt.program+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(filepath.Join(bin, tt.program))
			cmd.Env = append([]string{"HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true"}, tt.env...)
			out, _ := cmd.CombinedOutput()
			require.Equal(t, tt.want, string(out))
			require.Equal(t, tt.status, cmd.ProcessState.ExitCode())
			require.NotContains(t, string(out), "canary")
		})
	}
	t.Run("assumerole", func(t *testing.T) {
		t.Parallel()
		const role, user = "arn:aws:iam::123456789012:role/deploy", "arn:aws:iam::123456789012:user/ann"
		keys := awstest.LongTerm("examples")
		service := &awstest.STS{
			Principals: []awstest.Principal{{Credentials: keys, ARN: user}},
			Roles:      []awstest.Role{{ARN: role, Trust: []string{user}}},
		}
		cmd := exec.Command(filepath.Join(bin, "assumerole"))
		cmd.Env = []string{"HOME=" + t.TempDir(), "ROLE_ARN=" + role, "AWS_REGION=eu-west-1", "AWS_ENDPOINT_URL_STS=" + awstest.Serve(t, service),
			"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey}
		out, err := cmd.CombinedOutput()
		require.NoErrorf(t, err, "%s", out)
		require.Equal(t, "acting as arn:aws:sts::123456789012:assumed-role/deploy/example\n", string(out))
		require.Equal(t, map[string]string{"team": "ops"}, service.Sessions()[0].Tags)
	})
	t.Run("explain", func(t *testing.T) {
		t.Parallel()
		home := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", "credentials"),
			[]byte("[default]\naws_access_key_id = AKIAIOSFODNN9EXAMPLE\naws_secret_access_key = canary\n"), 0o600))
		cmd := exec.Command(filepath.Join(bin, "explain"))
		cmd.Env = append([]string{"HOME=" + home}, keys...) // offline, so the metadata service needs no switch
		out, err := cmd.CombinedOutput()
		require.NoErrorf(t, err, "%s", out)
		require.Contains(t, string(out), "environment decides: [AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY]")
		require.Contains(t, string(out), "credentials-file is masked: ["+filepath.Join(home, ".aws", "credentials")+":2")
		require.Contains(t, string(out), "instance-profile  not-asked")
		require.NotContains(t, string(out), "canary")
	})
}
