package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// payloadHash returns what stands for the payload in r's canonical request: given, or what the signer's fields say, or else
// the hash of the body.
func (s *Signer) payloadHash(r *http.Request, given string) (string, error) {
	switch {
	case s.UnsignedPayload && (given == "" || given == UnsignedPayload):
		return UnsignedPayload, nil
	case s.UnsignedPayload:
		return "", errors.New("a payload hash is given, and UnsignedPayload says to sign none")
	case given != "":
		return given, checkPayloadHash(given)
	case r.Body == nil || r.Body == http.NoBody:
		return emptyHash, nil
	}
	hash, n, err := hashBody(r)
	if err != nil {
		return "", err
	}
	if r.ContentLength > 0 && n != r.ContentLength {
		return "", fmt.Errorf("the body has %d bytes, and the request says %d", n, r.ContentLength)
	}
	return hash, nil
}

func checkPayloadHash(h string) error {
	switch {
	case isHash(h):
		return nil
	case h == UnsignedPayload, strings.HasPrefix(h, "STREAMING-") && strings.Trim(h, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == "":
		return nil
	}
	return errors.New("the payload hash is neither 64 lower-case hexadecimal digits nor a constant of the specification")
}

// isHash reports whether h is a SHA-256 in lower-case hexadecimal.
func isHash(h string) bool {
	if len(h) != 2*sha256.Size {
		return false
	}
	for i := range len(h) {
		if c := h[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// hashBody reads a copy of the body, or the body itself if it can be put back.
func hashBody(r *http.Request) (hash string, n int64, err error) {
	h := sha256.New()
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return "", 0, fmt.Errorf("the body: %w", err)
		}
		defer body.Close()
		if n, err = io.Copy(h, body); err != nil {
			return "", 0, fmt.Errorf("the body: %w", err)
		}
		return hex.EncodeToString(h.Sum(nil)), n, nil
	}
	body, ok := r.Body.(io.Seeker)
	if !ok {
		return "", 0, ErrNotReplayable
	}
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return "", 0, ErrNotReplayable // a pipe is a file that cannot seek
	}
	n, err = io.Copy(h, r.Body)
	if _, back := body.Seek(start, io.SeekStart); err == nil {
		err = back
	}
	if err != nil {
		return "", 0, fmt.Errorf("the body: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
