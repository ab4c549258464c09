package credchain

import (
	"errors"
	"strings"
	"time"
)

// Error says why a walk found no credentials. Its trace has every link that was asked.
//
// It unwraps to the failure of the link that ended the walk; only if nothing at all was configured does
// it unwrap to the links' not-configured errors, so that errors.Is(err, ErrNotConfigured) tells the two
// apart, also for a chain that is a link of another chain.
type Error struct {
	Trace Trace
}

// failed returns the attempt that ended the walk, nil if every link was skipped.
func (e *Error) failed() *Attempt {
	for i := range e.Trace.Attempts {
		if a := &e.Trace.Attempts[i]; a.Status == Failed {
			return a
		}
	}
	return nil
}

// Error names the link that failed, why, and what to do; or, if there was none, every link that was asked.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("credchain: ")
	if f := e.failed(); f != nil {
		b.WriteString(f.Provider + ": " + f.Reason)
		if f.Remedy != "" {
			b.WriteString("; " + f.Remedy)
		}
		return b.String()
	}
	if len(e.Trace.Attempts) == 0 {
		b.WriteString("the chain has no providers: ")
		b.WriteString(ErrNotConfigured.Error())
		return b.String()
	}
	b.WriteString("no credentials are configured; looked at ")
	var reasons []string // each once, with the links that gave it
	links := map[string][]string{}
	for _, a := range e.Trace.Attempts {
		if links[a.Reason] == nil {
			reasons = append(reasons, a.Reason)
		}
		links[a.Reason] = append(links[a.Reason], a.Provider)
	}
	for _, r := range reasons {
		b.WriteString(strings.Join(links[r], ", ") + " (" + r + "); ")
	}
	b.WriteString("configure one of them")
	return b.String()
}

// Unwrap returns the failure alone, or all the not-configured errors, or ErrNotConfigured for an empty chain.
func (e *Error) Unwrap() []error {
	if f := e.failed(); f != nil {
		return []error{f.Err}
	}
	if len(e.Trace.Attempts) == 0 {
		return []error{ErrNotConfigured}
	}
	errs := make([]error, len(e.Trace.Attempts))
	for i, a := range e.Trace.Attempts {
		errs[i] = a.Err
	}
	return errs
}

// Remedy returns what to do about the failure, "" if nobody knows.
func (e *Error) Remedy() string {
	if f := e.failed(); f != nil {
		return f.Remedy
	}
	return ""
}

func attempt(name string, err error, elapsed time.Duration) Attempt {
	a := Attempt{Provider: name, Elapsed: elapsed}
	a.fail(err)
	return a
}

// fail records the error that ended an attempt.
func (a *Attempt) fail(err error) {
	a.Err, a.Reason, a.Status = err, reason(err), Failed
	if errors.Is(err, ErrNotConfigured) {
		a.Status = Skipped
	}
	var r interface{ Remedy() string }
	if errors.As(err, &r) {
		a.Remedy = r.Remedy()
	}
}

// reason is err in words, without what the status says already.
func reason(err error) string {
	return strings.TrimSuffix(err.Error(), ": "+ErrNotConfigured.Error())
}
