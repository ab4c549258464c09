package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// loginState is a login session as its file has it. What is not known here stays in it. It does not change.
type loginState struct {
	all    map[string]json.RawMessage
	access map[string]json.RawMessage // the object accessToken in it

	creds                           aws.Credentials
	clientID, refreshToken, dpopKey string
}

// parseLogin reads the file of a login session. Its errors name a field and never quote one.
func parseLogin(raw []byte) (*loginState, error) {
	s := &loginState{}
	if json.Unmarshal(raw, &s.all) != nil || s.all == nil {
		return nil, errors.New("it is not a JSON object")
	}
	if json.Unmarshal(s.all["accessToken"], &s.access) != nil || s.access == nil {
		return nil, errors.New("accessToken is not a JSON object")
	}
	var expires string
	s.creds = aws.Credentials{Source: "Login", CanExpire: true}
	for _, f := range [...]struct {
		in   map[string]json.RawMessage
		name string
		to   *string
	}{
		{s.access, "accessKeyId", &s.creds.AccessKeyID},
		{s.access, "secretAccessKey", &s.creds.SecretAccessKey},
		{s.access, "sessionToken", &s.creds.SessionToken},
		{s.access, "accountId", &s.creds.AccountID},
		{s.access, "expiresAt", &expires},
		{s.all, "clientId", &s.clientID},
		{s.all, "refreshToken", &s.refreshToken},
		{s.all, "dpopKey", &s.dpopKey},
	} {
		if json.Unmarshal(f.in[f.name], f.to) != nil || *f.to == "" {
			return nil, fmt.Errorf("%s is missing, or no text", f.name)
		}
		if f.name != "dpopKey" && strings.ContainsFunc(*f.to, isControl) {
			return nil, fmt.Errorf("%s holds a control character", f.name)
		}
	}
	var err error
	if s.creds.Expires, err = time.Parse(time.RFC3339, expires); err != nil {
		return nil, errors.New("expiresAt is not a time in the form of RFC 3339")
	}
	return s, nil
}

// file is the session as it is written: what has changed, and everything else as it was.
func (s *loginState) file() []byte {
	put := func(in map[string]json.RawMessage, name string, v any) {
		in[name], _ = json.Marshal(v) // strings and objects of strings: it cannot fail
	}
	access, all := maps.Clone(s.access), maps.Clone(s.all)
	put(access, "accessKeyId", s.creds.AccessKeyID)
	put(access, "secretAccessKey", s.creds.SecretAccessKey)
	put(access, "sessionToken", s.creds.SessionToken)
	put(access, "expiresAt", s.creds.Expires.UTC().Format("2006-01-02T15:04:05Z"))
	put(all, "accessToken", access)
	put(all, "refreshToken", s.refreshToken)
	raw, _ := json.Marshal(all)
	return raw
}

// renewed returns the session with what an answer gives.
func (s *loginState) renewed(body []byte) (*loginState, error) {
	var d struct {
		AccessToken  struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		ExpiresIn    int64
		RefreshToken string
	}
	if json.Unmarshal(body, &d) != nil {
		return nil, errors.New("the answer is not JSON of the expected form")
	}
	t := d.AccessToken
	for _, f := range [...]struct{ name, value string }{
		{"accessKeyId", t.AccessKeyId}, {"secretAccessKey", t.SecretAccessKey},
		{"sessionToken", t.SessionToken}, {"refreshToken", d.RefreshToken},
	} {
		if f.value == "" || strings.ContainsFunc(f.value, isControl) {
			return nil, fmt.Errorf("the answer has no %s, or one with control characters", f.name)
		}
	}
	if d.ExpiresIn <= 0 || d.ExpiresIn > 86400 {
		return nil, errors.New("the answer has no expiresIn, or one out of bounds")
	}
	next := *s
	next.creds.AccessKeyID, next.creds.SecretAccessKey, next.creds.SessionToken = t.AccessKeyId, t.SecretAccessKey, t.SessionToken
	next.creds.Expires = time.Now().Add(time.Duration(d.ExpiresIn) * time.Second).Round(0).Truncate(time.Second)
	next.refreshToken = d.RefreshToken
	return &next, nil
}
