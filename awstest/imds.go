package awstest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Mode says which versions of the instance metadata service an [IMDS] speaks.
type Mode int

const (
	// V1AndV2 answers with and without a session token; a token that is sent must be valid.
	V1AndV2 Mode = iota
	// V2Only answers 401 without a valid session token. This is how new instances are set up.
	V2Only
	// V1Only has no session tokens: the request for one is 404, and one that is sent is ignored. Proxies and
	// old imitations of the service are like that.
	V1Only
)

// IMDS is a fake of the EC2 instance metadata service. The zero value is an instance without a role.
//
// It has session tokens, the role's name and credentials, iam/info, instance-id, the region, the availability
// zone and the instance identity document; any other path is 404. As the real service, it wants a token's
// lifetime from 1 to 21600 seconds (else 400), refuses a token to a request that came through a proxy
// (X-Forwarded-For: 403), and answers 401 to a token that is unknown or too old, and 405 to a wrong method.
type IMDS struct {
	// Mode says which versions of the service there are.
	Mode Mode

	// Role is the name of the instance's role; "" is an instance without one.
	Role string

	// Credentials are the role's. Without keys, the role is one that EC2 cannot assume: the service then
	// answers 200 and a Code that is not Success. Without an expiry, the answer says six hours from now.
	Credentials aws.Credentials

	// Extended turns on iam/security-credentials-extended/, whose answers have an AccountId. It is 404 otherwise.
	Extended bool

	// Region is where the instance runs; "" means us-east-1.
	Region string

	// AvailabilityZone is the zone; "" means Region with an "a" after it.
	AvailabilityZone string

	// AccountID owns the instance; "" means 123456789012.
	AccountID string

	// InstanceID is the instance's; "" means i-0123456789abcdef0.
	InstanceID string

	record
	changed *imdsState // guarded by record.mu, nil until something changes
	tokens  map[string]time.Time
}

// imdsState is what can change while the fake is in use.
type imdsState struct {
	role        string
	credentials aws.Credentials
}

const (
	metadataTokenHeader = "X-Aws-Ec2-Metadata-Token"
	metadataTTLHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	maxMetadataTTL      = 21600

	credentialsPath = "/latest/meta-data/iam/security-credentials"
	extendedPath    = "/latest/meta-data/iam/security-credentials-extended"
)

// Rotate replaces the role's credentials.
func (m *IMDS) Rotate(creds aws.Credentials) {
	m.change(func(s *imdsState) { s.credentials = creds })
}

// SetRole gives the instance another role, or none if name is "".
func (m *IMDS) SetRole(name string) {
	m.change(func(s *imdsState) { s.role = name })
}

// ForgetTokens makes every session token that was handed out invalid.
func (m *IMDS) ForgetTokens() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens = nil
}

func (m *IMDS) change(f func(*imdsState)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.locked()
	f(&s)
	m.changed = &s
}

// locked returns the state; record.mu must be held.
func (m *IMDS) locked() imdsState {
	if m.changed != nil {
		return *m.changed
	}
	return imdsState{m.Role, m.Credentials}
}

// ServeHTTP answers as the service does.
func (m *IMDS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	authorized := r.Header.Get(metadataTokenHeader) != ""
	m.send(w, r, authorized, m.answer(r))
}

func (m *IMDS) answer(r *http.Request) reply {
	isToken := r.URL.Path == "/latest/api/token"
	switch {
	case isToken && m.Mode == V1Only:
		return metadataError(http.StatusNotFound)
	case isToken && r.Method == http.MethodPut:
		return m.newToken(r)
	case isToken, r.Method != http.MethodGet && r.Method != http.MethodHead:
		return metadataError(http.StatusMethodNotAllowed)
	case !m.admits(r):
		return metadataError(http.StatusUnauthorized)
	}
	return m.document(r.URL.Path)
}

func (m *IMDS) newToken(r *http.Request) reply {
	if len(r.Header.Values("X-Forwarded-For")) > 0 {
		return metadataError(http.StatusForbidden)
	}
	ttl, err := strconv.Atoi(r.Header.Get(metadataTTLHeader))
	if err != nil || ttl < 1 || ttl > maxMetadataTTL {
		return metadataError(http.StatusBadRequest)
	}
	token := "AQAE" + Canary + rand.Text() + rand.Text() + "=="
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tokens == nil {
		m.tokens = make(map[string]time.Time)
	}
	for old, end := range m.tokens {
		if !now.Before(end) {
			delete(m.tokens, old)
		}
	}
	m.tokens[token] = now.Add(time.Duration(ttl) * time.Second)
	a := plain(token)
	a.header = http.Header{metadataTTLHeader: {strconv.Itoa(ttl)}}
	return a
}

