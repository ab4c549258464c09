package realtest_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

const dicedAccount = "111122223333"

// profiles are made by dice: what they lead to is botocore's and our business.
type profiles struct {
	*rand.Rand
	config, credentials strings.Builder
	names               []string
	kinds               map[string]int
	users               []string // access key IDs
	onPurpose           map[string]string
}

func (p *profiles) one(values ...string) string { return values[p.IntN(len(values))] }

// key makes an access key of its own, known to STS.
func (p *profiles) key() string {
	id := fmt.Sprintf("AKIAGENERATED%07d", len(p.users))
	p.users = append(p.users, id)
	return fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = secret/%s\n", id, id)
}

// role is the beginning of a profile with a role; the other settings do not change who one is in the end.
func (p *profiles) role(n int) string {
	s := fmt.Sprintf("role_arn = arn:aws:iam::%s:role/%s\n", dicedAccount, p.one("open", "open", "open", "path/to/open", "external", "closed"))
	if p.IntN(2) == 0 {
		s += fmt.Sprintf("role_session_name = name-%d\n", n)
	}
	if strings.Contains(s, "external") || p.IntN(6) == 0 {
		s += "external_id = " + p.one("wanted", "wanted", "other") + "\n"
	}
	if p.IntN(4) == 0 {
		s += "duration_seconds = " + p.one("900", "930", "3600") + "\n"
	}
	return s
}

// earlier names a profile that is there already, or now and then none.
func (p *profiles) earlier() string {
	if len(p.names) == 0 || p.IntN(25) == 0 {
		return "nobody"
	}
	return p.names[p.IntN(len(p.names))]
}

// add makes the nth profile.
func (p *profiles) add(n int, home, program, token string) {
	name := fmt.Sprintf("p%03d", n)
	var config, credentials, differs string
	kind := p.one("keys", "keys", "config keys", "chain", "chain", "chain", "chain", "environment", "self", "keys in the middle", "process",
		"web identity", "sso", "legacy sso", "loop", "both sources", "no source", "half", "sso and keys", "keys and process", "config keys and process",
		"role and web identity", "bad duration", "nothing")
	switch kind {
	case "keys":
		credentials = p.key()
	case "config keys":
		config = p.key()
	case "chain":
		config = p.role(n) + "source_profile = " + p.earlier() + "\n"
	case "environment":
		config = p.role(n) + "credential_source = " + p.one("Environment", "Environment", "environment", "EcsContainer") + "\n"
	case "self":
		config = p.role(n) + "source_profile = " + name + "\n"
		if p.IntN(2) == 0 {
			credentials = p.key()
		}
	case "keys in the middle":
		config, credentials = p.role(n)+"source_profile = "+p.earlier()+"\n", p.key()
	case "process":
		config = "credential_process = " + program + " '" + name + "' \"two words\"\n"
	case "web identity":
		config = p.role(n) + "web_identity_token_file = " + token + "\n"
		config = strings.ReplaceAll(config, "role/open", "role/web")
	case "role and web identity":
		config = p.role(n) + "source_profile = " + p.earlier() + "\nweb_identity_token_file = " + token + "\n"
		config = strings.ReplaceAll(config, "role/open", "role/web")
	case "sso":
		config = "sso_session = corp\nsso_account_id = " + dicedAccount + "\nsso_role_name = " + p.one("reader", "reader", "stranger") + "\n"
	case "legacy sso":
		config = "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = " + dicedAccount + "\nsso_role_name = reader\n"
	case "loop":
		config = p.role(n) + fmt.Sprintf("source_profile = p%03d\n", n+1) // and the next may lead back
	case "both sources":
		config = p.role(n) + "credential_source = Environment\nsource_profile = " + p.earlier() + "\n"
	case "no source":
		config = p.role(n)
	case "half":
		credentials = strings.SplitAfter(p.key(), "\n")[0]
	case "sso and keys":
		config, credentials = "sso_session = corp\nsso_account_id = "+dicedAccount+"\nsso_role_name = reader\n", p.key()
	case "keys and process":
		config, credentials = "credential_process = "+program+" x\n", p.key()
	case "config keys and process":
		config = "credential_process = " + program + " x\n" + p.key()
	case "bad duration":
		config = p.role(n)
		config = strings.ReplaceAll(config, "duration_seconds", "# duration_seconds") + "source_profile = " + p.earlier() + "\nduration_seconds = " + p.one("an hour", "1e3") + "\n"
		differs = "a duration that is no number is an error; botocore ignores it"
	case "nothing":
		config = "region = eu-west-1\n"
	}
	p.kinds[kind]++
	if differs != "" {
		p.onPurpose[name] = differs
	}
	p.names = append(p.names, name)
	if config != "" {
		fmt.Fprintf(&p.config, "[profile %s]\n%s\n", name, config)
	}
	if credentials != "" {
		fmt.Fprintf(&p.credentials, "[%s]\n%s\n", name, credentials)
	}
}

// madeUp is the part of an identity that is made up anew each time.
var madeUp = regexp.MustCompile(`(credchain-|botocore-session-)[\w.-]+$`)

