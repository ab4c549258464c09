package sigv4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const maxReadAhead = 1 << 20 // bytes of a body that are kept to be sent again

// resendable is the body of a request that is to be sent, perhaps more than once.
type resendable struct {
	first  io.ReadCloser                 // what the request came with, until it is sent or closed
	again  func() (io.ReadCloser, error) // nil if the body can be sent only once
	length int64
}

// readAhead looks for a way to send r's body again. One that has no GetBody is read if it is small.
func readAhead(r *http.Request) (*resendable, error) {
	p := &resendable{first: r.Body, again: r.GetBody, length: r.ContentLength}
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		p.first, p.again, p.length = nil, func() (io.ReadCloser, error) { return http.NoBody, nil }, 0
		return p, nil
	case r.GetBody != nil, r.ContentLength > maxReadAhead, r.Header.Get(headerContentHash) == streamingEvents:
		return p, nil
	case r.ContentLength <= 0 && seekable(r.Body): // probably a file, which may be long
		return p, nil
	}
	start, err := readWithin(r.Context(), r.Body, maxReadAhead+1)
	if err != nil {
		return nil, fmt.Errorf("the body: %w", err)
	}
	if len(start) > maxReadAhead {
		p.first = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(start), r.Body), r.Body}
		return p, nil
	}
	if r.ContentLength > 0 && int64(len(start)) != r.ContentLength {
		return nil, fmt.Errorf("the body has %d bytes, and the request says %d", len(start), r.ContentLength)
	}
	if p.length = int64(len(start)); p.length == 0 {
		p.again = func() (io.ReadCloser, error) { return http.NoBody, nil }
		return p, nil
	}
	p.again = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(start)), nil }
	return p, nil
}

// readWithin reads until ctx ends; a reader that waits for its writer is left alone then, and the caller has to close
// the body.
func readWithin(ctx context.Context, body io.Reader, most int64) ([]byte, error) {
	type read struct {
		text []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(body, most))
		done <- read{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func seekable(body io.Reader) bool {
	s, ok := body.(io.Seeker)
	if ok {
		_, err := s.Seek(0, io.SeekCurrent) // a pipe is a file that cannot seek
		ok = err == nil
	}
	return ok
}

func (p *resendable) once() bool { return p.again == nil }

// request is a copy of r with a header of its own, and a GetBody if there is one. Its body is to be set.
func (p *resendable) request(r *http.Request) *http.Request {
	c := r.WithContext(r.Context())
	c.Header = r.Header.Clone()
	c.GetBody, c.ContentLength = p.again, p.length
	if p.first == nil {
		c.Body = nil
	}
	return c
}

// next returns the body for the next attempt.
func (p *resendable) next() (io.ReadCloser, error) {
	if p.again != nil {
		return p.again()
	}
	body := p.first
	p.first = nil
	if body == nil {
		return nil, errors.New("it was sent already")
	}
	return body, nil
}

// done closes the body that the request came with. Whoever sends a body closes it.
func (p *resendable) done() {
	if p.first != nil {
		go p.first.Close() // see closeBody
	}
}

// closeBody closes the body that r came with, and does not wait for that: Close of a request that a server passes on waits
// until it has been read, or for its rest.
func closeBody(r *http.Request) {
	if r.Body != nil {
		go r.Body.Close()
	}
}

// chunksOf says how r asks for its body to be sent in chunks, nil if it does not.
func chunksOf(r *http.Request, s *Signer) (*ChunkedInput, error) {
	kind := r.Header.Get(headerContentHash)
	switch kind {
	case streamingPayload, streamingTrailer, streamingUnsigned:
	default:
		return nil, nil
	}
	if r.Header.Get(headerDecodedLength) != "" {
		return nil, errors.New("the body is in chunks already, as " + headerDecodedLength + " says; their signatures go on from that of the headers, " +
			"so give the payload itself")
	}
	if !likeS3(s.Service) {
		return nil, errors.New("service " + strconv.Quote(s.Service) + " takes no payload in chunks: that is for S3")
	}
	in := &ChunkedInput{Unsigned: kind == streamingUnsigned}
	if kind != streamingPayload {
		in.Trailer = strings.ToLower(r.Header.Get(headerTrailer))
		if checksum(in.Trailer) == nil {
			return nil, errors.New(headerTrailer + " names no checksum that is known, such as x-amz-checksum-crc32")
		}
		in.Checksum = func() hash.Hash { return checksum(in.Trailer) }
	}
	return in, nil
}
