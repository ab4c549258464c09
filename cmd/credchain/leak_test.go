package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
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
						if command[0] != "export" {
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
