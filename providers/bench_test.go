package providers_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/credchain/credchain/providers"
)

// BenchmarkCold builds the documented order and retrieves once, as a program does when it starts. The module
// bench has the same beside its peers.
func BenchmarkCold(b *testing.B) {
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary"}
	sys := providers.System{Getenv: func(name string) string { return env[name] }}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := providers.Default(providers.Config{System: sys}).Retrieve(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAssumeRole assumes the role of a profile, from the files on, beside a bare round trip of the same bytes over
// the same kind of connection: the ratio of the two is what counts.
func BenchmarkAssumeRole(b *testing.B) {
	const answer = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>` +
		`<AccessKeyId>ASIABENCH00000000001</AccessKeyId><SecretAccessKey>canary</SecretAccessKey><SessionToken>%s</SessionToken>` +
		`<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROABENCH00000000001:b</AssumedRoleId>` +
		`<Arn>arn:aws:sts::123456789012:assumed-role/r/b</Arn></AssumedRoleUser></AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId>` +
		`</ResponseMetadata></AssumeRoleResponse>`
	text := fmt.Sprintf(answer, strings.Repeat("x", 800))
	var body string // of a request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if body == "" {
			body = string(raw)
		}
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, text)
	}))
	defer server.Close()
	home := b.TempDir()
	config := "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n" +
		"[profile base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = canary\n"
	if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".aws", "config"), []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	connections := &http.Transport{}
	defer connections.CloseIdleConnections()
	env := map[string]string{"AWS_ENDPOINT_URL_STS": server.URL}
	sys := providers.System{
		Getenv: func(name string) string { return env[name] }, Home: func() (string, error) { return home, nil }, Transport: connections,
	}
	b.Run("resolution", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := providers.Default(providers.Config{System: sys}).Retrieve(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare round trip", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			req, err := http.NewRequest(http.MethodPost, server.URL+"/", strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			resp, err := connections.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			if _, err = io.ReadAll(resp.Body); err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
		}
	})
}
