package credchain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/walk"
)

// Detector is a provider that can tell whether it is configured without retrieving anything. Detect opens
// no socket, starts no process and asks no person.
//
// Detect's error means what Retrieve's does: one that wraps [ErrNotConfigured] says that there is nothing
// to try, any other that the source is configured and broken. The two must agree, so Retrieve is best
// built on Detect's code.
type Detector interface {
	Detect(ctx context.Context) (Evidence, error)
}

// Prober is a Detector that only a request can settle, as for instance metadata: its Detect reports
// Unconfirmed, and Probe asks whether the source is there. Explain calls it, offline excepted, for a link
// that comes after the one that is used.
type Prober interface {
	Probe(ctx context.Context) (Evidence, error)
}

// Evidence is what a link knows of its source before it is asked for credentials. It holds no secret.
type Evidence struct {
	Summary  string    // what is configured, in words: "role web-app of this instance"
	Origins  []Origin  // where it is configured
	Warnings []Warning // what is odd about it

	// MaskedBy says, in words, why the link will not be used although it is configured; "" for a link
	// that takes part. Retrieve then returns an error that wraps ErrNotConfigured.
	MaskedBy string

	Local       bool // Retrieve needs no network, no process and no person
	Unconfirmed bool // only a request can tell whether the source is there
	Temporary   bool // the link gives a role's temporary credentials
}

// Detect tells what the first configured link would be, so that a chain that is a link of another chain is
// explained like any link.
func (c *Chain) Detect(ctx context.Context) (Evidence, error) {
	ctx = walk.Start(ctx)
	for _, p := range c.Providers {
		name := nameOf(p)
		detector, ok := bare(p).(Detector)
		if !ok {
			return Evidence{Summary: name, Unconfirmed: true}, nil
		}
		ev, err := look(ctx, detector.Detect)
		switch {
		case ev.MaskedBy != "" || errors.Is(err, ErrNotConfigured):
			continue
		case err != nil:
			return ev, fmt.Errorf("%s: %w", name, err)
		}
		ev.Summary = joinReasons(name, ev.Summary)
		return ev, nil
	}
	return Evidence{}, fmt.Errorf("none of its %d providers is configured: %w", len(c.Providers), ErrNotConfigured)
}

// ExplainOption changes what Explain may do.
type ExplainOption int

// Offline keeps Explain from opening a socket, starting a process and asking a person. Links that cannot be
// judged so are not asked; of the others it names the one that Retrieve would use, with the credentials only
// if they are at hand.
const Offline ExplainOption = 1

// Explain walks the chain anew, past the credentials in memory, and reports what every link did. After the
// link that is used it goes on, to find those that are masked. Whether there are credentials, and why not,
// is in the trace.
func (c *Chain) Explain(ctx context.Context, options ...ExplainOption) Trace {
	e := explainer{ctx: walk.Start(ctx)}
	for _, o := range options {
		e.offline = e.offline || o == Offline
	}
	for _, p := range c.Providers {
		start := time.Now()
		a := e.link(p)
		a.Elapsed = time.Since(start)
		e.trace.Attempts = append(e.trace.Attempts, a)
	}
	e.warnOfHiddenRoles()
	return e.trace
}

type explainer struct {
	ctx     context.Context
	offline bool
	trace   Trace
	ended   *Attempt // the link that was used or failed
	used    bool     // it was used
	hidden  []string // roles behind the link that was used
}

// link asks p, or after the end of the walk only looks at it.
func (e *explainer) link(p Provider) Attempt {
	a := Attempt{Provider: nameOf(p)}
	p = bare(p)
	detector, detects := p.(Detector)
	if !detects {
		switch {
		case e.ended != nil:
			a.Reason = "it cannot tell whether it is configured without being asked"
		case e.offline:
			a.Reason = "it cannot be asked offline"
		default:
			e.retrieve(&a, p)
		}
		return a
	}
	ev, err := look(e.ctx, detector.Detect)
	if err == nil && ev.Unconfirmed && e.ended != nil && !e.offline {
		if prober, ok := p.(Prober); ok {
			ev, err = look(e.ctx, prober.Probe)
		}
	}
	a.Origins, a.Reason = ev.Origins, ev.Summary
	switch {
	case ev.MaskedBy != "":
		a.Status, a.Reason = Masked, joinReasons(ev.Summary, ev.MaskedBy)
	case err != nil && (e.ended == nil || errors.Is(err, ErrNotConfigured)):
		a.fail(err)
		e.end(&a)
	case e.ended != nil:
		e.afterEnd(&a, ev, err)
	case e.offline && ev.Unconfirmed:
		a.Reason = joinReasons(ev.Summary, "only a request can tell, and none is made offline")
	case e.offline && !ev.Local:
		a.Status = Used
		e.trace.Warnings = append(e.trace.Warnings, ev.Warnings...)
		e.end(&a)
	default:
		e.retrieve(&a, p)
		if a.Status == Used {
			e.trace.Warnings = append(e.trace.Warnings, ev.Warnings...)
		}
		if prober, ok := p.(Prober); ok && a.Status == Used {
			if ev, err := look(e.ctx, prober.Probe); err == nil { // the service answered: it can say more now
				a.Reason, a.Origins = ev.Summary, ev.Origins
			}
		}
	}
	return a
}

