package providers_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/providers"
)

func TestProfileNames(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{"AWS_CONFIG_FILE": "~/elsewhere"}, files: map[string]string{
		"/home/u/.aws/credentials": "[prod]\n[default]\n",
		"/home/u/elsewhere":        "[default]\n[profile dev]\n[profile prod]\n[sso-session s]\n[stray]\n",
		"/home/u/.aws/config":      "[profile unseen]\n",
	}}
	require.Equal(t, []string{"default", "dev", "prod"}, providers.ProfileNames(providers.Config{System: m.system()}))
	require.Empty(t, providers.ProfileNames(providers.Config{System: (&machine{}).system()}))
}
