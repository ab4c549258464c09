package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sigv4"
)

// TestNothingLeaks looks for secrets in all that the commands print, export's standard output excepted. The
// secrets are where they belong, and where people put them by mistake.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	const credentials, config = "/home/u/.aws/credentials", "/home/u/.aws/config"
	machines := map[string]fixture{
		"keys":               {env: environment("AWS_SESSION_TOKEN=" + session)},
		"secret alone":       {env: map[string]string{"AWS_SECRET_ACCESS_KEY": secret}},
		"halves exchanged":   {env: map[string]string{"AWS_ACCESS_KEY_ID": secret, "AWS_SECRET_ACCESS_KEY": keyID}},
		"secret as the ID":   {env: map[string]string{"AWS_ACCESS_KEY_ID": "canary", "AWS_SECRET_ACCESS_KEY": secret}},
		"line break":         {env: environment("AWS_SECRET_ACCESS_KEY=canary\ncanary")},
		"quotes":             {env: environment("AWS_SECRET_ACCESS_KEY='canary'")},
		"quoted ID":          {env: environment("AWS_ACCESS_KEY_ID=\"canary\"")},
		"legacy session":     {env: environment("AWS_SECURITY_TOKEN=" + session)},
		"bad expiry":         {env: environment("AWS_CREDENTIAL_EXPIRATION=canary")},
		"role":               {imds: true},
		"role behind keys":   {env: environment(), imds: true},
		"password in a URL":  {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://u:canary@127.0.0.1/x"}},
		"query in a URL":     {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x?t=canary"}},
		"URL that is none":   {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://canary:canary/%zz"}},
		"container's token":  {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "canary\n"}},
		"metadata password":  {env: map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://u:canary@127.0.0.1"}},
		"JVM options":        {env: map[string]string{"JAVA_TOOL_OPTIONS": "-Daws.accessKeyId=canary -Daws.secretAccessKey=canary"}},
		"JVM half":           {env: map[string]string{"JAVA_TOOL_OPTIONS": "-Daws.secretAccessKey=canary"}},
		"credentials file":   {files: map[string]string{credentials: "[default]\naws_access_key_id=" + keyID + "\naws_secret_access_key=canary\naws_session_token=canary\n"}},
		"half in a file":     {files: map[string]string{credentials: "[default]\naws_secret_access_key=canary\n"}},
		"no equals sign":     {files: map[string]string{credentials: "[default]\naws_secret_access_key canary\n"}},
		"no section":         {files: map[string]string{credentials: "aws_secret_access_key = canary\n[default]\n"}},
		"secret in brackets": {files: map[string]string{credentials: "[default\naws_secret_access_key=canary\n"}},
		"secret continued":   {files: map[string]string{config: "[default]\naws_access_key_id=" + keyID + "\naws_secret_access_key=canary\n  canary\n"}},
	}
	commands := [][]string{
		{"explain"}, {"explain", "--json"}, {"explain", "--offline"}, {"explain", "--offline", "--json"}, {"explain", "--profile", "typo"},
		{"export"}, {"export", "--format", "env"}, {"export", "--format", "json"}, {"export", "--profile", "typo"},
		{"version"}, {"--help"}, {"explain", "--help"}, {"export", "--help"}, {"export", "nonsense"}, {"nonsense"},
		{"sign", queueURL}, {"sign", queueURL, "--json"}, {"presign", queueURL}, {"presign", queueURL, "--json"}, {"curl", queueURL},
		{"verify", presigned(t, "canary-token-of-others"), "--at", "request", "-v"}, {"verify", presigned(t, ""), "--at", "request", "-v"}, {"dry-run", "ec2", "StopInstances", "--decode"}, {"quotas", "list"},
	}
	for name, fx := range machines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, command := range commands {
				for _, order := range []string{"cli", "java", "java-v2"} {
					synctest.Test(t, func(t *testing.T) {
						args := append([]string{"--order", order}, command...)
						stdout, stderr, code := fx.machine().run(t, args...)
						at := fmt.Sprint(args)
						require.NotContains(t, stderr, "canary", at)
						if command[0] != "export" && command[0] != "sign" && command[0] != "presign" { // what those write is secret
							require.NotContains(t, stdout, "canary", at)
						} else if code != exitFound {
							require.Empty(t, stdout, at)
						}
					})
				}
			}
		})
	}
}

