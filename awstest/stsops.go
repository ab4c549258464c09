package awstest

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

// stsOperation is one of the operations of STS.
type stsOperation struct {
	unsigned bool
	params   []stsParam
	run      func(*stsCall) (*stsResult, *refusal)
}

// stsOperationOf has the parameters of all operations, as the API reference of version 2011-06-15 and the SDK's
// model of it have them.
func stsOperationOf(action string) (op stsOperation, known bool) {
	switch action {
	case "GetCallerIdentity":
		return stsOperation{run: (*stsCall).getCallerIdentity}, true
	case "GetAccessKeyInfo":
		return stsOperation{run: (*stsCall).getAccessKeyInfo, params: []stsParam{
			stsText("AccessKeyId", 16, 128, wordPattern).must(),
		}}, true
	case "DecodeAuthorizationMessage":
		return stsOperation{run: (*stsCall).decodeAuthorizationMessage, params: []stsParam{
			stsText("EncodedMessage", 1, 10240, nil).must().hidden(),
		}}, true
	case "AssumeRole":
		return stsOperation{run: (*stsCall).assumeRole, params: slices.Concat([]stsParam{
			roleParam(), sessionNameParam(), policyARNsParam(), policyParam(), durationParam(900, 43200), tagsParam(),
			stsList("TransitiveTagKeys", 50, stsText("", 1, 128, tagPattern)),
			stsText("ExternalId", 2, 1224, externalID).hidden(), stsText("SourceIdentity", 2, 64, namePattern),
			stsList("ProvidedContexts", 5, stsText("ProviderArn", 20, 2048, nil), stsText("ContextAssertion", 4, 2048, nil).hidden()),
			sizeParam(),
		}, mfaParams())}, true
	case "AssumeRoleWithWebIdentity":
		return stsOperation{unsigned: true, run: (*stsCall).assumeRoleWithWebIdentity, params: []stsParam{
			roleParam(), sessionNameParam(), stsText("WebIdentityToken", 4, 20000, nil).must().hidden(),
			stsText("ProviderId", 4, 2048, nil), policyARNsParam(), policyParam(), durationParam(900, 43200), sizeParam(),
		}}, true
	case "AssumeRoleWithSAML":
		return stsOperation{unsigned: true, run: (*stsCall).assumeRoleWithSAML, params: []stsParam{
			roleParam(), stsText("PrincipalArn", 20, 2048, nil).must(), stsText("SAMLAssertion", 4, 100000, nil).must().hidden(),
			policyARNsParam(), policyParam(), durationParam(900, 43200), sizeParam(),
		}}, true
	case "AssumeRoot":
		return stsOperation{run: (*stsCall).assumeRoot, params: []stsParam{
			stsText("TargetPrincipal", 12, 2048, nil).must(), stsText("TaskPolicyArn.arn", 20, 2048, nil).must(),
			durationParam(0, 900), sizeParam(),
		}}, true
	case "GetSessionToken":
		return stsOperation{run: (*stsCall).getSessionToken,
			params: append(mfaParams(), durationParam(900, 129600), sizeParam())}, true
	case "GetFederationToken":
		return stsOperation{run: (*stsCall).getFederationToken, params: []stsParam{
			stsText("Name", 2, 32, namePattern).must(), policyParam(), policyARNsParam(), durationParam(900, 129600), tagsParam(), sizeParam(),
		}}, true
	case "GetWebIdentityToken":
		return stsOperation{run: (*stsCall).getWebIdentityToken, params: []stsParam{
			{name: "Audience", required: true, max: 10, members: []stsParam{stsText("", 1, 1000, nil)}},
			stsText("SigningAlgorithm", 5, 5, nil).must(), durationParam(60, 3600), tagsParam(),
		}}, true
	case "GetDelegatedAccessToken":
		return stsOperation{run: (*stsCall).getDelegatedAccessToken, params: []stsParam{
			stsText("TradeInToken", 1, 0, nil).must().hidden(),
		}}, true
	}
	return stsOperation{}, false
}

