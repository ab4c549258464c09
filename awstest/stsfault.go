package awstest

import "net/http"

// STSFault returns an error of STS, in its own XML and with its own HTTP status, to put in front of an [STS] with
// [Faulty]. It is for what the fake does not do by itself: Throttling, or a service that is not available. A code
// that is not known has status 400. By itself the fault hits every request; set Times to hit some.
func STSFault(code string) Fault {
	status := http.StatusBadRequest
	switch code {
	case "AccessDenied", "AccessDeniedException", "ExpiredToken", "IDPRejectedClaim", "InvalidClientTokenId",
		"MissingAuthenticationToken", "OptInRequired", "OutboundWebIdentityFederationDisabledException",
		"RegionDisabledException", "SessionDurationEscalationException", "SignatureDoesNotMatch", "UnrecognizedClientException":
		status = http.StatusForbidden
	case "InternalFailure", "InternalError":
		status = http.StatusInternalServerError
	case "ServiceUnavailable":
		status = http.StatusServiceUnavailable
	}
	a := stsError("", &refusal{status, code, "awstest: this is a test of " + code})
	a.header.Set("Content-Type", a.contentType)
	return Fault{Status: a.status, Header: a.header, Body: string(a.body)}
}
