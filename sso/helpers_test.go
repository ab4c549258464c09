package sso_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sso"
)

// Every secret of the tests has this in it, and nothing else has.
const canary = "canary"

// answer is what the fake says to one request.
type answer struct {
	status int // 0 is 200
	body   string
	header http.Header
	hang   bool // until the request's context ends
	err    error
}

// fake is both services. It takes one request for each answer and notes what came, word for word.
type fake struct {
	mu      sync.Mutex
	start   time.Time
	answers []answer
	sent    []string
	at      []time.Duration // since start
}

func newFake(answers ...answer) *fake { return &fake{start: time.Now(), answers: answers} }

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.sent = append(f.sent, describe(r))
	f.at = append(f.at, time.Since(f.start))
	if len(f.answers) == 0 {
		f.mu.Unlock()
		return nil, errors.New("a request too many")
	}
	a := f.answers[0]
	f.answers = f.answers[1:]
	f.mu.Unlock()
	switch {
	case a.hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case a.err != nil:
		return nil, a.err
	case a.status == 0:
		a.status = http.StatusOK
	}
	if a.header == nil {
		a.header = make(http.Header)
	}
	return &http.Response{
		StatusCode: a.status, Header: a.header, ContentLength: -1, Request: r,
		Body: io.NopCloser(strings.NewReader(a.body)),
	}, nil
}

// describe is a request line, the header in order, and the body with its keys in order.
func describe(r *http.Request) string {
	lines := []string{r.Method + " " + r.URL.String()}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		lines = append(lines, strings.ToLower(name)+": "+strings.Join(r.Header[name], "|"))
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err.Error()
		}
		if len(body) > 0 {
			var members map[string]any
			if err := json.Unmarshal(body, &members); err != nil {
				return err.Error()
			}
			sorted, err := json.Marshal(members)
			if err != nil {
				return err.Error()
			}
			lines = append(lines, string(sorted))
		}
	}
	return strings.Join(lines, "\n")
}

// post is how a request to the OIDC service looks.
func post(url, body string) string {
	return "POST " + url + "\naccept: application/json\ncontent-type: application/json\nuser-agent: credchain\n" + body
}

func refusal(status int, code string) answer {
	return answer{status: status, body: fmt.Sprintf(`{"error":%q,"error_description":"because"}`, code)}
}

func client(f http.RoundTripper) *sso.Client {
	return &sso.Client{Region: "eu-west-1", Transport: f}
}

// requireQuiet checks that none of the tests' secrets is in the error.
func requireQuiet(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, err), canary)
	}
	require.NotContains(t, err.Error(), "\n")
	require.Less(t, len(err.Error()), 2048)
}

// compact removes the blanks between the parts of a JSON document.
func compact(t *testing.T, doc []byte) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, doc))
	return b.String()
}
