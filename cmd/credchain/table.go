package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/credchain/credchain"
)

// instanceProfile is the name of the link that asks the instance metadata service.
const instanceProfile = "instance-profile"

// policiesNote answers what people look for next once they see the name of the instance's role.
const policiesNote = "the policies of the instance's role are not to be had from the metadata service; IAM tells them: " +
	"ListAttachedRolePolicies and ListRolePolicies, then GetPolicyVersion and GetRolePolicy"

// text returns the report for people: the walk, its result, and what is odd about it.
func (r *report) text(t terminal, now time.Time) string {
	var b strings.Builder
	writeTable(&b, t, r.trace.Attempts)
	b.WriteByte('\n')
	r.writeResult(&b, t, now)
	for _, w := range r.trace.Warnings {
		writeNote(&b, t, yellow, "warning: ", w.Message)
	}
	for _, a := range r.trace.Attempts {
		if a.Provider == instanceProfile && (a.Status == credchain.Used || a.Status == credchain.Masked && a.Err == nil) {
			writeNote(&b, t, plain, "note: ", policiesNote)
		}
	}
	return b.String()
}

// row is one link in the table. Its last column holds why and, in lines of their own, where.
type row struct {
	place, link, outcome, elapsed string
	why, where                    string
}

const whyColumn = 2 + 1 + 17 + 2 + 9 + 2 + 6 + 2 // where the last column starts

func writeTable(b *strings.Builder, t terminal, attempts []credchain.Attempt) {
	write := func(r row, s style, lines ...string) {
		linkStyle := bold
		if s == dim {
			linkStyle = plain
		}
		fmt.Fprintf(b, "%2s %s%s  %s%s  %s%s", r.place,
			t.paint(linkStyle, r.link), blanks(17-len(r.link)),
			t.paint(s, r.outcome), blanks(9-len(r.outcome)),
			blanks(6-len(r.elapsed)), t.paint(dim, r.elapsed))
		for i, line := range lines {
			if i > 0 {
				b.WriteString("\n" + blanks(whyColumn-2))
			}
			b.WriteString("  " + line)
		}
		b.WriteByte('\n')
	}
	write(row{link: "LINK", outcome: "OUTCOME", elapsed: "TIME"}, bold, t.paint(bold, "WHY, AND WHERE"))
	last := ""
	for i, a := range attempts {
		r := rowOf(i, a)
		if r.why == last {
			r.why = "as above"
		} else {
			last = r.why
		}
		var lines []string
		if r.why != "" {
			lines = t.lines(reasonStyle(a.Status), r.why, whyColumn)
		}
		if r.where != "" {
			lines = append(lines, t.lines(dim, r.where, whyColumn)...)
		}
		write(r, styleOf(a.Status), lines...)
	}
}

func rowOf(i int, a credchain.Attempt) row {
	r := row{
		place:   strconv.Itoa(i + 1),
		link:    printable(a.Provider),
		outcome: a.Status.String(),
		elapsed: shortDuration(a.Elapsed),
		why:     a.Reason,
		where:   whereOf(a.Origins),
	}
	switch {
	case strings.Contains(r.why, r.where):
		r.where = "" // it says so already
	case a.Origins[0].File != "":
		r.where = "set in " + r.where
	default:
		r.where = "set by " + r.where
	}
	return r
}

// whereOf joins origins, those in one file as file:line,line.
func whereOf(origins []credchain.Origin) string {
	var b strings.Builder
	file := ""
	for i, o := range origins {
		if o.File != "" && o.File == file && o.Line > 0 {
			b.WriteString("," + strconv.Itoa(o.Line))
			continue
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(o.String())
		file = o.File
	}
	return b.String()
}

func (r *report) writeResult(b *strings.Builder, t terminal, now time.Time) {
	line := func(name string, s style, value string) {
		const column = 13
		fmt.Fprintf(b, "%s%s%s\n", t.paint(bold, name), blanks(column-len(name)),
			strings.Join(t.lines(s, value, column), "\n"+blanks(column)))
	}
	winner, s := r.winner()
	line("credentials", s, winner)
	if c := r.trace.Credentials; c != nil {
		line("access key", plain, fmt.Sprintf("%s, %s", c.AccessKeyID, c.Kind))
		if c.AccountID != "" {
			line("account", plain, c.AccountID)
		} else {
			line("account", dim, "not told by this source")
		}
		line("expires", plain, expiry(c.Expires, now))
	}
	switch {
	case r.region != "":
		line("region", plain, r.region+from(r.regionFrom))
	case r.failedWith(r.regionWhy):
		line("region", yellow, "unknown, for the same reason")
	default:
		line("region", yellow, "unknown: "+r.regionWhy)
	}
	line("profile", plain, r.profile+from(r.profileFrom))
	if r.order != "cli" {
		line("order", plain, r.order+", from --order")
	}
}

// winner names the link that the credentials are from, or why there are none.
func (r *report) winner() (string, style) {
	for _, a := range r.trace.Attempts {
		switch {
		case a.Status == credchain.Failed:
			return "none: " + a.Provider + " failed", red
		case a.Status == credchain.Used && r.trace.Credentials == nil:
			return "from " + a.Provider + ", which is not asked for them offline", green
		case a.Status == credchain.Used:
			return "from " + a.Provider, green
		}
	}
	if r.untold() {
		return "none, unless the metadata service has some", red
	}
	return "none: nothing is configured", red
}

// failedWith tells whether the walk ended for this reason.
func (r *report) failedWith(why string) bool {
	return slices.ContainsFunc(r.trace.Attempts, func(a credchain.Attempt) bool {
		return a.Status == credchain.Failed && a.Reason == why
	})
}

// from says where a setting comes from.
func from(o credchain.Origin) string {
	switch {
	case o == credchain.Origin{}:
		return ""
	case o == credchain.Origin{Key: "default"}:
		return ", because nothing says otherwise"
	case o.File != "":
		return fmt.Sprintf(", from %s [%s] %s", o, o.Section, o.Key)
	}
	return ", from " + o.String()
}

func expiry(t, now time.Time) string {
	if t.IsZero() {
		return "never, as far as this source tells"
	}
	if left := t.Sub(now); left > 0 {
		return fmt.Sprintf("%s, in %s", timestamp(t), shortDuration(left))
	}
	return fmt.Sprintf("%s, which was %s ago", timestamp(t), shortDuration(now.Sub(t)))
}

// writeNote writes a labelled remark below the result.
func writeNote(b *strings.Builder, t terminal, s style, label, text string) {
	b.WriteString("\n" + t.paint(s, label))
	b.WriteString(strings.Join(t.lines(plain, text, len(label)), "\n"+blanks(len(label))) + "\n")
}

// shortDuration is d in at most two units: 5h59m, 42s, 12ms.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1ms"
	case d < time.Second:
		return fmt.Sprintf("%dms", d/time.Millisecond)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

func styleOf(s credchain.Status) style {
	switch s {
	case credchain.Used:
		return green
	case credchain.Failed:
		return red
	case credchain.Masked:
		return yellow
	default:
		return dim
	}
}

// reasonStyle keeps the eye on the links that matter.
func reasonStyle(s credchain.Status) style {
	if s == credchain.Skipped || s == credchain.NotAsked {
		return dim
	}
	return plain
}

func blanks(n int) string { return strings.Repeat(" ", max(0, n)) }
