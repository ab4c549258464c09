package providers_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// ingredients has for every link a machine on which it is configured, in sections that can be put together:
// all that belongs to a profile belongs to the profile default.
func ingredients() map[string]string {
	role := "-- home/.aws/config --\n[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = default\n"
	keys := "[default]\naws_access_key_id = %s\naws_secret_access_key = s3cret/%[1]s+=\n"
	return map[string]string{
		"flags":             "-- args --\nstatic AKIAFLAGS00000000002 s3cret/AKIAFLAGS00000000002+=\n",
		"environment":       "-- env --\nAWS_ACCESS_KEY_ID=AKIAENVIRONMENT00001\nAWS_SECRET_ACCESS_KEY=s3cret/AKIAENVIRONMENT00001+=\n",
		"system-properties": "-- env --\nJAVA_TOOL_OPTIONS=-Daws.accessKeyId=AKIAPROPERTIES000007 -Daws.secretAccessKey=s3cret/AKIAPROPERTIES000007+=\n",
		"assume-role":       role,
		"web-identity":      "-- env --\nAWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token\nAWS_ROLE_ARN=arn:aws:iam::123456789012:role/pod\n",
		"sso":               "-- home/.aws/config --\n[default]\nsso_account_id = 123456789012\nsso_role_name = dev\n",
		"login":             "-- home/.aws/config --\n[default]\nlogin_session = arn:aws:iam::123456789012:user/ann\n",
		"process":           "-- home/.aws/config --\n[default]\ncredential_process = /opt/fetch\n",
		"credentials-file":  "-- home/.aws/credentials --\n" + fmt.Sprintf(keys, "AKIACREDENTIALS00003"),
		"config-file":       "-- home/.aws/config --\n" + fmt.Sprintf(keys, "AKIACONFIG0000000004"),
		"container":         "-- env --\nAWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/creds\n-- container --\npath /creds\n",
		"instance-profile":  "-- imds --\nrole app\n",
	}
}

// mix puts machines together: sections of one name are joined.
func mix(texts ...string) *txtar.Archive {
	joined := &txtar.Archive{}
	for _, text := range texts {
		for _, f := range txtar.Parse([]byte(text)).Files {
			i := slices.IndexFunc(joined.Files, func(g txtar.File) bool { return g.Name == f.Name })
			if i < 0 {
				i = len(joined.Files)
				joined.Files = append(joined.Files, txtar.File{Name: f.Name})
			}
			joined.Files[i].Data = append(joined.Files[i].Data, f.Data...)
		}
	}
	return joined
}

// TestPairs configures two links at a time, in every documented order: the first is used and masks the second,
// or if this version cannot use it, fails and keeps the second from being asked. The orders are written down
// here once more, by hand.
func TestPairs(t *testing.T) {
	t.Parallel()
	orders := map[string]string{
		"":        "flags environment assume-role web-identity sso credentials-file login process config-file container instance-profile",
		"java":    "flags environment system-properties web-identity credentials-file config-file container instance-profile",
		"java-v2": "flags system-properties environment web-identity credentials-file config-file container instance-profile",
	}
	unsupported := []string{"assume-role", "web-identity", "sso", "login", "process"}
	for order, names := range orders {
		links := strings.Fields(names)
		for i, first := range links {
			for _, second := range links[i+1:] {
				t.Run(strings.Join([]string{order, first, second}, "/"), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						machine := []string{ingredients()[first], ingredients()[second]}
						if order != "" {
							machine = append(machine, "-- args --\norder "+order+"\n")
						}
						o := parseScenario(t, mix(machine...)).resolve(t.Context())
						require.Empty(t, o.disagreement())
						if slices.Contains(unsupported, first) {
							require.Equal(t, first, o.failedAt())
							require.ErrorContains(t, o.err, "does not support yet")
							require.Equal(t, credchain.NotAsked, o.attempt(second).Status)
							return
						}
						require.NoError(t, o.err)
						require.Equal(t, first, o.linkOf(o.creds.Source))
						require.Equal(t, credchain.Masked, o.attempt(second).Status)
					})
				})
			}
		}
	}
}

// TestExplainAgreesWithRetrieve makes machines at random, and has every one agree with itself: see disagreement.
// A failure prints the machine as a scenario.
func TestExplainAgreesWithRetrieve(t *testing.T) {
	t.Parallel()
	const machines, workers = 10_000, 10
	var mu sync.Mutex
	seen := map[string]int{}
	t.Run("machines", func(t *testing.T) {
		for worker := range uint64(workers) {
			t.Run(strconv.FormatUint(worker, 10), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					for i := range uint64(machines / workers) {
						outcome := agree(t, worker<<32|i)
						mu.Lock()
						seen[outcome]++
						mu.Unlock()
					}
				})
			})
		}
	})
	t.Log(seen)
	for _, outcome := range []string{"none", "used flags", "used environment", "used system-properties", "used credentials-file",
		"used config-file", "used container", "used instance-profile", "failed flags", "failed environment", "failed system-properties",
		"failed assume-role", "failed web-identity", "failed sso", "failed credentials-file", "failed login", "failed process",
		"failed config-file", "failed container", "failed instance-profile"} {
		require.GreaterOrEqual(t, seen[outcome], 20, "the machines are too much alike: %s", outcome)
	}
}

func FuzzExplainAgreesWithRetrieve(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { agree(t, seed) })
	})
}

// agree checks one machine and returns what came of it.
func agree(t *testing.T, seed uint64) string {
	a := dealt(seed).machine()
	o := parseScenario(t, a).resolve(t.Context())
	problem := o.disagreement()
	if account := o.creds.AccountID; problem == "" && account != "" && account != accountOf(o.creds.AccessKeyID) {
		problem = "the account ID belongs to other keys"
	}
	if problem != "" {
		require.Fail(t, problem, "seed %d\n%s\nerror: %v\nlive:\n%voffline:\n%v", seed, txtar.Format(a), o.err, o.live, o.offline)
	}
	switch {
	case o.err == nil:
		return "used " + o.linkOf(o.creds.Source)
	case o.failedAt() == "":
		return "none"
	}
	return "failed " + o.failedAt()
}
