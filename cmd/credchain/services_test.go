package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const (
	ann    = "arn:aws:iam::123456789012:user/ann"
	deploy = "arn:aws:iam::123456789012:role/deploy"
	device = "arn:aws:iam::123456789012:mfa/ann"
)

// online is a machine with a user's keys in its environment, and a cloud in which STS knows them.
func online(vars ...string) (*machine, *awstest.STS) {
	sts := &awstest.STS{
		Region:     "eu-west-1",
		Principals: []awstest.Principal{{ARN: ann, Credentials: aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}}},
		Roles:      []awstest.Role{{ARN: deploy, Trust: []string{ann}, MaxDuration: 2 * time.Hour}},
		MFADevices: []awstest.MFADevice{{Serial: device, User: ann, Codes: []string{"123456", "234567"}}},
	}
	m := &machine{env: environment(append([]string{"AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true"}, vars...)...), files: map[string]string{}}
	m.imds = awstest.Transport(map[string]http.Handler{"sts.eu-west-1.amazonaws.com": sts})
	return m, sts
}

func TestWhoami(t *testing.T) {
	t.Parallel()
	m, _ := online()
	out, errs, code := m.run(t, "whoami")
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, "account  123456789012\narn      "+ann+"\nuser id  AIDA")
	out, _, code = m.run(t, "whoami", "--json")
	require.Equal(t, exitFound, code)
	var doc map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, ann, doc["arn"])
	require.Equal(t, "123456789012", doc["account"])

	// The flags hold for the call as well.
	_, errs, code = m.run(t, "--region", "dummy", "whoami")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "--region")
	require.Contains(t, errs, `"dummy"`)
}

func TestWhoamiFails(t *testing.T) {
	t.Parallel()
	m, sts := online("AWS_SECRET_ACCESS_KEY=canary/another+key")
	out, errs, code := m.run(t, "whoami")
	require.Empty(t, out)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "SignatureDoesNotMatch")
	require.Equal(t, 1, sts.Calls("GetCallerIdentity"))

	m, _ = online("AWS_ACCESS_KEY_ID=AKIAIOSFODNN8EXAMPLE")
	_, errs, code = m.run(t, "whoami")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "InvalidClientTokenId")
	require.Contains(t, errs, "credchain explain")

	m, sts = online("AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
	_, errs, code = m.run(t, "whoami")
	require.Equal(t, exitNothing, code)
	require.Contains(t, errs, "no credentials are configured")
	require.Zero(t, sts.Calls("GetCallerIdentity"), "no anonymous request")
}

func TestAssume(t *testing.T) {
	t.Parallel()
	m, sts := online()
	policy := filepath.Join(t.TempDir(), "policy.json")
	require.NoError(t, os.WriteFile(policy, []byte(`{"Version":"2012-10-17","Statement":[]}`), 0o600))
	out, errs, code := m.run(t, "assume", deploy, "--session-name", "release", "--duration", "15m", "--tag", "team=ops", "--tag", "empty=",
		"--transitive-tag", "team", "--policy", policy, "--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess",
		"--source-identity", "ann", "--external-id", "ext-1")
	require.Equal(t, exitFound, code, errs)
	var doc struct{ AccessKeyId, SessionToken, AccountId string }
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	s := sts.Sessions()[0]
	require.Equal(t, s.Principal.Credentials.AccessKeyID, doc.AccessKeyId)
	require.Equal(t, s.Principal.Credentials.SessionToken, doc.SessionToken)
	require.Equal(t, "123456789012", doc.AccountId)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/deploy/release", s.Principal.ARN)
	require.Equal(t, 15*time.Minute, s.Duration)
	require.Equal(t, map[string]string{"team": "ops", "empty": ""}, s.Tags)
	require.Equal(t, []string{"team"}, s.TransitiveTagKeys)
	require.Equal(t, []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, s.PolicyARNs)
	require.Equal(t, `{"Version":"2012-10-17","Statement":[]}`, s.Policy)
	require.Equal(t, "ann", s.SourceIdentity)
	require.Equal(t, "ext-1", s.ExternalID)

	out, _, code = m.run(t, "assume", deploy, "--format", "env")
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "export AWS_SESSION_TOKEN=")
}

func TestAssumeRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":     {nil, exitUsage, "ARN of one role"},
		"a name":      {[]string{"deploy"}, exitUsage, "no ARN of a role"},
		"a user":      {[]string{ann}, exitUsage, "no ARN of a role"},
		"a tag":       {[]string{deploy, "--tag", "team"}, exitUsage, "KEY=VALUE"},
		"a policy":    {[]string{deploy, "--policy", "/nowhere/policy"}, exitUsage, "/nowhere/policy"},
		"unknown":     {[]string{"arn:aws:iam::123456789012:role/other"}, exitFailed, "AccessDenied"},
		"too short":   {[]string{deploy, "--duration", "1m"}, exitUsage, "credchain assume --help"},
		"a wrong tag": {[]string{deploy, "--tag", strings.Repeat("k", 129) + "=v"}, exitUsage, "--tag: "},
		"too long":    {[]string{deploy, "--duration", "3h"}, exitFailed, "ValidationError"},
		"no terminal": {[]string{deploy, "--serial", device}, exitFailed, "no terminal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := online()
			out, errs, code := m.run(t, append([]string{"assume"}, tt.args...)...)
			require.Empty(t, out)
			require.Equal(t, tt.code, code, errs)
			require.Contains(t, errs, tt.want)
			require.NotContains(t, errs, "canary")
		})
	}
}

// TestAssumeWithoutCredentials: that nothing is configured is no failure of the role.
func TestAssumeWithoutCredentials(t *testing.T) {
	t.Parallel()
	m, sts := online("AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
	out, errs, code := m.run(t, "assume", deploy)
	require.Empty(t, out)
	require.Equal(t, exitNothing, code, errs)
	require.Contains(t, errs, "no credentials are configured\n  `credchain explain`")
	require.Zero(t, sts.Calls("AssumeRole"))

	m, _ = online("AWS_SECRET_ACCESS_KEY=")
	_, errs, code = m.run(t, "assume", deploy)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "credchain: environment: AWS_ACCESS_KEY_ID is set, but")
}

func TestAssumeWithMFA(t *testing.T) {
	t.Parallel()
	m, sts := online()
	sts.Roles[0].RequireMFA = true
	_, errs, code := m.run(t, "assume", deploy)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "AccessDenied")
	m.answers = []string{"123456"}
	_, errs, code = m.run(t, "assume", deploy, "--serial", device)
	require.Equal(t, exitFound, code, errs)
}

func TestMFA(t *testing.T) {
	t.Parallel()
	m, sts := online()
	out, errs, code := m.run(t, "mfa", "--serial", device, "--token-code", "123456", "--duration", "30m", "--format", "json")
	require.Equal(t, exitFound, code, errs)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	s := sts.Sessions()[0]
	require.Equal(t, s.Principal.Credentials.AccessKeyID, doc["access_key_id"])
	require.Equal(t, 30*time.Minute, s.Duration)
	require.Equal(t, device, s.SerialNumber)

	// The device from the profile, the code from the person.
	m.files["/home/u/.aws/config"] = "[default]\nmfa_serial = " + device + "\n"
	m.answers = []string{"234567"}
	_, errs, code = m.run(t, "mfa")
	require.Equal(t, exitFound, code, errs)

	_, errs, code = m.run(t, "mfa", "--token-code", "234567")
	require.Equal(t, exitFailed, code, "a code is good once")
	require.Contains(t, errs, "AccessDenied")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"mfa"}, "no terminal"},
		{[]string{"mfa", "--token-code", "12345x"}, "credchain: --token-code: it must be six digits\n  see `credchain mfa --help`\n"},
		{[]string{"mfa", "--token-code", "111111", "--write", ""}, "--write is empty"},
		{[]string{"mfa", "--token-code", "111111", "--write", "x", "--format", "env"}, "exclude"},
		{[]string{"mfa", "--token-code", "111111", "--duration", "1s"}, "--duration: "},
	} {
		_, errs, code = m.run(t, tt.args...)
		require.Equal(t, exitUsage, code, "%v: %s", tt.args, errs)
		require.Contains(t, errs, tt.want)
	}
	delete(m.files, "/home/u/.aws/config")
	_, errs, code = m.run(t, "mfa", "--token-code", "111111")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "mfa_serial")
}

func TestMFAWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials")
	const before = "# mine\n[base]\naws_access_key_id = AKIAIOSFODNN9EXAMPLE\naws_secret_access_key = canary/another+key\n\n[base-mfa]\n" +
		"aws_access_key_id = ASIAOLD\naws_secret_access_key = old\naws_session_token = old\nregion = eu-west-1 # stays\n"
	require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
	m, sts := online("AWS_SHARED_CREDENTIALS_FILE=" + path)
	out, errs, code := m.run(t, "mfa", "--serial", device, "--token-code", "123456", "--write", "base-mfa")
	require.Equal(t, exitFound, code, errs)
	require.Empty(t, out)
	c := sts.Sessions()[0].Principal.Credentials
	require.NotContains(t, errs, c.SecretAccessKey)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	want := strings.NewReplacer("ASIAOLD", c.AccessKeyID, "secret_access_key = old", "secret_access_key = "+c.SecretAccessKey, "token = old", "token = "+c.SessionToken).Replace(before)
	require.Equal(t, want, string(after))

	// The session works.
	m.env["AWS_ACCESS_KEY_ID"], m.env["AWS_SECRET_ACCESS_KEY"] = "", ""
	m.files[path] = string(after)
	out, errs, code = m.run(t, "--profile", "base-mfa", "whoami")
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, ann)

	// A long-term key is not lost.
	m, sts = online("AWS_SHARED_CREDENTIALS_FILE=" + path)
	_, errs, code = m.run(t, "mfa", "--serial", device, "--token-code", "123456", "--write", "base")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "long-term key")
	require.Empty(t, sts.Sessions(), "the code is not spent on what cannot be written")
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(after), string(again))
}

// TestMFAWritesOverSessionsAlone: whatever may be a long-term key, or a part of one, is not overwritten, and a token
// that another tool would read first does not stay.
func TestMFAWritesOverSessionsAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		keys string
		want string // "": it is overwritten
	}{
		"nothing":              {"region = x\n", ""},
		"a session":            {"aws_access_key_id = ASIAOLD\naws_secret_access_key = old\naws_session_token = old\n", ""},
		"with the old name":    {"aws_access_key_id = ASIAOLD\naws_secret_access_key = old\naws_session_token = old\naws_security_token = old\n", ""},
		"a key":                {"aws_access_key_id = " + keyID + "\naws_secret_access_key = canary\n", "a long-term key"},
		"an empty token":       {"aws_access_key_id = " + keyID + "\naws_secret_access_key = canary\naws_session_token =\n", "a long-term key"},
		"a stale token":        {"aws_access_key_id = " + keyID + "\naws_secret_access_key = canary\naws_session_token = canary\n", "a long-term key"},
		"temporary, no token":  {"aws_access_key_id = ASIAOLD\naws_secret_access_key = canary\naws_session_token =\n", "a long-term key"},
		"a secret alone":       {"aws_secret_access_key = canary\n", "a secret access key without its ID"},
		"a secret and a token": {"aws_secret_access_key = canary\naws_session_token = canary\n", "a secret access key without its ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "credentials")
			before := "[to]\n" + tt.keys
			require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
			m, sts := online("AWS_SHARED_CREDENTIALS_FILE=" + path)
			_, errs, code := m.run(t, "mfa", "--serial", device, "--token-code", "123456", "--write", "to")
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			if tt.want == "" {
				require.Equal(t, exitFound, code, errs)
				require.Contains(t, string(after), sts.Sessions()[0].Principal.Credentials.AccessKeyID)
				require.NotContains(t, string(after), "old")
				require.NotContains(t, string(after), "aws_security_token")
				return
			}
			require.Equal(t, exitUsage, code, errs)
			require.Contains(t, errs, "profile to in "+path+" holds "+tt.want)
			require.NotContains(t, errs, "canary")
			require.Empty(t, sts.Sessions(), "the code is spent")
			require.Equal(t, before, string(after))
		})
	}
}