// presigned is a URL that others have signed, with a secret that nobody here has.
func presigned(t *testing.T, token string) string {
	t.Helper()
	s := &sigv4.Signer{Service: "s3", Region: "eu-west-1"}
	r, err := http.NewRequest(http.MethodGet, "https://b.s3.eu-west-1.amazonaws.com/k?api-key=canary-of-the-query", nil)
	require.NoError(t, err)
	theirs := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: "canary/of+others", SessionToken: token}, nil
	})
	p, err := s.Presign(t.Context(), r, theirs, sigv4.PresignInput{}, time.Now())
	require.NoError(t, err)
	return p.URL
}

// parrot is a service that repeats everything that it was sent, in all that it says: in the form of EC2, of STS, of Service
// Quotas, or in S3's.
type parrot struct {
	status     int
	code, form string
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var said []string
	for name, values := range r.Header {
		for _, v := range values {
			if name != "Authorization" { // it has the signature alone
				said = append(said, strings.ToLower(name)+":"+v)
			}
		}
	}
	slices.Sort(said)
	text := r.Method + " " + r.URL.RequestURI() + " " + strings.Join(said, " ") + " " + string(body) + " "
	token := r.Header.Get("X-Amz-Security-Token")
	w.Header().Set("X-Amzn-Requestid", strings.ReplaceAll(text, "\n", " "))
	w.Header().Set("Location", "https://elsewhere.example/"+token+"?"+url.QueryEscape(token))
	if p.status/100 == 2 && p.form == "cut" {
		w.Header().Set("Content-Length", "100000")
	}
	w.WriteHeader(p.status)
	text += "\nThe Canonical String for this request should have been\n'GET\n/\n\nx-amz-security-token:" + token + "\n'"
	switch p.form {
	case "JSON":
		reason := map[string]string{"ErrorCode": p.code + text, "ErrorMessage": text}
		json.NewEncoder(w).Encode(map[string]any{"__type": p.code + "#" + p.code, "message": text, "NextToken": "",
			"Quotas": []any{map[string]any{"QuotaCode": text, "ErrorReason": reason}}})
	case "XML":
		fmt.Fprintf(w, "<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>", p.code, html.EscapeString(text), html.EscapeString(text))
	case "words": // which are in the code as well
		fmt.Fprintf(w, "<Response><Errors><Error><Code>%s %s</Code><Message>%s</Message></Error></Errors></Response>", p.code, html.EscapeString(text), html.EscapeString(text))
	case "S3":
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message><CanonicalRequest>%s</CanonicalRequest><CanonicalRequestBytes>% x</CanonicalRequestBytes></Error>", p.code, html.EscapeString(text), html.EscapeString(text), text)
	case "mix": // as of Python's quote, a gateway's JSON and HTML
		mixed := strings.NewReplacer("/", `\/`, "+", "%2b", "=", "&#61;").Replace(token)
		fmt.Fprintf(w, "<Error><Code>%s</Code><M>%s</M><M>%s</M></Error>", p.code, mixed, strings.ReplaceAll(url.QueryEscape(token), "%2F", "/"))
	case "hexadecimal":
		fmt.Fprintf(w, "<Error><Code>%s</Code><B>%X</B><B>%x</B></Error>", p.code, text, url.QueryEscape(token))
	default:
		io.WriteString(w, text)
	}
}