// mayCall knows the operations that sessions of users cannot call, whatever policies say (IAM user guide, "Compare
// AWS STS credentials"), and the regions where nobody gets credentials.
func (c *stsCall) mayCall(action string) *refusal {
	switch action {
	case "GetCallerIdentity", "GetAccessKeyInfo", "DecodeAuthorizationMessage":
	default:
		if no := c.regionEnabled(); no != nil {
			return no
		}
	}
	by, found := c.fake.session(c.caller)
	switch {
	case !found || action == "GetCallerIdentity",
		by.Operation != "GetSessionToken" && by.Operation != "GetFederationToken",
		by.Operation == "GetSessionToken" && action == "AssumeRole":
		return nil
	}
	switch action {
	case "GetSessionToken", "GetFederationToken":
		return nil // these say so themselves, of every session
	}
	return c.notAuthorized(action, "")
}

// notAuthorized is what every lack of permission looks like.
func (c *stsCall) notAuthorized(action, resource string) *refusal {
	if resource == "" {
		return denied("User: %s is not authorized to perform: sts:%s", c.caller.arn(), action)
	}
	return denied("User: %s is not authorized to perform: sts:%s on resource: %s", c.caller.arn(), action, resource)
}

// session returns what p's credentials came from, if the fake has handed them out.
func (s *STS) session(p Principal) (Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := s.state.byKey[p.Credentials.AccessKeyID]
	if !found || p.Credentials.SessionToken != s.state.sessions[i].Principal.Credentials.SessionToken {
		return Session{}, false
	}
	return s.state.sessions[i], true
}

// stsResult has the fields of all results; which of them are set is the operation's business.
type stsResult struct {
	XMLName                     xml.Name
	Credentials                 *stsCredentials   `xml:",omitempty"`
	AssumedRoleUser             *stsAssumedRole   `xml:",omitempty"`
	FederatedUser               *stsFederatedUser `xml:",omitempty"`
	SubjectFromWebIdentityToken string            `xml:",omitempty"`
	Provider                    string            `xml:",omitempty"`
	Subject                     string            `xml:",omitempty"`
	SubjectType                 string            `xml:",omitempty"`
	Issuer                      string            `xml:",omitempty"`
	NameQualifier               string            `xml:",omitempty"`
	Audience                    string            `xml:",omitempty"`
	SourceIdentity              string            `xml:",omitempty"`
	AssumedPrincipal            string            `xml:",omitempty"`
	PackedPolicySize            *int              `xml:",omitempty"`
	SessionTokenSize            *int              `xml:",omitempty"`
	SessionTokenUtilization     *int              `xml:",omitempty"`
	DecodedMessage              string            `xml:",omitempty"`
	WebIdentityToken            string            `xml:",omitempty"`
	Expiration                  string            `xml:",omitempty"`
	Arn                         string            `xml:",omitempty"`
	UserId                      string            `xml:",omitempty"`
	Account                     string            `xml:",omitempty"`
}

type stsCredentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }

type stsAssumedRole struct{ AssumedRoleId, Arn string }

type stsFederatedUser struct{ FederatedUserId, Arn string }

func (c *stsCall) getCallerIdentity() (*stsResult, *refusal) {
	return &stsResult{Arn: c.caller.arn(), UserId: c.caller.userID(), Account: c.caller.account()}, nil
}

// getAccessKeyInfo knows the principals' keys alone. The service reads the account from the key itself.
func (c *stsCall) getAccessKeyInfo() (*stsResult, *refusal) {
	id := c.form.Get("AccessKeyId")
	p, known := c.fake.find(id)
	if !known {
		return nil, invalid("%s is not a valid access key ID", id)
	}
	return &stsResult{Account: p.account()}, nil
}

// AuthorizationMessage returns an encoded message, as other services put it into their errors, from which
// DecodeAuthorizationMessage gives the document back. The same document has the same message.
func (s *STS) AuthorizationMessage(document string) string {
	// Real ones have several hundred characters of base64url.
	message := b64([]byte(secret("message", document) + strings.Repeat(secret("denied", document), 8)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.documents == nil {
		s.state.documents = make(map[string]string)
	}
	s.state.documents[message] = document
	return message
}

func (c *stsCall) decodeAuthorizationMessage() (*stsResult, *refusal) {
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	document, known := c.fake.state.documents[c.form.Get("EncodedMessage")]
	if !known {
		return nil, &refusal{http.StatusBadRequest, "InvalidAuthorizationMessageException", "Invalid or malformed authorization message"}
	}
	return &stsResult{DecodedMessage: document}, nil
}
