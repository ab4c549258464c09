package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/contract"
)

// fetcher is the part of the AWS CLI that reads and writes its cache, on a service that says what it is asked to.
// It reads the arguments of several calls, and prints the key and the access key ID that each got, from the cache
// in the directory that is its argument or from that service.
const fetcher = `
import json, sys, datetime, botocore.credentials as c
class STS:
    def answer(self, **kw):
        end = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(hours=1)
        return {"Credentials": {"AccessKeyId": "ASIAFROMCLI", "SecretAccessKey": "Canary7", "SessionToken": "Canary7", "Expiration": end.astimezone(c.tzutc())},
            "AssumedRoleUser": {"AssumedRoleId": "AROA:x", "Arn": "arn:aws:sts::210987654321:assumed-role/r/x"}, "ResponseMetadata": {"HTTPStatusCode": 200}}
    assume_role = assume_role_with_web_identity = answer
out = []
for call in json.load(sys.stdin):
    cache, args = c.JSONFileCache(sys.argv[1]), dict(call["args"])
    arn = args.pop("RoleArn")
    sts = lambda *a, **kw: STS()
    if call["web"]:
        f = c.AssumeRoleWithWebIdentityCredentialFetcher(sts, lambda: "token", arn, args, cache)
    else:
        f = c.AssumeRoleCredentialFetcher(sts, c.Credentials("AKIA", "s"), arn, args, lambda p: "123456", cache)
    try:
        got = f.fetch_credentials()
        out.append([f._cache_key, got["access_key"], got["expiry_time"], got["account_id"]])
    except Exception as e:
        out.append([f._cache_key, repr(e), "", ""])
json.dump(out, sys.stdout)
`

type cliCall struct {
	Web  bool           `json:"web"`
	Args map[string]any `json:"args"`
}

type cliAnswer struct{ key, id, expires, account string }

// python runs fetcher.
func python(t *testing.T, dir string, calls []cliCall) []cliAnswer {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts Python")
	}
	binary, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	if out, err := exec.Command(binary, "-c", "from botocore.credentials import JSONFileCache, tzutc").CombinedOutput(); err != nil {
		t.Skipf("this Python has no botocore: %s", out)
	}
	in, err := json.Marshal(calls)
	require.NoError(t, err)
	cmd := exec.Command(binary, "-c", fetcher, dir)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	require.NoError(t, err)
	var rows [][4]string
	require.NoError(t, json.Unmarshal(out, &rows), "%s", out)
	require.Len(t, rows, len(calls))
	var answers []cliAnswer
	for _, r := range rows {
		answers = append(answers, cliAnswer{r[0], r[1], r[2], r[3]})
	}
	return answers
}

// args are botocore's for a key.
func args(k store.Key) cliCall {
	c := cliCall{Web: k.Operation == "AssumeRoleWithWebIdentity", Args: map[string]any{"RoleArn": k.RoleARN}}
	for name, value := range map[string]string{"RoleSessionName": k.SessionName, "ExternalId": k.ExternalID, "SerialNumber": k.SerialNumber, "Policy": k.Policy} {
		if value != "" {
			c.Args[name] = value
		}
	}
	if k.Duration != 0 {
		c.Args["DurationSeconds"] = k.Duration / time.Second
	}
	return c
}

// cliKeys are what the AWS CLI can ask for.
func cliKeys() []store.Key {
	const arn = "arn:aws:iam::123456789012:role/"
	keys := []store.Key{
		{RoleARN: arn + "plain"}, {RoleARN: arn + "named", SessionName: "n"}, {RoleARN: arn + "external", ExternalID: `q"u\o/té<&>` + "\x7f😀\u2028\t"},
		{RoleARN: arn + "mfa", SerialNumber: "arn:aws:iam::123456789012:mfa/u"}, {RoleARN: arn + "duration", Duration: 43200 * time.Second},
		{RoleARN: arn + "all", SessionName: "n", ExternalID: "e", SerialNumber: "m", Duration: 900 * time.Second, Policy: `{"Version":"2012-10-17"}`},
		{RoleARN: arn + "web", SessionName: "n"},
	}
	keys[len(keys)-1].Operation = "AssumeRoleWithWebIdentity"
	for _, policy := range []string{
		`{}`, `[]`, `null`, `"é\u00e9\n\"\/"`, ` { "b" : [ 1 , true, false, null ] , "a" : {"z":"","Z":"","é":"","😀":"", "\uffff": ""} } `, `{"a":1,"a":2}`,
		`[0, -0, 10, 1.0, -0.0, 1.50, 1e2, 1E+2, 1e-4, 1e-5, 0.0001, 0.00001234, 123456789012345678, 1e15, 1e16, 1e17, 12345678901234567890.0, 1e400, -1e400, 5e-324, 0.1]`,
		`{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringLike":{"aws:userid":"<&>'"}}}],"Version":"2012-10-17"}`,
	} {
		keys = append(keys, store.Key{RoleARN: arn + "policy", Policy: policy})
	}
	for i := range keys {
		if keys[i].Operation == "" {
			keys[i].Operation = "AssumeRole"
		}
		keys[i].Caller, keys[i].Service = "profile dev", "eu-central-1" // which the CLI does not care about
	}
	return keys
}

