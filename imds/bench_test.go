package imds_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/credchain/credchain/imds"
)

// BenchmarkRoleCredentials compares a new client, which makes three round trips, and one that knows its token and
// role, which makes one, with the same round trips made by net/http alone. The connection is open in all of them.
func BenchmarkRoleCredentials(b *testing.B) {
	answers := map[string]string{
		tokenPath: "AQAEAExampleToken==", rolesPath: "web-role", rolesPath + "web-role": roleDocument,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, answers[r.URL.Path])
	}))
	b.Cleanup(server.Close)
	transport := &http.Transport{}
	b.Cleanup(transport.CloseIdleConnections)

	bare := func(b *testing.B, method, path, name, value string) {
		req, err := http.NewRequestWithContext(b.Context(), method, server.URL+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set(name, value)
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err = io.ReadAll(resp.Body); err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
	const header = "X-aws-ec2-metadata-token"

	// Both sides take turns, so that a busy machine slows down both; the ratio is that of the medians.
	compare := func(b *testing.B, bare, client func()) {
		var times [2][]time.Duration
		for b.Loop() {
			for i, call := range []func(){bare, client} {
				start := time.Now()
				call()
				times[i] = append(times[i], time.Since(start))
			}
		}
		for i := range times {
			slices.Sort(times[i])
		}
		half := len(times[0]) / 2
		b.ReportMetric(float64(times[1][half])/float64(times[0][half]), "client/bare")
	}
	fetch := func(client *imds.Client) {
		if _, err := client.RoleCredentials(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("three trips", func(b *testing.B) {
		compare(b, func() {
			bare(b, http.MethodPut, tokenPath, header+"-ttl-seconds", "21600")
			bare(b, http.MethodGet, rolesPath, header, answers[tokenPath])
			bare(b, http.MethodGet, rolesPath+"web-role", header, answers[tokenPath])
		}, func() {
			fetch(&imds.Client{Endpoint: server.URL, Transport: transport})
		})
	})
	b.Run("one trip", func(b *testing.B) {
		client := imds.Client{Endpoint: server.URL, Transport: transport}
		compare(b, func() {
			bare(b, http.MethodGet, rolesPath+"web-role", header, answers[tokenPath])
		}, func() {
			fetch(&client)
		})
	})
}
