package providers_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

func TestStatic(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		keys providers.Static
		want string // in the error; "" means that there is none
	}{
		{"whole", providers.Static{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "canary"}, ""},
		{"nothing", providers.Static{}, "no keys were given"},
		{"no secret", providers.Static{AccessKeyID: "AKIAIOSFODNN7EXAMPLE"}, "SecretAccessKey is not"},
		{"a blank secret", providers.Static{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: " \n"}, "SecretAccessKey is not"},
		{"no ID", providers.Static{SecretAccessKey: "canary"}, "AccessKeyID is not"},
		{"an account alone", providers.Static{AccountID: "123456789012"}, "neither"},
		{"a token alone", providers.Static{SessionToken: "canary"}, "neither"},
		{"a deleted character", providers.Static{AccessKeyID: "AKIA\x7f", SecretAccessKey: "canary"}, "control character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, detected := tt.keys.Detect(t.Context())
			creds, err := tt.keys.Retrieve(t.Context())
			require.Equal(t, detected == nil, err == nil)
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, "canary", creds.SecretAccessKey)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.keys == providers.Static{}, errors.Is(err, credchain.ErrNotConfigured))
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestRelativeHomeIsUnknown(t *testing.T) {
	t.Parallel()
	m := &machine{}
	sys := m.system()
	sys.Home = func() (string, error) { return "testdata", nil }
	_, err := (&providers.CredentialsFile{System: sys}).Retrieve(t.Context())
	require.ErrorIs(t, err, credchain.ErrNotConfigured)
	require.ErrorContains(t, err, "home directory is not known")
}
