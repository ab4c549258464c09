package providers_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// outcome is what the chain does in a scenario: each of the three calls in a world of its own.
type outcome struct {
	creds         aws.Credentials
	err           error
	took          time.Duration
	live, offline credchain.Trace

	world, liveWorld, offlineWorld *world
}

// chain builds the order that the scenario asks for.
func (w *world) chain() *credchain.Chain {
	order := w.arg("order")
	switch {
	case order == nil:
		return providers.Default(w.config())
	case order[1] == "java":
		return providers.Java(w.config())
	case order[1] == "java-v2":
		return providers.JavaV2(w.config())
	}
	panic("an unknown order " + order[1])
}

func (s *scenario) resolve(ctx context.Context) *outcome {
	o := &outcome{world: s.world(), liveWorld: s.world(), offlineWorld: s.world()}
	start := time.Now()
	o.creds, o.err = o.world.chain().Retrieve(ctx)
	o.took = time.Since(start)
	o.live = o.liveWorld.chain().Explain(ctx)
	o.offline = o.offlineWorld.chain().Explain(ctx, credchain.Offline)
	return o
}

// linkOf returns the link that writes this into the Source of its credentials.
func (o *outcome) linkOf(source string) string {
	return map[string]string{
		"Static": "flags", "Environment": "environment", "SystemProperties": "system-properties",
		"SharedCredentialsFile": "credentials-file", "SharedConfigFile": "config-file",
		"Container": "container", "InstanceProfile": "instance-profile",
	}[source]
}

// failedAt returns the link that ended the walk of Retrieve, "" if none did.
func (o *outcome) failedAt() string {
	var e *credchain.Error
	if !errors.As(o.err, &e) {
		return ""
	}
	name, _ := ended(e.Trace)
	return name
}

// attempt returns what live Explain says of a link.
func (o *outcome) attempt(link string) credchain.Attempt {
	for _, a := range o.live.Attempts {
		if a.Provider == link {
			return a
		}
	}
	return credchain.Attempt{}
}

// ended returns the link that was used or failed, "" if there is none, "several" if they are many.
func ended(t credchain.Trace) (link string, status credchain.Status) {
	for _, a := range t.Attempts {
		if a.Status != credchain.Used && a.Status != credchain.Failed {
			continue
		}
		if link != "" {
			return "several", 0
		}
		link, status = a.Provider, a.Status
	}
	return link, status
}

func shownOrigins(a credchain.Attempt) (out []string) {
	for _, o := range a.Origins {
		out = append(out, o.String())
	}
	return out
}

// disagreement tells how Retrieve, Explain and offline Explain contradict one another, or what the chain did
// that no chain may do; "" if all is well. It knows nothing of who should win.
func (o *outcome) disagreement() string {
	winner, status := o.linkOf(o.creds.Source), credchain.Used
	if o.err != nil {
		winner, status = o.failedAt(), credchain.Failed
	}
	absent := errors.Is(o.err, credchain.ErrNotConfigured)
	live, liveStatus := ended(o.live)
	offline, offlineStatus := ended(o.offline)
	switch {
	case o.err == nil && winner == "":
		return "Retrieve gives credentials of an unknown source " + o.creds.Source
	case absent != (winner == ""):
		return fmt.Sprintf("Retrieve fails at %q, and errors.Is(err, ErrNotConfigured) is %v", winner, absent)
	case absent && live != "":
		return "nothing is configured for Retrieve, but Explain names " + live
	case !absent && (live != winner || liveStatus != status):
		return fmt.Sprintf("Retrieve: %v %s; Explain: %v %s", status, winner, liveStatus, live)
	case (o.live.Credentials != nil) != (o.err == nil):
		return "Explain has credentials where Retrieve has none, or the reverse"
	case o.err == nil && *o.live.Credentials != credchain.Redact(o.creds):
		return "Explain shows other credentials than Retrieve gives"
	}

	switch {
	case len(o.offlineWorld.asked) > 0:
		return fmt.Sprintf("offline Explain made requests: %v", o.offlineWorld.asked)
	case winner == "instance-profile" && offline == "" || absent && offline == "":
	case offline != winner:
		return fmt.Sprintf("Retrieve ends at %q; offline Explain at %q", winner, offline)
	case status == credchain.Used && offlineStatus != credchain.Used:
		return fmt.Sprintf("Retrieve uses %s; offline Explain says %v", winner, offlineStatus)
	}
	if problem := o.differentWords(); problem != "" {
		return problem
	}
	return o.overreach(winner)
}

// differentWords tells where Retrieve's error gives another reason for a link than Explain does. The report
// would then not explain the error.
func (o *outcome) differentWords() string {
	var e *credchain.Error
	if !errors.As(o.err, &e) {
		return ""
	}
	for i, a := range e.Trace.Attempts {
		if b := o.live.Attempts[i]; b.Status != credchain.Masked && (a.Provider != b.Provider || a.Reason != b.Reason || a.Remedy != b.Remedy) {
			return fmt.Sprintf("Retrieve says of %s: %s (%s); Explain says of %s: %s (%s)", a.Provider, a.Reason, a.Remedy, b.Provider, b.Reason, b.Remedy)
		}
	}
	return ""
}

