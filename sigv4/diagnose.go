package sigv4

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Diagnosis says where a service's reading of a signed request and ours part.
type Diagnosis struct {
	// Code is the service's error code, such as SignatureDoesNotMatch; "" if the answer has none.
	Code string

	// Part is the first part that differs; [PartUnknown] if the answer does not say enough.
	Part Part

	// Ours and Theirs are that part as we signed it and as the service read it: a line each, "" where there is none.
	// Values that can be secrets are replaced.
	Ours, Theirs string

	// Cause is what usually is behind it, and what to do.
	Cause string
}

// String is the diagnosis in a few lines.
func (d Diagnosis) String() string {
	var b strings.Builder
	if d.Code != "" {
		b.WriteString(d.Code + ": ")
	}
	if d.Part == PartUnknown {
		b.WriteString("the answer does not say what differs")
	} else {
		b.WriteString("the difference is in: " + string(d.Part))
	}
	if d.Ours != d.Theirs {
		fmt.Fprintf(&b, "\n  signed here:    %s\n  service read:   %s", shown(d.Ours), shown(d.Theirs))
	}
	return b.String() + "\n" + d.Cause
}

func shown(line string) string {
	if line == "" {
		return "(nothing)"
	}
	return line
}

const (
	maxAnswer = 1 << 20 // bytes of an answer that are read
	maxShown  = 2 << 10 // bytes of a line that are shown
)

// Diagnose reads the answer of a service that refused the signature of r, which s signed and which was sent, and finds the
// first difference between the service's canonical request and string to sign, where the answer has them, and ours. answer
// is the body, in XML or JSON. Nothing of the result can be a secret.
func Diagnose(s *Signer, r *http.Request, answer []byte) Diagnosis {
	if len(answer) > maxAnswer {
		answer = answer[:maxAnswer]
	}
	theirs := readRefusal(answer)
	d := s.compare(r, theirs)
	d.Code = theirs.code
	secrets := secretsOf(r)
	d.Code, d.Ours, d.Theirs, d.Cause = clean(d.Code, secrets), clean(d.Ours, secrets), clean(d.Theirs, secrets), clean(d.Cause, secrets)
	if d.Ours == d.Theirs && d.Ours != "" {
		d.Ours, d.Theirs = "", ""
		d.Cause += "; the values differ and are not shown"
	}
	return d
}

// clean makes a line fit to show: no secret, no control character that cannot be seen, not long.
func clean(line string, secrets []string) string {
	line = redact(line, secrets)
	if strings.ContainsFunc(line, unicode.IsControl) {
		quoted := strconv.Quote(line)
		line = quoted[1 : len(quoted)-1]
	}
	if len(line) > maxShown {
		line = strings.ToValidUTF8(line[:maxShown], "") + "..."
	}
	return line
}

func (s *Signer) compare(r *http.Request, theirs refusal) Diagnosis {
	if d, ok := theirs.plain(); ok {
		return d
	}
	a, err := parseRequest(r)
	if err != nil {
		return Diagnosis{Part: PartAuthorization, Cause: "this request has no signature that can be read: " + err.Error()}
	}
	host, err := sentHost(r)
	if err != nil {
		return Diagnosis{Part: PartHeaders, Cause: err.Error()}
	}
	if theirs.canonical == "" && theirs.stringToSign == "" {
		return Diagnosis{Part: PartUnknown, Cause: "the service does not show what it read; usual causes, in this order: the secret access key is not that of " +
			"the access key ID, a path that the service escapes in another way, a header that a proxy changed, a clock that is wrong"}
	}
	lines := strings.Split(theirs.canonical, "\n")
	w := view{method: r.Method, path: sentPath(r.URL), query: r.URL.RawQuery, host: host, rule: s.Path.byService(a.service)}
	if w.method == "" {
		w.method = http.MethodGet
	}
	w.payload = a.payload
	switch {
	case w.payload != "":
	case a.presigned && likeS3(a.service):
		w.payload = UnsignedPayload
	default:
		if w.payload, err = (&Signer{}).payloadHash(r, ""); err != nil {
			w.payload = lines[len(lines)-1] // the body is gone: believe the service
		}
	}
	c := &canonical{}
	if err := w.canonicalRequest(c, r, a); err != nil {
		return Diagnosis{Part: err.Part, Cause: err.Err.Error()}
	}
	if theirs.canonical != "" {
		if d, ok := differ(strings.Split(string(c.buf), "\n"), lines, w); ok {
			return d
		}
	}
	text, err := a.stringToSign(c)
	if err != nil {
		return Diagnosis{Part: PartTime, Cause: err.Error()}
	}
	if theirs.stringToSign != "" {
		if d, ok := differToSign(strings.Split(string(text), "\n"), strings.Split(theirs.stringToSign, "\n"), theirs.canonical != ""); ok {
			return d
		}
	}
	return Diagnosis{Part: PartSecret, Cause: "the service read exactly what was signed here, so the secret access key is not the one of " +
		a.accessKeyID + " (mixed from two places, or with a blank or a line end around it), or the signature was changed"}
}

