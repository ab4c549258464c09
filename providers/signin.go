package providers

import (
	"fmt"
	"strings"
	"time"
)

// SignInError says that a person has to sign in, and how: the session of an SSO or login profile is not there, has
// ended, or is refused.
type SignInError struct {
	Profile  string    // that uses the session; "" if a program named the session itself
	Session  string    // the name of the sso-session or login_session; "" for the legacy form of SSO
	StartURL string    // of IAM Identity Center; "" for a login session
	Expired  time.Time // when the session ended; zero if that is not known
	Command  string    // of the AWS CLI, which signs in
	login    bool
	err      error // why the service refuses it
}

// Error names the session and what is wrong with it.
func (e *SignInError) Error() string {
	what := "the SSO session"
	if e.login {
		what = "the login session"
	}
	if name := e.Session; name != "" {
		what += " " + name
	} else if e.StartURL != "" {
		what += " at " + e.StartURL
	}
	switch {
	case e.err != nil:
		return what + " is no longer accepted: " + e.err.Error()
	case e.Expired.IsZero():
		return what + " does not exist: nobody has signed in on this machine"
	}
	return fmt.Sprintf("%s ended at %s", what, e.Expired.UTC().Format(time.RFC3339))
}

// Unwrap returns the service's refusal, if there was one.
func (e *SignInError) Unwrap() error { return e.err }

// Remedy says which command signs in.
func (e *SignInError) Remedy() string {
	if e.login {
		return "run `" + e.Command + "`"
	}
	return "run `credchain login" + profileFlag(e.Profile) + "` or `" + e.Command + "`"
}

// refreshEarly is how long before the end of a session it is refreshed, refreshLimit how long that may take.
const (
	refreshEarly = 5 * time.Minute
	refreshLimit = 30 * time.Second
)

// profileFlag is the flag that repeats the choice of a profile in a command for a person.
func profileFlag(name string) string {
	if name == "" {
		return ""
	}
	return " --profile " + shellWord(name)
}

// shellWord is a name as a person can paste it into a shell.
func shellWord(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./@:+%=,") == "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
