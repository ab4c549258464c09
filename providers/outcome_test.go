package providers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// outcome is what the chain does in a scenario: each of the three calls in a world of its own.
type outcome struct {
	creds         aws.Credentials
	err           error
	start, end    time.Time // of Retrieve, and of live Explain
	took          time.Duration
	live, offline credchain.Trace

	world, liveWorld, offlineWorld *world
}

// chain builds the order that the scenario asks for.
func (w *world) chain() *credchain.Chain {
	order := w.arg("order")
	switch {
	case order == nil:
		return providers.Default(w.config())
	case order[1] == "java":
		return providers.Java(w.config())
	case order[1] == "java-v2":
		return providers.JavaV2(w.config())
	}
	panic("an unknown order " + order[1])
}

func (s *scenario) resolve(ctx context.Context) *outcome {
	o := &outcome{world: s.world(), liveWorld: s.world(), offlineWorld: s.world()}
	o.start = time.Now()
	o.creds, o.err = o.world.chain().Retrieve(ctx)
	o.took = time.Since(o.start)
	o.live = o.liveWorld.chain().Explain(ctx)
	o.end = time.Now()
	o.offline = o.offlineWorld.chain().Explain(ctx, credchain.Offline)
	return o
}

// linkOf returns the link that writes this into the Source of its credentials.
func (o *outcome) linkOf(source string) string {
	return map[string]string{
		"Static": "flags", "Environment": "environment", "SystemProperties": "system-properties",
		"SharedCredentialsFile": "credentials-file", "SharedConfigFile": "config-file",
		"Container": "container", "InstanceProfile": "instance-profile",
		"AssumeRole": "assume-role", "WebIdentity": "web-identity", "SSO": "sso", "Login": "login", "Process": "process",
	}[source]
}

// failedAt returns the link that ended the walk of Retrieve, "" if none did.
func (o *outcome) failedAt() string {
	var e *credchain.Error
	if !errors.As(o.err, &e) {
		return ""
	}
	name, _ := ended(e.Trace)
	return name
}

// attempt returns what live Explain says of a link.
func (o *outcome) attempt(link string) credchain.Attempt {
	for _, a := range o.live.Attempts {
		if a.Provider == link {
			return a
		}
	}
	return credchain.Attempt{}
}

// ended returns the link that was used or failed, "" if there is none, "several" if they are many.
func ended(t credchain.Trace) (link string, status credchain.Status) {
	for _, a := range t.Attempts {
		if a.Status != credchain.Used && a.Status != credchain.Failed {
			continue
		}
		if link != "" {
			return "several", 0
		}
		link, status = a.Provider, a.Status
	}
	return link, status
}

func shownOrigins(a credchain.Attempt) (out []string) {
	for _, o := range a.Origins {
		out = append(out, o.String())
	}
	return out
}

// disagreement tells how Retrieve, Explain and offline Explain contradict one another, or what the chain did
// that no chain may do; "" if all is well. It knows nothing of who should win.
func (o *outcome) disagreement() string {
	winner, status := o.linkOf(o.creds.Source), credchain.Used
	if o.err != nil {
		winner, status = o.failedAt(), credchain.Failed
	}
	absent := errors.Is(o.err, credchain.ErrNotConfigured)
	live, liveStatus := ended(o.live)
	offline, offlineStatus := ended(o.offline)
	switch {
	case o.err == nil && winner == "":
		return "Retrieve gives credentials of an unknown source " + o.creds.Source
	case absent != (winner == ""):
		return fmt.Sprintf("Retrieve fails at %q, and errors.Is(err, ErrNotConfigured) is %v", winner, absent)
	case absent && live != "":
		return "nothing is configured for Retrieve, but Explain names " + live
	case !absent && (live != winner || liveStatus != status):
		return fmt.Sprintf("Retrieve: %v %s; Explain: %v %s", status, winner, liveStatus, live)
	case (o.live.Credentials != nil) != (o.err == nil):
		return "Explain has credentials where Retrieve has none, or the reverse"
	case o.err == nil && !o.sameCredentials():
		return "Explain shows other credentials than Retrieve gives"
	}

	switch w := o.offlineWorld; {
	case len(w.asked) > 0:
		return fmt.Sprintf("offline Explain made requests: %v", w.asked)
	case len(w.cloud.ran)+len(w.cloud.questions)+len(w.wrote) > 0:
		return fmt.Sprintf("offline Explain did more than look: %v %v %v", w.cloud.ran, w.cloud.questions, w.wrote)
	case winner == "instance-profile" && offline == "" || absent && offline == "":
	case offline != winner:
		return fmt.Sprintf("Retrieve ends at %q; offline Explain at %q", winner, offline)
	case status == credchain.Used && offlineStatus != credchain.Used:
		return fmt.Sprintf("Retrieve uses %s; offline Explain says %v", winner, offlineStatus)
	}
	if problem := o.differentWords(); problem != "" {
		return problem
	}
	return o.overreach(winner)
}

