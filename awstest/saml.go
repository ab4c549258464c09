package awstest

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What the SAML responses that AWS takes must hold: IAM user guide, "Configure SAML assertions for the
// authentication response".
const (
	samlProtocol    = "urn:oasis:names:tc:SAML:2.0:protocol"
	samlAssertion   = "urn:oasis:names:tc:SAML:2.0:assertion"
	samlSuccess     = "urn:oasis:names:tc:SAML:2.0:status:Success"
	samlBearer      = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	samlNameID      = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
	samlAttribute   = "https://aws.amazon.com/SAML/Attributes/"
	samlRecipient   = "https://signin.aws.amazon.com/saml"
	samlAWSAudience = "urn:amazon:webservices"
)

// SAMLProvider is an identity provider whose assertions an [STS] takes.
//
// An assertion's form, issuer, audience, recipient, times and attributes are checked. Signatures are not: there
// is no XML signature in it.
type SAMLProvider struct {
	// ARN is that of the provider in IAM: arn:aws:iam::123456789012:saml-provider/name.
	ARN string

	// Issuer is the Issuer of its assertions; "" means https://idp.example.com.
	Issuer string
}

// SAMLSubject is about whom and for what a [SAMLProvider] makes an assertion.
type SAMLSubject struct {
	// Name is the NameID.
	Name string

	// Roles has the ARNs of the roles that may be assumed with it.
	Roles []string

	// SessionName is the name of the session; "" means Name.
	SessionName string

	// Audience is for whom it is; "" means AWS.
	Audience string

	// Expires is when it ends; zero means in five minutes.
	Expires time.Time
}

func (p SAMLProvider) issuer() string { return orElse(p.Issuer, "https://idp.example.com") }

