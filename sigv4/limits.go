package sigv4

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// The limits that AWS documents. S3: "Best practices design patterns" in the S3 User Guide, for each prefix of a bucket.
const (
	s3Reads      = 5500 // GET and HEAD
	s3Writes     = 3500 // PUT, COPY, POST and DELETE
	ec2Describes = 100
	burstShare   = 100 // of a second's requests are sent at once, so that no second has 1 % more
	maxPaces     = 1024
	maxForm      = 64 << 10 // bytes of a form that are read to find its Action
)

// S3Limits returns a [Transport]'s Limiter for S3: 5,500 GET and HEAD requests and 3,500 others a second for each prefix,
// which is the path up to its last slash, or for a listing its prefix up to there. S3 starts a new prefix with less, and
// then answers SlowDown: each prefix has a [Pace].
func S3Limits() func(*http.Request) Limiter {
	var reads, writes paces
	reads.perSecond, writes.perSecond = s3Reads, s3Writes
	return func(r *http.Request) Limiter {
		path := r.URL.EscapedPath()
		if prefix := r.URL.Query().Get("prefix"); prefix != "" {
			path = strings.TrimSuffix(path, "/") + "/" + prefix
		}
		key := strings.ToLower(r.URL.Host) + path[:strings.LastIndexByte(path, '/')+1]
		switch r.Method {
		case http.MethodGet, http.MethodHead, "":
			return reads.get(key)
		}
		return writes.get(key)
	}
}

// EC2Limits returns a [Transport]'s Limiter for EC2: 100 DescribeInstances a second for each host, and for every other
// action a [Pace] with no limit until EC2 throttles it.
func EC2Limits() func(*http.Request) Limiter {
	var describe, others paces
	describe.perSecond = ec2Describes
	return func(r *http.Request) Limiter {
		action, host := actionOf(r), strings.ToLower(r.URL.Host)
		if action == "DescribeInstances" {
			return describe.get(host)
		}
		return others.get(host + " " + action)
	}
}

// AdaptiveLimits returns a [Transport]'s Limiter for every service: a [Pace] for each host, with no limit until the service
// throttles.
func AdaptiveLimits() func(*http.Request) Limiter {
	var hosts paces
	return func(r *http.Request) Limiter { return hosts.get(strings.ToLower(r.URL.Host)) }
}

// actionOf is the action of a request of the query protocol, from the query or the form.
func actionOf(r *http.Request) string {
	if action := r.URL.Query().Get("Action"); action != "" {
		return action
	}
	if r.GetBody == nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return ""
	}
	body, err := r.GetBody()
	if err != nil {
		return ""
	}
	defer body.Close()
	form, err := io.ReadAll(io.LimitReader(body, maxForm))
	if err != nil {
		return ""
	}
	values, _ := url.ParseQuery(string(form)) // what can be read is enough
	return values.Get("Action")
}

// paces has a Pace for each key, a bounded number of them.
type paces struct {
	perSecond float64
	mu        sync.Mutex
	all       map[string]*Pace
}

func (s *paces) get(key string) *Pace {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.all[key]; p != nil {
		return p
	}
	if s.all == nil {
		s.all = make(map[string]*Pace)
	}
	for other := range s.all { // the order of a map is random
		if len(s.all) < maxPaces {
			break
		}
		delete(s.all, other)
	}
	p := &Pace{PerSecond: s.perSecond, Burst: int(s.perSecond) / burstShare}
	s.all[key] = p
	return p
}