// differ finds the first difference of two canonical requests. Their lines are: method, path, query, headers, an empty one,
// signed headers, payload.
func differ(ours, theirs []string, w view) (Diagnosis, bool) {
	if len(theirs) < 6 {
		return Diagnosis{Part: PartUnknown, Cause: "the service's canonical request is cut short"}, true
	}
	for i, part := range []Part{PartMethod, PartPath, PartQuery} {
		if ours[i] != theirs[i] {
			d := Diagnosis{Part: part, Ours: ours[i], Theirs: theirs[i]}
			switch part {
			case PartMethod:
				d.Cause = "the method was changed on the way, as by a redirect or a proxy"
			case PartPath:
				d.Cause = pathCause(theirs[i], w)
			default:
				d.Cause = queryCause(ours[i], theirs[i])
			}
			return d, true
		}
	}
	if d, ok := differInHeaders(ours[3:len(ours)-3], theirs[3:max(3, len(theirs)-3)]); ok {
		return d, true
	}
	if o, t := ours[len(ours)-2], theirs[len(theirs)-2]; o != t {
		return Diagnosis{Part: PartSignedHeaders, Ours: o, Theirs: t, Cause: "the list of signed headers was changed on the way"}, true
	}
	if o, t := ours[len(ours)-1], theirs[len(theirs)-1]; o != t {
		return Diagnosis{Part: PartPayload, Ours: o, Theirs: t, Cause: "the body that arrived is not the one that was signed: it was changed or compressed on the way, " +
			"read before it was sent, or the service expects another payload hash"}, true
	}
	return Diagnosis{}, false
}

// pathCause tells double escaping and normalising from a change on the way.
func pathCause(theirs string, w view) string {
	for _, rule := range []struct {
		rule  PathRule
		cause string
	}{
		{PathOnce, "double encoding: the service escapes the path once, as S3 does: set Path to PathOnce"},
		{PathNormalized, "the service drops empty and dot segments, and escapes the path twice: set Path to PathNormalized"},
		{PathTwice, "double encoding: the service escapes the path twice, and keeps empty and dot segments: set Path to PathTwice"},
	} {
		if path, err := appendCanonicalURI(nil, w.path, rule.rule); err == nil && string(path) == theirs {
			return rule.cause
		}
	}
	return "the path was changed on the way: a proxy decoded, escaped or rewrote it"
}

func queryCause(ours, theirs string) string {
	o, t := strings.Split(ours, "&"), strings.Split(theirs, "&")
	slices.Sort(o)
	slices.Sort(t)
	switch {
	case slices.Equal(o, t):
		return "the parameters are the same in another order: the service sorts them before they are encoded"
	case strings.ReplaceAll(ours, "%20", "%2B") == strings.ReplaceAll(theirs, "%20", "%2B"):
		return "a blank and a plus sign are taken for each other: something on the way encoded the query anew"
	case strings.ReplaceAll(ours, "%", "%25") == theirs:
		return "double encoding: something on the way escaped the query once more"
	}
	return "a parameter was added, removed or encoded anew on the way, as by a proxy"
}

