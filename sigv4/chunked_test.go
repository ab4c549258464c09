package sigv4_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

var trailerSHA256 = sigv4.ChunkedInput{ChunkSize: 8 << 10, Trailer: "x-amz-checksum-sha256", Checksum: sha256.New}

func unsigned(in sigv4.ChunkedInput) sigv4.ChunkedInput { in.Unsigned = true; return in }

// chunked is a signed request with n bytes in chunks.
func chunked(t testing.TB, in sigv4.ChunkedInput, n int) *http.Request {
	t.Helper()
	r, err := http.NewRequest("PUT", "https://bucket.example/key", strings.NewReader(strings.Repeat("0123456789abcdef", n/16+1)[:n]))
	require.NoError(t, err)
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	require.NoError(t, s.SignChunked(r, session, in, at2015))
	return r
}

func TestChunksRoundTrip(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]sigv4.ChunkedInput{
		"signed": {ChunkSize: 8 << 10}, "trailer": trailerSHA256, "crc32c": {ChunkSize: 8 << 10, Trailer: "x-amz-checksum-crc32c", Checksum: newCRC32C},
		"unsigned": unsigned(trailerSHA256),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{0, 1, 8 << 10, 8<<10 + 1, 24<<10 - 1, 64 << 10} {
				r := chunked(t, in, n)
				encoded := readAll(t, must(r.GetBody()))
				require.Equal(t, encoded, readAll(t, iotest.OneByteReader(must(r.GetBody()))), "a second reading differs")
				require.Equal(t, int64(len(encoded)), r.ContentLength)
				got := sent(t, r)
				verified, err := verifier(session).Verify(got, at2015)
				require.NoError(t, err)
				require.Contains(t, verified.Payload, "STREAMING-")
				require.Equal(t, int64(n), got.ContentLength)
				require.Empty(t, got.Header.Values("Content-Encoding"))
				require.Equal(t, strings.Repeat("0123456789abcdef", n/16+1)[:n], readAll(t, got.Body))
				require.NoError(t, got.Body.Close())
			}
		})
	}
}

func TestChunksContentEncoding(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]string{"": "aws-chunked", "gzip": "aws-chunked,gzip", "aws-chunked": "aws-chunked", "aws-chunked,gzip": "aws-chunked,gzip"} {
		r, err := http.NewRequest("PUT", "https://bucket.example/key", strings.NewReader("x"))
		require.NoError(t, err)
		if before != "" {
			r.Header.Set("Content-Encoding", before)
		}
		s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
		require.NoError(t, s.SignChunked(r, session, sigv4.ChunkedInput{}, at2015))
		require.Equal(t, want, r.Header.Get("Content-Encoding"))
		got := sent(t, r)
		_, err = verifier(session).Verify(got, at2015)
		require.NoError(t, err)
		require.Equal(t, strings.TrimPrefix(strings.TrimPrefix(want, "aws-chunked"), ","), got.Header.Get("Content-Encoding"))
	}
}