// admits says whether the request's session token, or the lack of one, is in order.
func (m *IMDS) admits(r *http.Request) bool {
	values := r.Header.Values(metadataTokenHeader)
	switch {
	case m.Mode == V1Only:
		return true
	case len(values) == 0:
		return m.Mode == V1AndV2
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	end, known := m.tokens[values[0]]
	return known && time.Now().Before(end)
}

func (m *IMDS) document(path string) reply {
	m.mu.Lock()
	s := m.locked()
	m.mu.Unlock()
	switch path {
	case "/latest/meta-data/instance-id":
		return plain(m.instanceID())
	case "/latest/meta-data/placement/region":
		return plain(m.region())
	case "/latest/meta-data/placement/availability-zone":
		return plain(m.zone())
	case "/latest/dynamic/instance-identity/document":
		return m.identityDocument()
	}
	if s.role == "" {
		return metadataError(http.StatusNotFound) // and so is everything under iam/
	}
	list, name, extended := strings.TrimSuffix(path, "/"), "", m.Extended
	if i := strings.LastIndexByte(path, '/'); i != len(path)-1 {
		name = path[i+1:]
	}
	switch {
	case path == "/latest/meta-data/iam/info":
		return indented(map[string]string{
			"Code": "Success", "LastUpdated": stamp(time.Now()),
			"InstanceProfileArn": "arn:aws:iam::" + m.accountID() + ":instance-profile/" + s.role,
			"InstanceProfileId":  "AIPA" + keyID("", s.role),
		})
	case list == credentialsPath, list == extendedPath && extended:
		return plain(s.role)
	case name == s.role && path == credentialsPath+"/"+name:
		return roleDocument(s, "")
	case name == s.role && path == extendedPath+"/"+name && extended:
		return roleDocument(s, m.accountID())
	}
	return metadataError(http.StatusNotFound)
}

func roleDocument(s imdsState, accountID string) reply {
	if !s.credentials.HasKeys() {
		return indented(map[string]string{
			"Code": "AssumeRoleUnauthorizedAccess", "LastUpdated": stamp(time.Now()),
			"Message": "EC2 cannot assume the role " + s.role + ".  Please see documentation.",
		})
	}
	type document struct {
		Code, LastUpdated, Type, AccessKeyId, SecretAccessKey, Token, Expiration string
		AccountId                                                                string `json:",omitempty"`
	}
	expires := s.credentials.Expires
	if !s.credentials.CanExpire {
		expires = time.Now().Add(6 * time.Hour)
	}
	return indented(document{
		Code: "Success", LastUpdated: stamp(time.Now()), Type: "AWS-HMAC",
		AccessKeyId: s.credentials.AccessKeyID, SecretAccessKey: s.credentials.SecretAccessKey,
		Token: s.credentials.SessionToken, Expiration: stamp(expires), AccountId: accountID,
	})
}

func (m *IMDS) identityDocument() reply {
	return indented(map[string]any{
		"accountId": m.accountID(), "architecture": "x86_64", "availabilityZone": m.zone(),
		"imageId": "ami-0123456789abcdef0", "instanceId": m.instanceID(), "instanceType": "t3.micro",
		"pendingTime": "2026-01-02T03:04:05Z", "privateIp": "10.0.0.10", "region": m.region(), "version": "2017-09-30",
	})
}

func (m *IMDS) region() string     { return orElse(m.Region, "us-east-1") }
func (m *IMDS) zone() string       { return orElse(m.AvailabilityZone, m.region()+"a") }
func (m *IMDS) accountID() string  { return orElse(m.AccountID, "123456789012") }
func (m *IMDS) instanceID() string { return orElse(m.InstanceID, "i-0123456789abcdef0") }

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// stamp writes a time as the services do.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func plain(body string) reply {
	return reply{status: http.StatusOK, contentType: "text/plain", body: []byte(body)}
}

func indented(v any) reply {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // strings in a struct or map: it cannot fail
	}
	return reply{status: http.StatusOK, contentType: "text/plain", body: body}
}

// metadataError is the small page that the service sends with an error.
func metadataError(status int) reply {
	title := fmt.Sprintf("%d - %s", status, http.StatusText(status))
	page := `<?xml version="1.0" encoding="iso-8859-1"?>` + "\n<html><head><title>" + title +
		"</title></head><body><h1>" + title + "</h1></body></html>\n"
	return reply{status: status, contentType: "text/html", body: []byte(page)}
}
