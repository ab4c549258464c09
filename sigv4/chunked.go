package sigv4

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// What stands for the payload in a canonical request if it follows in chunks.
const (
	streamingPayload  = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingTrailer  = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingUnsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	streamingEvents   = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
)

// Algorithms of the strings to sign that follow the first.
const (
	algorithmPayload = algorithm + "-PAYLOAD"
	algorithmTrailer = algorithm + "-TRAILER"
)

const (
	chunkSignature   = ";chunk-signature="
	trailerSignature = "x-amz-trailer-signature"
	awsChunked       = "aws-chunked"

	headerDecodedLength = "X-Amz-Decoded-Content-Length"
	headerTrailer       = "X-Amz-Trailer"

	defaultChunk = 64 << 10
	minChunk     = 8 << 10 // of S3, for all but the last one
	maxChunk     = 16 << 20
)

// ChunkedInput says how a payload is sent in chunks. Its zero value signs chunks of 64 KiB.
type ChunkedInput struct {
	// ChunkSize is the number of bytes that are read, held and signed together: 8 KiB, which is S3's minimum, to 16 MiB.
	// 0 means 64 KiB.
	ChunkSize int

	// Trailer is the name of a checksum that follows the payload, such as "x-amz-checksum-sha256". "" means none.
	Trailer string

	// Checksum makes the hash that Trailer names. It is fed with the payload and sent in base64.
	Checksum func() hash.Hash

	// Unsigned signs the headers only, not the chunks (STREAMING-UNSIGNED-PAYLOAD-TRAILER): TLS and the checksum guard
	// the payload. Trailer must be set.
	Unsigned bool
}

func (in *ChunkedInput) check(s *Signer) (payload string, err error) {
	if in.ChunkSize == 0 {
		in.ChunkSize = defaultChunk
	}
	switch {
	case in.ChunkSize < minChunk || in.ChunkSize > maxChunk:
		return "", fmt.Errorf("chunks of %d bytes: want %d to %d", in.ChunkSize, minChunk, maxChunk)
	case (in.Trailer == "") != (in.Checksum == nil):
		return "", errors.New("a trailer needs a name and a checksum")
	case in.Unsigned && in.Trailer == "":
		return "", errors.New("chunks without signatures need a trailer")
	case s.RegionSet != "" && !in.Unsigned:
		return "", errors.New("chunks are not signed with SigV4a here; they can be sent unsigned")
	case s.UnsignedPayload && !in.Unsigned:
		return "", errors.New("the signer has UnsignedPayload, and chunks are to be signed")
	}
	for i := range len(in.Trailer) {
		if c := in.Trailer[i]; tokenBytes[c] != c || c == 0 {
			return "", fmt.Errorf("trailer %q: not the name of a header in lower case", in.Trailer)
		}
	}
	switch {
	case in.Unsigned:
		return streamingUnsigned, nil
	case in.Trailer != "":
		return streamingTrailer, nil
	}
	return streamingPayload, nil
}

// SignChunked signs r and has its payload signed piece by piece while it is sent, in the encoding aws-chunked of S3: for a
// body whose hash is not known before. r.ContentLength must be the length of the body; a body of another length makes the
// request fail while it is sent. Body, ContentLength and, if there is one, GetBody are replaced. Beside what
// [Signer.Sign] sets it sets X-Amz-Decoded-Content-Length, X-Amz-Trailer and Content-Encoding.
//
// If SignChunked fails, r is as it was.
func (s *Signer) SignChunked(r *http.Request, creds aws.Credentials, in ChunkedInput, now time.Time) error {
	payload, err := in.check(s)
	if err != nil {
		return fmt.Errorf("sigv4: %w", err)
	}
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	length := r.ContentLength
	if _, again := body.(*chunkWriter); again {
		return errors.New("sigv4: the body is in signed chunks already; sign a request with the payload itself")
	}
	if length < 0 || length == 0 && body != http.NoBody {
		return errors.New("sigv4: the length of the body must be known: set ContentLength")
	}
	signed := r.WithContext(r.Context())
	signed.Header = r.Header.Clone()
	if signed.Header == nil {
		signed.Header = make(http.Header)
	}
	signed.Header.Set(headerDecodedLength, strconv.FormatInt(length, 10))
	signed.Header.Set("Content-Encoding", withChunked(signed.Header.Values("Content-Encoding")))
	if in.Trailer != "" {
		signed.Header.Set(headerTrailer, in.Trailer)
	}
	signed.ContentLength = in.encodedLength(length)
	start, err := s.signHeaders(signed, creds, payload, now)
	if err != nil {
		return err
	}
	writer := chunkWriter{in: in, length: length, left: length}
	if !in.Unsigned {
		key, err := s.key(creds, start.t)
		if err != nil {
			return fmt.Errorf("sigv4: %w", err)
		}
		writer.chain = &chain{key: key, t: start.t, previous: start.signature}
	}
	if get := r.GetBody; get != nil {
		signed.GetBody = func() (io.ReadCloser, error) {
			body, err := get()
			if err != nil {
				return nil, err
			}
			return writer.over(body), nil
		}
	}
	signed.Body = writer.over(body)
	r.Header, r.URL, r.Host = signed.Header, signed.URL, signed.Host
	r.Body, r.GetBody, r.ContentLength = signed.Body, signed.GetBody, signed.ContentLength
	return nil
}

