package providers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// What the chains of the real machine share shows only in a process that has no seams. So the tests run themselves again,
// with an environment of its own for each.
const registryRun = "CREDCHAIN_TEST_REGISTRY"

// registryRuns are programs that build a chain for each request.
var registryRuns = map[string]func(*testing.T){
	"shared": func(t *testing.T) { requests(t, 20, false) },
	"alone":  func(t *testing.T) { requests(t, 20, true) },
	"rejecting": func(t *testing.T) {
		for range 20 {
			chain := providers.Default(providers.Config{})
			refused, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			chain.Reject(refused)
			again, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			require.NotEqual(t, refused.AccessKeyID, again.AccessKeyID)
			next, err := providers.Default(providers.Config{}).Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, again.AccessKeyID, next.AccessKeyID)
		}
	},
	"rejecting another": func(t *testing.T) {
		good := requests(t, 1, false)
		for range 20 {
			other := providers.Default(providers.Config{Profile: "other"})
			creds, err := other.Retrieve(t.Context())
			require.NoError(t, err)
			other.Reject(creds)
			_, err = providers.Default(providers.Config{Profile: "unknown"}).Retrieve(t.Context())
			require.ErrorContains(t, err, "InvalidClientTokenId")
			require.Equal(t, good, requests(t, 1, false))
		}
	},
	// A chain that has seen nothing of a session that is no good yet gets it from the registry once; then it is gone.
	"rejecting what another chain has": func(t *testing.T) {
		first, second := providers.Default(providers.Config{}), providers.Default(providers.Config{})
		creds, err := first.Retrieve(t.Context())
		require.NoError(t, err)
		same, err := second.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, creds.AccessKeyID, same.AccessKeyID)
		first.Reject(creds)
		third, err := providers.Default(providers.Config{}).Retrieve(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, creds.AccessKeyID, third.AccessKeyID)
	},
	"invalidating": func(t *testing.T) {
		chain := providers.Default(providers.Config{})
		old, err := chain.Retrieve(t.Context())
		require.NoError(t, err)
		chain.Invalidate()
		require.NotEqual(t, old.AccessKeyID, requests(t, 1, false))
	},
	"environments": func(t *testing.T) { // for the program of a credential_process
		for _, who := range []string{"ann", "bob", "ann"} {
			require.NoError(t, os.Setenv("WHO", who))
			require.Equal(t, "AKIA-"+who, requests(t, 2, false))
		}
	},
	"directories": func(t *testing.T) {
		for _, who := range []string{"ann", "bob", "ann"} {
			require.NoError(t, os.Chdir(filepath.Join(os.Getenv("HOME"), who)))
			require.Equal(t, "AKIA-"+who, requests(t, 2, false))
		}
	},
	"listed links":        func(t *testing.T) { listed(t, false) },
	"listed links, alone": func(t *testing.T) { listed(t, true) },
	"tokens": func(t *testing.T) { // of a container
		for _, who := range []string{"ann", "bob", "ann"} {
			require.NoError(t, os.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", who))
			require.Equal(t, "ASIA-"+who, requests(t, 2, false))
		}
	},
}

// requests builds a chain for each request, and returns the access key ID that the last one got.
func requests(t *testing.T, n int, alone bool) (id string) {
	t.Helper()
	for range n {
		creds, err := providers.Default(providers.Config{NoSharing: alone}).Retrieve(context.Background())
		require.NoError(t, err)
		id = creds.AccessKeyID
	}
	return id
}

