package providers_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

func TestSystemPropertiesFromAMap(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{"JAVA_TOOL_OPTIONS": "-Daws.accessKeyId=AKIAOPTIONS000000001 -Daws.secretAccessKey=canary"}}
	p := &providers.SystemProperties{System: m.system(), Properties: map[string]string{
		"aws.accessKeyId": " AKIAMAP0000000000001 ", "aws.secretAccessKey": "canary", "aws.sessionToken": "canary", "aws.accountId": "123456789012"}}
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIAMAP0000000000001", creds.AccessKeyID)
	require.Equal(t, "canary", creds.SessionToken)
	require.Equal(t, "123456789012", creds.AccountID)

	p.Properties = map[string]string{} // a map without keys is no reason to look at the JVM's variables
	_, err = p.Retrieve(t.Context())
	require.ErrorIs(t, err, credchain.ErrNotConfigured)

	p.Properties = nil
	creds, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIAOPTIONS000000001", creds.AccessKeyID)
}

// TestExplicitProfileGoesBeforeProperties: a profile that was asked for is the only one whose keys count.
func TestExplicitProfileGoesBeforeProperties(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]func(providers.Config) *credchain.Chain{"java": providers.Java, "java-v2": providers.JavaV2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &machine{
				env: map[string]string{"JAVA_TOOL_OPTIONS": "-Daws.accessKeyId=AKIAOPTIONS000000001 -Daws.secretAccessKey=canary",
					"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00001", "AWS_SECRET_ACCESS_KEY": "canary"},
				files: map[string]string{"/home/u/.aws/credentials": "[prod]\naws_access_key_id=AKIAPROD000000000001\naws_secret_access_key=canary\n"},
			}
			chain := order(providers.Config{System: m.system(), Profile: "prod"})
			creds, err := chain.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, "AKIAPROD000000000001", creds.AccessKeyID)
			var masked []string
			for _, a := range chain.Explain(t.Context()).Attempts {
				if a.Status == credchain.Masked {
					masked = append(masked, a.Provider)
				}
			}
			require.ElementsMatch(t, []string{"environment", "system-properties"}, masked)
		})
	}
}

func TestSettingsInSystemProperties(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{"JDK_JAVA_OPTIONS": "-Daws.profile=p -Daws.region=eu-north-1", "AWS_REGION": "eu-west-1", "AWS_PROFILE": "q"}}
	c := providers.Config{System: m.system(), SystemProperties: true}
	name, origin := providers.ProfileName(c)
	require.Equal(t, "p", name)
	require.Equal(t, credchain.Origin{Env: "JDK_JAVA_OPTIONS", Key: "aws.profile"}, origin)
	m.files = map[string]string{"/home/u/.aws/config": "[profile p]\n"}
	region, _, err := providers.Region(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "eu-north-1", region)

	c.SystemProperties = false
	name, _ = providers.ProfileName(c)
	require.Equal(t, "q", name)
}
