package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// checkPayloadRule says whether a service takes what stands for a payload.
func (v *Verifier) checkPayloadRule(payload, service string) error {
	switch {
	case isHash(payload):
		return nil
	case payload == streamingEvents && !v.UnsignedPayload:
		return errors.New("the payload is an event stream, whose messages are not verified here")
	case !likeS3(service) && !v.UnsignedPayload && (payload == UnsignedPayload || payload == streamingUnsigned):
		return errors.New("the payload is not signed")
	case payload == streamingEvents, payload == UnsignedPayload, payload == streamingPayload, payload == streamingTrailer, payload == streamingUnsigned:
		return nil
	}
	return errors.New("X-Amz-Content-Sha256 is neither a SHA-256 in lower-case hexadecimal nor a constant that is known")
}

// readBody reads the body, puts it back and returns its hash.
func (v *Verifier) readBody(r *http.Request) (string, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return emptyHash, nil
	}
	limit := v.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return "", fmt.Errorf("the body cannot be read: %w", err)
	}
	if int64(len(body)) > limit {
		return "", fmt.Errorf("the body is longer than %d bytes", limit)
	}
	if r.ContentLength >= 0 && int64(len(body)) != r.ContentLength {
		return "", fmt.Errorf("the body has %d bytes, and Content-Length says %d", len(body), r.ContentLength)
	}
	original := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(body), original}
	return hashHex(body), nil
}

// decodeChunks replaces r's body by the payload within.
func (v *Verifier) decodeChunks(r *http.Request, a *authorization, creds aws.Credentials, payload string) error {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	declared, err := single(r.Header, headerDecodedLength)
	if err != nil {
		return err
	}
	length, err := strconv.ParseInt(declared, 10, 64)
	if err != nil || length < 0 {
		return errors.New("X-Amz-Decoded-Content-Length is missing, or is no length")
	}
	d := &chunkReader{source: r.Body, r: bufio.NewReaderSize(r.Body, 8<<10), left: length}
	if payload != streamingUnsigned {
		if a.algorithm != algorithm {
			return errors.New("signed chunks need " + algorithm)
		}
		key, err := v.keyFor(a, creds.SecretAccessKey)
		if err != nil {
			return err
		}
		t, err := newMoment(a.at)
		if err != nil {
			return err
		}
		d.chain = &chain{key: key, t: t, previous: fmt.Sprintf("%x", a.signature)}
	}
	if payload != streamingPayload {
		if d.trailer, err = single(r.Header, headerTrailer); err != nil || d.trailer == "" {
			return errors.New("X-Amz-Trailer is missing, or comes more than once")
		}
		d.trailer = strings.ToLower(d.trailer)
		if d.checksum = checksum(d.trailer); d.checksum == nil {
			return fmt.Errorf("trailer %q is no checksum that is known", d.trailer)
		}
	}
	r.Body, r.ContentLength = d, length
	rest := strings.TrimPrefix(strings.TrimPrefix(strings.Join(r.Header.Values("Content-Encoding"), ","), awsChunked), ",")
	if rest = strings.TrimSpace(rest); rest == "" {
		r.Header.Del("Content-Encoding")
	} else {
		r.Header.Set("Content-Encoding", rest)
	}
	return nil
}

// checksum is the hash for a trailer, nil if it is not known. The names are S3's.
func checksum(trailer string) hash.Hash {
	switch strings.TrimPrefix(trailer, "x-amz-checksum-") {
	case "crc32":
		return crc32.NewIEEE()
	case "crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "crc64nvme":
		return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5))
	case "sha1":
		return sha1.New()
	case "sha256":
		return sha256.New()
	}
	return nil
}

// chunkReader is the payload within a body in aws-chunked. It hands out no byte of a chunk before the chunk is checked.
type chunkReader struct {
	source   io.Closer
	r        *bufio.Reader
	left     int64
	chain    *chain // nil if the chunks are not signed
	trailer  string // "" if there is none
	checksum hash.Hash
	buf      []byte
	pending  []byte
	err      error
}

