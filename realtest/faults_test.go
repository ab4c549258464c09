package realtest_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// A link is a network connection to a server that toxiproxy can disturb.
type link struct {
	*toxiproxy.Proxy
}

func (l link) url() string { return "http://" + l.Listen }

func startLink(t testing.TB, to *running) link {
	t.Helper()
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.New(io.Discard)),
		"link", "127.0.0.1:0", to.addr)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return link{proxy}
}

// disturb puts a fault on what the server answers from now on, also on connections that are open.
func (l link) disturb(t testing.TB, kind, attributes string) {
	t.Helper()
	_, err := l.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"type": %q, "attributes": {%s}}`, kind, attributes)))
	require.NoError(t, err)
}

// Not in parallel: an answer may take a second, so 300 ms are left for everything else.
func TestSlowMetadataServiceIsWaitedFor(t *testing.T) {
	link := startLink(t, instance{v2only: true}.start(t))
	link.disturb(t, "latency", `"latency": 700`)
	chain, _ := newChain(t, map[string]string{metadataEndpoint: link.url()})
	got, err := retrieve(t, chain)
	require.NoError(t, err)
	require.Equal(t, instanceCredentials()["AccessKeyId"], got.AccessKeyID)
}

// A service that has answered once is there. That it fails later says nothing about what is configured, so a
// program must not get the next identity in the chain, nor hear that there is none.
func TestFaultAfterTheFirstContactIsFinal(t *testing.T) {
	t.Parallel()
	simulator := instance{v2only: true}.start(t)
	for _, tt := range []struct {
		name   string
		strike func(t *testing.T, l link)
	}{
		{"connections are reset", func(t *testing.T, l link) { l.disturb(t, "reset_peer", `"timeout": 0`) }},
		{"answers are cut short", func(t *testing.T, l link) { l.disturb(t, "limit_data", `"bytes": 40`) }},
		{"answers do not come", func(t *testing.T, l link) { l.disturb(t, "timeout", `"timeout": 0`) }},
		{"connections are closed", func(t *testing.T, l link) { l.disturb(t, "timeout", `"timeout": 20`) }},
		{"connections are refused", func(_ *testing.T, l link) { l.Stop() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			link := startLink(t, simulator)
			chain, wire := newChain(t, map[string]string{metadataEndpoint: link.url()})
			_, err := retrieve(t, chain)
			require.NoError(t, err)
			wire.take()

			tt.strike(t, link)
			chain.Invalidate()
			_, err = retrieve(t, chain)
			requireFinal(t, err, link.url())
			require.GreaterOrEqual(t, len(wire.take()), 2, "a fault is worth another attempt")
		})
	}
}

func TestDocumentCutShortIsFinal(t *testing.T) {
	t.Parallel()
	long := instanceCredentials()
	long["Token"] = strings.Repeat("t", 2000)
	link := startLink(t, instance{v2only: true, credentials: long}.start(t))
	link.disturb(t, "limit_data", `"bytes": 1000`) // of each connection: enough for the token and the role's name
	chain, wire := newChain(t, map[string]string{metadataEndpoint: link.url()})
	_, err := retrieve(t, chain)
	requireFinal(t, err, instanceRole, "cut short")
	require.NotContains(t, err.Error(), "instance-secret")
	require.Contains(t, wire.take(), "GET /latest/meta-data/iam/security-credentials/"+instanceRole)
}

func TestAnswersInSmallPiecesAreRead(t *testing.T) {
	t.Parallel()
	link := startLink(t, instance{v2only: true}.start(t))
	link.disturb(t, "slicer", `"average_size": 7, "size_variation": 5, "delay": 100`)
	chain, _ := newChain(t, map[string]string{metadataEndpoint: link.url()})
	got, err := retrieve(t, chain)
	require.NoError(t, err)
	require.Equal(t, instanceCredentials()["SecretAccessKey"], got.SecretAccessKey)
}

// askedOnce is what a service gets that does not answer: one token call, and nothing after it.
var askedOnce = []string{"PUT /latest/api/token"}

func TestNoMetadataServiceIsNotConfigured(t *testing.T) {
	t.Parallel()
	link := startLink(t, instance{}.start(t))
	link.Stop()
	chain, wire := newChain(t, map[string]string{metadataEndpoint: link.url()})
	_, err := retrieve(t, chain)
	require.ErrorIs(t, err, credchain.ErrNotConfigured)
	require.Equal(t, askedOnce, wire.take())
}

// As on many a network outside EC2: something takes the connection and says nothing.
func TestSilentMetadataServiceIsNotConfigured(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	var asked atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			asked.Add(1)
		}
	}()
	chain, wire := newChain(t, map[string]string{metadataEndpoint: "http://" + l.Addr().String()})
	_, err = retrieve(t, chain)
	require.ErrorIs(t, err, credchain.ErrNotConfigured)
	require.Equal(t, askedOnce, wire.take())
	require.Positive(t, asked.Load())

	_, err = retrieve(t, chain)
	require.ErrorIs(t, err, credchain.ErrNotConfigured)
	require.Empty(t, wire.take(), "the silence is remembered for a while")
}
