package providers_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

const roleDocument = `{"Code":"Success","AccessKeyId":"ASIAINSTANCE00000001","SecretAccessKey":"canary","Token":"canary","Expiration":"2099-01-02T03:04:05Z"}`

// withRole answers as the metadata service of an instance with the role web.
func withRole(r *http.Request) (*http.Response, error) {
	switch r.URL.Path {
	case "/latest/meta-data/iam/security-credentials/":
		return answer(200, "web")(r)
	case "/latest/meta-data/iam/security-credentials/web", "/latest/meta-data/iam/security-credentials/other":
		return answer(200, roleDocument)(r)
	}
	return instance(r)
}

func TestInstanceProfileFollowsItsSettings(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{}, wire: wire{answer: withRole}}
	p := &providers.InstanceProfile{System: m.system()}
	hosts := func() (seen []string) {
		for _, r := range m.wire.requests {
			if len(seen) == 0 || seen[len(seen)-1] != r.URL.Host {
				seen = append(seen, r.URL.Host)
			}
		}
		m.wire.requests = nil
		return seen
	}
	for _, endpoint := range []string{"", "http://127.0.0.1:99/", "http://127.0.0.1:98"} {
		m.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = endpoint
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Len(t, hosts(), 1)
	}
	m.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = ""
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"169.254.169.254"}, hosts(), "a setting that changed must count")

	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Len(t, m.wire.requests, 1, "the session token and the role's name are remembered")
}

func TestProbeNamesTheRoleThatRetrieveAsksFor(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{"AWS_EC2_INSTANCE_PROFILE_NAME": "other"}, wire: wire{answer: withRole}}
	p := &providers.InstanceProfile{System: m.system()}
	ev, err := p.Probe(t.Context())
	require.NoError(t, err)
	require.Contains(t, ev.Summary, "role other ")
	require.False(t, ev.Unconfirmed)
}

// TestNothingConfiguredEndsQuickly: what the network costs on a machine that is no instance, in fake time.
func TestNothingConfiguredEndsQuickly(t *testing.T) {
	t.Parallel()
	silent := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	slow := func(r *http.Request) (*http.Response, error) {
		time.Sleep(700 * time.Millisecond)
		return withRole(r)
	}
	for _, tt := range []struct {
		name    string
		answer  func(*http.Request) (*http.Response, error)
		offline bool
		least   time.Duration
		most    time.Duration
		nothing bool
	}{
		{"refuses", nil, false, 0, 0, true},
		{"silent", silent, false, time.Second, 1100 * time.Millisecond, true},
		{"silent, offline", silent, true, 0, 0, true},
		{"alive, at 700 ms an answer", slow, false, 2100 * time.Millisecond, 2100 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &machine{wire: wire{answer: tt.answer}}
				chain := providers.Default(providers.Config{System: m.system()})
				start := time.Now()
				if tt.offline {
					chain.Explain(t.Context(), credchain.Offline)
					require.Empty(t, m.wire.requests)
				} else {
					_, err := chain.Retrieve(t.Context())
					require.Equal(t, tt.nothing, errors.Is(err, credchain.ErrNotConfigured), "%v", err)
					require.Equal(t, tt.nothing, err != nil)
				}
				took := time.Since(start)
				require.GreaterOrEqual(t, took, tt.least)
				require.LessOrEqual(t, took, tt.most)
				synctest.Wait()
			})
		})
	}
}

func TestRegionFailsWhereTheMetadataServiceDoes(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*machine{
		"an answer 500":      {wire: wire{answer: answer(500, "")}},
		"a misspelt setting": {env: map[string]string{"AWS_EC2_METADATA_DISABLED": "yes"}, wire: wire{answer: withRole}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := providers.Region(t.Context(), providers.Config{System: m.system()})
			require.Error(t, err, "us-east-1 would be a guess")
			require.NotErrorIs(t, err, credchain.ErrNotConfigured)
		})
	}
	t.Run("a caller that left", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		m := &machine{wire: wire{answer: withRole}}
		_, _, err := providers.Region(ctx, providers.Config{System: m.system()})
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("turned off", func(t *testing.T) {
		t.Parallel()
		m := &machine{env: map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, wire: wire{answer: withRole}}
		region, _, err := providers.Region(t.Context(), providers.Config{System: m.system()})
		require.NoError(t, err)
		require.Equal(t, "us-east-1", region)
		require.Empty(t, m.wire.requests)
	})
}
