package sigv4_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// FuzzTransportAnswer: whatever a service answers, the caller gets it as it came.
func FuzzTransportAnswer(f *testing.F) {
	f.Add(400, "<Error><Code>AccessDenied</Code></Error>", "", "")
	f.Add(400, `{"__type":"a#B"}`, "Thing:http://x/#y", "Mon, 02 Jan 2006 15:04:05 GMT")
	f.Fuzz(func(t *testing.T, status int, body, kind, date string) {
		if status < 400 || status > 499 || status == 429 {
			t.Skip()
		}
		tr := &sigv4.Transport{Credentials: static(documented), MaxAttempts: 1, Base: carry(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"X-Amzn-Errortype": {kind}, "Date": {date}}, Body: io.NopCloser(strings.NewReader(body))}, nil
		})}
		resp, err := tr.RoundTrip(request(t, "GET", "https://"+queue+"/"))
		require.NoError(t, err)
		require.Equal(t, status, resp.StatusCode)
		require.Equal(t, body, readAll(t, resp.Body))
	})
}