// timeless is a reason without the time at which STS found a token to have expired.
func timeless(reason string) string {
	before, rest, _ := strings.Cut(reason, "current date/time ")
	return before + strings.TrimLeft(rest, "0123456789")
}

// differentWords tells where Retrieve's error gives another reason for a link than Explain does. The report
// would then not explain the error.
func (o *outcome) differentWords() string {
	var e *credchain.Error
	if !errors.As(o.err, &e) || len(o.world.cloud.parrots) > 0 { // who repeats a request repeats its time
		return ""
	}
	for i, a := range e.Trace.Attempts {
		if b := o.live.Attempts[i]; b.Status != credchain.Masked && (a.Provider != b.Provider || timeless(a.Reason) != timeless(b.Reason) || a.Remedy != b.Remedy) {
			return fmt.Sprintf("Retrieve says of %s: %s (%s); Explain says of %s: %s (%s)", a.Provider, a.Reason, a.Remedy, b.Provider, b.Reason, b.Remedy)
		}
	}
	return ""
}

// atEnd are the links that come after the container, and the lack of one.
var atEnd = map[string]bool{"": true, "container": true, "instance-profile": true}

// sameCredentials reports whether Explain shows what Retrieve has given. If time has gone by between the two, the
// fakes make others, which last as much longer.
func (o *outcome) sameCredentials() bool {
	a, b := credchain.Redact(o.creds), *o.live.Credentials
	if late := b.Expires.Sub(a.Expires); o.end.After(o.start) && late >= 0 && late <= o.end.Sub(o.start)+time.Second {
		a.Expires, a.AccessKeyID = b.Expires, b.AccessKeyID
	}
	return a == b
}

// overreach tells who was asked, or which file was opened, without need; and whether parts of two sources
// were mixed.
func (o *outcome) overreach(winner string) string {
	for _, w := range []*world{o.world, o.liveWorld} {
		if w.asked["nobody"] > 0 {
			return "a request went to an address that the scenario does not have"
		}
		if !atEnd[winner] && winner != "assume-role" && w.asked["container"] > 0 {
			return "the container was asked, though " + winner + " ended the walk"
		}
		if winner != "assume-role" && winner != "process" && len(w.cloud.ran) > 0 {
			return "a program was run, though " + winner + " ended the walk"
		}
		if winner != "assume-role" && len(w.cloud.questions) > 0 {
			return "a person was asked, though " + winner + " ended the walk"
		}
	}
	if problem := o.brokenChain(winner); problem != "" {
		return problem
	}
	for _, service := range []string{"sts", "portal.sso", "oidc", "signin"} {
		if a, b := o.world.asked[service], o.liveWorld.asked[service]; a != b {
			return fmt.Sprintf("Retrieve made %d requests of %s, Explain %d", a, service, b)
		}
	}
	switch {
	case winner == "assume-role": // by credential_source it may ask anybody
	case winner != "instance-profile" && winner != "" && o.world.asked["imds"] > 0:
		return "Retrieve asked the metadata service, though " + winner + " ended the walk"
	case winner != "instance-profile" && o.liveWorld.calls["role"]+o.liveWorld.calls["extended"] > 0:
		return "Explain fetched the credentials of the metadata service, though " + winner + " ended the walk"
	case winner == "environment" && o.world.arg("order") == nil && o.world.arg("--profile") == nil && len(o.world.opened) > 0:
		return "Retrieve opened files for the keys of the environment: " + strings.Join(o.world.opened, " ")
	}
	if o.err != nil {
		if o.creds != (aws.Credentials{}) {
			return "Retrieve gives credentials and an error"
		}
		return ""
	}
	id, c := o.creds.AccessKeyID, o.creds
	if o.world.wants("secret") || o.world.wants("token") || winner == "assume-role" || winner == "web-identity" || winner == "login" {
		return "" // the last three are made by the fakes
	}
	if c.SecretAccessKey != secretOf(id) || c.SessionToken != "" && c.SessionToken != tokenOf(id) {
		return "the credentials of " + id + " are mixed with others"
	}
	return ""
}

// brokenChain tells which of the sessions of STS was not opened with the one before it, and whether the last is not
// what Retrieve gives.
func (o *outcome) brokenChain(winner string) string {
	sessions := o.world.cloud.sts.Sessions()
	for i := 1; i < len(sessions); i++ {
		if a, b := sessions[i-1].Principal.ARN, sessions[i]; b.Caller != a {
			return fmt.Sprintf("%s called for %s, and not %s", b.Caller, b.Principal.ARN, a)
		}
	}
	if o.err != nil || winner != "assume-role" && winner != "web-identity" {
		return ""
	}
	if last := sessions[len(sessions)-1].Principal; last.Credentials.AccessKeyID != o.creds.AccessKeyID || last.Account != o.creds.AccountID {
		return "Retrieve gives credentials of " + o.creds.AccessKeyID + ", and STS gave out those of " + last.ARN + " last"
	}
	return ""
}

func (s *scenario) wants(verb string) bool {
	for _, w := range s.want {
		if w[0] == verb {
			return true
		}
	}
	return false
}
