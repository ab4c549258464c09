package sigv4

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/skew"
)

// Transport is an [http.RoundTripper] that signs requests to AWS and retries them as the AWS SDKs do:
//
//	client := &http.Client{Transport: &sigv4.Transport{Credentials: providers.Default(providers.Config{})}}
//
// Only Credentials must be set. A Transport is safe for concurrent use; it must not be copied, nor its fields changed, after
// first use. Share one: its retry quota and what it knows of the clock are for all its requests.
//
// # Retries
//
// A request is tried up to three times. Connections that fail, the statuses 429, 500, 502, 503 and 504, and the error codes
// of throttling are worth a retry, after a pause with full jitter; see package retry for the numbers. Each attempt is signed
// anew, with the credentials and the time of that moment. The answer to the last attempt is returned as it is, whatever its
// status. As with the SDKs, the method does not matter: a request that is not idempotent can reach the service twice.
//
// A body is sent again if the request has a GetBody, which [http.NewRequest] sets for what is in memory, or if it has at most
// 1 MiB, which is then kept in memory. Any other is sent once, so there is one attempt.
//
// A body that has a GetBody, that can seek, or that has at most 1 MiB is hashed. For any other the request must say in its
// header X-Amz-Content-Sha256 what is to be signed in its place, or Signer must have UnsignedPayload; else the error is
// [ErrNotReplayable]. The header may be the body's hash or UNSIGNED-PAYLOAD. If it is STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or
// one of the two values with a trailer, whose checksum X-Amz-Trailer names, the body is sent in signed chunks of 64 KiB, as
// [Signer.SignChunked] does it.
//
// # What it learns
//
//   - If the service refuses a signature and its Date says that the clock here is off by more than 4 minutes, the request is
//     signed again at the service's time, and so are later ones.
//   - If the service does not take the credentials any more, their provider is told by its method
//     Reject(aws.Credentials), as a chain has it, and the request is sent again with what it gives then, if that differs.
//
// # Redirects
//
// An [http.Client] follows redirects by itself. One to another host, or to another scheme, fails with a [*RedirectError]
// before anything is sent.
type Transport struct {
	// Credentials sign the requests. They are asked before each attempt, so give a chain or another cache.
	Credentials aws.CredentialsProvider

	// Signer signs. Where its Service or Region is empty, the request's host says what it is; see [HostScope]. Nil is a
	// Signer with nothing set. With both set, requests to every host are signed.
	Signer *Signer

	// Base carries the requests. Nil means [http.DefaultTransport].
	Base http.RoundTripper

	// MaxAttempts is how often a request is tried, the first attempt included. 0 means 3; 1 means no retry.
	MaxAttempts int

	// Limiter returns what a request has to wait for before each attempt, nil for nothing. [S3Limits], [EC2Limits] and
	// [AdaptiveLimits] make such functions.
	Limiter func(*http.Request) Limiter

	quota   backoff.Quota
	skew    skew.Offset // see ClockSkew
	signers cache[hostScope, *Signer]
}

type hostScope struct{ service, region string }

// RoundTrip signs and sends a copy of r. The Request of the answer is that copy, with the signature.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x, err := t.prepare(r)
	if err != nil {
		closeBody(r)
		return nil, fmt.Errorf("sigv4: %w", err)
	}
	defer x.body.done()
	attempts := t.MaxAttempts
	if x.body.once() {
		attempts = 1
	}
	err = backoff.Policy{MaxAttempts: attempts, Quota: &t.quota, Classify: x.classify}.Do(r.Context(), x.attempt)
	if x.answer != nil && (err == nil || r.Context().Err() == nil) {
		return x.answer, nil
	}
	x.drop()
	if x.body.once() && t.MaxAttempts != 1 && backoff.Classify(err) != backoff.Final {
		err = fmt.Errorf("%w; the body can be sent only once, so there was one attempt", err)
	}
	return nil, err
}

// prepare finds out how r is signed, and reads its body if that can be sent again only then.
func (t *Transport) prepare(r *http.Request) (*exchange, error) {
	switch {
	case r.URL == nil || r.URL.Host == "":
		return nil, errors.New("the request has no URL with a host")
	case t.Credentials == nil:
		return nil, errors.New("the transport has no credentials provider, and an anonymous request is never sent")
	}
	if err := checkRedirect(r); err != nil {
		return nil, err
	}
	x := &exchange{transport: t, request: r}
	var err error
	if x.signer, err = t.signerFor(r.URL.Host); err != nil {
		return nil, err
	}
	if x.chunks, err = chunksOf(r, x.signer); err != nil {
		return nil, err
	}
	if x.body, err = readAhead(r); err != nil {
		return nil, err
	}
	if t.Limiter != nil {
		x.limiter = t.Limiter(x.body.request(r))
	}
	return x, nil
}

// signerFor returns a signer with service and region. Those made here are kept, since a signer remembers its keys.
func (t *Transport) signerFor(host string) (*Signer, error) {
	given := t.Signer
	if given == nil {
		given = &Signer{}
	}
	var scope hostScope
	if given.Service != "" && (given.Region != "" || given.RegionSet != "") {
		return given, nil
	}
	var err error
	if scope.service, scope.region, err = HostScope(host); err != nil {
		return nil, err
	}
	if given.Service != "" {
		scope.service = given.Service
	}
	if given.Region != "" {
		scope.region = given.Region
	}
	s, err := t.signers.get(scope, func(s hostScope) (*Signer, error) {
		return &Signer{Service: s.service, Region: s.region, RegionSet: given.RegionSet, Path: given.Path,
			SessionToken: given.SessionToken, UnsignedPayload: given.UnsignedPayload}, nil
	})
	if err != nil {
		return nil, err
	}
	return *s, nil
}

