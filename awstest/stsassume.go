package awstest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

func (c *stsCall) assumeRole() (*stsResult, *refusal) {
	s, no := c.request("AssumeRole")
	if no != nil {
		return nil, no
	}
	// The second factor is looked at before the trust: a code that was right is used up even if the role is denied.
	withMFA, no := c.secondFactor()
	if no != nil {
		return nil, no
	}
	arn := c.form.Get("RoleArn")
	if no := roleARN(arn); no != nil {
		return nil, no
	}
	role, found := c.fake.role(arn)
	switch {
	case c.caller.isRoot():
		return nil, denied("Roles may not be assumed by root accounts.")
	case !found || !slices.ContainsFunc(role.Trust, c.caller.is),
		role.ExternalID != "" && role.ExternalID != s.ExternalID,
		role.RequireMFA && !withMFA && !c.caller.MFA:
		return nil, c.notAuthorized("AssumeRole", arn)
	}
	if no := c.inherit(&s); no != nil {
		return nil, no
	}
	_, chained := c.caller.role()
	if chained != "" && c.duration(0) > time.Hour {
		return nil, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return c.roleSession(role, c.form.Get("RoleSessionName"), s)
}

// roleARN refuses what cannot be the ARN of a role.
func roleARN(text string) *refusal {
	a := splitARN(text)
	if a.service != "iam" || len(a.account) != 12 || !strings.HasPrefix(a.resource, "role/") {
		return invalid("%s is invalid", text)
	}
	return nil
}

func (s *STS) role(arn string) (Role, bool) {
	i := slices.IndexFunc(s.Roles, func(r Role) bool { return r.ARN == arn })
	if i < 0 {
		return Role{}, false
	}
	return s.Roles[i], true
}

// is says whether p is, or belongs to, what a trust policy names.
func (p Principal) is(trusted string) bool {
	a := splitARN(trusted)
	account, role := p.role()
	switch {
	case trusted == "*" || trusted == p.arn():
		return true
	case a.service == "iam" && a.resource == "root":
		return a.account == p.account()
	}
	name, isRole := strings.CutPrefix(a.resource, "role/")
	return isRole && a.service == "iam" && role != "" && a.account == account && name[strings.LastIndex(name, "/")+1:] == role
}

// inherit takes over the caller's session's transitive tags and source identity, which the new session cannot
// change: IAM user guide, "Chaining roles with session tags", "Monitor and control actions taken with assumed roles".
func (c *stsCall) inherit(s *Session) *refusal {
	from, _ := c.fake.session(c.caller)
	for key, value := range from.Tags {
		if !slices.Contains(from.TransitiveTagKeys, key) {
			continue
		}
		if hasFold(maps.Keys(s.Tags), key) {
			return invalid("One of the specified tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		if s.Tags == nil {
			s.Tags = make(map[string]string)
		}
		s.Tags[key] = value
		s.TransitiveTagKeys = append(s.TransitiveTagKeys, key)
	}
	slices.Sort(s.TransitiveTagKeys)
	if from.SourceIdentity != "" {
		if s.SourceIdentity != "" && s.SourceIdentity != from.SourceIdentity {
			return c.notAuthorized("SetSourceIdentity", c.form.Get("RoleArn"))
		}
		s.SourceIdentity = from.SourceIdentity
	}
	return nil
}

// roleSession hands out the credentials of a role to somebody who may have them.
func (c *stsCall) roleSession(role Role, name string, s Session) (*stsResult, *refusal) {
	longest := role.MaxDuration
	if longest == 0 {
		longest = time.Hour
	}
	s.Duration = c.duration(min(time.Hour, longest))
	if s.Duration > longest {
		return nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	a := splitARN(role.ARN)
	roleName := a.resource[strings.LastIndex(a.resource, "/")+1:]
	id := orElse(role.ID, keyID("AROA", role.ARN)) + ":" + name
	s.Principal = Principal{
		Account: a.account, UserID: id,
		ARN: "arn:" + a.partition + ":sts::" + a.account + ":assumed-role/" + roleName + "/" + name,
	}
	r := c.handOut(s)
	r.AssumedRoleUser = &stsAssumedRole{id, s.Principal.ARN}
	return r, nil
}