// overreach tells who was asked, or which file was opened, without need; and whether parts of two sources
// were mixed.
func (o *outcome) overreach(winner string) string {
	for _, w := range []*world{o.world, o.liveWorld} {
		if w.asked["nobody"] > 0 {
			return "a request went to an address that the scenario does not have"
		}
		if winner != "container" && w.asked["container"] > 0 && winner != "instance-profile" && winner != "" {
			return "the container was asked, though " + winner + " ended the walk"
		}
	}
	switch {
	case winner != "instance-profile" && winner != "" && o.world.asked["imds"] > 0:
		return "Retrieve asked the metadata service, though " + winner + " ended the walk"
	case winner != "instance-profile" && o.liveWorld.calls["role"]+o.liveWorld.calls["extended"] > 0:
		return "Explain fetched the credentials of the metadata service, though " + winner + " ended the walk"
	case winner == "environment" && o.world.arg("order") == nil && o.world.arg("--profile") == nil && len(o.world.opened) > 0:
		return "Retrieve opened files for the keys of the environment: " + strings.Join(o.world.opened, " ")
	}
	if o.err != nil {
		if o.creds != (aws.Credentials{}) {
			return "Retrieve gives credentials and an error"
		}
		return ""
	}
	id, c := o.creds.AccessKeyID, o.creds
	if o.world.wants("secret") || o.world.wants("token") {
		return ""
	}
	if c.SecretAccessKey != secretOf(id) || c.SessionToken != "" && c.SessionToken != tokenOf(id) {
		return "the credentials of " + id + " are mixed with others"
	}
	return ""
}

func (s *scenario) wants(verb string) bool {
	for _, w := range s.want {
		if w[0] == verb {
			return true
		}
	}
	return false
}

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
// here once more, from the documents: design, section 3; behaviours, 1.4.
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

// accountOf gives every access key ID an account of its own.
func accountOf(id string) string { return fmt.Sprintf("%012d", crc32.ChecksumIEEE([]byte(id))) }

// dice makes machines. What one says is written once into a scenario's section.
type dice struct{ *rand.Rand }

func dealt(seed uint64) *dice { return &dice{rand.New(rand.NewPCG(seed, 1))} }

func (d *dice) chance(percent int) bool { return d.IntN(100) < percent }

// one returns one of the given values. The first is the usual one.
func (d *dice) one(values ...string) string {
	if d.chance(60) {
		return values[0]
	}
	return values[d.IntN(len(values))]
}

func (d *dice) machine() *txtar.Archive {
	sections := []string{"-- args --\n" + d.args(), "-- env --\n" + d.environment()}
	for _, f := range [...]struct{ path, header, tag string }{
		{"home/.aws/credentials", "[%s]", "CRED"},
		{"home/.aws/config", "[profile %s]", "CONF"},
	} {
		switch roll := d.IntN(100); {
		case roll < 40:
			sections = append(sections, "-- "+f.path+" --\n"+d.file(f.header, f.tag))
		case roll < 44:
			sections = append(sections, "-- special --\n"+f.path+" "+d.one("unreadable", "directory")+"\n")
		}
	}
	if d.chance(85) {
		sections = append(sections, "-- /var/run/token --\n"+d.one("auth0/canary+=", "", "auth0/one+=\nauth0/two+=")+"\n")
	}
	if d.chance(60) {
		sections = append(sections, "-- imds --\n"+d.imds())
	}
	if d.chance(70) {
		sections = append(sections, "-- container --\n"+d.container())
	}
	return mix(sections...)
}

func (d *dice) args() (out string) {
	if d.chance(30) {
		out += "order " + d.one("java", "java-v2") + "\n"
	}
	if d.chance(15) {
		out += d.one("--profile ", "code-profile ") + d.one("p", "default", "q", "typo") + "\n"
	}
	if d.chance(6) {
		const id = "AKIAFLAGS00000000002"
		out += "static " + id + d.one(" "+secretOf(id), "", " "+secretOf(id)+" "+tokenOf(id)+" "+accountOf(id)) + "\n"
	}
	return out
}

