package realtest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	sdkimds "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/imds"
	"github.com/credchain/credchain/providers"
)

const metadataEndpoint = "AWS_EC2_METADATA_SERVICE_ENDPOINT"

// The role that the simulated instance has, unless a test says otherwise. baskinc-role is the name that the
// simulator has built in.
const instanceRole = "baskinc-role"

func instanceCredentials() map[string]any {
	return map[string]any{
		"Code":            "Success",
		"AccessKeyId":     "ASIAREALTESTINSTANCE",
		"SecretAccessKey": "instance-secret",
		"Token":           "instance-session-token",
		"Expiration":      time.Now().Add(6 * time.Hour).UTC().Format(time.RFC3339),
	}
}

// instance describes an instance for AWS's simulator of the metadata service.
type instance struct {
	addr        string            // as server.addr
	v2only      bool              // every request needs a session token
	credentials map[string]any    // of the role; nil for instanceCredentials
	values      map[string]string // what it answers at other paths
	paths       map[string]string // where it answers
}

func (i instance) start(t testing.TB) *running {
	t.Helper()
	if i.credentials == nil {
		i.credentials = instanceCredentials()
	}
	values := map[string]any{"iam-security-credentials": i.credentials}
	for name, value := range i.values {
		values[name] = value
	}
	config, err := json.Marshal(map[string]any{"metadata": map[string]any{"values": values, "paths": i.paths}})
	require.NoError(t, err)
	file := writeFile(t, t.TempDir(), "aemm.json", string(config))
	return server{program: metadataMock, addr: i.addr, ready: "/", args: func(host, port string) []string {
		if strings.Contains(host, ":") {
			host = "[" + host + "]" // the simulator joins host and port as they are
		}
		args := []string{"-n", host, "-p", port, "-c", file}
		if i.v2only {
			args = append(args, "-I")
		}
		return args
	}}.start(t)
}

// sdkMetadata and sdkRole are the SDK's view of an instance. TestMain has turned the metadata service off for
// those who read the environment, as the SDK does.
func sdkMetadata(r *running) *sdkimds.Client {
	return sdkimds.New(sdkimds.Options{Endpoint: r.url(), ClientEnableState: sdkimds.ClientEnabled, HTTPClient: httpClient()})
}

func sdkRole(r *running) aws.CredentialsProvider {
	return ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = sdkMetadata(r) })
}

func TestChainFindsTheRoleOfTheSimulatedInstance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		v2only bool
	}{
		{"with tokens wanted or not", false},
		{"with tokens only", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			given := instanceCredentials()
			simulator := instance{v2only: tt.v2only, credentials: given}.start(t)
			chain, wire := newChain(t, map[string]string{metadataEndpoint: simulator.url()})

			got, err := retrieve(t, chain)
			require.NoError(t, err)
			require.Equal(t, given["AccessKeyId"], got.AccessKeyID)
			require.Equal(t, given["SecretAccessKey"], got.SecretAccessKey)
			require.Equal(t, given["Token"], got.SessionToken)
			require.True(t, got.CanExpire)
			require.Equal(t, given["Expiration"], got.Expires.Format(time.RFC3339))
			require.Equal(t, []string{
				"PUT /latest/api/token",
				"GET /latest/meta-data/iam/security-credentials/",
				"GET /latest/meta-data/iam/security-credentials/" + instanceRole,
			}, wire.take())

			sdk, err := retrieve(t, sdkRole(simulator))
			require.NoError(t, err)
			requireSame(t, sdk, got)

			again, err := retrieve(t, chain)
			require.NoError(t, err)
			require.Equal(t, got, again)
			require.Empty(t, wire.take(), "the second call is answered from memory")
		})
	}
}

func TestMetadataClientReadsTheSimulatedInstance(t *testing.T) {
	t.Parallel()
	simulator := instance{v2only: true}.start(t)
	client := &imds.Client{Endpoint: simulator.url() + "/", Transport: newWire()}
	ctx := t.Context()

	role, err := client.Role(ctx)
	require.NoError(t, err)
	require.Equal(t, instanceRole, role)

	region, err := client.Region(ctx)
	require.NoError(t, err)
	require.Equal(t, "us-east-1", region)

	document, err := client.Document(ctx)
	require.NoError(t, err)
	sdk, err := sdkMetadata(simulator).GetInstanceIdentityDocument(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, imds.Document{
		AccountID: sdk.AccountID, Region: sdk.Region, AvailabilityZone: sdk.AvailabilityZone,
		InstanceID: sdk.InstanceID, InstanceType: sdk.InstanceType, ImageID: sdk.ImageID,
		Architecture: sdk.Architecture, PrivateIP: sdk.PrivateIP, PendingTime: sdk.PendingTime,
	}, document)
	require.NotEmpty(t, document.InstanceID)

	id, err := client.Get(ctx, "/latest/meta-data/instance-id")
	require.NoError(t, err)
	require.Equal(t, document.InstanceID, string(id))

	_, err = client.Get(ctx, "/latest/meta-data/no-such-thing")
	var answer *imds.Error
	require.ErrorAs(t, err, &answer)
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
}