func TestChunksTampering(t *testing.T) {
	t.Parallel()
	replace := func(from, to string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, from) {
				panic("nothing to change")
			}
			return strings.Replace(s, from, to, 1)
		}
	}
	for _, tt := range []struct {
		name   string
		in     sigv4.ChunkedInput
		change func(string) string
		reads  int // bytes of the payload that may be read before
	}{
		{"a byte of the first chunk", sigv4.ChunkedInput{ChunkSize: 8 << 10}, replace("0123456789abcdef0", "0123456789abcdeX0"), 0},
		{"a byte of the second chunk", sigv4.ChunkedInput{ChunkSize: 8 << 10}, func(s string) string { return s[:9000] + "X" + s[9001:] }, 8 << 10},
		{"a signature", sigv4.ChunkedInput{ChunkSize: 8 << 10}, replace("chunk-signature=", "chunk-signature=0"), 0},
		{"no signature", sigv4.ChunkedInput{ChunkSize: 8 << 10}, replace(";chunk-signature=", ";x="), 0},
		{"the last chunk is gone", sigv4.ChunkedInput{ChunkSize: 8 << 10}, func(s string) string { return s[:strings.LastIndex(s, "0;chunk")] }, 10000},
		{"the last but one is gone", sigv4.ChunkedInput{ChunkSize: 8 << 10}, func(s string) string {
			return s[:strings.Index(s, "710;chunk")] + s[strings.LastIndex(s, "0;chunk"):]
		}, 8 << 10},
		{"the last chunk is damaged", sigv4.ChunkedInput{ChunkSize: 8 << 10}, func(s string) string {
			i := strings.LastIndex(s, "0;chunk-signature=") + 18
			return s[:i] + strings.Repeat("0", 64) + s[i+64:]
		}, 10000},
		{"more after the end", sigv4.ChunkedInput{ChunkSize: 8 << 10}, func(s string) string { return s + "x" }, 10000},
		{"a chunk twice", sigv4.ChunkedInput{ChunkSize: 8 << 10}, func(s string) string { i := strings.Index(s, "710;chunk"); return s[:i] + s[:i] + s[i:] }, 8 << 10},
		{"a length that lies", sigv4.ChunkedInput{ChunkSize: 8 << 10}, replace("2000;", "1fff;"), 0},
		{"a huge length", sigv4.ChunkedInput{ChunkSize: 8 << 10}, replace("2000;", "7fffffffffffffff;"), 0},
		{"no length", sigv4.ChunkedInput{ChunkSize: 8 << 10}, replace("2000;", "zz;"), 0},
		{"cut within a chunk", sigv4.ChunkedInput{ChunkSize: 8 << 10}, func(s string) string { return s[:4000] }, 0},
		{"the trailer's value", trailerSHA256, replace("x-amz-checksum-sha256:", "x-amz-checksum-sha256:A"), 10000},
		{"the trailer's name", trailerSHA256, replace("x-amz-checksum-sha256:", "x-amz-checksum-sha255:"), 10000},
		{"the trailer's signature", trailerSHA256, replace("x-amz-trailer-signature:", "x-amz-trailer-signature:0"), 10000},
		{"no trailer", trailerSHA256, func(s string) string { return s[:strings.Index(s, "x-amz-checksum")] + "\r\n" }, 10000},
		{"a byte of unsigned chunks", unsigned(trailerSHA256), replace("0123456789abcdef0", "0123456789abcdeX0"), 10000},
		{"a signature in unsigned chunks", unsigned(trailerSHA256), replace("2000\r\n", "2000;chunk-signature=00\r\n"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := sent(t, chunked(t, tt.in, 10000))
			got.Body = io.NopCloser(strings.NewReader(tt.change(readAll(t, got.Body))))
			_, err := verifier(session).Verify(got, at2015)
			require.NoError(t, err)
			read, err := io.ReadAll(got.Body)
			require.Equal(t, sigv4.PartPayload, part(t, err), "error: %v", err)
			require.LessOrEqual(t, len(read), tt.reads)
			n, again := got.Body.Read(make([]byte, 1))
			require.Zero(t, n, "a byte after the error")
			require.Equal(t, err, again)
		})
	}
}