// listed builds chains of links that the program lists.
func listed(t *testing.T, alone bool) {
	t.Helper()
	for range 20 {
		_, err := credchain.New(&providers.Environment{}, &providers.Container{NoSharing: alone}).Retrieve(t.Context())
		require.NoError(t, err)
		creds, err := credchain.New(&providers.Environment{}, &providers.InstanceProfile{NoSharing: alone}).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, awstest.Temporary("instance", time.Time{}).AccessKeyID, creds.AccessKeyID)
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	if run := registryRuns[os.Getenv(registryRun)]; run != nil {
		run(t)
		return
	}
	const user = "arn:aws:iam::123456789012:user/ann"
	roles := func(keys aws.Credentials) string {
		return fmt.Sprintf("[default]\nrole_arn = %s\nsource_profile = base\nregion = eu-west-1\n[profile base]\n%s"+
			"[profile other]\nrole_arn = %s\nsource_profile = base\n[profile unknown]\nrole_arn = %[1]s\nsource_profile = gone\n[profile gone]\n%[4]s",
			roleARN("worker"), sharedKeys(keys), roleARN("other"), sharedKeys(awstest.LongTerm("gone")))
	}
	program := func(who string) string {
		return "[default]\ncredential_process = sh -c '" + `echo "{\"Version\":1,\"AccessKeyId\":\"AKIA-` + who +
			`\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}"` + "'\n"
	}
	var asked sync.Map // of *atomic.Int32, by the token that was sent
	container := awstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := asked.LoadOrStore(r.Header.Get("Authorization"), new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
		_ = json.NewEncoder(w).Encode(map[string]string{"AccessKeyId": "ASIA-" + r.Header.Get("Authorization"), "SecretAccessKey": "s", "Token": "t",
			"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	}))
	keys := awstest.LongTerm("registry")
	for how, tt := range map[string]struct {
		config string
		env    []string
		calls  int // of AssumeRole

		fetches int // of a container's credentials, and of an instance's
	}{
		"shared":                           {config: roles(keys), calls: 1},
		"alone":                            {config: roles(keys), calls: 20},
		"rejecting":                        {config: roles(keys), calls: 21},
		"rejecting another":                {config: roles(keys), calls: 1 + 20 + 20},
		"rejecting what another chain has": {config: roles(keys), calls: 2},
		"invalidating":                     {config: roles(keys), calls: 2},
		"environments":                     {config: program("$WHO")},
		"directories":                      {config: program("$(basename $PWD)")},
		"tokens":                           {env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + container + "/"}},
		"listed links":                     {env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + container + "/"}, fetches: 1},
		"listed links, alone":              {env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + container + "/"}, fetches: 20},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			service := &awstest.STS{
				Principals: []awstest.Principal{{Credentials: keys, ARN: user}},
				Roles:      []awstest.Role{{ARN: roleARN("worker"), Trust: []string{user}}, {ARN: roleARN("other"), Trust: []string{user}}},
			}
			home := t.TempDir()
			for _, dir := range []string{"ann", "bob"} {
				require.NoError(t, os.Mkdir(filepath.Join(home, dir), 0o700))
			}
			config := filepath.Join(home, "config")
			require.NoError(t, os.WriteFile(config, []byte(tt.config), 0o600))
			cmd := exec.Command(os.Args[0], "-test.run=^TestRegistry$", "-test.count=1")
			instance := &awstest.IMDS{Role: "app", Credentials: awstest.Temporary("instance", time.Now().Add(time.Hour))}
			cmd.Env = append(tt.env, registryRun+"="+how, "HOME="+home, "PATH="+os.Getenv("PATH"), "AWS_CONFIG_FILE="+config,
				"AWS_METADATA_SERVICE_TIMEOUT=30", "AWS_EC2_METADATA_SERVICE_ENDPOINT="+awstest.Serve(t, instance), "AWS_ENDPOINT_URL_STS="+awstest.Serve(t, service))
			if tt.fetches > 0 {
				cmd.Env = append(cmd.Env, "AWS_CONTAINER_AUTHORIZATION_TOKEN="+strings.ReplaceAll(how, " ", "-"))
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, tt.calls, service.Calls("AssumeRole"), string(out))
			require.Equal(t, tt.fetches, instance.Count("GET", "/latest/meta-data/iam/security-credentials/app"))
			if tt.fetches > 0 {
				n, _ := asked.Load(strings.ReplaceAll(how, " ", "-"))
				require.EqualValues(t, tt.fetches, n.(*atomic.Int32).Load())
			}
		})
	}
}

func sharedKeys(c aws.Credentials) string {
	return fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", c.AccessKeyID, c.SecretAccessKey)
}