// look calls Detect or Probe and turns a panic into an error.
func look(ctx context.Context, f func(context.Context) (Evidence, error)) (ev Evidence, err error) {
	defer contain(&err)
	return f(ctx)
}

// retrieve asks p for its credentials.
func (e *explainer) retrieve(a *Attempt, p Provider) {
	creds, err := ask(e.ctx, p)
	if err != nil {
		a.fail(err)
	} else {
		a.Status = Used
		redacted := Redact(creds)
		e.trace.Credentials = &redacted
		e.trace.Warnings = append(e.trace.Warnings, oddities(creds)...)
	}
	e.end(a)
}

// end notes that the walk ended at a, unless a was skipped.
func (e *explainer) end(a *Attempt) {
	if a.Status == Used || a.Status == Failed {
		ended := *a
		e.ended, e.used = &ended, a.Status == Used
	}
}

// afterEnd fills in a link that is configured, perhaps badly, and comes after the end of the walk.
func (e *explainer) afterEnd(a *Attempt, ev Evidence, err error) {
	switch {
	case err != nil && errors.Is(err, e.ended.Err): // they read the same broken thing
		a.Err, a.Reason = err, "it would fail like "+e.ended.Provider
	case err != nil:
		a.fail(err)
		a.Reason = "it would fail: " + a.Reason
	}
	switch {
	case ev.Unconfirmed:
		a.Status = NotAsked
		a.Reason = joinReasons(ev.Summary, "only a request can tell")
	case e.used:
		a.Status = Masked
		if err == nil && ev.Temporary {
			e.hidden = append(e.hidden, fmt.Sprintf("%s (%s)", a.Provider, ev.Summary))
		}
	default:
		a.Status = NotAsked
	}
}

// WarnLongTermKeyHidesRole is the code of the warning that a long-term key is used where a role is to be had.
const WarnLongTermKeyHidesRole = "long-term-key-hides-role"

func (e *explainer) warnOfHiddenRoles() {
	c := e.trace.Credentials
	if c == nil || c.Kind != LongTerm || len(e.hidden) == 0 {
		return
	}
	e.trace.Warnings = append(e.trace.Warnings, Warning{WarnLongTermKeyHidesRole, fmt.Sprintf(
		"the long-term key of %s hides %s: the program acts as the key's user, not as the role; where a role is to be had, a long-term key has no place",
		e.ended.Provider, strings.Join(e.hidden, " and "))})
}

// oddities are the signs that keys and session token do not belong together. AWS issues access key IDs that
// begin with AKIA for long-term keys and ASIA for temporary ones (IAM User Guide, "unique identifiers").
func oddities(c aws.Credentials) []Warning {
	switch {
	case c.CanExpire && !c.Expires.After(time.Now()):
		return []Warning{{"expired", fmt.Sprintf("the credentials expired at %s: services will refuse them, unless this machine's clock is wrong",
			c.Expires.UTC().Format(time.RFC3339))}}
	case strings.HasPrefix(c.AccessKeyID, "AKIA") && c.SessionToken != "":
		return []Warning{{"session-token-with-long-term-key",
			"a long-term access key (AKIA…) comes with a session token, perhaps left over from other credentials: requests will be refused"}}
	case strings.HasPrefix(c.AccessKeyID, "ASIA") && c.SessionToken == "":
		return []Warning{{"temporary-key-without-session-token",
			"a temporary access key (ASIA…) comes without its session token: requests will be refused"}}
	}
	return nil
}

func joinReasons(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "; ")
}
