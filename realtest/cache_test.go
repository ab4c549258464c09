package realtest_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// TestOneRoleForManyProcesses: of a hundred commands that need one role at the same moment one assumes it, and
// of the next hundred none does.
func TestOneRoleForManyProcesses(t *testing.T) {
	t.Parallel()
	const role, user = "arn:aws:iam::123456789012:role/fleet", "arn:aws:iam::123456789012:user/fleet"
	keys := awstest.LongTerm("fleet")
	service := &awstest.STS{
		Principals: []awstest.Principal{{Credentials: keys, ARN: user}},
		Roles:      []awstest.Role{{ARN: role, Trust: []string{user}}},
	}
	home := t.TempDir()
	writeFile(t, home, ".aws/config", "[default]", "role_arn = "+role, "source_profile = base", "[profile base]",
		"aws_access_key_id = "+keys.AccessKeyID, "aws_secret_access_key = "+keys.SecretAccessKey)
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_STS=" + awstest.Serve(t, service)}
	path := credchainCLI.path(t)
	herd := func(size int, args ...string) {
		var all sync.WaitGroup
		errs := make([]error, size)
		for i := range size {
			all.Go(func() {
				_, stderr, err := run(t, env, path, append(args, "export")...)
				if err != nil {
					errs[i] = fmt.Errorf("%w: %s", err, stderr)
				}
			})
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
	}
	herd(100)
	require.Equal(t, 1, service.Calls("AssumeRole"), "the first wave")
	herd(100)
	require.Equal(t, 1, service.Calls("AssumeRole"), "the second wave")
	herd(5, "--no-cache")
	require.Equal(t, 6, service.Calls("AssumeRole"), "without the cache each asks")
}
