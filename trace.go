package credchain

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Trace is what a walk did, link by link. It holds no secret, so it may be printed and logged.
type Trace struct {
	Credentials *Redacted // of the link that was used; nil if there was none, or it could not be asked offline
	Attempts    []Attempt // one for each link, in the order of the chain
	Warnings    []Warning // what is odd or dangerous about the outcome
}

// Attempt is what became of one link.
type Attempt struct {
	Provider string // the link's name
	Status   Status
	Reason   string        // why, in words; never a secret
	Remedy   string        // what to do about a failure, if the provider knows
	Origins  []Origin      // where the link's settings were found
	Err      error         // of a skipped or failed link
	Elapsed  time.Duration // how long the link took
}

// Status is the outcome of one link.
type Status int

// The outcomes of a link.
const (
	NotAsked Status = iota // it was not its turn, or it could not be asked offline
	Skipped                // it is not configured
	Failed                 // it is configured and failed; the walk ended here
	Used                   // the credentials are its own
	Masked                 // it is configured, and not used because another link comes before it
)

var statusNames = [...]string{"not-asked", "skipped", "failed", "used", "masked"}

// String returns the status in words, as in the JSON form: not-asked, skipped, failed, used or masked.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return "status " + strconv.Itoa(int(s))
	}
	return statusNames[s]
}

// MarshalText is String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Origin is the place of one setting: an environment variable, a flag, an address, or a key in a file.
// The fields that do not apply are empty.
type Origin struct {
	Env     string `json:"env,omitempty"`     // environment variable
	Flag    string `json:"flag,omitempty"`    // command-line flag, or "code"
	URL     string `json:"url,omitempty"`     // service that answered
	File    string `json:"file,omitempty"`    // shared file
	Line    int    `json:"line,omitempty"`    // in File, from 1
	Section string `json:"section,omitempty"` // in File, without its brackets
	Key     string `json:"key,omitempty"`     // in Section, or the system property in Env
}

// String returns the origin as people write it: AWS_PROFILE, --profile, a URL, or file:line.
func (o Origin) String() string {
	switch {
	case o.File != "" && o.Line > 0:
		return o.File + ":" + strconv.Itoa(o.Line)
	case o.File != "":
		return o.File
	case o.Env != "" && o.Key != "":
		return o.Env + " -D" + o.Key
	case o.Env != "":
		return o.Env
	case o.Flag != "":
		return o.Flag
	case o.URL != "":
		return o.URL
	default:
		return o.Key
	}
}

// Warning is a finding that does not keep the chain from working.
type Warning struct {
	Code    string `json:"code"`    // stable, for programs
	Message string `json:"message"` // for people; never a secret
}

// Kind tells long-term access keys from temporary credentials.
type Kind string

// The kinds of credentials.
const (
	LongTerm  Kind = "long-term" // an IAM user's or the root user's access key
	Temporary Kind = "temporary" // issued by STS or a service, with a session token
)

// Redacted is what may be shown of credentials.
type Redacted struct {
	AccessKeyID string    // all but the last four characters masked
	Kind        Kind      // by the session token and the ID's prefix
	AccountID   string    // "" if the source does not tell
	Expires     time.Time // zero if they do not expire
}

// Redact returns what may be shown of c.
func Redact(c aws.Credentials) Redacted {
	r := Redacted{AccessKeyID: maskKeyID(c.AccessKeyID), Kind: LongTerm, AccountID: c.AccountID}
	if c.SessionToken != "" || strings.HasPrefix(c.AccessKeyID, "ASIA") {
		r.Kind = Temporary
	}
	if c.CanExpire {
		r.Expires = c.Expires
	}
	return r
}

// maskKeyID hides an access key ID as the AWS CLI does. One that is short, or has other characters than
// those of AWS's, is perhaps a secret in the wrong place.
func maskKeyID(id string) string {
	const stars = "****************"
	if len(id) < 16 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return stars
	}
	return stars + id[len(id)-4:]
}

// String returns one line for each link: its place, name, status and reason.
func (t Trace) String() string {
	var b strings.Builder
	for i, a := range t.Attempts {
		fmt.Fprintf(&b, "%2d. %-17s %-9s", i+1, a.Provider, a.Status)
		if a.Reason != "" {
			b.WriteString(" " + a.Reason)
		}
		b.WriteByte('\n')
	}
	for _, w := range t.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w.Message)
	}
	return b.String()
}

// MarshalJSON returns access_key_id, kind, account_id and expires, the last two null if they are not known.
func (r Redacted) MarshalJSON() ([]byte, error) {
	var account, expires *string
	if r.AccountID != "" {
		account = &r.AccountID
	}
	if !r.Expires.IsZero() {
		end := r.Expires.UTC().Format(time.RFC3339)
		expires = &end
	}
	return json.Marshal(struct {
		AccessKeyID string  `json:"access_key_id"`
		Kind        Kind    `json:"kind"`
		AccountID   *string `json:"account_id"`
		Expires     *string `json:"expires"`
	}{r.AccessKeyID, r.Kind, account, expires})
}

// MarshalJSON returns credentials, which may be null, attempts and warnings. `credchain explain --json` has the
// same three keys.
func (t Trace) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Credentials *Redacted `json:"credentials"`
		Attempts    []Attempt `json:"attempts"`
		Warnings    []Warning `json:"warnings"`
	}{t.Credentials, orEmpty(t.Attempts), orEmpty(t.Warnings)})
}

// MarshalJSON returns provider, status, reason, origins and elapsed_ms, a decimal fraction.
func (a Attempt) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Provider string   `json:"provider"`
		Status   Status   `json:"status"`
		Reason   string   `json:"reason"`
		Origins  []Origin `json:"origins"`
		Elapsed  float64  `json:"elapsed_ms"`
	}{a.Provider, a.Status, a.Reason, orEmpty(a.Origins), float64(a.Elapsed.Microseconds()) / 1000})
}

// orEmpty makes an absent list an empty one in JSON.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