func (d *chunkReader) Close() error { return d.source.Close() }

func (d *chunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.pending) == 0 {
		if d.err == nil {
			d.err = d.next()
		}
		if d.err != nil {
			return 0, d.err
		}
	}
	n := copy(p, d.pending)
	d.pending = d.pending[n:]
	return n, nil
}

// next reads and checks a chunk. After the last one it returns io.EOF.
func (d *chunkReader) next() error {
	err := d.chunk()
	if err == nil || err == io.EOF {
		return err
	}
	return verifyError(PartPayload, err)
}

func (d *chunkReader) chunk() error {
	head, err := d.line()
	if err != nil {
		return err
	}
	size, signature, signed := strings.Cut(head, chunkSignature)
	if signed != (d.chain != nil) {
		return errors.New("a chunk's head is not in the form of aws-chunked")
	}
	n, err := strconv.ParseUint(size, 16, 63)
	switch {
	case err != nil:
		return errors.New("a chunk's head has no length in hexadecimal")
	case n > maxChunk:
		return fmt.Errorf("a chunk is longer than %d bytes", maxChunk)
	case int64(n) > d.left:
		return errors.New("the payload is longer than X-Amz-Decoded-Content-Length")
	case n == 0 && d.left > 0:
		return errors.New("the payload is shorter than X-Amz-Decoded-Content-Length")
	}
	if err := d.read(int(n)); err != nil {
		return err
	}
	if d.chain != nil && !sameSignature(d.chain.next(algorithmPayload, emptyHash, hashHex(d.buf)), signature) {
		return errors.New("a chunk is not the one that was signed")
	}
	if d.checksum != nil {
		d.checksum.Write(d.buf)
	}
	if n > 0 {
		d.left -= int64(n)
		if err := d.crlf(); err != nil {
			return err
		}
		d.pending = d.buf
		return nil
	}
	if d.trailer != "" {
		if err := d.readTrailer(); err != nil {
			return err
		}
	}
	if err := d.crlf(); err != nil {
		return err
	}
	if _, err := d.r.ReadByte(); err != io.EOF {
		return errors.New("the body goes on after its last chunk")
	}
	return io.EOF
}

// read fills buf with n bytes. It grows with what comes, not with what is announced.
func (d *chunkReader) read(n int) error {
	b := bytes.NewBuffer(d.buf[:0])
	_, err := io.CopyN(b, d.r, int64(n))
	d.buf = b.Bytes()
	return cutShort(err)
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *chunkReader) line() (string, error) {
	line, err := d.r.ReadSlice('\n')
	if err != nil {
		return "", cutShort(err)
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (d *chunkReader) crlf() error {
	switch line, err := d.line(); {
	case err != nil:
		return err
	case line != "":
		return errors.New("a chunk does not end where its head says")
	}
	return nil
}

func (d *chunkReader) readTrailer() error {
	line, err := d.line()
	if err != nil {
		return err
	}
	name, value, _ := strings.Cut(line, ":")
	if name = strings.ToLower(name); name != d.trailer {
		return fmt.Errorf("the trailer %s is missing", d.trailer)
	}
	value = strings.TrimSpace(value)
	if d.chain != nil {
		line, err := d.line()
		if err != nil {
			return err
		}
		signature, ok := strings.CutPrefix(line, trailerSignature+":")
		if !ok || !sameSignature(d.chain.next(algorithmTrailer, hashHex([]byte(name+":"+value+"\n"))), signature) {
			return errors.New("the trailer is not the one that was signed")
		}
	}
	if base64.StdEncoding.EncodeToString(d.checksum.Sum(nil)) != value {
		return fmt.Errorf("the payload does not have the checksum in the trailer %s", name)
	}
	return nil
}
