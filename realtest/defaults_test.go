package realtest_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// The addresses that AWS has fixed.
const (
	metadataAddress    = "169.254.169.254"
	ecsAddress         = "169.254.170.2"
	podIdentityAddress = "169.254.170.23"

	metadataIPv6    = "fd00:ec2::254"
	podIdentityIPv6 = "fd00:ec2::23"
)

// unhelpedChain is the chain of a machine with these variables and no other help: not even a transport.
func unhelpedChain(t testing.TB, env map[string]string) *credchain.Chain {
	t.Helper()
	return providers.Default(providers.Config{System: machine(t, env, nil)})
}

// sdkDefault is what the SDK's own default chain finds with these variables. It reads the process's
// environment, which a test in a namespace has for itself.
func sdkDefault(t testing.TB, env map[string]string) aws.Credentials {
	t.Helper()
	for name, value := range env {
		require.NoError(t, os.Setenv(name, value))
		defer os.Unsetenv(name)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region))
	require.NoError(t, err)
	creds, err := retrieve(t, cfg.Credentials)
	require.NoError(t, err)
	return creds
}

func TestMetadataServiceAtItsOwnAddress(t *testing.T) {
	t.Parallel()
	withAddresses(t, []string{metadataAddress}, []program{metadataMock}, func(t *testing.T) {
		instance{v2only: true, addr: metadataAddress + ":80"}.start(t)
		got, err := retrieve(t, unhelpedChain(t, nil))
		require.NoError(t, err)
		require.Equal(t, instanceCredentials()["AccessKeyId"], got.AccessKeyID)
		requireSame(t, sdkDefault(t, nil), got)
	})
}

func TestMetadataServiceAtItsOwnIPv6Address(t *testing.T) {
	t.Parallel()
	withAddresses(t, []string{metadataIPv6}, []program{metadataMock}, func(t *testing.T) {
		instance{v2only: true, addr: "[" + metadataIPv6 + "]:80"}.start(t)
		env := map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}
		got, err := retrieve(t, unhelpedChain(t, env))
		require.NoError(t, err)
		require.Equal(t, instanceCredentials()["AccessKeyId"], got.AccessKeyID)
		requireSame(t, sdkDefault(t, env), got)
	})
}

func TestECSAgentAtItsOwnAddress(t *testing.T) {
	t.Parallel()
	withAddresses(t, []string{ecsAddress}, []program{ecsAgent}, func(t *testing.T) {
		startECSAgent(t, ecsAddress+":80")
		env := map[string]string{relativeURI: taskPath}
		got, err := retrieve(t, unhelpedChain(t, env))
		require.NoError(t, err)
		require.Equal(t, taskCredentials.AccessKeyId, got.AccessKeyID)
		require.Equal(t, taskCredentials.SessionToken, got.SessionToken)
		requireSame(t, sdkDefault(t, env), got)
	})
}

// EKS writes a new token into the file every hour or so; the agent takes the old one no longer.
func TestPodIdentityFollowsItsTokenFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, addr, host string }{
		{"IPv4", podIdentityAddress, podIdentityAddress},
		{"IPv6", podIdentityIPv6, "[" + podIdentityIPv6 + "]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			withAddresses(t, []string{tt.addr}, []program{ecsAgent}, func(t *testing.T) { testPodIdentity(t, tt.host) })
		})
	}
}

func testPodIdentity(t *testing.T, host string) {
	agent := startECSAgent(t, "")
	var token atomic.Value
	token.Store("first-token")
	l, err := net.Listen("tcp", host+":80")
	require.NoError(t, err)
	front := &http.Server{
		Handler:           guard(t, agent, taskPath, func() string { return token.Load().(string) }),
		ReadHeaderTimeout: time.Minute,
	}
	go front.Serve(l)
	defer front.Close()

	file := filepath.Join(t.TempDir(), "eks-pod-identity-token")
	write := func(token string) { require.NoError(t, os.WriteFile(file, []byte(token), 0o600)) }
	env := map[string]string{fullURI: "http://" + host + "/v1/credentials", tokenFile: file}
	write("first-token")
	chain := unhelpedChain(t, env)
	got, err := retrieve(t, chain)
	require.NoError(t, err)
	require.Equal(t, taskCredentials.AccessKeyId, got.AccessKeyID)
	requireSame(t, sdkDefault(t, env), got)

	token.Store("second-token")
	chain.Invalidate()
	_, err = retrieve(t, chain)
	requireFinal(t, err, env[fullURI], "401")
	require.NotContains(t, err.Error(), "first-token")

	write("second-token")
	chain.Invalidate() // the failure would be remembered for a moment
	_, err = retrieve(t, chain)
	require.NoError(t, err)
}

// A container that is meant to have a role of its own must not get the role of the machine below it.
func TestECSAgentThatIsDownIsNotReplacedByTheInstance(t *testing.T) {
	t.Parallel()
	withAddresses(t, []string{metadataAddress, ecsAddress}, []program{metadataMock}, func(t *testing.T) {
		instance{addr: metadataAddress + ":80"}.start(t)
		_, err := retrieve(t, unhelpedChain(t, map[string]string{relativeURI: taskPath}))
		requireFinal(t, err, "http://"+ecsAddress+taskPath)
	})
}

func TestNobodyAtTheMetadataAddressIsNotConfigured(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		withAddresses(t, []string{metadataAddress}, nil, func(t *testing.T) {
			_, err := retrieve(t, unhelpedChain(t, nil))
			require.ErrorIs(t, err, credchain.ErrNotConfigured)
		})
	})
	t.Run("no route", func(t *testing.T) {
		t.Parallel()
		withAddresses(t, nil, nil, func(t *testing.T) {
			_, err := retrieve(t, unhelpedChain(t, nil))
			require.ErrorIs(t, err, credchain.ErrNotConfigured)
		})
	})
	t.Run("turned off", func(t *testing.T) {
		t.Parallel()
		withAddresses(t, []string{metadataAddress}, []program{metadataMock}, func(t *testing.T) {
			instance{addr: metadataAddress + ":80"}.start(t)
			_, err := retrieve(t, unhelpedChain(t, map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}))
			require.ErrorIs(t, err, credchain.ErrNotConfigured)
			require.ErrorContains(t, err, "AWS_EC2_METADATA_DISABLED")
		})
	})
}
