package sigv4

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Signer signs requests to one service in one region. Service must be set, and Region or RegionSet. A Signer is safe for
// concurrent use; it must not be copied, nor its fields changed, after first use. It remembers derived keys, a bounded
// number of them, by the secret access key as well as by its ID.
type Signer struct {
	// Service is the service's signing name, such as "sts", "s3" or "execute-api". It is not always the name in its host.
	Service string

	// Region is the region that the request is signed for, such as "eu-central-1".
	Region string

	// RegionSet turns SigV4a on (AWS4-ECDSA-P256-SHA256): the regions in which the request is valid, separated by commas,
	// with wildcards, such as "*" or "us-*". S3 Multi-Region Access Points, global endpoints of EventBridge and the key
	// value stores of CloudFront need it. Region is not used then.
	RegionSet string

	// Path says how the path is made canonical. The zero value does what Service asks for.
	Path PathRule

	// SessionToken says how a session token is sent. The zero value is right for all services but those it names.
	SessionToken TokenRule

	// UnsignedPayload leaves the body out of every signature (UNSIGNED-PAYLOAD). S3 allows it, and VPC Lattice wants it.
	// Use it with TLS only.
	UnsignedPayload bool

	keys    cache[keyID, signingKey]
	keys4a  cache[keyID4a, signingKey4a]
	buffers sync.Pool // of *canonical
	last    atomic.Pointer[dated]
}

// PathRule says how the path of a URL is made canonical.
type PathRule int

const (
	// PathByService is PathOnce for S3 (s3, s3express, s3-outposts, s3-object-lambda) and PathNormalized for the others.
	PathByService PathRule = iota

	// PathOnce escapes each segment once, and keeps empty and dot segments: S3's rule, since they can be part of a key.
	// The request is sent in the form that is signed.
	PathOnce

	// PathNormalized drops empty and dot segments, then escapes the path, as it is sent, once more. The documented rule
	// for every service but S3, and what the AWS CLI does.
	PathNormalized

	// PathTwice escapes the path, as it is sent, once more, and keeps empty and dot segments. This is what aws-sdk-go-v2
	// does; API Gateway wants it for a path with empty segments.
	PathTwice
)

// TokenRule says how the session token of temporary credentials is sent.
type TokenRule int

const (
	// TokenSigned sends the token as X-Amz-Security-Token, signed.
	TokenSigned TokenRule = iota

	// TokenUnsigned adds X-Amz-Security-Token after signing. AWS IoT's MQTT over WebSocket wants it.
	TokenUnsigned

	// TokenS3Session sends the token as X-Amz-S3session-Token, signed: for objects in the directory buckets of S3 Express
	// with the credentials of CreateSession.
	TokenS3Session

	// TokenOmitted sends no token. The caller sends it in another way.
	TokenOmitted
)

// UnsignedPayload stands in place of a payload's hash if the payload is not signed.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// Names of the two algorithms.
const (
	algorithm   = "AWS4-HMAC-SHA256"
	algorithm4a = "AWS4-ECDSA-P256-SHA256"
)

// ErrNotReplayable says that a body can be read once only, so that it cannot be both hashed and sent.
var ErrNotReplayable = errors.New("the body can be read only once, so it cannot be hashed before it is sent: " +
	"give the request a GetBody, give the payload's hash, sign chunk by chunk, or set UnsignedPayload")

// Sign adds Authorization and the headers that it needs to r: X-Amz-Date, X-Amz-Security-Token if creds have a session
// token, X-Amz-Region-Set for SigV4a, and X-Amz-Content-Sha256 for S3, for an unsigned payload, and where r has it
// already. What an earlier signature left in r's headers is replaced. The signature is dated now.
//
// payloadHash is the SHA-256 of the body in lower-case hex, or a constant such as [UnsignedPayload]. If it is "", the body
// is read, from r.GetBody or by seeking back, and hashed; one that can be read only once is [ErrNotReplayable]. Sign never
// consumes the body.
//
// If Sign fails, r is as it was. Errors name no secret.
func (s *Signer) Sign(r *http.Request, creds aws.Credentials, payloadHash string, now time.Time) error {
	payloadHash, err := s.payloadHash(r, payloadHash)
	if err != nil {
		return fmt.Errorf("sigv4: %w", err)
	}
	_, err = s.signHeaders(r, creds, payloadHash, now)
	return err
}
