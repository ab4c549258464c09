package providers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/store"
)

// TestRejectAlone: the providers that a program builds itself forget, too, what a service has refused, and do not give
// it out again even if its source does.
func TestRejectAlone(t *testing.T) {
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		sys, kept := w.config().System, &store.Memory{}
		for operation, provider := range map[string]interface {
			credchain.Provider
			Reject(aws.Credentials)
			Invalidate()
		}{
			"AssumeRole": &providers.AssumeRole{Source: aUser(), RoleARN: roleARN("r"), SessionName: "ann", System: sys, Store: kept},
			"AssumeRoleWithWebIdentity": &providers.WebIdentity{TokenFile: "/var/run/token", RoleARN: roleARN("pod"), SessionName: "pod-1",
				System: sys, Store: kept},
			"GetRoleCredentials": &providers.SSO{Session: "corp", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1",
				AccountID: "123456789012", RoleName: "dev", System: sys, Store: kept}, // it gives the same keys each time
		} {
			retrieve := func(calls int) aws.Credentials {
				t.Helper()
				creds, err := provider.Retrieve(t.Context())
				require.NoError(t, err, operation)
				require.Equal(t, calls, w.cloud.calls(operation), operation)
				return creds
			}
			retrieve(1)
			refused := retrieve(1)
			provider.Reject(refused)
			again := retrieve(2)
			if again.AccessKeyID == refused.AccessKeyID {
				retrieve(3) // what was refused once is not kept
				continue
			}
			retrieve(2)
			provider.Invalidate()
			retrieve(3)
		}
	})
}

// rotating is a source whose keys were replaced, which it sees when it is told that the old ones are refused.
type rotating struct {
	keys  []aws.Credentials
	asked int
	gone  error // once something was rejected
}

func (r *rotating) Retrieve(context.Context) (aws.Credentials, error) {
	r.asked++
	if r.asked > 1 && r.gone != nil {
		return aws.Credentials{}, r.gone
	}
	return r.keys[0], nil
}

func (r *rotating) Reject(c aws.Credentials) {
	if len(r.keys) > 1 && c == r.keys[0] {
		r.keys = r.keys[1:]
	}
}

// TestAssumeRoleTellsItsSource of credentials that STS refuses.
func TestAssumeRoleTellsItsSource(t *testing.T) {
	old, current := keysOf("AKIAGONE000000000001"), keysOf("AKIASOURCE0000000001")
	inWorld(t, aloneCloud, func(t *testing.T, w *world) {
		sys := w.config().System
		source := &rotating{keys: []aws.Credentials{old, current}}
		_, err := (&providers.AssumeRole{Source: source, RoleARN: roleARN("r"), System: sys}).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, w.cloud.calls("AssumeRole"))

		source = &rotating{keys: []aws.Credentials{old}}
		_, err = (&providers.AssumeRole{Source: source, RoleARN: roleARN("r"), System: sys}).Retrieve(t.Context())
		require.ErrorContains(t, err, "InvalidClientTokenId")
		require.Equal(t, 3, w.cloud.calls("AssumeRole"), "the same keys once more would be refused once more")

		source = &rotating{keys: []aws.Credentials{old}, gone: errors.New("run `aws sso login`")}
		_, err = (&providers.AssumeRole{Source: source, RoleARN: roleARN("r"), System: sys}).Retrieve(t.Context())
		require.ErrorContains(t, err, "run `aws sso login`", "what the source has to say is of more use")
		require.ErrorContains(t, err, "InvalidClientTokenId")
		require.Equal(t, 4, w.cloud.calls("AssumeRole"))

		source = &rotating{keys: []aws.Credentials{current, old}}
		_, err = (&providers.AssumeRole{Source: source, RoleARN: roleARN("second"), System: sys}).Retrieve(t.Context())
		require.ErrorContains(t, err, "AccessDenied")
		require.Equal(t, 1, source.asked, "it is not the keys that are wrong")
	})
}

// TestNewKeysAreNotFetchedTwice: keys that were just fetched and that STS does not take are an error, and no reason to
// fetch again: the source may be a person. For kept ones better ones may be had, if it is the keys that are wrong.
func TestNewKeysAreNotFetchedTwice(t *testing.T) {
	for code, fetches := range map[string][]int{
		"ExpiredToken": {1, 2, 3}, "InvalidClientTokenId": {1, 2, 3},
		"RequestExpired": {1, 1, 1}, "AccessDenied": {1, 1, 1},
	} {
		machine := "-- sts --\nfault " + code + " 9\n-- sso --\nrole 123456789012 dev ASIASSODEV0000000001\n" +
			"session corp expires=2000-01-01T08:00:00Z\n-- home/.aws/config --\n[default]\nrole_arn = " + roleARN("top") + "\nsource_profile = dev\n" +
			"[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = dev\n" +
			"[sso-session corp]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n"
		t.Run(code, func(t *testing.T) {
			inWorld(t, machine, func(t *testing.T, w *world) {
				kept := &store.Memory{}
				for _, n := range fetches {
					c := w.config()
					c.Store = kept
					_, err := providers.Default(c).Retrieve(t.Context())
					require.ErrorContains(t, err, code)
					require.Equal(t, n, w.cloud.calls("GetRoleCredentials"))
					time.Sleep(time.Minute)
				}
			})
		})
	}
}