func (d *dice) environment() string {
	var b strings.Builder
	set := func(percent int, name string, values ...string) {
		if d.chance(percent) {
			fmt.Fprintf(&b, "%s=%q\n", name, d.one(values...))
		}
	}
	if d.chance(25) {
		id := d.one("ASIAENVIRONMENT00001", "AKIAENVIRONMENT00002")
		set(90, "AWS_ACCESS_KEY_ID", id, " "+id+"\n", "", " ", "'"+id+"'", id[:4]+" "+id[4:])
		secret := secretOf(id)
		set(90, "AWS_SECRET_ACCESS_KEY", secret, secret+"\r\n", "", "\t", `"`+secret+`"`, secret+"\x1b[0m+")
		set(10, "AWS_CREDENTIAL_EXPIRATION", "2000-02-01T00:00:00Z", "1999-01-01T00:00:00Z", "soon")
		for _, name := range []string{"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"} {
			set(40, name, tokenOf(id), " ", tokenOf(id)+" ", tokenOf(id)+"\n2")
		}
		set(40, "AWS_ACCOUNT_ID", accountOf(id), " ")
	} else {
		set(20, "AWS_SESSION_TOKEN", "t0ken/STALE+=")
		set(20, "AWS_ACCOUNT_ID", "999999999999")
		set(10, "AWS_ACCESS_KEY", "AKIASTALE00000000000")
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		set(20, name, "p", "q", " p", "", "default", "typo", "p\x00")
	}
	set(7, "AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token", " ")
	set(20, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/creds", " ", "", "creds")
	set(10, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.2/creds", "http://203.0.113.7/creds", "http://nowhere.example/", "ftp://127.0.0.1/", "http://%zz")
	set(20, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "auth0/canary+=", "", "auth0/\r\n+=")
	set(20, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/token", "/nowhere", " ")
	set(10, "AWS_EC2_METADATA_DISABLED", "true", "false", "TRUE", "yes", " ")
	set(10, "AWS_EC2_METADATA_V1_DISABLED", "true", "false", "1")
	set(5, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254/", "http://169.254.269.254", "nonsense")
	set(5, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1", "5", "x")
	set(5, "AWS_EC2_INSTANCE_PROFILE_NAME", "app", "other", "a/b")
	const id = "ASIAPROPERTIES000007"
	for _, name := range []string{"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"} {
		set(20, name, "-Daws.accessKeyId="+id+" -Daws.secretAccessKey="+secretOf(id)+" -Daws.accountId="+accountOf(id), "-Daws.accessKeyId="+id,
			"-Daws.profile=p", "-Daws.sessionToken="+tokenOf(id), "'open", "-Daws.disableEc2Metadata=true", "")
	}
	return b.String()
}

// file makes a shared file: sections of lines, one set of keys for each.
func (d *dice) file(header, tag string) (out string) {
	for _, name := range []string{"default", "p", "q"} {
		if d.chance(40) {
			continue
		}
		if name == "default" && d.chance(80) {
			out += "[default]"
		} else {
			out += fmt.Sprintf(header, name)
		}
		out = strings.TrimSuffix(out, d.one("", "", "]")) + "\n"
		id := d.one("ASIA", "AKIA") + tag + strings.ToUpper(name) + "0000000000000000"
		id = id[:20]
		set := func(percent int, key string, values ...string) {
			if d.chance(percent) {
				out += key + d.one("", " ") + "=" + d.one(" ", "") + d.one(values...) + "\n"
			}
		}
		if d.chance(60) {
			set(95, "aws_access_key_id", id, "", `"`+id+`"`, id+" # comment")
			set(95, d.one("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"), secretOf(id), "", secretOf(id)+"\n continued")
		}
		set(20, "aws_session_token", tokenOf(id), "")
		set(20, "aws_account_id", accountOf(id))
		set(8, "role_arn", "arn:aws:iam::123456789012:role/r")
		set(8, "source_profile", "default", "q")
		set(4, "credential_source", "Environment")
		set(4, "web_identity_token_file", "/var/run/token")
		set(4, "sso_account_id", "123456789012")
		set(4, "login_session", "arn:aws:iam::123456789012:user/u")
		set(4, "credential_process", "/opt/fetch s3cret/PROCESS+=")
		set(5, "ec2_metadata_v1_disabled", "true", "false", "maybe")
		set(5, "ec2_metadata_service_endpoint_mode", "IPv4", "v6")
		if d.chance(4) {
			out += d.one("no equals sign", "= nothing", "  indented") + "\n"
		}
	}
	return out
}

func (d *dice) imds() (out string) {
	out = "credentials ASIAINSTANCE00000006 " + accountOf("ASIAINSTANCE00000006") + "\n"
	out += d.one("role app\n", "", "role app\nextended\n") + "mode " + d.one("both", "v1", "v2") + "\n"
	if d.chance(5) {
		out += "silent\n"
	}
	for _, target := range []string{"token", "list", "role", "extended"} {
		if d.chance(15) {
			out += "status " + target + " " + d.one("500", "403", "400", "401,200", "404", "silent", "reset,cut,200", "302") + "\n"
		}
	}
	if d.chance(10) {
		out += `body role ` + d.one(`{"Code":"Failed","Message":"no"}`, `{}`, `[]`, `<html>`) + "\n"
	}
	return out
}

func (d *dice) container() (out string) {
	out = "credentials ASIACONTAINER0000005 " + accountOf("ASIACONTAINER0000005") + "\n"
	if d.chance(20) {
		out += "token auth0/canary+=\n"
	}
	if d.chance(30) {
		out += "status document " + d.one("500", "403", "429,200", "silent", "reset,reset,200", "cut", "302") + "\n"
	}
	if d.chance(10) {
		out += "body document " + d.one(`{}`, `null`, `{"AccessKeyId":"ASIACONTAINER0000005"}`, `<html>`) + "\n"
	}
	return out
}
