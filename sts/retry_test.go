package sts_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

// Which refusals are worth another attempt, and how many.
func TestRetriedCodes(t *testing.T) {
	t.Parallel()
	web := func(in *inputs) func(context.Context, *sts.Client) error {
		return in.calls()["AssumeRoleWithWebIdentity"]
	}
	saml := func(in *inputs) func(context.Context, *sts.Client) error { return in.calls()["AssumeRoleWithSAML"] }
	role := func(in *inputs) func(context.Context, *sts.Client) error { return in.calls()["AssumeRole"] }
	for _, tt := range []struct {
		name, code string
		status     int
		call       func(*inputs) func(context.Context, *sts.Client) error
		want       int
	}{
		{"the issuer cannot be asked", "IDPCommunicationError", 400, web, 3},
		{"the issuer could not be asked", "InvalidIdentityToken", 400, web, 2},
		{"an old token", "ExpiredTokenException", 400, web, 1},
		{"a rejected claim", "IDPRejectedClaim", 403, web, 1},
		{"SAML has no issuer to ask", "InvalidIdentityToken", 400, saml, 1},
		{"nor has a role", "InvalidIdentityToken", 400, role, 1},
		{"throttled", "Throttling", 400, role, 3},
		{"out of order", "InternalFailure", 500, role, 3},
		{"unavailable", "ServiceUnavailable", 503, saml, 3},
		{"denied", "AccessDenied", 403, role, 1},
		{"bad input", "ValidationError", 400, role, 1},
		{"a region that is off", "RegionDisabledException", 403, role, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := &scripted{answers: []answer{{status: tt.status, body: refusal(tt.code, "no")}}}
				err := tt.call(goodInputs())(t.Context(), client(h, user))
				var e *sts.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, tt.code, e.Code)
				require.Len(t, h.requests, tt.want)
			})
		})
	}
}

// InvalidIdentityToken has one attempt more in each call; what comes after it is retried by its own rule.
func TestInvalidIdentityTokenOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ok := answer{body: xmlAnswer("AssumeRoleWithWebIdentity", xmlCredentials)}
		invalid := answer{status: 400, body: refusal("InvalidIdentityToken", "no")}
		h := &scripted{answers: []answer{invalid, ok, invalid, {status: 500}, ok}}
		c := client(h, user)
		for _, want := range []int{2, 5} {
			_, err := c.AssumeRoleWithWebIdentity(t.Context(), goodInputs().web)
			require.NoError(t, err)
			require.Len(t, h.requests, want)
		}
	})
}

// failing lets the first attempts fail before or after they reach the service.
type failing struct {
	errs []error
	next http.RoundTripper
}

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, err
	}
	return f.next.RoundTrip(r)
}

// An MFA code must not arrive twice: the second time it is refused, and rightly so.
func TestCodeIsSentOnce(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	broken := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	for _, tt := range []struct {
		name string
		errs []error
		h    http.Handler // nil answers
		sent int          // requests that arrived
		err  string
	}{
		{"no fault", nil, nil, 1, ""},
		{"no connection", []error{refused, refused}, nil, 1, ""},
		{"a name that cannot be asked for", []error{&net.DNSError{IsTemporary: true}}, nil, 1, ""},
		{"broken", []error{broken}, nil, 0, "the MFA code may be used up, so the call is not repeated with it"},
		{"broken after a refused connection", []error{refused, broken}, nil, 0, "the MFA code may be used up"},
		{"503", nil, says(503, ""), 1, "HTTP status 503 without an STS error; the MFA code may be used up"},
		{"throttled", nil, says(400, refusal("Throttling", "slow")), 1, "the MFA code may be used up"},
		{"denied", nil, says(403, refusal("AccessDenied", "MultiFactorAuthentication failed")), 1, "request ID c6104cbe-af31-11e0-8154-cbc7ccf896c7"},
		{"a wrong clock", nil, &offClock{ahead: time.Hour}, 1, "it was signed 1h0m0s before the service's time; the MFA code may be used up"},
		{"no answer", nil, awstest.Faulty(nil, awstest.Fault{Drop: true}), 1, "the MFA code may be used up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, operation := range []string{"GetSessionToken", "AssumeRole"} {
				synctest.Test(t, func(t *testing.T) {
					h := tt.h
					if h == nil {
						h = says(200, xmlAnswer(operation, xmlCredentials))
					}
					var sent atomic.Int32
					c := client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						sent.Add(1)
						h.ServeHTTP(w, r)
					}), user)
					c.Transport = &failing{errs: tt.errs, next: c.Transport}
					in := goodInputs()
					in.session.SerialNumber, in.session.TokenCode = mfaARN, "123456"
					in.role.SerialNumber, in.role.TokenCode = mfaARN, "123456"
					err := in.calls()[operation](t.Context(), c)
					require.EqualValues(t, tt.sent, sent.Load())
					if tt.err == "" {
						require.NoError(t, err)
						return
					}
					require.ErrorContains(t, err, tt.err)
					require.Equal(t, tt.name != "denied", strings.Contains(err.Error(), "MFA code"))
				})
			}
		})
	}
}