func TestChainOutlivesARestartOfTheMetadataService(t *testing.T) {
	t.Parallel()
	first := instance{v2only: true}.start(t)
	chain, wire := newChain(t, map[string]string{metadataEndpoint: first.url()})
	before, err := retrieve(t, chain)
	require.NoError(t, err)
	first.stop()
	wire.take()

	instance{v2only: true, addr: first.addr}.start(t) // it knows nothing of the session token
	chain.Invalidate()
	after, err := retrieve(t, chain)
	require.NoError(t, err)
	requireSame(t, before, after)
	require.Contains(t, wire.take(), "PUT /latest/api/token", "the refused token is replaced")
}

// The simulator itself dies of concurrent token calls, so more than one would not go unnoticed.
func TestManyCallersAreOneToTheSimulator(t *testing.T) {
	t.Parallel()
	simulator := instance{v2only: true}.start(t)
	chain, wire := newChain(t, map[string]string{metadataEndpoint: simulator.url()})
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			creds, err := chain.Retrieve(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, instanceCredentials()["AccessKeyId"], creds.AccessKeyID)
		})
	}
	callers.Wait()
	require.Len(t, wire.take(), 3, "the session token, the role's name, its credentials")
}

func TestRegionIsTheInstancesWhenTheCredentialsAre(t *testing.T) {
	t.Parallel()
	simulator := instance{values: map[string]string{"placement-region": "eu-west-3"}}.start(t)
	env := map[string]string{metadataEndpoint: simulator.url()}
	got, origin, err := providers.Region(t.Context(), providers.Config{System: machine(t, env, newWire())})
	require.NoError(t, err)
	require.Equal(t, "eu-west-3", got)
	require.Equal(t, simulator.url(), origin.String())

	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = "AKIAREALTESTELSEWHERE", "elsewhere"
	got, _, err = providers.Region(t.Context(), providers.Config{System: machine(t, env, newWire())})
	require.NoError(t, err)
	require.NotEqual(t, "eu-west-3", got, "the keys have nothing to do with the instance")
}

func TestInstanceWithoutARoleIsNotConfigured(t *testing.T) {
	t.Parallel()
	simulator := instance{paths: map[string]string{
		"iam-security-credentials-role": "/latest/meta-data/elsewhere",
		"iam-security-credentials":      "/latest/meta-data/elsewhere/" + instanceRole,
	}}.start(t)
	chain, _ := newChain(t, map[string]string{metadataEndpoint: simulator.url()})
	_, err := retrieve(t, chain)
	require.ErrorIs(t, err, credchain.ErrNotConfigured)
	require.ErrorContains(t, err, imds.ErrNoRole.Error())
}

func TestRoleThatEC2CannotAssumeIsFinal(t *testing.T) {
	t.Parallel()
	refused := instanceCredentials()
	refused["Code"] = "AssumeRoleUnauthorizedAccess"
	simulator := instance{credentials: refused}.start(t)
	chain, _ := newChain(t, map[string]string{metadataEndpoint: simulator.url()})
	_, err := retrieve(t, chain)
	requireFinal(t, err, "AssumeRoleUnauthorizedAccess", simulator.addr)
	require.NotContains(t, err.Error(), refused["SecretAccessKey"])
}

// An instance that lost its control plane goes on serving credentials that have expired. Every SDK goes on
// using them, because AWS may accept them longer than they say.
func TestExpiredInstanceCredentialsAreStillHandedOut(t *testing.T) {
	t.Parallel()
	expired := instanceCredentials()
	expired["Expiration"] = "2020-04-02T00:49:51Z"
	simulator := instance{credentials: expired}.start(t)
	chain, _ := newChain(t, map[string]string{metadataEndpoint: simulator.url()})
	got, err := retrieve(t, chain)
	require.NoError(t, err)
	require.Equal(t, expired["AccessKeyId"], got.AccessKeyID)

	sdk, err := retrieve(t, aws.NewCredentialsCache(sdkRole(simulator)))
	require.NoError(t, err)
	requireSame(t, sdk, got)
}
