package awstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxSessionToken = 4096 // bytes
	maxPacked       = 4096 // bytes of session policies and tags; the service compresses them, and has no such number
)

// request returns what the form asks for a session with: policies and tags. Limits have been checked.
func (c *stsCall) request(operation string) (Session, *refusal) {
	s := Session{
		Operation: operation, Caller: c.callerARN(), Policy: c.form.Get("Policy"),
		PolicyARNs: c.list("PolicyArns", "arn"), TransitiveTagKeys: c.list("TransitiveTagKeys", ""),
		ExternalID: c.form.Get("ExternalId"), SerialNumber: c.form.Get("SerialNumber"), SourceIdentity: c.form.Get("SourceIdentity"),
	}
	if s.Policy != "" {
		var document struct{ Statement any }
		if err := json.Unmarshal([]byte(s.Policy), &document); err != nil || document.Statement == nil {
			return s, &refusal{http.StatusBadRequest, "MalformedPolicyDocument", "The policy is not in the valid JSON format."}
		}
	}
	for _, policy := range s.PolicyARNs {
		if a := splitARN(policy); a.service != "iam" || !strings.HasPrefix(a.resource, "policy/") {
			return s, invalid("ARN %s is not valid.", policy)
		}
	}
	keys, values := c.list("Tags", "Key"), c.list("Tags", "Value")
	for i, key := range keys {
		if s.Tags == nil {
			s.Tags = make(map[string]string, len(keys))
		}
		if hasFold(maps.Keys(s.Tags), key) {
			return s, invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		s.Tags[key] = values[i]
	}
	for _, key := range s.TransitiveTagKeys {
		if !hasFold(maps.Keys(s.Tags), key) {
			return s, invalid("The specified transitive tag key must be included in the requested tags.")
		}
	}
	if size := s.packed(); size > 100 {
		return s, &refusal{http.StatusBadRequest, "PackedPolicyTooLarge",
			fmt.Sprintf("Packed size of session policies and session tags consumes %d%% of allotted space.", size)}
	}
	providers, assertions := c.list("ProvidedContexts", "ProviderArn"), c.list("ProvidedContexts", "ContextAssertion")
	for i, provider := range providers {
		if s.Contexts == nil {
			s.Contexts = make(map[string]string, len(providers))
		}
		s.Contexts[provider] = assertions[i]
	}
	return s, nil
}

func hasFold(keys func(func(string) bool), key string) bool {
	for k := range keys {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}

// packed is the part in percent of the space for policies and tags that s needs, rounded up.
func (s Session) packed() int {
	size := len(s.Policy)
	for _, policy := range s.PolicyARNs {
		size += len(policy)
	}
	for key, value := range s.Tags {
		size += len(key) + len(value)
	}
	return (size*100 + maxPacked - 1) / maxPacked
}

// list returns one field of all members of a list.
func (c *stsCall) list(name, field string) []string {
	n, _ := members(c.form, name)
	var list []string
	for i := 1; i <= n; i++ {
		list = append(list, c.form.Get(memberName(name, i, field)))
	}
	return list
}

func (c *stsCall) callerARN() string {
	if c.caller.Credentials.AccessKeyID == "" {
		return ""
	}
	return c.caller.arn()
}

// duration returns what was asked for, or otherwise.
func (c *stsCall) duration(otherwise time.Duration) time.Duration {
	seconds, err := strconv.Atoi(c.form.Get("DurationSeconds"))
	if err != nil || seconds == 0 {
		return otherwise
	}
	return time.Duration(seconds) * time.Second
}

// handOut makes credentials for s.Principal, remembers the session, and returns the result for all operations.
func (c *stsCall) handOut(s Session) *stsResult {
	smallest, _ := strconv.Atoi(c.form.Get("MinimumSessionTokenSize"))
	fake := c.fake
	fake.mu.Lock()
	defer fake.mu.Unlock()
	n := len(fake.state.sessions) + 1
	creds := Temporary(fmt.Sprintf("%s session %d of %s", s.Operation, n, s.Principal.ARN), c.now.Add(s.Duration))
	if missing := smallest - len(creds.SessionToken); missing > 0 {
		creds.SessionToken += strings.Repeat("=", missing)
	}
	creds.AccountID = s.Principal.Account
	s.Principal.Credentials = creds
	if fake.state.byKey == nil {
		fake.state.byKey = make(map[string]int)
	}
	fake.state.byKey[creds.AccessKeyID] = n - 1
	fake.state.sessions = append(fake.state.sessions, s)
	fake.state.added = append(fake.state.added, s.Principal)

	size := len(creds.SessionToken)
	utilization := size * 100 / maxSessionToken
	r := &stsResult{
		Credentials:      &stsCredentials{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken, stamp(creds.Expires)},
		SessionTokenSize: &size, SessionTokenUtilization: &utilization, SourceIdentity: s.SourceIdentity,
	}
	if packed := s.packed(); packed > 0 {
		r.PackedPolicySize = &packed
	}
	return r
}

// regionEnabled refuses to hand out credentials in a disabled region.
func (c *stsCall) regionEnabled() *refusal {
	region := c.region
	if region == "" { // nobody signed
		_, rest, _ := strings.Cut(c.host, ".")
		region, _, _ = strings.Cut(rest, ".")
	}
	if slices.Contains(c.fake.DisabledRegions, region) {
		return &refusal{http.StatusForbidden, "RegionDisabledException", "STS is not activated in this region for account:" +
			c.caller.account() + ". Your account administrator can activate STS in this region using the IAM Console."}
	}
	return nil
}