// TestBotocoreAgrees: the profiles lead to the same identity with botocore, which is what the AWS CLI resolves
// with, and with the library, at one and the same STS.
func TestBotocoreAgrees(t *testing.T) {
	t.Parallel()
	python := pythonWith(t, "botocore")
	home := t.TempDir()
	service := &awstest.STS{}
	issuer := &awstest.OIDC{}
	service.Issuers = []*awstest.OIDC{issuer}
	centre := &awstest.SSO{STS: service, Roles: []awstest.SSORole{{AccountID: dicedAccount, Name: "reader", Lifetime: time.Hour}}}
	for _, name := range []string{"open", "path/to/open", "external", "closed", "web", "path/to/web"} {
		r := awstest.Role{ARN: "arn:aws:iam::" + dicedAccount + ":role/" + name, Trust: []string{"*"}}
		switch filepath.Base(name) {
		case "external":
			r.ExternalID = "wanted"
		case "closed":
			r.Trust = nil
		case "web":
			r.WebIdentity = []awstest.WebIdentityTrust{{Issuer: "https://oidc.example.com"}}
		}
		service.Roles = append(service.Roles, r)
	}
	p := &profiles{Rand: rand.New(rand.NewPCG(2026, 11)), kinds: map[string]int{}, onPurpose: map[string]string{}}
	p.config.WriteString("[sso-session corp]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n\n")
	processKey := awstest.LongTerm("process")
	program := script(t, home, "with blanks/fetch",
		fmt.Sprintf(`echo '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s"}'`, processKey.AccessKeyID, processKey.SecretAccessKey))
	token := writeFile(t, home, "token", issuer.Token(awstest.Claims{Subject: "pod"}))
	require.NoError(t, os.WriteFile(token, bytes.TrimSpace(must(os.ReadFile(token))), 0o600)) // botocore does not trim
	for n := range 220 {
		p.add(n, home, `"`+program+`"`, token)
	}
	for _, id := range p.users {
		service.Principals = append(service.Principals, awstest.Principal{Account: dicedAccount, ARN: "arn:aws:iam::" + dicedAccount + ":user/" + id,
			Credentials: aws.Credentials{AccessKeyID: id, SecretAccessKey: "secret/" + id}})
	}
	environment := awstest.LongTerm("environment")
	service.Principals = append(service.Principals,
		awstest.Principal{Account: dicedAccount, ARN: "arn:aws:iam::" + dicedAccount + ":user/process", Credentials: processKey},
		awstest.Principal{Account: dicedAccount, ARN: "arn:aws:iam::" + dicedAccount + ":user/environment", Credentials: environment})
	writeFile(t, home, ".aws/config", p.config.String())
	writeFile(t, home, ".aws/credentials", p.credentials.String())
	for _, key := range []string{"corp", "https://example.awsapps.com/start"} {
		sum := sha1.Sum([]byte(key))
		writeFile(t, home, ".aws/sso/cache/"+hex.EncodeToString(sum[:])+".json", centre.Session(time.Now().Add(8*time.Hour)).File())
	}
	env := map[string]string{
		"HOME": home, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_STS": awstest.Serve(t, service), "AWS_ENDPOINT_URL_SSO": awstest.Serve(t, centre),
		"AWS_ACCESS_KEY_ID": environment.AccessKeyID, "AWS_SECRET_ACCESS_KEY": environment.SecretAccessKey,
	}
	env["AWS_ENDPOINT_URL_SSO_OIDC"] = env["AWS_ENDPOINT_URL_SSO"]

	theirs := botocoreIdentities(t, python, env, p.names)
	same, errs := 0, 0
	for _, name := range p.names {
		ours := identity(t, env, name)
		theirs := madeUp.ReplaceAllString(theirs[name], "MADE-UP")
		if strings.HasPrefix(theirs, "error") {
			theirs = "error"
		}
		shown := madeUp.ReplaceAllString(ours, "MADE-UP")
		if strings.HasPrefix(shown, "error") {
			shown = "error"
		}
		if why := p.onPurpose[name]; why != "" && shown != theirs {
			t.Logf("%s differs on purpose: %s", name, why)
			continue
		}
		require.Equal(t, theirs, shown, "profile %s; ours: %s\n%s\n%s", name, ours, p.config.String(), p.credentials.String())
		if same++; shown == "error" {
			errs++
		}
	}
	t.Logf("%d of %d profiles are the same to botocore and to us, %d of them an error; kinds: %v", same, len(p.names), errs, p.kinds)
	require.GreaterOrEqual(t, same, 200)
	require.Less(t, errs, same*2/3, "too many of the profiles are errors to say much")
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// pythonWith returns the Python interpreter if it has a module.
func pythonWith(t *testing.T, module string) string {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	if out, err := exec.Command(python, "-c", "import "+module).CombinedOutput(); err != nil {
		t.Skipf("python3 has no %s: %s", module, bytes.TrimSpace(out))
	}
	return python
}

func botocoreIdentities(t *testing.T, python string, env map[string]string, names []string) map[string]string {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "testdata/identities.py")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(strings.Join(names, "\n")+"\n"), &errs
	out, err := cmd.Output()
	require.NoError(t, err, errs.String())
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, arn, _ := strings.Cut(strings.TrimSpace(line), "\t")
		found[name] = arn
	}
	require.Len(t, found, len(names))
	return found
}

// identity resolves a profile and asks STS who it is.
func identity(t *testing.T, env map[string]string, name string) string {
	sys := machine(t, env, newWire())
	sys.Home = nil // as the environment says
	c := providers.Config{Profile: name, System: sys}
	client, err := providers.STS(t.Context(), c)
	if err != nil {
		return "error " + err.Error()
	}
	client.MaxAttempts = 1
	who, err := client.GetCallerIdentity(t.Context())
	if err != nil {
		return "error " + err.Error()
	}
	return who.ARN
}
