package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// TestProgram runs the program against fakes that check what the SDK's client sends.
func TestProgram(t *testing.T) {
	t.Parallel()
	keys := awstest.Temporary("web-app", time.Now().Add(time.Hour))
	sts := awstest.Serve(t, &awstest.STS{Principals: []awstest.Principal{
		{Credentials: keys, ARN: "arn:aws:sts::123456789012:assumed-role/web-app/i-0123"},
	}})
	instance := &awstest.IMDS{Role: "web-app", Credentials: keys}
	bin := filepath.Join(t.TempDir(), "sdkclient")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	require.NoErrorf(t, err, "%s", out)

	cmd := exec.Command(bin)
	cmd.Env = []string{"HOME=" + t.TempDir(), "AWS_ENDPOINT_URL_STS=" + sts, "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + awstest.Serve(t, instance)}
	out, err = cmd.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/web-app/i-0123\n", string(out))
	require.NotEmpty(t, instance.Requests())
}
