package awstest

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// stsParam is a parameter of an operation and its limits, as the API reference has them.
type stsParam struct {
	name     string
	required bool
	secret   bool           // not repeated in errors
	number   bool           // min and max are of the value, and not of the length in characters
	min, max int            // max 0 is no limit
	pattern  *regexp.Regexp // of the whole value
	members  []stsParam     // a list of at most max members with these fields; a name "" is the member itself
}

var (
	namePattern   = regexp.MustCompile(`^[\w+=,.@-]*$`)
	externalID    = regexp.MustCompile(`^[\w+=,.@:\/-]*$`)
	serialPattern = regexp.MustCompile(`^[\w+=/:,.@-]*$`)
	digits        = regexp.MustCompile(`^[\d]*$`)
	wordPattern   = regexp.MustCompile(`^[\w]*$`)
	tagPattern    = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

func stsText(name string, least, most int, pattern *regexp.Regexp) stsParam {
	return stsParam{name: name, min: least, max: most, pattern: pattern}
}

func stsNumber(name string, least, most int) stsParam {
	return stsParam{name: name, number: true, min: least, max: most}
}

func stsList(name string, most int, members ...stsParam) stsParam {
	return stsParam{name: name, max: most, members: members}
}

func (p stsParam) must() stsParam   { p.required = true; return p }
func (p stsParam) hidden() stsParam { p.secret = true; return p }

// Parameters that several operations have.
func durationParam(least, most int) stsParam { return stsNumber("DurationSeconds", least, most) }
func sizeParam() stsParam                    { return stsNumber("MinimumSessionTokenSize", 0, 4096) }
func policyParam() stsParam                  { return stsText("Policy", 1, 2048, nil) }
func roleParam() stsParam                    { return stsText("RoleArn", 20, 2048, nil).must() }
func sessionNameParam() stsParam {
	return stsText("RoleSessionName", 2, 64, namePattern).must()
}
func policyARNsParam() stsParam { return stsList("PolicyArns", 10, stsText("arn", 20, 2048, nil)) }
func tagsParam() stsParam {
	return stsList("Tags", 50, stsText("Key", 1, 128, tagPattern).must(), stsText("Value", 0, 256, tagPattern).must())
}
func mfaParams() []stsParam {
	return []stsParam{stsText("SerialNumber", 9, 256, serialPattern), stsText("TokenCode", 6, 6, digits).hidden()}
}

// validate compares a form with limits. As the service does, it names everything that is wrong, by the names of
// members, which start in lower case.
func validate(form url.Values, params []stsParam) *refusal {
	var faults []string
	for _, p := range params {
		if p.members == nil {
			value, there := form[p.name]
			faults = append(faults, p.faults(lowerFirst(p.name), first(value), there)...)
			continue
		}
		n, ok := members(form, p.name)
		switch {
		case !ok:
			faults = append(faults, fmt.Sprintf("Value at '%s' failed to satisfy constraint: Members must be numbered from 1 on", lowerFirst(p.name)))
		case n == 0 && p.required:
			faults = append(faults, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", lowerFirst(p.name)))
		case n > p.max:
			faults = append(faults, fmt.Sprintf("Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", lowerFirst(p.name), p.max))
		}
		for i := 1; ok && i <= n; i++ {
			for _, m := range p.members {
				value, there := form[memberName(p.name, i, m.name)]
				path := fmt.Sprintf("%s.%d.member", lowerFirst(p.name), i)
				if m.name != "" {
					path += "." + lowerFirst(m.name)
				}
				faults = append(faults, m.faults(path, first(value), there)...)
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	plural := map[bool]string{true: "", false: "s"}[len(faults) == 1]
	return invalid("%d validation error%s detected: %s", len(faults), plural, strings.Join(faults, "; "))
}

func (p stsParam) faults(path, value string, there bool) []string {
	if !there {
		if p.required {
			return []string{fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", path)}
		}
		return nil
	}
	size, what := utf8.RuneCountInString(value), "length"
	if p.number {
		what = "value"
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return []string{fmt.Sprintf("Value at '%s' failed to satisfy constraint: Member must be an integer", path)}
		}
		size = int(n)
	}
	most := p.max
	if most == 0 {
		most = math.MaxInt
	}
	var constraint string
	switch {
	case size < p.min:
		constraint = fmt.Sprintf("Member must have %s greater than or equal to %d", what, p.min)
	case size > most:
		constraint = fmt.Sprintf("Member must have %s less than or equal to %d", what, most)
	case p.pattern != nil && !p.pattern.MatchString(value):
		constraint = "Member must satisfy regular expression pattern: " + strings.Trim(p.pattern.String(), "^$")
	default:
		return nil
	}
	shown := " '" + value + "'"
	if p.secret {
		shown = ""
	}
	return []string{fmt.Sprintf("Value%s at '%s' failed to satisfy constraint: %s", shown, path, constraint)}
}

// members counts the members of a list, and says whether they are numbered without a gap.
func members(form url.Values, list string) (n int, ok bool) {
	seen := make(map[int]bool)
	for key := range form {
		rest, in := strings.CutPrefix(key, list+".member.")
		if !in {
			if key == list || strings.HasPrefix(key, list+".") {
				return 0, false
			}
			continue
		}
		number, _, _ := strings.Cut(rest, ".")
		i, err := strconv.Atoi(number)
		if err != nil || i < 1 || strconv.Itoa(i) != number {
			return 0, false
		}
		seen[i] = true
		n = max(n, i)
	}
	return n, n == len(seen)
}

func memberName(list string, i int, field string) string {
	name := list + ".member." + strconv.Itoa(i)
	if field != "" {
		name += "." + field
	}
	return name
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func lowerFirst(name string) string {
	if strings.HasPrefix(name, "SAML") {
		return "sAML" + name[4:] // as the service writes it
	}
	return strings.ToLower(name[:1]) + name[1:]
}

func invalid(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "ValidationError", fmt.Sprintf(format, args...)}
}

func denied(format string, args ...any) *refusal {
	return &refusal{http.StatusForbidden, "AccessDenied", fmt.Sprintf(format, args...)}
}