func TestChunksHeaders(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*sigv4.Signer, *http.Request, *sigv4.ChunkedInput){
		"the length of the body must be known":         func(_ *sigv4.Signer, r *http.Request, _ *sigv4.ChunkedInput) { r.ContentLength = -1 },
		"known: set ContentLength":                     func(_ *sigv4.Signer, r *http.Request, _ *sigv4.ChunkedInput) { r.ContentLength = 0 },
		"chunks of 1 bytes":                            func(_ *sigv4.Signer, _ *http.Request, in *sigv4.ChunkedInput) { in.ChunkSize = 1 },
		"chunks of 16777217 bytes":                     func(_ *sigv4.Signer, _ *http.Request, in *sigv4.ChunkedInput) { in.ChunkSize = 16<<20 + 1 },
		"a trailer needs a name and a checksum":        func(_ *sigv4.Signer, _ *http.Request, in *sigv4.ChunkedInput) { in.Trailer = "x" },
		"chunks without signatures need a trailer":     func(_ *sigv4.Signer, _ *http.Request, in *sigv4.ChunkedInput) { in.Unsigned = true },
		"chunks are not signed with SigV4a":            func(s *sigv4.Signer, _ *http.Request, _ *sigv4.ChunkedInput) { s.RegionSet = "*" },
		"UnsignedPayload, and chunks are to be signed": func(s *sigv4.Signer, _ *http.Request, _ *sigv4.ChunkedInput) { s.UnsignedPayload = true },
		"not the name of a header in lower case": func(_ *sigv4.Signer, _ *http.Request, in *sigv4.ChunkedInput) {
			*in = trailerSHA256
			in.Trailer = "X-Sum"
		},
		"no host": func(_ *sigv4.Signer, r *http.Request, _ *sigv4.ChunkedInput) { r.URL.Host, r.Host = "", "" },
		"in signed chunks already": func(_ *sigv4.Signer, r *http.Request, _ *sigv4.ChunkedInput) {
			other := chunked(t, sigv4.ChunkedInput{}, 3)
			r.Body, r.ContentLength = other.Body, other.ContentLength
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
			r, err := http.NewRequest("PUT", "https://bucket.example/key", strings.NewReader("abc"))
			require.NoError(t, err)
			var in sigv4.ChunkedInput
			change(s, r, &in)
			length, body := r.ContentLength, r.Body
			require.ErrorContains(t, s.SignChunked(r, session, in, at2015), name)
			require.Empty(t, r.Header, "the request was changed")
			require.True(t, r.ContentLength == length && r.Body == body, "the request was changed")
		})
	}
}

// A body of another length than announced fails while it is sent; nothing is cut off or padded.
func TestChunksOfAnotherLength(t *testing.T) {
	t.Parallel()
	boom := errors.New("disk on fire")
	for _, tt := range []struct {
		name string
		body io.Reader
		n    int64
		is   error
		says string
	}{
		{"shorter", strings.NewReader("abc"), 4, io.ErrUnexpectedEOF, "ends after 3 bytes instead of 4"},
		{"empty", strings.NewReader(""), 4, io.ErrUnexpectedEOF, "ends after 0 bytes instead of 4"},
		{"longer", strings.NewReader("abc"), 2, nil, "longer than 2 bytes"},
		{"longer after a chunk", strings.NewReader(strings.Repeat("a", 8<<10+1)), 8 << 10, nil, "longer than 8192 bytes"},
		{"failing", io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(boom)), 4, boom, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequest("PUT", "https://bucket.example/key", onceOnly{tt.body})
			require.NoError(t, err)
			r.ContentLength = tt.n
			s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
			require.NoError(t, s.SignChunked(r, session, sigv4.ChunkedInput{ChunkSize: 8 << 10}, at2015))
			require.Nil(t, r.GetBody)
			_, err = io.ReadAll(r.Body)
			require.ErrorContains(t, err, tt.says)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}
}

func TestVerifierRefusesChunkHeaders(t *testing.T) {
	t.Parallel()
	// Signed with Sign, so that each header can be what a client may send.
	for _, tt := range []struct {
		name, payload string
		headers       []string
	}{
		{"no length", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", nil},
		{"a length that is none", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", []string{"X-Amz-Decoded-Content-Length", "-1"}},
		{"no trailer", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", []string{"X-Amz-Decoded-Content-Length", "1"}},
		{"an unknown trailer", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", []string{"X-Amz-Decoded-Content-Length", "1", "X-Amz-Trailer", "x-amz-checksum-md4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, "PUT", "https://bucket.example/key", tt.headers...)
			s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
			require.NoError(t, s.Sign(r, session, tt.payload, at2015))
			_, err := verifier(session).Verify(sent(t, r), at2015)
			require.Equal(t, sigv4.PartPayload, part(t, err))
		})
	}
}

// The check values of the algorithms, for "123456789".
func TestChecksums(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888",
		"sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441", "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"} {
		var got strings.Builder
		for _, b := range sigv4.Checksum("x-amz-checksum-"+name, []byte("123456789")) {
			got.WriteString(strconv.FormatInt(int64(b)+256, 16)[1:])
		}
		require.Equal(t, want, got.String(), name)
	}
}
