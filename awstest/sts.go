package awstest

import (
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// STS is a fake of the Security Token Service, with all of its operations. It verifies the signature of each
// request that needs one, in the Authorization header, by signing anew what arrived with the signer of the AWS SDK.
// AssumeRoleWithWebIdentity and AssumeRoleWithSAML need none.
//
// It remembers the credentials that it hands out: they sign further requests until they expire, and [STS.Sessions]
// has them. Their keys are the same in every run.
//
// Errors have STS's codes and shape. Of the signature: MissingAuthenticationToken, IncompleteSignature,
// InvalidClientTokenId (an unknown key, or a session token that is missing or not the key's), ExpiredToken,
// SignatureDoesNotMatch (also for a clock that is more than 15 minutes off and for the scope of another service,
// region or day). Of the request: MissingAction, InvalidAction, ValidationError (a parameter that is missing or
// beyond its limits), MalformedPolicyDocument, PackedPolicyTooLarge. Of what is asked for: AccessDenied (also for a
// role that is not there, a wrong external ID and a wrong MFA code, as with the service) and the operations' own.
type STS struct {
	// Principals are those whose requests are accepted.
	Principals []Principal

	// Region is the one that requests must be signed for; "" accepts any.
	Region string

	// Roles are those that can be assumed.
	Roles []Role

	// MFADevices are those whose codes are accepted.
	MFADevices []MFADevice

	// Issuers are those whose web identity tokens are accepted, in every account.
	Issuers []*OIDC

	// SAMLProviders are those whose assertions are accepted.
	SAMLProviders []SAMLProvider

	// Organization is for AssumeRoot.
	Organization Organization

	// TradeIns are for GetDelegatedAccessToken.
	TradeIns []TradeIn

	// Outbound signs the tokens of GetWebIdentityToken; nil means that the account has not enabled them.
	Outbound *OIDC

	// ClockOffset is how far the service's clock is ahead of this machine's: in signatures, in expiries, and in
	// the Date header of its answers.
	ClockOffset time.Duration

	// DisabledRegions are those in which no credentials are handed out (RegionDisabledException).
	DisabledRegions []string

	record
	state stsState // guarded by record.mu
}

// stsState is what changes while the fake is in use.
type stsState struct {
	added     []Principal
	sessions  []Session
	byKey     map[string]int      // sessions by access key ID
	codes     map[string][]string // further MFA codes by serial number
	used      map[[2]string]bool  // MFA codes by serial number and code
	documents map[string]string   // what DecodeAuthorizationMessage gives, by message
}

// Add makes p known, also while the fake is in use. It goes before one with the same access key ID.
func (s *STS) Add(p Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.added = append(s.state.added, p)
}

// Sessions returns what was handed out, in order.
func (s *STS) Sessions() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.state.sessions)
}

func (s *STS) find(accessKeyID string) (Principal, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range slices.Backward(s.state.added) {
		if p.Credentials.AccessKeyID == accessKeyID {
			return p, true
		}
	}
	for _, p := range s.Principals {
		if p.Credentials.AccessKeyID == accessKeyID {
			return p, true
		}
	}
	return Principal{}, false
}

const (
	stsVersion   = "2011-06-15"
	stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	maxForm      = 1 << 20
)

// ServeHTTP answers as the service does.
func (s *STS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(s.ClockOffset).UTC().Format(http.TimeFormat))
	s.send(w, r, r.Header.Get("Authorization") != "", s.answer(r))
}

func (s *STS) answer(r *http.Request) reply {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return stsError("", &refusal{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the body is too long or cut off"})
	}
	c := &stsCall{fake: s, host: r.Host, now: time.Now().Add(s.ClockOffset)}
	action, op, badForm := c.read(r, body)
	// Whom the request comes from goes before what it asks for, as in the real service.
	if !op.unsigned {
		var no *refusal
		if c.caller, c.region, no = s.verify(r, body, c.now); no != nil {
			return stsError(action, no)
		}
	}
	if badForm != nil {
		return stsError(action, badForm)
	}
	if no := validate(c.form, op.params); no != nil {
		return stsError(action, no)
	}
	if no := c.mayCall(action); no != nil {
		return stsError(action, no)
	}
	result, no := op.run(c)
	if no != nil {
		return stsError(action, no)
	}
	result.XMLName.Local = action + "Result"
	a := xmlReply(http.StatusOK, struct {
		XMLName   xml.Name
		Namespace string `xml:"xmlns,attr"` // as XMLName.Space, it would be undone in the result
		Result    *stsResult
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{xml.Name{Local: action + "Response"}, stsNamespace, result, requestID})
	a.operation = action
	return a
}

// stsCall is one request to an STS.
type stsCall struct {
	fake   *STS
	caller Principal // the zero Principal if the request need not be signed
	region string    // of the signature
	host   string
	form   url.Values
	now    time.Time
}

// read takes the parameters from a form in the body, or from the query. The action is "" if there is no such one.
func (c *stsCall) read(r *http.Request, body []byte) (action string, op stsOperation, no *refusal) {
	c.form = r.URL.Query()
	if r.Method == http.MethodPost {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != "application/x-www-form-urlencoded" {
			return "", op, &refusal{http.StatusBadRequest, "MissingAction",
				"the Content-Type is not application/x-www-form-urlencoded, so that there is no form to read"}
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return "", op, &refusal{http.StatusBadRequest, "MalformedQueryString", "the form in the body cannot be read"}
		}
		for name, values := range form {
			c.form[name] = values
		}
	}
	asked, version := c.form.Get("Action"), c.form.Get("Version")
	op, known := stsOperationOf(asked)
	switch {
	case r.Method != http.MethodPost && r.Method != http.MethodGet:
		return "", op, &refusal{http.StatusMethodNotAllowed, "InvalidAction", "the method must be POST or GET"}
	case r.URL.Path != "/":
		return "", op, &refusal{http.StatusNotFound, "InvalidAction", "the path must be /"}
	case asked == "":
		return "", op, &refusal{http.StatusBadRequest, "MissingAction", "Missing Action"}
	case !known || version != stsVersion:
		return "", op, &refusal{http.StatusBadRequest, "InvalidAction",
			fmt.Sprintf("Could not find operation %s for version %s", asked, orElse(version, "NO_VERSION_SPECIFIED"))}
	}
	return asked, op, nil
}
