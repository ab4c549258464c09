package sigv4

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// EventSigner signs the messages of an event stream, each with the signature of the one before. It is not safe for
// concurrent use: the messages have an order.
type EventSigner struct {
	signer   *Signer
	creds    aws.Credentials
	previous string
}

// Format keeps the credentials out of whatever is printed.
func (e EventSigner) Format(w fmt.State, _ rune) {
	io.WriteString(w, "an event stream's signer (redacted)")
}

// SignEvents signs the headers of r, whose body is an event stream (STREAMING-AWS4-HMAC-SHA256-EVENTS), and returns what
// signs the stream's messages. The services with event streams in requests are Amazon Transcribe, Lex and Kinesis.
func (s *Signer) SignEvents(r *http.Request, creds aws.Credentials, now time.Time) (*EventSigner, error) {
	if s.RegionSet != "" {
		return nil, errors.New("sigv4: event streams are not signed with SigV4a")
	}
	start, err := s.signHeaders(r, creds, streamingEvents, now)
	if err != nil {
		return nil, err
	}
	return &EventSigner{signer: s, creds: creds, previous: start.signature}, nil
}

// Sign returns the 32 bytes of a message's :chunk-signature. headers are the message's own headers in the encoding of
// event streams, without the signature: in AWS's protocols that is :date alone, whose time must be now. payload is the
// message that is wrapped; it is empty for the last message of the stream.
func (e *EventSigner) Sign(headers, payload []byte, now time.Time) ([]byte, error) {
	t, err := newMoment(now)
	if err != nil {
		return nil, fmt.Errorf("sigv4: %w", err)
	}
	s := e.signer
	key, err := s.key(e.creds, t)
	if err != nil {
		return nil, fmt.Errorf("sigv4: %w", err)
	}
	link := chain{key: key, t: t, previous: e.previous}
	e.previous = link.next(algorithmPayload, hashHex(headers), hashHex(payload))
	return hex.DecodeString(e.previous)
}
