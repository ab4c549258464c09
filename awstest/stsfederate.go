package awstest

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func (c *stsCall) assumeRoleWithWebIdentity() (*stsResult, *refusal) {
	s, no := c.request("AssumeRoleWithWebIdentity")
	if no != nil {
		return nil, no
	}
	arn := c.form.Get("RoleArn")
	if no := roleARN(arn); no != nil {
		return nil, no
	}
	if c.form.Has("ProviderId") {
		return nil, invalid("ProviderId is for OAuth 2.0 access tokens, and must not be sent with an OpenID Connect token")
	}
	token, no := c.fake.webIdentity(c)
	if no != nil {
		return nil, no
	}
	role, found := c.fake.role(arn)
	if !found || !slices.ContainsFunc(role.WebIdentity, func(t WebIdentityTrust) bool { return t.holds(token) }) {
		return nil, denied("Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	s.SourceIdentity = text(token.claims, "https://aws.amazon.com/source_identity")
	r, no := c.roleSession(role, c.form.Get("RoleSessionName"), s)
	if no != nil {
		return nil, no
	}
	r.SubjectFromWebIdentityToken = text(token.claims, "sub")
	r.Provider, r.Audience = text(token.claims, "iss"), token.list("aud")[0]
	return r, nil
}

// webIdentity returns the request's token, if it is one of a known issuer and holds.
func (s *STS) webIdentity(c *stsCall) (jwt, *refusal) {
	bad := func(message string) (jwt, *refusal) {
		return jwt{}, &refusal{http.StatusBadRequest, "InvalidIdentityToken", message}
	}
	t, err := parseJWT(c.form.Get("WebIdentityToken"))
	if err != nil {
		return bad("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	iss := text(t.claims, "iss")
	i := slices.IndexFunc(s.Issuers, func(o *OIDC) bool { return o.issuer() == iss })
	if i < 0 {
		return bad("No OpenIDConnect provider found in your account for " + iss)
	}
	issuer := s.Issuers[i]
	unreachable, revoked := issuer.state()
	if unreachable {
		return jwt{}, &refusal{http.StatusBadRequest, "IDPCommunicationError", "The identity provider could not be reached"}
	}
	var expired *expiredToken
	switch err := issuer.verify(t, c.now); {
	case errors.As(err, &expired):
		return jwt{}, &refusal{http.StatusBadRequest, "ExpiredTokenException", expired.Error()}
	case errors.Is(err, errNoKey):
		return bad("Couldn't retrieve verification key from your identity provider, " +
			"please reference AssumeRoleWithWebIdentity documentation for requirements")
	case err != nil:
		return bad("The token cannot be accepted: " + err.Error())
	}
	known := func(aud string) bool { return slices.Contains(issuer.Audiences, aud) }
	if issuer.Audiences != nil && !slices.ContainsFunc(t.list("aud"), known) {
		return bad("Incorrect token audience")
	}
	if slices.Contains(revoked, text(t.claims, "sub")) {
		return jwt{}, &refusal{http.StatusForbidden, "IDPRejectedClaim", "The identity provider has rejected the claim"}
	}
	return t, nil
}

func (trust WebIdentityTrust) holds(t jwt) bool {
	return trust.Issuer == text(t.claims, "iss") &&
		(trust.Subject == "" || stringLike(trust.Subject, text(t.claims, "sub"))) &&
		(trust.Audience == "" || slices.Contains(t.list("aud"), trust.Audience))
}

// stringLike is the condition operator of IAM: * is any text, slashes included, and ? one character.
func stringLike(pattern, value string) bool {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.ReplaceAll(strings.ReplaceAll(quoted, `\*`, `.*`), `\?`, `.`)
	ok, err := regexp.MatchString("(?s)^"+quoted+"$", value)
	return ok && err == nil
}
