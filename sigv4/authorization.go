package sigv4

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrUnsigned says that a request has no signature at all. A [*VerifyError] wraps it.
var ErrUnsigned = errors.New("the request is not signed")

// authorization is what a request says about its signature.
type authorization struct {
	algorithm   string
	accessKeyID string
	day         string
	region      string // "" with SigV4a
	service     string
	names       []string // of the signed headers, sorted
	signature   []byte
	at          time.Time

	presigned bool
	expires   time.Duration // of a presigned URL
	token     string
	regionSet string // of SigV4a
	payload   string // X-Amz-Content-Sha256, "" if the request has none
}

// parseRequest reads the signature of a request, from its header or its query.
func parseRequest(r *http.Request) (*authorization, error) {
	headers := r.Header.Values(headerAuthorization)
	query, err := authQuery(r.URL.RawQuery)
	switch {
	case err != nil:
		return nil, err
	case len(headers) > 1 || len(headers) == 1 && len(query) > 0 && query["X-Amz-Signature"] != "":
		return nil, errors.New("the request has more than one authorization")
	case len(headers) == 1:
		return parseHeader(r, headers[0])
	case query["X-Amz-Algorithm"] != "" || query["X-Amz-Signature"] != "":
		return parseQuery(r, query)
	}
	return nil, ErrUnsigned
}

// authQuery returns the parameters of a query that can belong to a signature. None may come twice.
func authQuery(raw string) (map[string]string, error) {
	var found map[string]string
	for pair := range strings.SplitSeq(raw, "&") {
		if len(pair) < len("X-Amz-") || pair[0]|0x20 != 'x' && pair[0] != '%' {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !authParam([]byte(name)) && !strings.EqualFold(name, headerContentHash) {
			continue // the canonical query finds the bad escape
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, errEscape)
		}
		if _, twice := found[name]; twice {
			return nil, fmt.Errorf("parameter %s comes twice", name)
		}
		if found == nil {
			found = make(map[string]string)
		}
		found[name] = value
	}
	return found, nil
}

// single returns the value of a header that may come once.
func single(h http.Header, key string) (string, error) {
	switch values := h.Values(key); len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", fmt.Errorf("header %s comes more than once", key)
}

func parseHeader(r *http.Request, value string) (*authorization, error) {
	name, rest, _ := strings.Cut(value, " ")
	a := &authorization{algorithm: name}
	if name != algorithm && name != algorithm4a {
		return nil, errors.New("the algorithm is neither " + algorithm + " nor " + algorithm4a)
	}
	fields := make(map[string]string, 3)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.Trim(part, " \t"), "=")
		if _, twice := fields[name]; !ok || twice || len(fields) == 3 {
			return nil, errors.New("the header Authorization has not the form of a signature")
		}
		fields[name] = value
	}
	if err := a.parseParts(fields["Credential"], fields["SignedHeaders"], fields["Signature"]); err != nil {
		return nil, err
	}
	var date string
	for key, to := range map[string]*string{headerDate: &date, headerToken: &a.token, headerRegionSet: &a.regionSet, headerContentHash: &a.payload} {
		var err error
		if *to, err = single(r.Header, key); err != nil {
			return nil, err
		}
	}
	if a.token == "" {
		var err error
		if a.token, err = single(r.Header, headerS3Session); err != nil {
			return nil, err
		}
	}
	return a, a.parseTime(date, r.Header)
}

func parseQuery(r *http.Request, query map[string]string) (*authorization, error) {
	a := &authorization{
		algorithm: query["X-Amz-Algorithm"], presigned: true,
		token: query[headerToken], regionSet: query[headerRegionSet],
	}
	if a.algorithm != algorithm && a.algorithm != algorithm4a {
		return nil, errors.New("X-Amz-Algorithm is neither " + algorithm + " nor " + algorithm4a)
	}
	if a.token == "" {
		a.token = query[headerS3Session]
	}
	if err := a.parseParts(query["X-Amz-Credential"], query["X-Amz-SignedHeaders"], query["X-Amz-Signature"]); err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseUint(query["X-Amz-Expires"], 10, 32)
	if a.expires = time.Duration(seconds) * time.Second; err != nil || a.expires < time.Second || a.expires > MaxExpires {
		return nil, errors.New("X-Amz-Expires must be 1 to 604800 seconds")
	}
	if a.payload, err = single(r.Header, headerContentHash); err != nil {
		return nil, err
	}
	if a.payload == "" {
		a.payload = query[headerContentHash]
	}
	return a, a.parseTime(query["X-Amz-Date"], nil)
}

// parseParts reads the three parts of an authorization.
func (a *authorization) parseParts(credential, names, signature string) error {
	scope := strings.Split(credential, "/")
	want := 5
	if a.algorithm == algorithm4a {
		want = 4
	}
	if len(scope) != want || scope[len(scope)-1] != terminator {
		return errors.New("the part Credential has not the form KEY/DAY/REGION/SERVICE/" + terminator)
	}
	a.accessKeyID, a.day, a.service = scope[0], scope[1], scope[want-2]
	if want == 5 {
		a.region = scope[2]
	}
	if err := checkScope(a.accessKeyID, a.region+strings.Repeat("-", 5-want), a.service); err != nil {
		return err
	}
	a.names = strings.Split(names, ";")
	for i, name := range a.names {
		if name == "" || i > 0 && name <= a.names[i-1] {
			return errors.New("the part SignedHeaders are not sorted, or one is empty or comes twice")
		}
		for j := range len(name) {
			if c := name[j]; c == 0 || tokenBytes[c] != c {
				return errors.New("the part SignedHeaders has what is not the name of a header in lower case")
			}
		}
	}
	var err error
	a.signature, err = hex.DecodeString(signature)
	if err != nil || a.algorithm == algorithm && len(signature) != len(emptyHash) || len(signature) == 0 || len(signature) > 160 ||
		strings.ToLower(signature) != signature {
		return errors.New("the part Signature is not a signature in lower-case hexadecimal")
	}
	return nil
}

// parseTime reads X-Amz-Date, or Date in its place.
func (a *authorization) parseTime(date string, h http.Header) (err error) {
	if date == "" && h != nil {
		if date, err = single(h, "Date"); err != nil {
			return err
		}
		if a.at, err = http.ParseTime(date); err == nil {
			return nil
		}
	}
	if a.at, err = time.Parse(timeFormat, date); err != nil || len(date) != len(timeFormat) {
		return errors.New("the request has no X-Amz-Date of the form 20150830T123600Z")
	}
	return nil
}