// samlResponse has the parts of a response that are looked at.
type samlResponse struct {
	XMLName xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:protocol Response"`
	Version string   `xml:",attr"`
	Status  struct {
		Code struct {
			Value string `xml:",attr"`
		} `xml:"StatusCode"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:protocol Status"`
	Assertions []samlStatement `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
}

type samlStatement struct {
	Issuer  string `xml:"Issuer"`
	Subject struct {
		NameID struct {
			Format string `xml:",attr"`
			Value  string `xml:",chardata"`
		}
		Confirmation struct {
			Method string `xml:",attr"`
			Data   struct {
				Recipient    string    `xml:",attr"`
				NotOnOrAfter time.Time `xml:",attr"`
			} `xml:"SubjectConfirmationData"`
		} `xml:"SubjectConfirmation"`
	}
	Conditions struct {
		NotBefore    time.Time `xml:",attr"`
		NotOnOrAfter time.Time `xml:",attr"`
		Audiences    []string  `xml:"AudienceRestriction>Audience"`
	}
	Attributes []samlValues `xml:"AttributeStatement>Attribute"`
}

type samlValues struct {
	Name   string   `xml:",attr"`
	Values []string `xml:"AttributeValue"`
}

// Assertion returns a response in base64, as a browser would post it, with one assertion in it.
func (p SAMLProvider) Assertion(s SAMLSubject) string {
	now := time.Now().UTC()
	expires := s.Expires.UTC()
	if s.Expires.IsZero() {
		expires = now.Add(5 * time.Minute)
	}
	var response samlResponse
	response.Version, response.Status.Code.Value = "2.0", samlSuccess
	statement := samlStatement{Issuer: p.issuer()}
	statement.Subject.NameID.Format, statement.Subject.NameID.Value = samlNameID+"persistent", s.Name
	statement.Subject.Confirmation.Method = samlBearer
	statement.Subject.Confirmation.Data.Recipient, statement.Subject.Confirmation.Data.NotOnOrAfter = samlRecipient, expires
	statement.Conditions.NotBefore, statement.Conditions.NotOnOrAfter = now, expires
	statement.Conditions.Audiences = []string{orElse(s.Audience, samlAWSAudience)}
	roles := samlValues{Name: samlAttribute + "Role"}
	for _, role := range s.Roles {
		roles.Values = append(roles.Values, role+","+p.ARN)
	}
	statement.Attributes = []samlValues{roles, {samlAttribute + "RoleSessionName", []string{orElse(s.SessionName, s.Name)}}}
	response.Assertions = []samlStatement{statement}
	data, err := xml.Marshal(response)
	if err != nil {
		panic(err) // strings and times: it cannot fail
	}
	return base64.StdEncoding.EncodeToString(data)
}

// parseSAML reads one response with one assertion, and nothing after it.
func parseSAML(text string) (samlStatement, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return samlStatement{}, err
	}
	d := xml.NewDecoder(strings.NewReader(string(data)))
	var response samlResponse
	if err := d.Decode(&response); err != nil {
		return samlStatement{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return samlStatement{}, errors.New("something follows the response")
	}
	if response.Version != "2.0" || response.Status.Code.Value != samlSuccess || len(response.Assertions) != 1 {
		return samlStatement{}, errors.New("it is not a successful response of SAML 2.0 with one assertion")
	}
	return response.Assertions[0], nil
}

func (s samlStatement) values(name string) []string {
	i := slices.IndexFunc(s.Attributes, func(v samlValues) bool { return v.Name == samlAttribute+name })
	if i < 0 {
		return nil
	}
	return s.Attributes[i].Values
}

func (c *stsCall) assumeRoleWithSAML() (*stsResult, *refusal) {
	s, no := c.request("AssumeRoleWithSAML")
	if no != nil {
		return nil, no
	}
	arn, principal := c.form.Get("RoleArn"), c.form.Get("PrincipalArn")
	if no := roleARN(arn); no != nil {
		return nil, no
	}
	statement, err := parseSAML(c.form.Get("SAMLAssertion"))
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "InvalidIdentityToken", "Invalid SAML response"}
	}
	name, no := c.samlName(statement, arn, principal)
	if no != nil {
		return nil, no
	}
	role, found := c.fake.role(arn)
	if !found || !slices.Contains(role.SAML, principal) {
		return nil, denied("Not authorized to perform sts:AssumeRoleWithSAML")
	}
	s.SourceIdentity = first(statement.values("SourceIdentity"))
	r, no := c.roleSession(role, name, s)
	if no != nil {
		return nil, no
	}
	account, provider := role.account(), principal[strings.LastIndex(principal, "/")+1:]
	sum := sha1.Sum([]byte(statement.Issuer + account + "/" + provider)) // as the API reference has it
	id := statement.Subject.NameID
	r.Subject, r.SubjectType = id.Value, strings.TrimPrefix(id.Format, samlNameID)
	r.Issuer, r.Audience = statement.Issuer, statement.Subject.Confirmation.Data.Recipient
	r.NameQualifier = base64.StdEncoding.EncodeToString(sum[:])
	return r, nil
}

func (r Role) account() string { return splitARN(r.ARN).account }

// samlName checks an assertion for a role and a provider, and returns the session's name.
func (c *stsCall) samlName(s samlStatement, role, principal string) (string, *refusal) {
	bad := func(message string) (string, *refusal) {
		return "", &refusal{http.StatusBadRequest, "InvalidIdentityToken", message}
	}
	i := slices.IndexFunc(c.fake.SAMLProviders, func(p SAMLProvider) bool { return p.ARN == principal })
	confirmed := s.Subject.Confirmation
	name := first(s.values("RoleSessionName"))
	switch {
	case i < 0:
		return bad("Specified provider doesn't exist")
	case s.Issuer != c.fake.SAMLProviders[i].issuer():
		return bad("Issuer not present in specified provider")
	case confirmed.Method != samlBearer || confirmed.Data.Recipient != samlRecipient:
		return bad("The assertion is not for the recipient " + samlRecipient)
	case !slices.Contains(s.Conditions.Audiences, samlAWSAudience) && !slices.Contains(s.Conditions.Audiences, samlRecipient):
		return bad("The assertion is not for the audience " + samlAWSAudience)
	case !c.now.Before(confirmed.Data.NotOnOrAfter), !c.now.Before(s.Conditions.NotOnOrAfter):
		return "", &refusal{http.StatusBadRequest, "ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance"}
	case c.now.Before(s.Conditions.NotBefore):
		return bad("The assertion is not valid yet")
	case len(name) < 2 || len(name) > 64 || !namePattern.MatchString(name):
		return bad("RoleSessionName is required in AuthnResponse")
	case !slices.ContainsFunc(s.values("Role"), func(v string) bool { return v == role+","+principal || v == principal+","+role }):
		return "", denied("Not authorized to perform sts:AssumeRoleWithSAML")
	}
	return name, nil
}
