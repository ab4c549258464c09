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
	keys := "[%s]\naws_access_key_id = %s\naws_secret_access_key = s3cret/%[2]s+=\n"
	const arn = "arn:aws:iam::123456789012:"
	return map[string]string{
		"flags":             "-- args --\nstatic AKIAFLAGS00000000002 s3cret/AKIAFLAGS00000000002+=\n",
		"environment":       "-- env --\nAWS_ACCESS_KEY_ID=AKIAENVIRONMENT00001\nAWS_SECRET_ACCESS_KEY=s3cret/AKIAENVIRONMENT00001+=\n",
		"system-properties": "-- env --\nJAVA_TOOL_OPTIONS=-Daws.accessKeyId=AKIAPROPERTIES000007 -Daws.secretAccessKey=s3cret/AKIAPROPERTIES000007+=\n",
		"assume-role": "-- home/.aws/config --\n[default]\nrole_arn = " + arn + "role/r\nsource_profile = base\n" +
			fmt.Sprintf(keys, "profile base", "AKIASOURCE0000000001") + "-- sts --\nuser AKIASOURCE0000000001\nrole " + arn + "role/r trust=*\n",
		"web-identity": "-- env --\nAWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token\nAWS_ROLE_ARN=" + arn + "role/pod\n" +
			"-- sts --\ntoken /var/run/token subject=pod\nrole " + arn + "role/pod subject=pod\n",
		"sso": "-- home/.aws/config --\n[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = dev\n" +
			"[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n" +
			"-- sso --\nrole 123456789012 dev ASIASSODEV0000000001\nsession corp expires=2000-01-01T08:00:00Z\n",
		"login": "-- home/.aws/config --\n[default]\nlogin_session = " + arn + "user/ann\n" +
			"-- signin --\nsession " + arn + "user/ann expires=2000-01-01T00:15:00Z\n",
		"process": "-- home/.aws/config --\n[default]\ncredential_process = /opt/fetch\n-- run --\n/opt/fetch stdout " +
			`{"Version":1,"AccessKeyId":"AKIAPROCESS000000009","SecretAccessKey":"s3cret/AKIAPROCESS000000009+="}` + "\n",
		"credentials-file": "-- home/.aws/credentials --\n" + fmt.Sprintf(keys, "default", "AKIACREDENTIALS00003"),
		"config-file":      "-- home/.aws/config --\n" + fmt.Sprintf(keys, "default", "AKIACONFIG0000000004"),
		"container":        "-- env --\nAWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/creds\n-- container --\npath /creds\n",
		"instance-profile": "-- imds --\nrole app\n",
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

// TestPairs configures two links at a time, in every documented order: the first is used and masks the second. So it
// also pins the precedence inside one profile. The orders are written down here once more, by hand.
func TestPairs(t *testing.T) {
	t.Parallel()
	orders := map[string]string{
		"":        "flags environment assume-role web-identity sso credentials-file login process config-file container instance-profile",
		"java":    "flags environment system-properties web-identity sso assume-role process login credentials-file config-file container instance-profile",
		"java-v2": "flags system-properties environment web-identity sso assume-role process login credentials-file config-file container instance-profile",
	}
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
				for i := range uint64(machines / workers) {
					var outcome string
					synctest.Test(t, func(t *testing.T) { outcome = agree(t, worker<<32|i) })
					mu.Lock()
					seen[outcome]++
					mu.Unlock()
				}
			})
		}
	})
	t.Log(seen)
	for _, outcome := range []string{"none", "used flags", "used environment", "used system-properties", "used credentials-file",
		"used config-file", "used container", "used instance-profile", "used assume-role", "used web-identity", "used sso", "used login",
		"used process", "failed flags", "failed environment", "failed system-properties",
		"failed assume-role", "failed web-identity", "failed sso", "failed credentials-file", "failed login", "failed process",
		"failed config-file", "failed container", "failed instance-profile"} {
		require.GreaterOrEqual(t, seen[outcome], 15, "the machines are too much alike: %s", outcome)
	}
}

func FuzzExplainAgreesWithRetrieve(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { agree(t, seed) })
	})
}

// accountOfWinner is the account that the credentials must be of, if they are of any. A process has the profile's if
// it says nothing.
func (o *outcome) accountOfWinner() string {
	switch o.linkOf(o.creds.Source) {
	case "assume-role", "web-identity", "sso", "login":
		return "123456789012"
	case "process":
		return o.creds.AccountID
	}
	return accountOf(o.creds.AccessKeyID)
}

// agree checks one machine and returns what came of it.
func agree(t *testing.T, seed uint64) string {
	a := dealt(seed).machine()
	o := parseScenario(t, a).resolve(t.Context())
	problem := o.disagreement()
	if account := o.creds.AccountID; problem == "" && account != "" && account != o.accountOfWinner() {
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