// TestMFASpendsNoCodeInVain on what cannot be written.
func TestMFASpendsNoCodeInVain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, nil, 0o400))
	m, sts := online("AWS_SHARED_CREDENTIALS_FILE=" + path)
	for to, want := range map[string]struct {
		code int
		text string
	}{
		"a]b": {exitUsage, "the name of a section must not"},
		"to":  {exitFailed, "it is read-only (mode 0400)"},
	} {
		if to == "a]b" {
			require.NoError(t, os.Chmod(path, 0o600))
		} else {
			require.NoError(t, os.Chmod(path, 0o400))
		}
		_, errs, code := m.run(t, "mfa", "--serial", device, "--token-code", "123456", "--write", to)
		require.Equal(t, want.code, code, errs)
		require.Contains(t, errs, want.text)
		require.Empty(t, sts.Sessions(), to)
	}
}

// TestMFACannotKeepTheSession: the profile got a key while STS was asked.
func TestMFACannotKeepTheSession(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials")
	m, _ := online("AWS_SHARED_CREDENTIALS_FILE=" + path)
	cloud := m.imds
	m.imds = roundTrip(func(r *http.Request) (*http.Response, error) {
		require.NoError(t, os.WriteFile(path, []byte("[to]\naws_access_key_id = "+keyID+"\n"), 0o600))
		return cloud.RoundTrip(r)
	})
	_, errs, code := m.run(t, "mfa", "--serial", device, "--token-code", "123456", "--write", "to")
	require.Equal(t, exitUsage, code, errs)
	require.Contains(t, errs, "a long-term key")
	require.Contains(t, errs, "a new code")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, sts := online("AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
		centre := &awstest.SSO{STS: sts, Pending: 2, Roles: []awstest.SSORole{{AccountID: "123456789012", Name: "reader"}}}
		m.imds = awstest.Transport(map[string]http.Handler{"sts.eu-west-1.amazonaws.com": sts,
			"oidc.eu-west-1.amazonaws.com": centre, "portal.sso.eu-west-1.amazonaws.com": centre})
		m.files["/home/u/.aws/config"] = "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n" +
			"[sso-session corp]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n[profile keys]\nregion = eu-west-1\n"
		_, errs, code := m.run(t, "--profile", "dev", "whoami")
		require.Equal(t, exitFailed, code)
		require.Contains(t, errs, "credchain login --profile dev")

		out, errs, code := m.run(t, "--profile", "dev", "login")
		require.Equal(t, exitFound, code, errs)
		require.Empty(t, out)
		require.Contains(t, errs, "https://")
		require.Contains(t, errs, "signed in to corp")
		require.Equal(t, 3, centre.Calls("CreateToken"))

		out, errs, code = m.run(t, "--profile", "dev", "whoami")
		require.Equal(t, exitFound, code, errs)
		require.Contains(t, out, "assumed-role/")

		for _, flag := range []string{"--region=eu-west-2", "--order=java"} {
			_, errs, code = m.run(t, "--profile", "dev", "login", flag)
			require.Equal(t, exitUsage, code, errs)
			require.Contains(t, errs, "login takes no --")
		}

		_, errs, code = m.run(t, "--profile", "keys", "login")
		require.Equal(t, exitFailed, code)
		require.Contains(t, errs, "neither sso_session nor sso_start_url")
	})
}

const denial = `{"allowed":false,"explicitDeny":true,"matchedStatements":{"items":[{"statementId":"NoBigOnes","effect":"DENY",` +
	`"principals":{"items":[]},"actions":{"items":[{"value":"ec2:RunInstances"}]},"resources":{"items":[{"value":"*"}]},"conditions":{"items":[]}}]},` +
	`"failures":{"items":[]},"context":{"principal":{"id":"AIDAEXAMPLE","name":"ann","arn":"` + ann + `"},"action":"ec2:RunInstances",` +
	`"resource":"arn:aws:ec2:eu-west-1:123456789012:instance/*","conditions":{"items":[{"key":"ec2:InstanceType","values":{"items":[{"value":"p5.48xlarge"}]}}]}}}`

