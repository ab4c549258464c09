package awstest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

func (c *stsCall) getSessionToken() (*stsResult, *refusal) {
	s, no := c.request("GetSessionToken")
	if no != nil {
		return nil, no
	}
	if c.caller.Credentials.SessionToken != "" {
		return nil, denied("Cannot call GetSessionToken with session credentials")
	}
	withMFA, no := c.secondFactor()
	if no != nil {
		return nil, no
	}
	s.Duration = c.userDuration()
	s.Principal = Principal{Account: c.caller.account(), ARN: c.caller.arn(), UserID: c.caller.userID(), MFA: withMFA}
	return c.handOut(s), nil
}

// userDuration is twelve hours if nothing else was asked for, and for root users never more than one.
func (c *stsCall) userDuration() time.Duration {
	d := c.duration(12 * time.Hour)
	if c.caller.isRoot() {
		return min(d, time.Hour)
	}
	return d
}

func (c *stsCall) getFederationToken() (*stsResult, *refusal) {
	s, no := c.request("GetFederationToken")
	if no != nil {
		return nil, no
	}
	if c.caller.Credentials.SessionToken != "" {
		return nil, denied("Cannot call GetFederationToken with session credentials")
	}
	name, account := c.form.Get("Name"), c.caller.account()
	s.Duration = c.userDuration()
	s.Principal = Principal{
		Account: account, UserID: account + ":" + name,
		ARN: "arn:" + orElse(splitARN(c.caller.arn()).partition, "aws") + ":sts::" + account + ":federated-user/" + name,
	}
	r := c.handOut(s)
	r.FederatedUser = &stsFederatedUser{s.Principal.UserID, s.Principal.ARN}
	return r, nil
}

func (c *stsCall) assumeRoot() (*stsResult, *refusal) {
	s, no := c.request("AssumeRoot")
	if no != nil {
		return nil, no
	}
	target, task := c.form.Get("TargetPrincipal"), c.form.Get("TaskPolicyArn.arn")
	account := target
	if a := splitARN(target); a.service == "iam" && a.resource == "root" {
		account = a.account
	}
	name, managed := strings.CutPrefix(task, "arn:aws:iam::aws:policy/root-task/")
	switch org := c.fake.Organization; {
	case c.host == "sts.amazonaws.com":
		return nil, invalid("AssumeRoot must be called at a regional endpoint")
	case !managed || !slices.Contains([]string{"IAMAuditRootUserCredentials", "IAMCreateRootUserPassword",
		"IAMDeleteRootUserCredentials", "S3UnlockBucketPolicy", "SQSUnlockQueuePolicy"}, name):
		return nil, invalid("%s is not a task policy for AssumeRoot", task)
	case org.Management == "" || c.caller.account() != org.Management || !slices.Contains(org.Members, account):
		return nil, c.notAuthorized("AssumeRoot", target)
	}
	if from, _ := c.fake.session(c.caller); from.SourceIdentity != "" {
		s.SourceIdentity = from.SourceIdentity
	}
	s.PolicyARNs = []string{task}
	s.Duration = c.duration(15 * time.Minute)
	s.Principal = Principal{Account: account, UserID: account, ARN: "arn:aws:iam::" + account + ":root"}
	r := c.handOut(s)
	r.PackedPolicySize = nil // this operation's result has none
	return r, nil
}

func (c *stsCall) getDelegatedAccessToken() (*stsResult, *refusal) {
	token := c.form.Get("TradeInToken")
	i := slices.IndexFunc(c.fake.TradeIns, func(t TradeIn) bool { return t.Token == token })
	if i < 0 {
		return nil, c.notAuthorized("GetDelegatedAccessToken", "")
	}
	t := c.fake.TradeIns[i]
	if !t.Expires.IsZero() && !c.now.Before(t.Expires) {
		return nil, &refusal{http.StatusBadRequest, "ExpiredTradeInTokenException", "The trade-in token has expired"}
	}
	s := Session{Operation: "GetDelegatedAccessToken", Caller: c.callerARN(), Duration: time.Hour}
	s.Principal = Principal{Account: splitARN(t.Principal).account, ARN: t.Principal}
	r := c.handOut(s)
	r.SessionTokenSize, r.SessionTokenUtilization = nil, nil // this operation's result has none
	r.AssumedPrincipal = t.Principal
	return r, nil
}

const maxWebIdentity = 4096 // bytes of claims; the service's limit is not published

// getWebIdentityToken signs for the caller, as the outbound federation of IAM does.
func (c *stsCall) getWebIdentityToken() (*stsResult, *refusal) {
	s, no := c.request("GetWebIdentityToken")
	if no != nil {
		return nil, no
	}
	algorithm := c.form.Get("SigningAlgorithm")
	expires := c.now.Add(c.duration(5 * time.Minute)).Truncate(time.Second)
	creds := c.caller.Credentials
	switch {
	case algorithm != "RS256" && algorithm != "ES384":
		return nil, invalid("Value '%s' at 'signingAlgorithm' failed to satisfy constraint: Member must be one of RS256, ES384", algorithm)
	case c.fake.Outbound == nil:
		return nil, &refusal{http.StatusForbidden, "OutboundWebIdentityFederationDisabledException",
			"Outbound web identity federation is not enabled for this account"}
	case creds.CanExpire && expires.After(creds.Expires):
		return nil, &refusal{http.StatusForbidden, "SessionDurationEscalationException",
			"The requested token duration would extend the session beyond its original expiration time"}
	}
	about := map[string]any{"aws_account": c.caller.account(), "principal_id": c.caller.arn(), "source_region": c.region}
	if s.Tags != nil {
		about["request_tags"] = s.Tags
	}
	token := c.fake.Outbound.Token(Claims{
		Subject: c.caller.arn(), Audience: c.list("Audience", ""), Issued: c.now, Expires: expires, Algorithm: algorithm,
		More: map[string]any{"jti": b64([]byte(keyID("JWT", c.now.String()))), "https://sts.amazonaws.com/": about},
	})
	if len(token) > maxWebIdentity*4/3 {
		return nil, &refusal{http.StatusBadRequest, "JWTPayloadSizeExceededException",
			"The requested token payload size exceeds the maximum allowed size"}
	}
	return &stsResult{WebIdentityToken: token, Expiration: stamp(expires)}, nil
}
