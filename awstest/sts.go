package awstest

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Principal is somebody whom an [STS] knows.
type Principal struct {
	// Credentials are what requests must be signed with. A session token, if there is one, must be sent and
	// signed; if they can expire, a request after Expires is refused as expired.
	Credentials aws.Credentials

	// Account is the account ID; "" means that of Credentials, and else 123456789012.
	Account string

	// ARN is the principal's; "" means a user, or for credentials with a session token a role's session.
	ARN string

	// UserID is the principal's unique ID; "" means one made from the access key ID.
	UserID string
}

// STS is a fake of the Security Token Service. It answers GetCallerIdentity and verifies the signature of each
// request, in the Authorization header, by signing anew what arrived with the signer of the AWS SDK.
//
// Errors have STS's codes and shape: MissingAuthenticationToken, IncompleteSignature, InvalidClientTokenId (an
// unknown key, or a session token that is missing or not the key's), ExpiredToken, SignatureDoesNotMatch (also
// for a clock that is more than 15 minutes off and for the scope of another service, region or day),
// MissingAction, InvalidAction.
type STS struct {
	// Principals are those whose requests are accepted.
	Principals []Principal

	// Region is the one that requests must be signed for; "" accepts any.
	Region string

	record
	added []Principal // guarded by record.mu
}

// Add makes p known, also while the fake is in use. It goes before one with the same access key ID.
func (s *STS) Add(p Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added = append(s.added, p)
}

func (s *STS) find(accessKeyID string) (Principal, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.added) - 1; i >= 0; i-- {
		if s.added[i].Credentials.AccessKeyID == accessKeyID {
			return s.added[i], true
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
	stsVersion = "2011-06-15"
	maxForm    = 1 << 20
)

// ServeHTTP answers as the service does.
func (s *STS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.send(w, r, r.Header.Get("Authorization") != "", s.answer(r))
}

func (s *STS) answer(r *http.Request) reply {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return stsError(&refusal{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the body is too long or cut off"})
	}
	// Whom the request comes from goes before what it asks for, as in the real service.
	p, no := s.verify(r, body, time.Now())
	if no != nil {
		return stsError(no)
	}
	if no := checkAction(r, body); no != nil {
		return stsError(no)
	}
	type result struct{ Arn, UserId, Account string }
	return xmlReply(http.StatusOK, struct {
		XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
		Result    result   `xml:"GetCallerIdentityResult"`
		RequestID string   `xml:"ResponseMetadata>RequestId"`
	}{Result: result{p.arn(), p.userID(), p.account()}, RequestID: requestID})
}

// checkAction takes the parameters from a form in the body, or from the query.
func checkAction(r *http.Request, body []byte) *refusal {
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != "application/x-www-form-urlencoded" {
			return &refusal{http.StatusBadRequest, "MissingAction",
				"the Content-Type is not application/x-www-form-urlencoded, so that there is no form to read"}
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return &refusal{http.StatusBadRequest, "MalformedQueryString", "the form in the body cannot be read"}
		}
		for name, values := range form {
			params[name] = values
		}
	}
	action, version := params.Get("Action"), params.Get("Version")
	switch {
	case r.Method != http.MethodPost && r.Method != http.MethodGet:
		return &refusal{http.StatusMethodNotAllowed, "InvalidAction", "the method must be POST or GET"}
	case r.URL.Path != "/":
		return &refusal{http.StatusNotFound, "InvalidAction", "the path must be /"}
	case action == "":
		return &refusal{http.StatusBadRequest, "MissingAction", "Missing Action"}
	case action != "GetCallerIdentity" || version != stsVersion:
		return &refusal{http.StatusBadRequest, "InvalidAction",
			fmt.Sprintf("Could not find operation %s for version %s", action, orElse(version, "NO_VERSION_SPECIFIED"))}
	}
	return nil
}

func (p Principal) account() string {
	return orElse(p.Account, orElse(p.Credentials.AccountID, "123456789012"))
}

func (p Principal) arn() string {
	kind := "arn:aws:iam::" + p.account() + ":user/tester"
	if p.Credentials.SessionToken != "" {
		kind = "arn:aws:sts::" + p.account() + ":assumed-role/tester/session"
	}
	return orElse(p.ARN, kind)
}

func (p Principal) userID() string {
	if p.Credentials.SessionToken != "" {
		return orElse(p.UserID, keyID("AROA", p.Credentials.AccessKeyID)+":session")
	}
	return orElse(p.UserID, keyID("AIDA", p.Credentials.AccessKeyID))
}

// requestID is in every answer; a fake needs no two.
const requestID = "00000000-0000-4000-8000-000000000000"

// refusal is an error in STS's terms.
type refusal struct {
	status        int
	code, message string
}

func stsError(e *refusal) reply {
	fault := "Sender"
	if e.status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	type detail struct{ Type, Code, Message string }
	return xmlReply(e.status, struct {
		XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Error     detail   `xml:"Error"`
		RequestID string   `xml:"RequestId"`
	}{Error: detail{fault, e.code, e.message}, RequestID: requestID})
}

func xmlReply(status int, v any) reply {
	var body bytes.Buffer
	enc := xml.NewEncoder(&body)
	enc.Indent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err) // strings in a struct: it cannot fail
	}
	body.WriteByte('\n')
	return reply{
		status: status, contentType: "text/xml", body: body.Bytes(),
		header: http.Header{"X-Amzn-Requestid": {requestID}},
	}
}