// TestNothingLeaksOnline looks for secrets in what the commands print of a service's words. sign, presign and an answer of
// success that curl was asked for are what was asked for.
func TestNothingLeaksOnline(t *testing.T) {
	t.Parallel()
	commands := [][]string{
		{"sign", queueURL}, {"presign", queueURL}, {"verify", presigned(t, longToken), "--at", "request", "-v"}, {"verify", presigned(t, "canary-token-of-others"), "--at", "request", "-v"},
		{"verify", presigned(t, longToken), "--at", "request", "-v", "--service", "sqs"},
		{"curl", queueURL}, {"curl", "-i", queueURL}, {"curl", "-f", queueURL}, {"curl", "-d", "a=1", "-H", "X-Api-Key: canary-of-the-person", "-H", "Cookie: id=canary-of-the-person", queueURL + "&AccessToken=canary%2Bof%2Bthe%2Bquery"},
		{"dry-run", "ec2", "StopInstances", "InstanceId.1=i-1"}, {"dry-run", "ec2", "StopInstances", "--json", "--decode"}, {"dry-run", "ec2", "StopInstances", "--decode"},
		{"quotas", "list"}, {"quotas", "list", "ec2"}, {"quotas", "get", "ec2", "L-1"}, {"quotas", "history", "ec2"}, {"quotas", "status", "id-1"},
		{"quotas", "request", "ec2", "L-1", "128"}, {"quotas", "request", "ec2", "L-1", "128", "--dry-run"},
	}
	services := map[string]*parrot{
		"denied":        {403, "UnauthorizedOperation", "XML"},
		"denied, words": {403, "UnauthorizedOperation", "words"},
		"signature":     {403, "SignatureDoesNotMatch", "S3"},
		"signature, q":  {403, "SignatureDoesNotMatch", "XML"},
		"a mix":         {403, "SignatureDoesNotMatch", "mix"},
		"hexadecimal":   {403, "SignatureDoesNotMatch", "hexadecimal"},
		"JSON":          {400, "InvalidSignatureException", "JSON"},
		"credentials":   {400, "UnrecognizedClientException", "JSON"},
		"throttled":     {429, "ThrottlingException", "JSON"},
		"fails":         {500, "InternalError", "XML"},
		"a proxy":       {502, "", "plain"},
		"not here":      {404, "", "plain"},
		"a redirect":    {307, "", "plain"},
		"success":       {200, "", "plain"},
		"success, JSON": {200, "", "JSON"},
		"success, cut":  {200, "", "cut"},
	}
	for name, service := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hosts := map[string]http.Handler{}
			for _, host := range []string{"sqs", "ec2", "servicequotas", "sts"} {
				hosts[host+".eu-west-1.amazonaws.com"] = service
			}
			for _, command := range commands {
				if command[0] == "curl" && service.status < 400 {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					m := &machine{env: environment("AWS_SESSION_TOKEN="+longToken, "AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true"), imds: awstest.Transport(hosts)}
					stdout, stderr, code := m.run(t, command...)
					require.NotContains(t, stderr, "canary", command)
					require.NotContains(t, strings.ToLower(strings.ReplaceAll(stderr, " ", "")), "63616e617279", command)
					if command[0] == "sign" || command[0] == "presign" {
						require.Equal(t, exitFound, code)
						return
					}
					require.NotContains(t, stdout, "canary", command)
					require.NotContains(t, strings.ToLower(strings.ReplaceAll(stdout, " ", "")), "63616e617279", command)
					if command[0] == "dry-run" || command[0] == "quotas" || command[0] == "verify" {
						require.NotEqual(t, 2, code, stderr)
					}
				})
			}
		})
	}
}

// fixture is a fixture of which every command gets a machine of its own.
type fixture struct {
	env, files map[string]string
	imds       bool
}

func (f fixture) machine() *machine {
	m := &machine{env: f.env, files: f.files}
	if f.imds {
		m.imds = instance(time.Hour)
	}
	return m
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"explain", "export"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			m := &machine{imds: roundTrip(func(r *http.Request) (*http.Response, error) {
				cancel() // the person at the keyboard does not wait
				<-r.Context().Done()
				return nil, r.Context().Err()
			})}
			stdout, stderr, code := m.runUnder(ctx, terminal{width: width}, command)
			require.Equal(t, exitInterrupted, code)
			require.Empty(t, stdout)
			require.Equal(t, "credchain: interrupted\n", stderr)
			time.Sleep(time.Minute) // of the fake clock: the request that was left alone comes to its end
		})
	}
}
