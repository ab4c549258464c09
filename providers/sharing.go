package providers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/store"
)

// registry keeps in memory what the chains of this process have fetched, so that a program which builds a chain for
// every request does not ask for every request. It is keyed by all that changes authority, and bounded. It is for
// the real machine alone: chains with seams of their own share nothing, and Config.NoSharing turns it off. This is
// the package's one variable; there is no other way to know what another chain has fetched.
var registry store.Memory

// keepable is how much longer credentials must last to be taken from a store: a chain renews them when less is left.
const keepable = 5 * time.Minute

// sharing is what the links of one chain share with other chains and processes.
type sharing struct {
	store store.Store // of the program; nil if it gave none
	off   bool        // share nothing

	mu     sync.Mutex
	served map[string]bool // access key IDs that came out; true for those that must not again
}

const maxServed = 200

// through returns the credentials for a key that others have fetched, or fetches them. Only what is kept for other
// processes too goes to the program's store; the rest stays in memory.
func (v *services) through(ctx context.Context, key store.Key, forOthers bool, fetch func(context.Context) (aws.Credentials, error)) (creds aws.Credentials, err error) {
	if v == nil || v.sharing.off {
		return fetch(ctx)
	}
	s := &v.sharing
	switch {
	case s.store != nil && forOthers:
		creds, err = s.store.Through(ctx, key, s.good, fetch)
	case v.active.sys.real():
		creds, err = registry.Through(ctx, key, s.good, fetch)
	default:
		return fetch(ctx)
	}
	if err == nil {
		s.note(creds, false)
	}
	return creds, err
}

// good reports whether kept credentials will do for this chain. Those that do not expire would never be fetched
// again.
func (s *sharing) good(c aws.Credentials) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.served[c.AccessKeyID] && c.CanExpire && time.Until(c.Expires.Round(0)) > keepable
}

// note remembers credentials that came out, or that were refused.
func (s *sharing) note(c aws.Credentials, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served == nil || len(s.served) >= maxServed {
		s.served = make(map[string]bool)
	}
	s.served[c.AccessKeyID] = refused || s.served[c.AccessKeyID]
}

// has reports whether the credentials came out of what is shared.
func (s *sharing) has(c aws.Credentials) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.served[c.AccessKeyID]
	return ok
}

// reject makes sure that credentials which a service refused do not come out again.
func (v *services) reject(c aws.Credentials) {
	if v == nil {
		return
	}
	v.sharing.note(c, true)
	if v.active.sys.real() {
		registry.Forget() // or the next chain would get them from there
	}
}

// forget makes sure that nothing which came out comes out again.
func (v *services) forget() {
	if v == nil {
		return
	}
	s := &v.sharing
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.served {
		s.served[id] = true
	}
}

// Reject and Invalidate are as credchain.Provider has them.
func (l *profileLink) Reject(c aws.Credentials) { l.shared.services.reject(c) }
func (l *profileLink) Invalidate()              { l.shared.services.forget() }

// callerOf stands for whoever signs: it tells the right secret from a wrong one, and shows neither.
func callerOf(c aws.Credentials) string {
	return c.AccessKeyID + " " + hash(c.SecretAccessKey+" "+c.SessionToken)
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
