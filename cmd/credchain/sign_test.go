package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

const queueURL = "https://sqs.eu-west-1.amazonaws.com/?Action=ListQueues"

var mine = aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}

// accepts is a verifier of the machine's keys.
func accepts(creds aws.Credentials) *sigv4.Verifier {
	return &sigv4.Verifier{UnsignedPayload: true, Credentials: func(context.Context, string, string) (aws.Credentials, error) { return creds, nil }}
}

// signed is the request that a program would send with the headers that were written.
func signed(t *testing.T, method, address, body, headers string) *http.Request {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	text := method + " " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\n" + strings.ReplaceAll(headers, "\n", "\r\n")
	if body != "" {
		text += "Content-Length: " + number(float64(len(body))) + "\r\n"
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text + "\r\n" + body)))
	require.NoError(t, err)
	return r
}

func TestSign(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(file, []byte("line 1\nline 2\r\n"), 0o600))
	for name, tt := range map[string]struct {
		args         []string
		stdin        string
		method, url  string
		body, region string
		service      string
	}{
		"GET":                {[]string{queueURL}, "", "GET", queueURL, "", "eu-west-1", "sqs"},
		"the region given":   {[]string{queueURL, "--region", "us-east-2"}, "", "GET", queueURL, "", "us-east-2", "sqs"},
		"the service given":  {[]string{"https://api.example/pets", "--service", "execute-api"}, "", "GET", "https://api.example/pets", "", "eu-south-1", "execute-api"},
		"data":               {[]string{queueURL, "-d", "a=1", "-d", "b=2"}, "", "POST", queueURL, "a=1&b=2", "eu-west-1", "sqs"},
		"data of a file":     {[]string{queueURL, "-d", "@" + file}, "", "POST", queueURL, "line 1line 2", "eu-west-1", "sqs"},
		"a file as it is":    {[]string{queueURL, "--data-binary", "@" + file}, "", "POST", queueURL, "line 1\nline 2\r\n", "eu-west-1", "sqs"},
		"standard input":     {[]string{queueURL, "-X", "PATCH", "-d", "@-"}, "x=1", "PATCH", queueURL, "x=1", "eu-west-1", "sqs"},
		"an upload":          {[]string{"https://b.s3.eu-west-1.amazonaws.com/in/", "-T", file}, "", "PUT", "https://b.s3.eu-west-1.amazonaws.com/in/body", "line 1\nline 2\r\n", "eu-west-1", "s3"},
		"an upload of input": {[]string{"https://b.s3.eu-west-1.amazonaws.com/k", "-T", "-"}, "x", "PUT", "https://b.s3.eu-west-1.amazonaws.com/k", "x", "eu-west-1", "s3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &machine{env: environment("AWS_REGION=eu-south-1", "AWS_EC2_METADATA_DISABLED=true"), stdin: tt.stdin}
			out, errs, code := m.run(t, append([]string{"sign"}, tt.args...)...)
			require.Equal(t, exitFound, code, errs)
			require.NotContains(t, out, "canary")
			verified, err := accepts(mine).Verify(signed(t, tt.method, tt.url, tt.body, out), time.Now())
			require.NoError(t, err, out)
			require.Equal(t, tt.service, verified.Service)
			require.Equal(t, tt.region, verified.Region)
			require.Zero(t, m.requests.Load())
		})
	}
}

func TestSignJSON(t *testing.T) {
	t.Parallel()
	m := &machine{env: environment("AWS_SESSION_TOKEN=" + session)}
	out, errs, code := m.run(t, "sign", queueURL, "--json", "-H", "X-Amz-Target: Queues.List", "-H", "Host: other.example")
	require.Equal(t, exitFound, code, errs)
	var doc struct {
		Method, URL string
		Headers     http.Header
	}
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, "GET", doc.Method)
	require.Equal(t, session, doc.Headers.Get("X-Amz-Security-Token"))
	require.Equal(t, "other.example", doc.Headers.Get("Host"))
	require.Contains(t, doc.Headers.Get("Authorization"), "x-amz-target")
	require.Empty(t, doc.Headers["X-Amz-Target"], "what was given is not written")
}

const accessPoint = "https://alias.mrap.accesspoint.s3-global.amazonaws.com/k"

