// Package redisstore keeps temporary credentials in Redis, so that a fleet assumes a role once for all its
// workers. What is kept is encrypted with a key that Redis does not have.
//
// It is a module of its own, so that only those who use it link a Redis client.
package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/redis/go-redis/v9"

	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/entry"
	"github.com/credchain/credchain/store/internal/flight"
	"github.com/credchain/credchain/store/internal/patience"
)

const (
	commandLimit = time.Second           // what Redis may take for a command before it counts as away
	lease        = 10 * time.Second      // of a lock; renewed while a fetch goes on
	leaseShare   = 3                     // of it go by between renewals
	firstPause   = 25 * time.Millisecond // between two looks at what another fetches
	mostPause    = time.Second
	leastTTL     = time.Second // also of what has expired by this machine's clock: for those who wait for it
)

// Store is a [store.Store] in Redis.
//
// Who fetches holds a lock with a lease of ten seconds, which is renewed meanwhile: if it dies, another takes over
// when the lease ends. One that lost its lease without knowing cannot overwrite what came later. One that keeps the
// lock is waited for, for half of the time that a caller has and for two minutes in all; then it counts as stuck, and
// is no longer waited for until somebody gets the lock again. If Redis is away, or takes more than a second for a
// command, the credentials are fetched as if there were no store.
// Credentials that are not temporary are not kept.
//
// A Store must not be copied.
type Store struct {
	client  redis.UniversalClient
	prefix  string
	sealer  *sealer
	note    func(string)
	flights flight.Group[aws.Credentials]
	locks   patience.Patience
}

// Config is what a [Store] needs.
type Config struct {
	// Client is the connection to Redis 5 or later. It remains the caller's to close.
	Client redis.UniversalClient

	// Keys seal and open the entries: the first one seals, all of them open. To change keys without a gap, add the
	// new one at the end everywhere, then put it first everywhere, then take the old one away a day and a half
	// later.
	Keys []SealingKey

	// Prefix begins the names of all that is kept. "" is "credchain:".
	Prefix string

	// Note is told what was odd, in a line without secrets, by any goroutine. Nil is nobody.
	Note func(line string)
}

// New returns a Store, or says which part of the Config is missing or wrong. It does not speak to Redis.
func New(c Config) (*Store, error) {
	if c.Client == nil {
		return nil, errors.New("redisstore: there is no client")
	}
	sealer, err := newSealer(c.Keys)
	if err != nil {
		return nil, err
	}
	if c.Prefix == "" {
		c.Prefix = "credchain:"
	}
	if c.Note == nil {
		c.Note = func(string) {}
	}
	return &Store{client: c.Client, prefix: c.Prefix, sealer: sealer, note: c.Note}, nil
}

// Through is as [store.Store] says.
func (s *Store) Through(ctx context.Context, key store.Key, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
	p := place{Store: s, key: key.String()}
	name := s.prefix + "{" + p.key + "}" // the braces put both into one slot of a cluster
	p.entry, p.lock = name+":entry", name+":lock"
	usable := func(c aws.Credentials) bool {
		return c.Expires.Round(0).After(time.Now().Round(0)) && (good == nil || good(c))
	}
	return s.flights.Do(ctx, p.key, flight.Work[aws.Credentials]{
		Have: func() (aws.Credentials, bool) { return aws.Credentials{}, false }, // Redis is asked once for all
		Good: usable,
		Do: func(ctx context.Context) (aws.Credentials, bool, error) {
			return p.through(ctx, usable, fetch)
		},
	})
}

// place is where an entry is kept.
type place struct {
	*Store
	key, entry, lock string
}

var errLate = fmt.Errorf("no answer within %v", commandLimit)