func withChunked(encodings []string) string {
	joined := strings.Join(encodings, ",")
	if first, _, _ := strings.Cut(joined, ","); joined == "" || strings.EqualFold(strings.TrimSpace(first), awsChunked) {
		return strings.Join(append([]string{awsChunked}, strings.Split(joined, ",")[1:]...), ",")
	}
	return awsChunked + "," + joined
}

func (in *ChunkedInput) encodedLength(length int64) int64 {
	size := int64(in.ChunkSize)
	total := length/size*in.chunkLength(size) + in.chunkLength(0)
	if rest := length % size; rest > 0 {
		total += in.chunkLength(rest)
	}
	if in.Trailer != "" {
		total += int64(len(in.Trailer) + 1 + base64.StdEncoding.EncodedLen(in.Checksum().Size()) + 2)
		if !in.Unsigned {
			total += int64(len(trailerSignature) + 1 + len(emptyHash) + 2)
		}
	}
	return total
}

// chunkLength is the length of a chunk of n bytes in aws-chunked.
func (in *ChunkedInput) chunkLength(n int64) int64 {
	head := len(strconv.FormatInt(n, 16)) + 2
	if !in.Unsigned {
		head += len(chunkSignature) + len(emptyHash)
	}
	return int64(head) + n + 2
}

// chain makes one signature of the one before.
type chain struct {
	key      *signingKey
	t        moment
	previous string
}

// next signs what the rest of a string to sign stands for: hashes, one a line.
func (c *chain) next(algorithm string, hashes ...string) string {
	text := append(append(make([]byte, 0, 512), algorithm...), '\n')
	text = append(append(text, c.t.text[:]...), '\n')
	text = append(append(text, c.key.scope...), '\n')
	text = append(text, c.previous...)
	for _, h := range hashes {
		text = append(append(text, '\n'), h...)
	}
	c.previous = hex.EncodeToString(c.key.appendSignature(nil, text))
	return c.previous
}

// chunkWriter is a body in aws-chunked. Copies of one that has read nothing yet are good for other bodies.
type chunkWriter struct {
	in     ChunkedInput
	length int64
	chain  *chain // nil if the chunks are not signed

	body     io.ReadCloser
	left     int64
	checksum hash.Hash
	buf      []byte // the encoded chunk
	pending  []byte // of buf, what is to be read
	done     bool
	err      error
}

func (w *chunkWriter) over(body io.ReadCloser) *chunkWriter {
	c := *w
	c.body = body
	if w.chain != nil {
		first := *w.chain
		c.chain = &first
	}
	if c.in.Checksum != nil {
		c.checksum = c.in.Checksum()
	}
	return &c
}

func (w *chunkWriter) Close() error { return w.body.Close() }

func (w *chunkWriter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(w.pending) == 0 {
		if w.err == nil && w.done {
			w.err = io.EOF
		}
		if w.err == nil {
			w.err = w.fill()
		}
		if w.err != nil {
			return 0, w.err
		}
	}
	n := copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

// fill encodes the next chunk.
func (w *chunkWriter) fill() error {
	n := int(min(w.left, int64(w.in.ChunkSize)))
	if w.buf == nil {
		w.buf = make([]byte, 0, w.in.chunkLength(int64(n))+512)
	}
	b := strconv.AppendInt(w.buf[:0], int64(n), 16)
	signatureAt := len(b) + len(chunkSignature)
	if w.chain != nil {
		b = append(append(b, chunkSignature...), emptyHash...) // in the place of the signature
	}
	b = append(b, "\r\n"...)
	dataAt := len(b)
	b = b[:dataAt+n]
	data := b[dataAt:]
	if got, err := io.ReadFull(w.body, data); n > 0 && err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("sigv4: the body ends after %d bytes instead of %d: %w", w.length-w.left+int64(got), w.length, io.ErrUnexpectedEOF)
		}
		return err
	}
	w.left -= int64(n)
	if w.left == 0 {
		if err := w.expectEnd(); err != nil {
			return err
		}
	}
	if w.checksum != nil {
		w.checksum.Write(data)
	}
	if w.chain != nil {
		copy(b[signatureAt:], w.chain.next(algorithmPayload, emptyHash, hashHex(data)))
	}
	if n == 0 {
		w.done = true
		b = w.appendTrailer(b)
	}
	b = append(b, "\r\n"...)
	w.buf, w.pending = b, b
	return nil
}

// expectEnd fails if the body goes on.
func (w *chunkWriter) expectEnd() error {
	var more [1]byte
	for range 100 {
		n, err := w.body.Read(more[:])
		switch {
		case n > 0:
			return fmt.Errorf("sigv4: the body is longer than %d bytes, which the request says", w.length)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

func (w *chunkWriter) appendTrailer(b []byte) []byte {
	if w.checksum == nil {
		return b
	}
	line := w.in.Trailer + ":" + base64.StdEncoding.EncodeToString(w.checksum.Sum(nil))
	b = append(append(b, line...), "\r\n"...)
	if w.chain != nil {
		b = append(append(b, trailerSignature+":"...), w.chain.next(algorithmTrailer, hashHex([]byte(line+"\n")))...)
		b = append(b, "\r\n"...)
	}
	return b
}
