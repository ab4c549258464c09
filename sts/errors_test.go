package sts_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sts"
)

// The codes of the STS API reference, its common errors, and what stands in for an answer of STS.
func TestClass(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code   string
		status int
		want   sts.Class
	}{
		{"ExpiredToken", 403, sts.ClassExpired},
		{"ExpiredTokenException", 400, sts.ClassExpired},
		{"ExpiredTradeInTokenException", 400, sts.ClassExpired},
		{"RequestExpired", 400, sts.ClassExpired},
		{"AccessDenied", 403, sts.ClassDenied},
		{"AccessDeniedException", 400, sts.ClassDenied},
		{"InvalidClientTokenId", 403, sts.ClassDenied},
		{"SignatureDoesNotMatch", 403, sts.ClassDenied},
		{"UnrecognizedClientException", 400, sts.ClassDenied},
		{"IncompleteSignature", 400, sts.ClassDenied},
		{"MissingAuthenticationToken", 403, sts.ClassDenied},
		{"OptInRequired", 403, sts.ClassDenied},
		{"IDPRejectedClaim", 403, sts.ClassDenied},
		{"InvalidIdentityToken", 400, sts.ClassDenied},
		{"OutboundWebIdentityFederationDisabledException", 403, sts.ClassDenied},
		{"SessionDurationEscalationException", 403, sts.ClassDenied},
		{"Unknown", 401, sts.ClassDenied},
		{"Throttling", 400, sts.ClassThrottled},
		{"RequestLimitExceeded", 503, sts.ClassThrottled},
		{"", 429, sts.ClassThrottled},
		{"ValidationError", 400, sts.ClassInput},
		{"MalformedPolicyDocument", 400, sts.ClassInput},
		{"PackedPolicyTooLarge", 400, sts.ClassInput},
		{"InvalidAuthorizationMessageException", 400, sts.ClassInput},
		{"JWTPayloadSizeExceededException", 400, sts.ClassInput},
		{"InvalidParameterValue", 400, sts.ClassInput},
		{"RequestEntityTooLarge", 413, sts.ClassInput},
		{"IDPCommunicationError", 400, sts.ClassEndpoint},
		{"RegionDisabledException", 403, sts.ClassEndpoint},
		{"InvalidAction", 400, sts.ClassEndpoint},
		{"InternalFailure", 500, sts.ClassEndpoint},
		{"ServiceUnavailable", 503, sts.ClassEndpoint},
		{"RequestTimeout", 400, sts.ClassEndpoint},
		{"", 403, sts.ClassEndpoint},
		{"", 404, sts.ClassEndpoint},
		{"Unknown", 404, sts.ClassOther},
		{"Unknown", 204, sts.ClassOther},
	} {
		require.Equal(t, tt.want, (&sts.Error{Code: tt.code, StatusCode: tt.status}).Class(), "%s %d", tt.code, tt.status)
	}
}

// The class is that of the answer, however the error was wrapped on its way.
func TestClassOfACall(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]sts.Class{"ExpiredTokenException": sts.ClassExpired, "AccessDenied": sts.ClassDenied, "ValidationError": sts.ClassInput} {
		for _, op := range operations() {
			_, err := op.call(t.Context(), client(says(400, refusal(code, "why")), user))
			var e *sts.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, want, e.Class())
			require.EqualError(t, err, "sts: "+op.action()+": "+code+": why (HTTP status 400), request ID c6104cbe-af31-11e0-8154-cbc7ccf896c7")
		}
	}
}