// TestRegionSet signs for several regions, with SigV4a.
func TestRegionSet(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args                 []string
		url, service, region string
	}{
		"an access point":     {[]string{"--region-set", "*"}, accessPoint, "s3", "*"},
		"an event bus":        {[]string{"--region-set", "us-*, eu-west-1"}, "https://id.endpoint.events.amazonaws.com/", "events", "us-*,eu-west-1"},
		"a key value store":   {[]string{"--region-set", "*"}, "https://1.cloudfront-kvs.global.api.aws/", "cloudfront-keyvaluestore", "*"},
		"a usual host":        {[]string{"--region-set", "*"}, queueURL, "sqs", "*"},
		"the service given":   {[]string{"--region-set", "*", "--service", "execute-api"}, "https://api.example/", "execute-api", "*"},
		"and a region for it": {[]string{"--region-set", "*", "--region", "eu-west-1"}, queueURL, "sqs", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &machine{env: environment("AWS_EC2_METADATA_DISABLED=true")}
			out, errs, code := m.run(t, append([]string{"sign", tt.url}, tt.args...)...)
			require.Equal(t, exitFound, code, errs)
			require.Contains(t, out, "AWS4-ECDSA-P256-SHA256")
			verified, err := accepts(mine).Verify(signed(t, "GET", tt.url, "", out), time.Now())
			require.NoError(t, err, out)
			require.Equal(t, tt.service, verified.Service)
			require.Equal(t, tt.region, verified.Region)

			out, errs, code = m.run(t, append([]string{"presign", tt.url}, tt.args...)...)
			require.Equal(t, exitFound, code, errs)
			verified, err = accepts(mine).Verify(signed(t, "GET", strings.TrimSpace(out), "", ""), time.Now())
			require.NoError(t, err, out)
			require.Equal(t, tt.region, verified.Region)
		})
	}
	for _, command := range []string{"sign", "presign", "curl"} {
		for want, args := range map[string][]string{
			"give --region-set '*'\n":           {accessPoint},
			"for a set of regions (SigV4a)\n":   {accessPoint, "--region", "us-east-1", "--service", "s3"},
			"--region-set: \"\" is no set":      {accessPoint, "--region-set", ""},
			"write it as '*' or us-east-1,eu-*": {accessPoint, "--region-set", "us-east-1 eu-west-1"},
			"  give --service NAME\n":           {"https://api.example/", "--region-set", "*"},
		} {
			m := &machine{env: environment("AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=eu-west-1")}
			out, errs, code := m.run(t, append([]string{command}, args...)...)
			require.Equal(t, exitUsage, code, "%s %s", command, args)
			require.Contains(t, errs, want)
			require.Empty(t, out)
		}
	}
	_, _, code := (&machine{}).run(t, "verify", accessPoint, "--region-set", "*")
	require.Equal(t, exitUsage, code, "verify reads the set from the request")
}

// TestSignNoRegion does not sign for a region that nobody named.
func TestSignNoRegion(t *testing.T) {
	t.Parallel()
	const address = "https://foo.example/"
	for _, command := range []string{"sign", "presign", "curl"} {
		m := &machine{env: environment("AWS_EC2_METADATA_DISABLED=true")}
		out, errs, code := m.run(t, command, "--service", "execute-api", address)
		require.Equal(t, exitUsage, code, command)
		require.Contains(t, errs, "host \"foo.example\": it names no region, and none is configured\n  give --region NAME")
		require.Empty(t, out)
		require.Zero(t, m.requests.Load())
	}
	for name, m := range map[string]*machine{
		"AWS_REGION":         {env: environment("AWS_REGION=eu-south-1")},
		"AWS_DEFAULT_REGION": {env: environment("AWS_DEFAULT_REGION=eu-south-1")},
		"the profile":        {env: environment(), files: map[string]string{"/home/u/.aws/config": "[default]\nregion = eu-south-1\n"}},
	} {
		m.env["AWS_EC2_METADATA_DISABLED"] = "true"
		out, errs, code := m.run(t, "sign", "--service", "execute-api", address)
		require.Equal(t, exitFound, code, "%s: %s", name, errs)
		require.Contains(t, out, "/eu-south-1/execute-api/", name)
	}
	// On an instance it is the instance's.
	m := &machine{imds: instance(time.Hour)}
	out, errs, code := m.run(t, "sign", "--service", "execute-api", address)
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, "/eu-south-2/execute-api/")
	// A global service has one.
	m = &machine{env: environment("AWS_EC2_METADATA_DISABLED=true")}
	out, errs, code = m.run(t, "sign", "https://iam.amazonaws.com/?Action=ListUsers")
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, "/us-east-1/iam/")
}

