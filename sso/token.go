package sso

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Token is a person's session with Identity Center, as a sign-in gives it and the AWS CLI keeps it in a file.
// The zero value is no session.
//
// Printing a Token, by any verb of fmt or as JSON, shows none of its secrets. A Token in an unexported field of
// another struct is beyond that, because fmt does not ask such a field how to print itself: give that struct a
// Format method of its own.
type Token struct {
	// AccessToken is what the portal asks for.
	AccessToken string

	// RefreshToken, ClientID and ClientSecret are what Refresh needs. A session of the legacy form, without a
	// name of its own, has none of them.
	RefreshToken, ClientID, ClientSecret string

	// Region and StartURL say which Identity Center the session is with. They can be "" in a file.
	Region, StartURL string

	// Expires is the end of AccessToken. RegistrationExpires is that of ClientSecret; the zero time if that is
	// not known.
	Expires, RegistrationExpires time.Time

	rest string // the file that the token was read from, for the fields that are not known here
}

// CanRefresh reports whether t has what [Client.Refresh] needs, at the time now: a refresh token, and a client's
// ID and secret whose registration is not known to have ended.
func (t Token) CanRefresh(now time.Time) bool {
	return t.missing() == "" && (t.RegistrationExpires.IsZero() || now.Before(t.RegistrationExpires))
}

// missing is the first field that a refresh needs and that is not there, under its name in the file.
func (t Token) missing() string {
	switch {
	case t.RefreshToken == "":
		return "refreshToken"
	case t.ClientID == "":
		return "clientId"
	case t.ClientSecret == "":
		return "clientSecret"
	}
	return ""
}

// Format writes what is no secret, whatever the verb.
func (t Token) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "sso.Token{StartURL: %q, Region: %q, Expires: %s}", t.StartURL, t.Region, timeText(t.Expires))
}

// MarshalJSON writes what is no secret, for logs. What the AWS CLI reads comes from [Token.File].
func (t Token) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{
		"startUrl": t.StartURL, "region": t.Region, "expiresAt": timeText(t.Expires),
	})
}

// CacheFile is the name of the file, in ~/.aws/sso/cache, that holds the session for key: the name of the
// sso-session, or the start URL of a profile that names none. All SDKs compute it so.
func CacheFile(key string) string {
	sum := sha1.Sum([]byte(key))
	return hex.EncodeToString(sum[:]) + ".json"
}

// timeText is the form in which the AWS CLI writes a time; "" for the zero time.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// parseTime reads the forms of time that are found in cached tokens: RFC 3339, which is what the SDKs write;
// UTC in place of Z, which older releases of the AWS CLI wrote; an offset without its colon or its minutes; a
// blank in place of T. A time without a zone is none: it could be any.
func parseTime(s string) (time.Time, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	for _, name := range []string{"UTC", "GMT"} {
		if before, found := strings.CutSuffix(s, name); found {
			s = strings.TrimSpace(before) + "Z"
			break
		}
	}
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07"} {
		if t, err := time.Parse(layout, s); err == nil && inYears(t) && !t.IsZero() {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// inYears reports whether t can be written in a file.
func inYears(t time.Time) bool {
	y := t.UTC().Year()
	return 1 <= y && y <= 9999
}