func TestDecode(t *testing.T) {
	t.Parallel()
	m, sts := online()
	encoded := sts.AuthorizationMessage(denial)
	const want = "outcome    denied, by a statement that says so\n" +
		"action     ec2:RunInstances\n" +
		"resource   arn:aws:ec2:eu-west-1:123456789012:instance/*\n" +
		"principal  " + ann + "\n" +
		"matched    deny, Sid NoBigOnes, actions ec2:RunInstances, resources *\n" +
		"condition  ec2:InstanceType = p5.48xlarge\n"
	log := "2026-11-24T10:00:00Z ERROR  operation error EC2: RunInstances, https response error StatusCode: 403, " +
		"api error UnauthorizedOperation: You are not authorized to perform this operation. Encoded authorization failure message: " + encoded + " trace=1"
	for name, text := range map[string]string{"alone": encoded, "in a log": log} {
		out, errs, code := m.run(t, "decode", text)
		require.Equal(t, exitFound, code, "%s: %s", name, errs)
		require.Equal(t, want, out, name)
		m.stdin = text
		out, errs, code = m.run(t, "decode")
		require.Equal(t, exitFound, code, "%s: %s", name, errs)
		require.Equal(t, want, out, name)
	}
	out, _, code := m.run(t, "decode", "--json", encoded)
	require.Equal(t, exitFound, code)
	require.JSONEq(t, denial, out)

	_, errs, code := m.run(t, "decode", encoded[:len(encoded)-8])
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "InvalidAuthorizationMessageException")
	require.Contains(t, errs, "none is missing")
	before := sts.Calls("DecodeAuthorizationMessage")
	_, errs, code = m.run(t, "decode", "Encoded authorization failure message: "+encoded[:90]+"...")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "cut off")
	_, errs, code = m.run(t, "decode", "nothing to see here")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "no encoded authorization message")
	require.Equal(t, before, sts.Calls("DecodeAuthorizationMessage"))
}

// TestDecodeTakesNoFlag: a message may begin with what looks like one.
func TestDecodeTakesNoFlag(t *testing.T) {
	t.Parallel()
	m, sts := online()
	message := "-Zx7" + strings.Repeat("Qx7-hZ_2kPw9", 30)
	for _, text := range []string{message, "-" + message} {
		_, errs, code := m.run(t, "decode", text)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errs, "write -- before")
		require.NotContains(t, errs, message[:6])
	}
	before := sts.Calls("DecodeAuthorizationMessage")
	_, errs, _ := m.run(t, "decode", "--", message)
	require.Contains(t, errs, "InvalidAuthorizationMessageException")
	require.Equal(t, before+1, sts.Calls("DecodeAuthorizationMessage"))
}

// TestDecodedCannotSteerTheTerminal: the document has what the refused caller sent. Programs get it as it is.
func TestDecodedCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	m, sts := online()
	evil := strings.Replace(denial, "ec2:RunInstances", "\u202e\u009b", 1)
	for name, tt := range map[string]struct {
		message string
		args    []string
		warns   bool
	}{
		"JSON":       {evil, []string{"decode", "--json"}, false},
		"unreadable": {"{\u202e\u009b", []string{"decode"}, true},
	} {
		encoded := sts.AuthorizationMessage(tt.message)
		shown, errs, code := m.runOn(t, terminal{there: true, width: width}, append(tt.args, encoded)...)
		require.Equal(t, exitFound, code, "%s: %s", name, errs)
		require.NotContains(t, shown, "\x1b", name)
		require.NotContains(t, shown, "\u202e", name)
		require.NotContains(t, shown, "\u009b", name)
		require.Contains(t, shown, "?", name)
		require.Equal(t, tt.warns, strings.HasPrefix(errs, "warning: the document is shown as it came: "), "%s: %s", name, errs)
		raw, _, _ := m.run(t, append(tt.args, encoded)...)
		if tt.warns {
			require.Equal(t, tt.message+"\n", raw)
		} else {
			require.JSONEq(t, tt.message, raw)
		}
	}
}
