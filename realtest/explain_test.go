package realtest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

func TestExplainNamesTheRoleThatAKeyHides(t *testing.T) {
	t.Parallel()
	iam := startIAM(t)
	_, id, secret := iam.createUser(t, "gita")
	simulator := instance{v2only: true}.start(t)
	env := environmentKeys(id, secret)
	delete(env, "AWS_EC2_METADATA_DISABLED")
	env[metadataEndpoint] = simulator.url()
	chain, wire := newChain(t, env)

	creds, err := retrieve(t, chain)
	require.NoError(t, err)
	require.Equal(t, id, creds.AccessKeyID)
	require.Empty(t, wire.take(), "keys in the environment need no request")

	trace := chain.Explain(t.Context())
	require.Equal(t, credchain.Used, attempt(t, trace, "environment").Status)
	role := attempt(t, trace, "instance-profile")
	require.Equal(t, credchain.Masked, role.Status)
	require.Contains(t, role.Reason, instanceRole)
	require.Contains(t, warnings(trace), credchain.WarnLongTermKeyHidesRole)
	require.NotNil(t, trace.Credentials)
	require.Equal(t, credchain.LongTerm, trace.Credentials.Kind)
	requireNoSecrets(t, trace, secret)

	offline := chain.Explain(t.Context(), credchain.Offline)
	wire.take()
	require.Equal(t, credchain.Used, attempt(t, offline, "environment").Status)
	require.NotEqual(t, credchain.Masked, attempt(t, offline, "instance-profile").Status, "only a request can tell")
	require.Empty(t, wire.take())
}

func TestExplainFollowsTheRoleOfTheInstance(t *testing.T) {
	t.Parallel()
	simulator := instance{v2only: true}.start(t)
	chain, _ := newChain(t, map[string]string{metadataEndpoint: simulator.url()})
	trace := chain.Explain(t.Context())
	role := attempt(t, trace, "instance-profile")
	require.Equal(t, credchain.Used, role.Status)
	require.Contains(t, role.Reason, instanceRole)
	require.Equal(t, credchain.Skipped, attempt(t, trace, "environment").Status)
	require.Equal(t, credchain.Skipped, attempt(t, trace, "container").Status)
	require.NotNil(t, trace.Credentials)
	require.Equal(t, credchain.Temporary, trace.Credentials.Kind)
	requireNoSecrets(t, trace, "instance-secret", "instance-session-token")
}

func TestExplainShowsTheECSAgentBeforeTheInstance(t *testing.T) {
	t.Parallel()
	agent := startECSAgent(t, "")
	simulator := instance{v2only: true}.start(t)
	chain, _ := newChain(t, map[string]string{fullURI: agent.url() + taskPath, metadataEndpoint: simulator.url()})
	trace := chain.Explain(t.Context())
	require.Equal(t, credchain.Used, attempt(t, trace, "container").Status)
	require.Equal(t, credchain.Masked, attempt(t, trace, "instance-profile").Status)
	require.NotContains(t, warnings(trace), credchain.WarnLongTermKeyHidesRole, "one role before another hides nothing")
	requireNoSecrets(t, trace, taskCredentials.SecretAccessKey, taskCredentials.SessionToken, "instance-secret")
}

func warnings(trace credchain.Trace) (codes []string) {
	for _, w := range trace.Warnings {
		codes = append(codes, w.Code)
	}
	return codes
}

// requireNoSecrets looks for secrets in every form that a trace has.
func requireNoSecrets(t testing.TB, trace credchain.Trace, secrets ...string) {
	t.Helper()
	doc, err := json.Marshal(trace)
	require.NoError(t, err)
	for _, secret := range secrets {
		require.NotContains(t, trace.String(), secret)
		require.NotContains(t, string(doc), secret)
	}
}
