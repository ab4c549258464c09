package realtest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/store"
)

// endpointVersions are the first releases of the AWS CLI that know AWS_ENDPOINT_URL_STS, by major version.
var endpointVersions = map[int]int{1: 29, 2: 13}

// awsCLI returns the AWS CLI. An older one would send the requests of the test to AWS.
func awsCLI(t *testing.T) string {
	t.Helper()
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	out, errs, err := run(t, []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, aws, "--version")
	if err != nil {
		t.Skipf("the AWS CLI does not run: %v %s", err, errs)
	}
	part := regexp.MustCompile(`^aws-cli/(\d+)\.(\d+)\.`).FindStringSubmatch(out)
	if part == nil {
		t.Skipf("this is no AWS CLI: %q", out)
	}
	major, _ := strconv.Atoi(part[1])
	minor, _ := strconv.Atoi(part[2])
	if minor < endpointVersions[major] {
		t.Skipf("this AWS CLI cannot be led to a fake STS: %s", out)
	}
	t.Log(strings.TrimSpace(out))
	return aws
}

// TestSessionsSharedWithTheAWSCLI: the AWS CLI and a FileStore with its names, in its directory, use each other's
// sessions of roles. Only what asks for the code of an MFA device with the role itself is the same to both: the
// library opens a session with a user's code, for all roles, and the AWS CLI asks for one with each role.
func TestSessionsSharedWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	path := awsCLI(t)
	const account = "arn:aws:iam::123456789012:"
	for name, tt := range map[string]struct {
		profile string
		shared  bool
	}{
		"a role":                        {"role_arn = " + account + "role/plain\nrole_session_name = ann\nsource_profile = user", true},
		"with all that it can say":      {"role_arn = " + account + "role/plain\nrole_session_name = ann\nsource_profile = user\nexternal_id = x-1\nduration_seconds = 1800", true},
		"a role that wants a code":      {"role_arn = " + account + "role/mfa\nrole_session_name = ann\nsource_profile = session\nmfa_serial = " + account + "mfa/ann", true},
		"a user's role that wants one":  {"role_arn = " + account + "role/mfa\nrole_session_name = ann\nsource_profile = user\nmfa_serial = " + account + "mfa/ann", false},
		"a role without a session name": {"role_arn = " + account + "role/plain\nsource_profile = user", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user, session := awstest.LongTerm("user"), awstest.Temporary("session", time.Now().Add(time.Hour))
			service := &awstest.STS{
				Principals: []awstest.Principal{{Credentials: user, ARN: account + "user/ann"}, {Credentials: session, ARN: account + "user/ann"}},
				Roles:      []awstest.Role{{ARN: account + "role/plain", Trust: []string{"*"}}, {ARN: account + "role/mfa", Trust: []string{"*"}, RequireMFA: true}},
				MFADevices: []awstest.MFADevice{{Serial: account + "mfa/ann", Codes: []string{"100001", "100002", "100003", "100004"}}},
			}
			url := awstest.Serve(t, service)
			code := 100001 // the next one, each of which is good once

			theirs := func(home string) string {
				// In a session of its own there is no terminal: it reads the code from its standard input.
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, path, "sts", "get-caller-identity", "--profile", "role", "--output", "text", "--query", "Arn")
				cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true",
					"AWS_ENDPOINT_URL_STS=" + url, "HTTPS_PROXY=http://127.0.0.1:1", "PYTHONWARNINGS=ignore"}
				cmd.Stdin = strings.NewReader(fmt.Sprintln(code))
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, string(out))
				if strings.Contains(string(out), "MFA code for") {
					code++
				}
				lines := strings.Fields(string(out))
				return lines[len(lines)-1]
			}
			ours := func(home string) string {
				sys := machine(t, map[string]string{"HOME": home, "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_STS": url}, newWire())
				sys.Home = nil
				sys.Prompt = func(context.Context, string) (string, error) { code++; return fmt.Sprint(code - 1), nil }
				client, err := providers.STS(t.Context(), providers.Config{Profile: "role", System: sys, Store: &store.FileStore{
					Dir: filepath.Join(home, ".aws", "cli", "cache"), CLI: true, Note: func(line string) { t.Errorf("noted: %s", line) }}})
				require.NoError(t, err)
				who, err := client.GetCallerIdentity(t.Context())
				require.NoError(t, err)
				return who.ARN
			}
			for order, two := range map[string][2]func(home string) string{"they use ours": {ours, theirs}, "we use theirs": {theirs, ours}} {
				home := t.TempDir()
				writeFile(t, home, ".aws/config", "[profile role]", tt.profile, "[profile user]",
					"aws_access_key_id = "+user.AccessKeyID, "aws_secret_access_key = "+user.SecretAccessKey, "[profile session]",
					"aws_access_key_id = "+session.AccessKeyID, "aws_secret_access_key = "+session.SecretAccessKey, "aws_session_token = "+session.SessionToken)
				before := service.Calls("AssumeRole")
				first := two[0](home)
				require.Equal(t, before+1, service.Calls("AssumeRole"))
				second := two[1](home)
				require.Equal(t, tt.shared, service.Calls("AssumeRole") == before+1, "%s: %d calls", order, service.Calls("AssumeRole")-before)
				if tt.shared {
					require.Equal(t, first, second, order)
				}
			}
		})
	}
}
