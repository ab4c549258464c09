package sigv4_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

var canary = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "canary-secret", SessionToken: "canary-token"}

// TestEveryLength: wherever the text to sign ends in its buffer.
func TestEveryLength(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for n := range 2500 {
		s := &sigv4.Signer{Service: "sqs", Region: "eu-central-1"}
		r, err := http.NewRequest(http.MethodGet, "https://sqs.eu-central-1.amazonaws.com/?a="+strings.Repeat("x", n), nil)
		require.NoError(t, err)
		require.NoError(t, s.Sign(r, canary, "", now))
		if n%50 == 0 {
			v := &sigv4.Verifier{Credentials: func(context.Context, string, string) (aws.Credentials, error) { return canary, nil }}
			_, err = v.Verify(r, now)
			require.NoError(t, err, n)
		}
	}
}

// TestSecretsAreNotPrinted: of whatever remembers keys.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &sigv4.Signer{Service: "transcribe", Region: "eu-central-1"}
	s4a := &sigv4.Signer{Service: "s3", RegionSet: "*"}
	v := &sigv4.Verifier{UnsignedPayload: true, Credentials: func(context.Context, string, string) (aws.Credentials, error) { return canary, nil }}
	r, err := http.NewRequest(http.MethodPost, "https://x.amazonaws.com/", nil)
	require.NoError(t, err)
	require.NoError(t, s4a.Sign(r.Clone(t.Context()), canary, "", now))
	events, err := s.SignEvents(r, canary, now)
	require.NoError(t, err)
	_, err = v.Verify(r, now)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, x := range []any{s, s4a, v, events, *events} {
			require.NotContains(t, fmt.Sprintf(verb, x), "canary", "%s of %T", verb, x)
		}
	}
}

// TestUnsignedStreamsAreRefused: a verifier that wants signed payloads takes no constant in place of one.
func TestUnsignedStreamsAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := &sigv4.Verifier{Credentials: func(context.Context, string, string) (aws.Credentials, error) { return canary, nil }}
	s := &sigv4.Signer{Service: "transcribe", Region: "eu-central-1"}
	r, err := http.NewRequest(http.MethodPost, "https://x.amazonaws.com/", nil)
	require.NoError(t, err)
	_, err = s.SignEvents(r, canary, now)
	require.NoError(t, err)
	r.Body = io.NopCloser(strings.NewReader("anything at all"))
	_, err = v.Verify(r, now)
	require.ErrorContains(t, err, "event stream")

	r, err = http.NewRequest(http.MethodPost, "https://x.amazonaws.com/", strings.NewReader("hello"))
	require.NoError(t, err)
	require.NoError(t, s.SignChunked(r, canary, sigv4.ChunkedInput{Unsigned: true, Trailer: "x-amz-checksum-sha256", Checksum: sha256.New}, now))
	_, err = v.Verify(r, now)
	require.ErrorContains(t, err, "not signed")
}

// TestPortWithoutHost is an error, as it is no address.
func TestPortWithoutHost(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequest(http.MethodGet, "https://:443/", nil)
	require.NoError(t, err)
	s := &sigv4.Signer{Service: "sqs", Region: "eu-central-1"}
	require.ErrorContains(t, s.Sign(r, canary, "", time.Now()), "no host")
}

// TestSilentBodyEndsWithItsRequest: a pipe that nobody writes to does not hold the caller beyond its time.
func TestSilentBodyEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	body, end := io.Pipe()
	defer end.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://127.0.0.1:1/x", body)
	require.NoError(t, err)
	transport := &sigv4.Transport{Signer: &sigv4.Signer{Service: "s3", Region: "eu-central-1"},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return canary, nil })}
	_, err = transport.RoundTrip(r)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	for err = nil; err == nil; { // what the reader was waiting for it still gets
		_, err = end.Write([]byte("x"))
	}
	require.ErrorIs(t, err, io.ErrClosedPipe, "the body is closed")
}

// servedBody is as the body of a request that a server passes on: Close waits for Read. Its lock is a channel, since synctest
// moves no time on while a mutex is waited for.
type servedBody struct {
	io.Reader
	lock chan struct{}
}

func (b *servedBody) Read(p []byte) (int, error) {
	b.lock <- struct{}{}
	defer func() { <-b.lock }()
	return b.Reader.Read(p)
}

func (b *servedBody) Close() error {
	b.lock <- struct{}{}
	<-b.lock
	return nil
}

// TestSilentClientDoesNotHoldAProxy: nor does a client that a proxy waits for.
func TestSilentClientDoesNotHoldAProxy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never, end := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://127.0.0.1:1/x", &servedBody{never, make(chan struct{}, 1)})
		require.NoError(t, err)
		transport := &sigv4.Transport{Signer: &sigv4.Signer{Service: "s3", Region: "eu-central-1"},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return canary, nil })}
		ended := make(chan error, 1)
		go func() {
			_, err := transport.RoundTrip(r)
			ended <- err
		}()
		select {
		case err = <-ended:
		case <-time.After(time.Minute):
			err = errors.New("RoundTrip still waits for the body")
		}
		end.Close() // lets go of whatever waits
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestProxyIsNotHeldByItsClient: a client that sends part of a body and no more does not hold a real server's handler when
// the request cannot be sent on, though net/http waits for the rest when such a body is closed.
func TestProxyIsNotHeldByItsClient(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"before it is read": "Content-Length: 1000\r\n\r\npart",
		"after a part":      fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", 2<<20, strings.Repeat("x", 2<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			passedOn := make(chan error, 1)
			proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				transport := &sigv4.Transport{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{}, io.ErrUnexpectedEOF
				})}
				if r.ContentLength < 0 { // else the host is not AWS's
					transport.Signer = &sigv4.Signer{Service: "s3", Region: "eu-central-1", UnsignedPayload: true}
				}
				out, err := http.NewRequest(http.MethodPut, "http://127.0.0.1:1/x", r.Body)
				if err == nil {
					out.ContentLength = r.ContentLength
					_, err = transport.RoundTrip(out)
				}
				passedOn <- err
			}))
			defer proxy.Close()
			client, err := net.Dial("tcp", proxy.Listener.Addr().String())
			require.NoError(t, err)
			defer client.Close() // before the proxy
			_, err = io.WriteString(client, "PUT / HTTP/1.1\r\nHost: h\r\n"+sent)
			require.NoError(t, err)
			select {
			case err := <-passedOn:
				require.Error(t, err)
			case <-time.After(20 * time.Second):
				t.Error("the handler waits for its client")
			}
		})
	}
}

// TestEverySecond: a signer that remembers the last second tells it from others.
func TestEverySecond(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "sqs", Region: "eu-central-1"}
	start := time.Date(2026, 12, 31, 23, 59, 58, 999_999_999, time.UTC)
	for _, later := range []time.Duration{0, 1, time.Second, time.Second + 1, 2*time.Second + 1, 0} {
		now := start.Add(later).In(time.FixedZone("elsewhere", 3600))
		r, err := http.NewRequest(http.MethodGet, "https://sqs.eu-central-1.amazonaws.com/", nil)
		require.NoError(t, err)
		require.NoError(t, s.Sign(r, canary, "", now))
		require.Equal(t, now.UTC().Format("20060102T150405Z"), r.Header.Get("X-Amz-Date"))
		require.Contains(t, r.Header.Get("Authorization"), now.UTC().Format("/20060102/"))
	}
}