// differInHeaders compares the lines of two lists of canonical headers.
func differInHeaders(ours, theirs []string) (Diagnosis, bool) {
	for i := range max(len(ours), len(theirs)) {
		var o, t string
		if i < len(ours) {
			o = ours[i]
		}
		if i < len(theirs) {
			t = theirs[i]
		}
		if o == t {
			continue
		}
		d := Diagnosis{Part: PartHeaders, Ours: o, Theirs: t}
		ourName, ourValue, _ := strings.Cut(o, ":")
		theirName, theirValue, _ := strings.Cut(t, ":")
		switch {
		case ourName != theirName:
			d.Cause = "a signed header was removed or added on the way"
		case strings.Join(strings.Fields(ourValue), " ") == strings.Join(strings.Fields(theirValue), " "):
			d.Cause = "blanks: the value of " + ourName + " was trimmed, or blanks in it were added or removed; send it with single blanks"
		case ourName == "host":
			d.Cause = "host was changed on the way: a proxy or a load balancer sends another name or port; sign for the host that the service sees"
		case ourName == lowerDate:
			return Diagnosis{Part: PartTime, Ours: o, Theirs: t, Cause: "the time was changed on the way"}, true
		default:
			d.Cause = "header " + ourName + " was changed on the way by a proxy; leave it unset, or let it pass as it is"
		}
		return d, true
	}
	return Diagnosis{}, false
}

// differToSign finds the first difference of two strings to sign. Their lines are: algorithm, time, scope, hash.
func differToSign(ours, theirs []string, sameCanonical bool) (Diagnosis, bool) {
	if len(theirs) < len(ours) {
		return Diagnosis{Part: PartUnknown, Cause: "the service's string to sign is cut short"}, true
	}
	for i, o := range ours {
		t := theirs[i]
		if o == t {
			continue
		}
		d := Diagnosis{Ours: o, Theirs: t}
		switch i {
		case 0:
			d.Part, d.Cause = PartAuthorization, "the service expects another algorithm: set RegionSet for SigV4a, or leave it empty"
		case 1:
			d.Part, d.Cause = PartTime, "the service took another time: the Date header, or one that was changed on the way"
		case 2:
			d.Part, d.Cause = PartScope, "wrong region or service: sign for the ones of the service's line"
		default:
			d.Part, d.Cause = PartUnknown, "the service read another canonical request, which it does not show"
			if sameCanonical {
				d.Cause = "the canonical requests look the same and their hashes differ: the service shows its own in another form"
			}
		}
		return d, true
	}
	return Diagnosis{}, false
}

// plain finds what the answer says in words.
func (f refusal) plain() (Diagnosis, bool) {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(f.code+": "+f.message, w) })
	}
	switch {
	case has("RequestTimeTooSkewed", "Signature expired", "Signature not yet current", "RequestExpired", "RequestInTheFuture"):
		return Diagnosis{Part: PartTime, Cause: "the clock is wrong: " + f.clock()}, true
	case has("Credential should be scoped to a valid region", "the region '"):
		return Diagnosis{Part: PartScope, Theirs: f.region, Cause: "wrong region: sign for the region of the endpoint"}, true
	case has("Credential should be scoped to correct service"):
		return Diagnosis{Part: PartScope, Cause: "wrong service: the signing name is not always the name in the host"}, true
	case has("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"):
		return Diagnosis{Part: PartAccessKey, Cause: "the access key ID is not known to the service: it was deleted or is inactive, belongs to another partition, or its session token is missing"}, true
	case has("ExpiredToken", "TokenRefreshRequired"):
		return Diagnosis{Part: PartSessionToken, Cause: "the temporary credentials have expired: get new ones"}, true
	}
	return Diagnosis{}, false
}

func (f refusal) clock() string {
	ours, err1 := time.Parse(timeFormat, f.requestTime)
	theirs, err2 := time.Parse(time.RFC3339, f.serverTime)
	if err1 != nil || err2 != nil {
		return "set it, or sign with the service's time"
	}
	if by := theirs.Sub(ours); by > 0 {
		return "it is " + by.String() + " behind the service's; set it, or sign with the service's time"
	}
	return "it is " + ours.Sub(theirs).String() + " ahead of the service's; set it, or sign with the service's time"
}