// exchange is one request with all its attempts.
type exchange struct {
	transport *Transport
	request   *http.Request
	signer    *Signer
	body      *resendable
	chunks    *ChunkedInput // nil if the body is sent as it is
	hash      string        // of the body, once it is known
	limiter   Limiter

	answer   *http.Response // to the last attempt
	skewed   bool           // an attempt was repeated because of the clock: not twice
	rejected bool           // and because of the credentials
	resign   bool           // the last attempt is to be repeated for one of these reasons
}

// classify is the policy's: what else than the usual is worth another attempt.
func (x *exchange) classify(err error) backoff.Class {
	if x.resign {
		return backoff.Transient
	}
	return backoff.Classify(err)
}

// attempt sends the request once. An answer is kept even if it is an error.
func (x *exchange) attempt(ctx context.Context) error {
	x.drop()
	x.resign = false
	if x.limiter != nil {
		if err := x.limiter.Wait(ctx); err != nil {
			return backoff.Permanent(fmt.Errorf("sigv4: the limiter: %w", err))
		}
	}
	creds, err := retrieve(ctx, x.transport.Credentials)
	if err != nil {
		return backoff.Permanent(fmt.Errorf("sigv4: %w", err))
	}
	offset := x.transport.ClockSkew()
	signed, err := x.sign(creds, time.Now().Add(offset))
	if err != nil {
		return backoff.Permanent(err)
	}
	sent := time.Now()
	resp, err := x.transport.base().RoundTrip(signed)
	if err != nil {
		return err
	}
	if x.answer = resp; resp.Request == nil {
		resp.Request = signed
	}
	if resp.StatusCode < http.StatusBadRequest {
		x.observe(sent, false)
		return nil
	}
	return x.judge(ctx, resp, creds, offset, sent)
}

// judge is the error for an answer that refuses.
func (x *exchange) judge(ctx context.Context, resp *http.Response, creds aws.Credentials, offset time.Duration, sent time.Time) error {
	f := peek(resp)
	x.observe(sent, backoff.Classify(f) == backoff.Throttle)
	observed, known := skew.Observe(resp.Header, sent, time.Now())
	switch {
	case known && x.transport.learnSkew(f, observed, offset):
		x.resign = !x.skewed
		x.skewed = true
	case rejectsCredentials(f.code) && !x.rejected:
		x.rejected = true
		x.resign = x.renewed(ctx, creds)
	}
	return backoff.Hinted(resp.Header, f)
}

// renewed tells the provider that its credentials were refused, and reports whether it has others.
func (x *exchange) renewed(ctx context.Context, creds aws.Credentials) bool {
	r, ok := x.transport.Credentials.(interface{ Reject(aws.Credentials) })
	if !ok {
		return false
	}
	r.Reject(creds)
	again, err := retrieve(ctx, x.transport.Credentials)
	return err == nil && (again.AccessKeyID != creds.AccessKeyID || again.SessionToken != creds.SessionToken)
}

func (x *exchange) observe(sent time.Time, throttled bool) {
	if o, ok := x.limiter.(observer); ok {
		o.Observe(sent, throttled)
	}
}

// drop gives up the answer of an attempt that is followed by another.
func (x *exchange) drop() {
	if x.answer != nil {
		x.answer.Body.Close()
		x.answer = nil
	}
}

// sign returns a signed copy of the request, with a body to send.
func (x *exchange) sign(creds aws.Credentials, now time.Time) (*http.Request, error) {
	signed := x.body.request(x.request)
	if signed.Header == nil {
		signed.Header = make(http.Header)
	}
	var err error
	if signed.Body, err = x.body.next(); err != nil {
		return nil, fmt.Errorf("sigv4: the body cannot be read again: %w", err)
	}
	if x.chunks != nil {
		err = x.signer.SignChunked(signed, creds, *x.chunks, now)
	} else {
		if x.hash == "" {
			given := x.request.Header.Get(headerContentHash)
			if x.signer.UnsignedPayload {
				given = ""
			}
			if x.hash, err = x.signer.payloadHash(signed, given); err != nil {
				err = fmt.Errorf("sigv4: %w", err)
			}
		}
		if err == nil {
			_, err = x.signer.signHeaders(signed, creds, x.hash, now)
		}
	}
	if err != nil {
		closeBody(signed)
		return nil, err
	}
	return signed, nil
}

// ClockSkew is how far the services' clock is ahead of this machine's, as the Date of a refused answer told it; negative if
// it is behind. Requests are signed at the services' time. It is 0 until a request was refused in a way that a wrong clock
// can cause and the clocks differed by more than 4 minutes.
func (t *Transport) ClockSkew() time.Duration { return t.skew.Get() }

// learnSkew reports whether the time of a refused request's signature can be why. The answer to a HEAD has no code.
func (t *Transport) learnSkew(f *answerError, observed, used time.Duration) (wrong bool) {
	if f.code == "" && f.status == http.StatusForbidden {
		_, wrong = t.skew.LearnNameless(observed, used)
		return wrong
	}
	_, wrong = t.skew.Learn(f.code, observed, used)
	return wrong
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

// retrieve asks the provider. No credentials are an error.
func retrieve(ctx context.Context, p aws.CredentialsProvider) (aws.Credentials, error) {
	creds, err := p.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("credentials: %w", err)
	}
	if !creds.HasKeys() {
		return aws.Credentials{}, errors.New("credentials: the provider answered with empty credentials")
	}
	return creds, nil
}
