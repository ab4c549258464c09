package providers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/sts"
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
	served map[string]served // by access key ID
}

// served is what is known of credentials that came out of what is shared.
type served struct {
	kept    bool // they lay there: a fetch may bring better ones
	refused bool // they must not come out again
}

const maxServed = 200

// through returns the credentials for a key that others have fetched, or fetches them. Only what is kept for other
// processes too goes to the program's store; the rest stays in memory.
func (v *services) through(ctx context.Context, key store.Key, forOthers bool, fetch func(context.Context) (aws.Credentials, error)) (creds aws.Credentials, err error) {
	if v == nil || v.sharing.off {
		return fetch(ctx)
	}
	var shared store.Store = &registry
	switch {
	case v.sharing.store != nil && forOthers:
		shared = v.sharing.store
	case !v.inRegistry():
		return fetch(ctx)
	}
	var fetched atomic.Bool
	creds, err = shared.Through(ctx, key, v.sharing.good, func(ctx context.Context) (aws.Credentials, error) {
		fetched.Store(true)
		return fetch(ctx)
	})
	if err == nil {
		v.sharing.note(creds, served{kept: !fetched.Load()})
	}
	return creds, err
}

// inRegistry reports whether this chain has a part in the registry.
func (v *services) inRegistry() bool {
	return v != nil && !v.sharing.off && v.active.sys.real()
}

// good reports whether kept credentials will do for this chain. Those that do not expire would never be fetched
// again.
func (s *sharing) good(c aws.Credentials) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.served[c.AccessKeyID].refused && c.CanExpire && time.Until(c.Expires.Round(0)) > keepable
}

// note remembers credentials that came out, or that were refused. What was refused once stays so.
func (s *sharing) note(c aws.Credentials, now served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served == nil || len(s.served) >= maxServed {
		s.served = make(map[string]served)
	}
	now.refused = now.refused || s.served[c.AccessKeyID].refused
	s.served[c.AccessKeyID] = now
}

// wasKept reports whether the credentials were not fetched for this chain, but lay there.
func (s *sharing) wasKept(c aws.Credentials) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served[c.AccessKeyID].kept
}

// reject makes sure that credentials which a service refused come out neither here nor of a chain that is built later.
func (v *services) reject(c aws.Credentials) {
	if v == nil {
		return
	}
	v.sharing.note(c, served{refused: true})
	if v.inRegistry() {
		registry.DeleteFunc(func(kept aws.Credentials) bool {
			return kept.AccessKeyID == c.AccessKeyID && kept.SessionToken == c.SessionToken
		})
	}
}

// forget does the same for all that came out up to now.
func (v *services) forget() {
	if v == nil {
		return
	}
	s := &v.sharing
	s.mu.Lock()
	ids := make(map[string]bool)
	for id, was := range s.served {
		was.refused, ids[id] = true, true
		s.served[id] = was
	}
	s.mu.Unlock()
	if v.inRegistry() {
		registry.DeleteFunc(func(kept aws.Credentials) bool { return ids[kept.AccessKeyID] })
	}
}

// refusedKeys reports whether STS refused a call for the keys that signed it, so that others may do.
func refusedKeys(err error) bool {
	var refused *sts.Error
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Code {
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId":
		return true
	}
	return false
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
