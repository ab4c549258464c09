package realtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/stretchr/testify/require"
)

const (
	relativeURI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	fullURI     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenFile   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	tokenValue  = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
)

// taskPath is where the agent serves the credentials of taskCredentials.
const taskPath = "/v2/credentials/6b1f8f0e-0000-4000-8000-realtest0001"

// taskCredentials are what the ECS control plane would send to the agent.
var taskCredentials = struct{ CredentialsId, RoleArn, AccessKeyId, SecretAccessKey, SessionToken, Expiration string }{
	CredentialsId:   "6b1f8f0e-0000-4000-8000-realtest0001",
	RoleArn:         "arn:aws:iam::111122223333:role/task",
	AccessKeyId:     "ASIAREALTESTTASKROLE",
	SecretAccessKey: "task-secret",
	SessionToken:    "task-session-token",
	Expiration:      time.Now().Add(6 * time.Hour).UTC().Format(time.RFC3339),
}

// startECSAgent starts the agent's credentials handler; addr is as server.addr.
func startECSAgent(t testing.TB, addr string) *running {
	t.Helper()
	sent, err := json.Marshal(taskCredentials)
	require.NoError(t, err)
	return server{program: ecsAgent, addr: addr, stdin: string(sent), ready: "/", args: func(host, port string) []string {
		return []string{"-listen", host + ":" + port}
	}}.start(t)
}

// guard stands before a server that checks no token, as EKS Pod Identity's agent does for itself. It lets
// nobody in without wantToken(), and rewrites every path to path.
func guard(t testing.TB, behind *running, path string, wantToken func() string) http.Handler {
	t.Helper()
	target, err := url.Parse(behind.url())
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.URL.Path = path
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != wantToken() {
			http.Error(w, "no such token", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

func TestChainAsksTheECSAgentByFullURI(t *testing.T) {
	t.Parallel()
	agent := startECSAgent(t, "")
	chain, wire := newChain(t, map[string]string{fullURI: agent.url() + taskPath})
	got, err := retrieve(t, chain)
	require.NoError(t, err)
	require.Equal(t, taskCredentials.AccessKeyId, got.AccessKeyID)
	require.Equal(t, taskCredentials.SecretAccessKey, got.SecretAccessKey)
	require.Equal(t, taskCredentials.SessionToken, got.SessionToken)
	require.True(t, got.CanExpire)
	require.Equal(t, taskCredentials.Expiration, got.Expires.Format(time.RFC3339))
	require.Equal(t, []string{"GET " + taskPath}, wire.take())

	sdk, err := retrieve(t, endpointcreds.New(agent.url()+taskPath))
	require.NoError(t, err)
	requireSame(t, sdk, got)
}

func TestChainSendsTheContainersToken(t *testing.T) {
	t.Parallel()
	front := httptest.NewServer(guard(t, startECSAgent(t, ""), taskPath, func() string { return "Bearer secret-1" }))
	t.Cleanup(front.Close)
	file := writeFile(t, t.TempDir(), "token", "Bearer secret-1")
	for _, tt := range []struct {
		name  string
		env   map[string]string
		works bool
	}{
		{"from the variable", map[string]string{tokenValue: "Bearer secret-1"}, true},
		{"from the file", map[string]string{tokenFile: file}, true},
		{"from the file before the variable", map[string]string{tokenFile: file, tokenValue: "stale-2"}, true},
		{"wrong", map[string]string{tokenValue: "stale-2"}, false},
		{"none", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{fullURI: front.URL + "/creds"}
			for name, value := range tt.env {
				env[name] = value
			}
			chain, _ := newChain(t, env)
			got, err := retrieve(t, chain)
			if tt.works {
				require.NoError(t, err)
				require.Equal(t, taskCredentials.AccessKeyId, got.AccessKeyID)
				return
			}
			requireFinal(t, err, front.URL+"/creds", "401")
			require.NotContains(t, err.Error(), "stale-2")
		})
	}
}

func TestRefusalByTheECSAgentIsFinal(t *testing.T) {
	t.Parallel()
	agent := startECSAgent(t, "")
	simulator := instance{}.start(t) // the identity that must not be taken instead
	for _, tt := range []struct{ name, path, code string }{
		{"unknown id", "/v2/credentials/another-task", "InvalidIdInRequest"},
		{"no id", "/v2/credentials/", "NoIdInRequest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			chain, wire := newChain(t, map[string]string{fullURI: agent.url() + tt.path, metadataEndpoint: simulator.url()})
			_, err := retrieve(t, chain)
			requireFinal(t, err, agent.url()+tt.path, "400", tt.code)
			require.Equal(t, []string{"GET " + tt.path}, wire.take(), "a refusal is not asked for twice, and nobody else is asked")
		})
	}
}

func TestChainStopsAtAnECSAgentThatIsDown(t *testing.T) {
	t.Parallel()
	agent := startECSAgent(t, "")
	simulator := instance{}.start(t)
	chain, wire := newChain(t, map[string]string{fullURI: agent.url() + taskPath, metadataEndpoint: simulator.url()})
	agent.stop()
	_, err := retrieve(t, chain)
	requireFinal(t, err, agent.url()+taskPath)
	for _, request := range wire.take() {
		require.Equal(t, "GET "+taskPath, request, "the instance's role is another identity")
	}
}