// TestReadsCLI and TestCLIReads are the two directions of sharing sessions with the AWS CLI, for everything it can
// ask for.
func TestReadsCLI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var calls []cliCall
	for _, k := range cliKeys() {
		calls = append(calls, args(k))
	}
	answers := python(t, dir, calls)
	s := newNoted(dir)
	s.CLI = true
	for i, k := range cliKeys() {
		require.Equal(t, "ASIAFROMCLI", answers[i].id)
		require.FileExists(t, filepath.Join(dir, answers[i].key+".json"))
		c, err := s.Through(t.Context(), k, good, func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("it is there, and was not found")
		})
		require.NoErrorf(t, err, "%+v", calls[i])
		require.Equal(t, "ASIAFROMCLI", c.AccessKeyID)
		require.Equal(t, "210987654321", c.AccountID)
		require.InDelta(t, time.Hour, time.Until(c.Expires), float64(10*time.Minute))
		k.Caller, k.Service = "another", "" // as the CLI has it
		_, err = s.Through(t.Context(), k, good, func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("no") })
		require.NoError(t, err)
	}
	require.Empty(t, s.lines)
}

func TestCLIReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, source := newNoted(dir), &contract.Source{}
	s.CLI = true
	var calls []cliCall
	want := map[string]string{}
	for _, k := range cliKeys() {
		c, err := s.Through(t.Context(), k, good, source.Fetch)
		require.NoError(t, err)
		calls = append(calls, args(k))
		want[k.Operation+k.RoleARN+k.Policy] = c.AccessKeyID
	}
	for i, a := range python(t, dir, calls) {
		k := cliKeys()[i]
		require.Equalf(t, want[k.Operation+k.RoleARN+k.Policy], a.id, "%+v", calls[i])
		require.Equal(t, "123456789012", a.account)
	}
	require.Empty(t, s.lines)
}

// TestOwnBesideCLI: what the AWS CLI never asks for, and what only Python reads, is kept under a key of ours.
func TestOwnBesideCLI(t *testing.T) {
	t.Parallel()
	s, source := newNoted(t.TempDir()), &contract.Source{}
	s.CLI = true
	base := store.Key{Operation: "AssumeRole", RoleARN: "arn:aws:iam::123456789012:role/a"}
	edits := []func(*store.Key){
		func(k *store.Key) { k.Operation = "GetSessionToken" }, func(k *store.Key) { k.RoleARN = "" },
		func(k *store.Key) { k.SourceIdentity = "i" }, func(k *store.Key) { k.PolicyARNs = []string{"p"} },
		func(k *store.Key) { k.Tags = [][2]string{{"a", "b"}} }, func(k *store.Key) { k.TransitiveTagKeys = []string{"a"} },
		func(k *store.Key) { k.Duration = 1500 * time.Millisecond }, func(k *store.Key) { k.Policy = "{" },
		func(k *store.Key) { k.Policy = "{}{}" }, func(k *store.Key) { k.Policy = `"\ud800"` }, func(k *store.Key) { k.Policy = `NaN` },
	}
	for _, edit := range edits {
		k := base
		edit(&k)
		_, err := s.Through(t.Context(), k, good, source.Fetch)
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(s.Dir, "credchain-"+k.String()+".json"))
	}
	require.EqualValues(t, len(edits), source.Calls.Load())
	_, err := s.Through(t.Context(), base, good, source.Fetch)
	require.NoError(t, err)
	entries, err := os.ReadDir(s.Dir)
	require.NoError(t, err)
	require.Len(t, entries, len(edits)+1)
	require.False(t, strings.HasPrefix(entries[0].Name(), "credchain-"))
}

// TestCLIName holds one of the CLI's names, computed by Python, for where there is no Python.
func TestCLIName(t *testing.T) {
	t.Parallel()
	s := newNoted(t.TempDir())
	s.CLI = true
	_, err := s.Through(t.Context(), store.Key{Operation: "AssumeRole", RoleARN: "arn:aws:iam::123456789012:role/a", ExternalID: "é😀\"\x7f",
		Duration: time.Hour, Policy: `{"b":[1e15,1e16,-0,1.50],"a":null}`}, good, (&contract.Source{}).Fetch)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(s.Dir, "ecca4c3302afb9099d35e376335cc8e4c084ec73.json"))
}
