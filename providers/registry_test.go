package providers_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// TestRegistry builds a chain for each of many requests, as programs do that should not. What the chains of the real
// machine share shows only in a process that has no seams, so the test runs itself, with an environment of its own.
func TestRegistry(t *testing.T) {
	t.Parallel()
	if how := os.Getenv("CREDCHAIN_TEST_REGISTRY"); how != "" {
		last := ""
		for range 20 {
			chain := providers.Default(providers.Config{NoSharing: how == "alone"})
			creds, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			last = creds.AccessKeyID
			if how == "rejecting" {
				chain.Reject(creds)
				creds, err = chain.Retrieve(t.Context())
				require.NoError(t, err)
				require.NotEqual(t, last, creds.AccessKeyID)
			}
		}
		return
	}
	const role, user = "arn:aws:iam::123456789012:role/worker", "arn:aws:iam::123456789012:user/ann"
	for how, calls := range map[string]int{"shared": 1, "alone": 20, "rejecting": 21} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			keys := awstest.LongTerm("registry")
			service := &awstest.STS{
				Principals: []awstest.Principal{{Credentials: keys, ARN: user}},
				Roles:      []awstest.Role{{ARN: role, Trust: []string{user}}},
			}
			home := t.TempDir()
			config := filepath.Join(home, "config")
			require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "[default]\nrole_arn = %s\nsource_profile = base\nregion = eu-west-1\n[profile base]\n%s", role, sharedKeys(keys)), 0o600))
			cmd := exec.Command(os.Args[0], "-test.run=^TestRegistry$", "-test.count=1")
			cmd.Env = []string{"CREDCHAIN_TEST_REGISTRY=" + how, "HOME=" + home, "AWS_CONFIG_FILE=" + config, "AWS_EC2_METADATA_DISABLED=true",
				"AWS_ENDPOINT_URL_STS=" + awstest.Serve(t, service)}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, calls, service.Calls("AssumeRole"), strings.TrimSpace(string(out)))
		})
	}
}

func sharedKeys(c aws.Credentials) string {
	return fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", c.AccessKeyID, c.SecretAccessKey)
}
