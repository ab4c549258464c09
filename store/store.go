// Package store keeps temporary credentials, so that a role is assumed once for all who need it and not once by
// each of them: [Memory] for the goroutines of a process, [FileStore] for the processes of a machine. Modules of
// their own, so that nobody else links what they need, hold keyringstore, for the keyrings of desktop systems, and
// redisstore, for a fleet.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Store keeps temporary credentials for others: goroutines, processes or machines.
type Store interface {
	// Through returns the credentials that are kept under key, if they have not expired and good says that they
	// will do; else what fetch returns, which it keeps. A nil good is content with all. At most one fetch for a
	// key runs at a time among all who share the store; the others wait for it, each as long as its ctx, whose
	// error they return. What that fetch brings is their answer as well, and good is not asked about it, so that
	// callers whom nothing satisfies do not queue up to fetch, one after the other.
	//
	// The context of fetch has the values of ctx, but ends only when nobody waits for the answer any more. An
	// error of fetch is returned as it is, to all who waited for it, and nothing is kept then; a panic becomes an
	// error. If the store itself fails, fetch is called all the same: a cache never stands in the way of
	// credentials.
	Through(ctx context.Context, key Key, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error)
}

// Key has every input that changes the authority of credentials. Two keys that differ in anything share nothing.
// It holds no secret: what the caller signs with is named in Caller, not shown.
type Key struct {
	// Operation is the name of the STS operation, such as AssumeRole.
	Operation string

	// Caller says who asks, in a form that stays the same from one session of the caller to the next.
	Caller string

	// Service is the endpoint or the region that is asked.
	Service string

	// The inputs of the operations. "" is for those that are not given.
	RoleARN, SessionName, ExternalID, SourceIdentity, Policy, SerialNumber string

	// The order of these does not matter.
	PolicyARNs        []string
	Tags              [][2]string // name and value
	TransitiveTagKeys []string

	// Duration is what is asked for; 0 leaves it to the service.
	Duration time.Duration
}

// String returns 64 hexadecimal digits, which are the same for two keys only if they ask for the same: the
// SHA-256 of everything in k.
func (k Key) String() string {
	h := sha256.New()
	add := func(values ...string) { // with their lengths, so that no two lists look alike
		fmt.Fprintf(h, "%d\n", len(values))
		for _, v := range values {
			fmt.Fprintf(h, "%d:%s\n", len(v), v)
		}
	}
	add("credchain store key 1", k.Operation, k.Caller, k.Service, k.RoleARN, k.SessionName, k.ExternalID,
		k.SourceIdentity, k.Policy, k.SerialNumber, fmt.Sprint(int64(k.Duration)))
	add(slices.Sorted(slices.Values(k.PolicyARNs))...)
	tags := slices.Clone(k.Tags)
	slices.SortFunc(tags, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, tag := range tags {
		add(tag[:]...)
	}
	add(slices.Sorted(slices.Values(k.TransitiveTagKeys))...)
	return hex.EncodeToString(h.Sum(nil))
}

// usable reports whether kept credentials may be handed out.
func usable(c aws.Credentials, now time.Time, good func(aws.Credentials) bool) bool {
	return strings.TrimSpace(c.AccessKeyID) != "" && (!c.CanExpire || c.Expires.Round(0).After(now.Round(0))) && (good == nil || good(c))
}