// do runs a command, for a limited time whatever the client's own limits are.
func do[T any](ctx context.Context, command func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, errLate)
	defer cancel()
	out := make(chan answer, 1)
	go func() {
		v, err := command(ctx)
		out <- answer{v, err}
	}()
	select {
	case a := <-out:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

func (p place) through(ctx context.Context, usable func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (c aws.Credentials, isNew bool, err error) {
	away := func(err error) (aws.Credentials, bool, error) {
		if ctx.Err() != nil {
			return aws.Credentials{}, false, ctx.Err()
		}
		p.note(fmt.Sprintf("redis: %v: credentials are fetched without it", err))
		c, err := fetch(ctx)
		return c, true, err
	}
	values, err := do(ctx, func(ctx context.Context) ([]any, error) { return p.client.HMGet(ctx, p.entry, "f", "d").Result() })
	if err != nil {
		return away(err)
	}
	seen, _ := values[0].(string)
	if data, _ := values[1].(string); data != "" {
		if c, ok := p.open(data); ok && usable(c) {
			return c, false, nil
		}
	}

	token := rand.Text()
	waiting, waited := p.locks.Wait(ctx, p.key)
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		state, err := do(ctx, func(ctx context.Context) ([]any, error) {
			return take.Run(ctx, p.client, []string{p.entry, p.lock}, seen, token, lease.Milliseconds()).Slice()
		})
		if err != nil {
			waited(false)
			return away(err)
		}
		switch word, _ := at(state, 0).(string); word {
		case "new": // what another brought meanwhile is as good as what this one would
			seen, _ = at(state, 1).(string)
			data, _ := at(state, 2).(string)
			if c, ok := p.open(data); ok {
				waited(true)
				return c, true, nil
			}
			pause = firstPause
			continue
		case "locked":
			waited(true)
			fence, _ := at(state, 1).(string)
			c, err := p.fetch(ctx, token, fence, fetch)
			return c, true, err
		}
		wait := pause/2 + mathrand.N(pause) // not all at once
		if left, ok := at(state, 1).(int64); ok && left > 0 {
			wait = min(wait, time.Duration(left)*time.Millisecond+mathrand.N(firstPause))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-waiting.Done():
			timer.Stop()
			waited(false)
			return away(context.Cause(waiting))
		}
	}
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// open returns the credentials in an entry.
func (p place) open(sealed string) (aws.Credentials, bool) {
	data, err := p.sealer.open(p.entry, []byte(sealed))
	if err == nil {
		var e entry.Entry
		if e, err = entry.Parse(data, p.key, false); err == nil {
			return e.Credentials, true
		}
	}
	p.note(fmt.Sprintf("redis: %s is ignored: %v", p.entry, err))
	return aws.Credentials{}, false
}

// fetch fetches while it holds the lock, which it gives up in any case.
func (p place) fetch(ctx context.Context, token, fence string, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
	stop := p.hold(ctx, token)
	settled := false
	defer func() { // even if fetch panics
		stop()
		if !settled {
			p.run(ctx, release, []string{p.lock}, token)
		}
	}()
	c, err := fetch(ctx)
	if err != nil || !entry.Keepable(c) {
		return c, err
	}
	stop()
	ttl := max(time.Until(c.Expires.Round(0)), leastTTL)
	wrote, ok := p.run(ctx, put, []string{p.entry, p.lock}, token, fence, p.sealer.seal(p.entry, entry.Write(p.key, c)), ttl.Milliseconds())
	settled = ok
	if ok && wrote == 0 {
		p.note("redis: " + p.entry + " was written by another process meanwhile: what this one fetched is not kept")
	}
	return c, nil
}

// hold renews the lease until it is stopped.
func (p place) hold(ctx context.Context, token string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lease / leaseShare)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			held, ok := p.run(ctx, extend, []string{p.lock}, token, strconv.FormatInt(lease.Milliseconds(), 10))
			if ok && held == 0 {
				p.note("redis: " + p.lock + " was lost: another process may fetch the same")
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// run runs a script that returns a number. Its failure is noted, unless ctx ended it.
func (p place) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (int64, bool) {
	detached := context.WithoutCancel(ctx) // what is to be given up is given up even if nobody waits any more
	n, err := do(detached, func(ctx context.Context) (int64, error) { return script.Run(ctx, p.client, keys, args...).Int64() })
	if err != nil {
		p.note(fmt.Sprintf("redis: %v", err))
	}
	return n, err == nil
}