// TestSignFails wants no secret in what is said, and no output.
func TestSignFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no URL":              {nil, exitUsage, "takes one URL"},
		"an S3 address":       {[]string{"s3://b/k"}, exitUsage, "https://BUCKET.s3.REGION.amazonaws.com/KEY"},
		"a path":              {[]string{"/x"}, exitUsage, "not an http or https URL"},
		"a broken URL":        {[]string{"https://canary%zz/"}, exitUsage, "not a URL"},
		"a user":              {[]string{"https://u:canary@sqs.eu-west-1.amazonaws.com/"}, exitUsage, "user name"},
		"a foreign host":      {[]string{"https://api.example/"}, exitUsage, "--service"},
		"a header":            {[]string{queueURL, "-H", "canary"}, exitUsage, "NAME: VALUE"},
		"a header's line end": {[]string{queueURL, "-H", "A: x\r\nB: canary"}, exitUsage, "end of a line"},
		"a method":            {[]string{queueURL, "-X", "GET /"}, exitUsage, "no method"},
		"a file":              {[]string{queueURL, "-d", "@/nowhere/body"}, exitUsage, "/nowhere/body"},
		"an upload":           {[]string{queueURL, "-T", "/nowhere/body"}, exitUsage, "/nowhere/body"},
		"a directory":         {[]string{queueURL, "-T", "."}, exitUsage, "not a regular file"},
		"-d and -T":           {[]string{queueURL, "-d", "x", "-T", "x"}, exitUsage, "cannot go together"},
	} {
		for _, command := range []string{"sign", "presign", "curl", "verify"} {
			if name == "a foreign host" && command == "verify" {
				continue
			}
			m := &machine{env: environment("AWS_EC2_METADATA_DISABLED=true")}
			out, errs, code := m.run(t, append([]string{command}, tt.args...)...)
			require.Equal(t, tt.code, code, "%s %s: %s", command, name, errs)
			require.Contains(t, errs, tt.want, "%s %s", command, name)
			require.Empty(t, out)
			require.NotContains(t, errs, "canary")
			require.Zero(t, m.requests.Load())
		}
	}
	for _, command := range []string{"sign", "presign", "curl", "verify"} {
		m := &machine{env: map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}}
		_, errs, code := m.run(t, command, queueURL)
		require.Equal(t, exitNothing, code, command)
		require.Contains(t, errs, "no credentials are configured")
	}
}

func TestPresignAndVerify(t *testing.T) {
	t.Parallel()
	const object = "https://b.s3.eu-west-1.amazonaws.com/a b/€.pdf"
	m := &machine{env: environment()}
	out, errs, code := m.run(t, "presign", object, "--expires", "1h", "-X", "PUT", "-H", "Content-Type: text/plain")
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, errs, "send these headers along, since they are signed:\nContent-Type: text/plain\n")
	address := strings.TrimSpace(out)
	verified, err := accepts(mine).Verify(signed(t, "PUT", address, "", "Content-Type: text/plain\n"), time.Now())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), verified.Expires, time.Minute)

	out, errs, code = m.run(t, "verify", address, "-X", "PUT", "-H", "Content-Type: text/plain")
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, "signature       good\naccess key ID   "+keyID+"\nservice         s3\nregion          eu-west-1\n")
	require.Contains(t, out, "works until")
	for want, args := range map[string][]string{
		"method: it is signed for PUT":  {address, "-H", "Content-Type: text/plain"},
		"signed headers":                {address, "-X", "PUT"},
		"unknown":                       {strings.Replace(address, "pdf", "txt", 1), "-X", "PUT", "-H", "Content-Type: text/plain"},
		"time: the URL expired":         {address, "-X", "PUT", "-H", "Content-Type: text/plain", "--at", time.Now().Add(2 * time.Hour).Format(time.RFC3339)},
		"scope: it is signed for regio": {address, "-X", "PUT", "-H", "Content-Type: text/plain", "--region", "us-east-1"},
		"scope: it is signed for servi": {address, "-X", "PUT", "-H", "Content-Type: text/plain", "--service", "sqs"},
		"the request is not signed":     {"https://b.s3.eu-west-1.amazonaws.com/k"},
	} {
		out, errs, code = m.run(t, append([]string{"verify"}, args...)...)
		require.Equal(t, exitFailed, code, want)
		require.Contains(t, errs, want)
		require.Empty(t, out)
		require.NotContains(t, errs, "canary")
	}
	_, errs, code = m.run(t, "verify", "-v", strings.Replace(address, "pdf", "txt", 1), "-X", "PUT", "-H", "Content-Type: text/plain")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "canonical request:\nPUT\n/a%20b/")
	require.Contains(t, errs, "string to sign:\nAWS4-HMAC-SHA256\n")
	other := &machine{env: environment("AWS_ACCESS_KEY_ID=AKIAIOSFODNN8EXAMPLE")}
	_, errs, _ = other.run(t, "verify", address, "-X", "PUT", "-H", "Content-Type: text/plain")
	require.Contains(t, errs, "it is signed by "+keyID+", and the credentials of the chain are AKIAIOSFODNN8EXAMPLE")
}

