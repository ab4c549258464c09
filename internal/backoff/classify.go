package backoff

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// Class says what an error means for a retry.
type Class uint8

const (
	// Final is an error that another attempt would meet again.
	Final Class = iota
	// Transient is an error that may be gone at the next attempt.
	Transient
	// Throttle is a service's wish for fewer requests: the retry waits longer, and costs less quota.
	Throttle
)

// Classify sorts an error as the AWS SDKs do. In this order: an error code (a method ErrorCode() string
// somewhere in the error's tree, as smithy's APIError has), an HTTP status (a method HTTPStatusCode() int),
// and what went wrong on the network. A name that does not exist in the DNS is Final, and so is a cancelled
// context and everything unknown.
//
// A deadline that has passed is Transient, because an attempt may have a deadline of its own. Do looks at the
// caller's context before it asks, so a caller's own deadline is never retried.
func Classify(err error) Class {
	if err == nil || errors.Is(err, context.Canceled) {
		return Final
	}
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		if class := codeClass(coded.ErrorCode()); class != Final {
			return class
		}
	}
	var answered interface{ HTTPStatusCode() int }
	if errors.As(err, &answered) {
		switch answered.HTTPStatusCode() {
		case http.StatusTooManyRequests:
			return Throttle
		case http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return Transient
		}
	}
	return networkClass(err)
}

// codeClass knows the codes that the SDKs of Go, Python and Rust agree on, and IDPCommunicationError, which
// STS documents as one to retry.
func codeClass(code string) Class {
	switch code {
	case "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
		"TooManyRequestsException", "ProvisionedThroughputExceededException", "TransactionInProgressException",
		"RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "RequestThrottled",
		"SlowDown", "PriorRequestNotComplete", "EC2ThrottledException":
		return Throttle
	case "RequestTimeout", "RequestTimeoutException", "IDPCommunicationError":
		return Transient
	}
	return Final
}

// networkClass is Transient for a connection that could not be made, broke or was too slow.
func networkClass(err error) Class {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if dns.IsNotFound {
			return Final
		}
		return Transient
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return Transient
	}
	// io.EOF is what net/http reports when the peer hangs up before its answer.
	for _, broken := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNREFUSED, syscall.ECONNRESET,
		syscall.ECONNABORTED, syscall.EPIPE, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, broken) {
			return Transient
		}
	}
	// The operations of the socket itself; others are TLS alerts, which would come again.
	var op *net.OpError
	if errors.As(err, &op) {
		switch op.Op {
		case "dial", "read", "write":
			return Transient
		}
	}
	// net/http has no value to compare for a connection that the server closed while it was idle.
	if strings.Contains(err.Error(), "server closed idle connection") {
		return Transient
	}
	return Final
}