func TestPresignLimits(t *testing.T) {
	t.Parallel()
	m := &machine{env: environment("AWS_SESSION_TOKEN="+session, "AWS_CREDENTIAL_EXPIRATION="+time.Now().Add(10*time.Minute).UTC().Format(time.RFC3339))}
	out, errs, code := m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k", "--expires", "1h")
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, errs, "then the credentials expire")
	require.Contains(t, out, "X-Amz-Expires=3600")
	out, _, _ = m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k", "--json")
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, "credentials", doc["limited_by"])
	require.Equal(t, map[string]any{"Host": []any{"b.s3.eu-west-1.amazonaws.com"}}, doc["headers"])
	_, errs, _ = m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k", "-H", "Host: other.example")
	require.Contains(t, errs, "send these headers along, since they are signed:\nHost: other.example\n", "the URL does not say it")
	_, errs, _ = m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k")
	require.NotContains(t, errs, "send these headers")

	_, errs, code = m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k", "--expires", "1h", "--min-validity", "30m")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "--min-validity")
	_, errs, code = m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k", "--expires", "169h")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "7 days")
	for want, args := range map[string]string{
		"--min-validity is 30m, and the URL shall work only for 15m (--expires)\n  give --expires 30m, or more\n": "--min-validity 30m",
		"--min-validity is 2d, and the URL shall work only for 3600 (--expires)\n":                                "--min-validity 2d --expires 3600",
		"--min-validity is -1m":        "--min-validity=-1m",
		"more than 7 days":             "--min-validity 8d",
		"--expires is 1500ms, and":     "--expires 1500ms",
		"7d, 12h, 30m, or as a number": "--expires soon",
	} {
		out, errs, code = m.run(t, append([]string{"presign", "https://b.s3.eu-west-1.amazonaws.com/k"}, strings.Fields(args)...)...)
		require.Equal(t, exitUsage, code, args)
		require.Contains(t, errs, want)
		require.NotContains(t, errs, "field")
		require.Empty(t, out)
	}
	for given, want := range map[string]string{"90": "90", "7d": "604800", "1d12h": "129600", "30m": "1800"} {
		out, errs, code = m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k", "--expires", given, "--min-validity", "60")
		require.Equal(t, exitFound, code, errs)
		require.Contains(t, out, "X-Amz-Expires="+want+"&")
	}
	out, _, _ = m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k")
	require.Contains(t, out, "X-Amz-Expires=900&", "the default")
	for _, bad := range []string{"0s", "-1h", "1ms"} {
		out, errs, code = m.run(t, "presign", "https://b.s3.eu-west-1.amazonaws.com/k", "--expires", bad)
		require.Equal(t, exitUsage, code, "not the default")
		require.Contains(t, errs, "--expires is "+bad)
		require.Empty(t, out)
	}
}

func TestVerifyRaw(t *testing.T) {
	t.Parallel()
	signer := &sigv4.Signer{Service: "execute-api", Region: "eu-west-1"}
	r, err := http.NewRequest("POST", "https://api.example/pets?b=2&a=1", strings.NewReader("name=cat"))
	require.NoError(t, err)
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, signer.Sign(r, mine, "", at))
	var wire strings.Builder
	require.NoError(t, r.Write(&wire))
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	m := &machine{env: environment(), stdin: wire.String()}
	out, errs, code := m.run(t, "verify", "--raw", "-", "--at", "request")
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, "signed at       2020-01-02T03:04:05Z\n")
	_, errs, code = m.run(t, "verify", "--raw", "-")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "--at request")
	m.stdin = strings.Replace(wire.String(), "name=cat", "name=dog", 1)
	_, errs, code = m.run(t, "verify", "--raw", "-", "--at", "20200102T030405Z")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "refused: ")
	for want, args := range map[string][]string{
		"leave one out":          {"--raw", "-", queueURL},
		"is no time":             {"--raw", "-", "--at", "noon"},
		"no request of HTTP/1.1": {"--raw", empty},
		"one URL, or --raw":      {},
		"the request cannot be read: open /nowhere/request": {"--raw", "/nowhere/request"},
	} {
		_, errs, code := m.run(t, append([]string{"verify"}, args...)...)
		require.Equal(t, exitUsage, code, want)
		require.Contains(t, errs, want)
	}
}
