// Package keyringstore keeps temporary credentials in the keyring of the desktop: the macOS Keychain, the Windows
// Credential Manager, the Secret Service of GNOME and KDE, and what else github.com/99designs/keyring knows.
//
// It is a module of its own, so that only those who use it link a keyring library.
package keyringstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/keyring"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/safefile"
	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/entry"
	"github.com/credchain/credchain/store/internal/flight"
	"github.com/credchain/credchain/store/internal/patience"
)

const (
	itemPrefix = "credchain-" // of the names of items

	ringLimit = time.Minute    // for one operation: a person may have to unlock the keyring
	sweepAge  = 48 * time.Hour // of an item without a new session: the longest session ends after 36 hours
)

// Store is a [store.Store] in a keyring, for the processes of a user. Each entry is an item of its own. A lock on
// a file, which is free at once when its holder dies, sees to it that one process fetches for all. If the
// keyring is away, locked, full or refuses an item (the Windows Credential Manager takes 2560 bytes at most),
// the credentials are fetched as if there were no store. One that hangs costs a minute at most: it is not used again
// before it has answered. Credentials that are not temporary are not kept.
//
// A Store must not be copied.
type Store struct {
	ring    keyring.Keyring
	turn    chan struct{} // keyrings are not made for several goroutines
	lockDir string
	note    func(string)
	flights flight.Group[aws.Credentials]
	locks   patience.Patience
	swept   atomic.Bool

	mu    sync.Mutex
	begun time.Time // when the operation under way began; zero if there is none
	told  bool      // that it hangs
}

// Config is what a [Store] needs.
type Config struct {
	// Ring is the keyring, as keyring.Open returns it. One opened with several AllowedBackends is the first that
	// could be opened, not the first that works: a Secret Service that is not there is noticed at the first use.
	Ring keyring.Keyring

	// LockDir is the directory of the lock files, which hold nothing. "" is credchain/locks in the user's
	// directory for caches. All who share the keyring must agree on it.
	LockDir string

	// Note is told what was odd, in a line without secrets, by any goroutine. Nil is nobody.
	Note func(line string)
}

// New returns a Store, or says what is missing. It does not use the keyring yet.
func New(c Config) (*Store, error) {
	if c.Ring == nil {
		return nil, errors.New("keyringstore: there is no keyring")
	}
	if c.Note == nil {
		c.Note = func(string) {}
	}
	if c.LockDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("keyringstore: no directory for lock files: %w", err)
		}
		c.LockDir = filepath.Join(dir, "credchain", "locks")
	}
	return &Store{ring: c.Ring, turn: make(chan struct{}, 1), lockDir: c.LockDir, note: c.Note}, nil
}

// Through is as [store.Store] says.
func (s *Store) Through(ctx context.Context, key store.Key, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
	p := place{Store: s, key: key.String(), label: strings.TrimSpace("AWS credentials " + key.Operation + " " + key.RoleARN)}
	usable := func(c aws.Credentials) bool {
		return lasts(c) && (good == nil || good(c))
	}
	return s.flights.Do(ctx, p.key, flight.Work[aws.Credentials]{
		Have: func() (aws.Credentials, bool) { return aws.Credentials{}, false }, // the keyring is asked once for all
		Good: usable,
		Do: func(ctx context.Context) (aws.Credentials, bool, error) {
			return p.through(ctx, usable, fetch)
		},
	})
}

// lasts reports whether credentials have not expired.
func lasts(c aws.Credentials) bool { return c.Expires.Round(0).After(time.Now().Round(0)) }

// place is where an entry is kept.
type place struct {
	*Store
	key, label string
}

const (
	without = "credentials are fetched without it"
	notKept = "the credentials are not kept"
)

func (p place) through(ctx context.Context, usable func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (c aws.Credentials, isNew bool, err error) {
	seen, there, ringErr := p.read(ctx)
	switch {
	case there && usable(seen):
		return seen, false, nil
	case ctx.Err() != nil:
		return c, false, ctx.Err()
	case errors.Is(ringErr, errLate):
		p.odd(ringErr, without)
		c, err := fetch(ctx)
		return c, true, err
	}
	// Of another error nobody knows yet: a process may be writing the item just now. Who has the lock sees.
	looked := ringErr == nil
	waiting, waited := p.locks.Wait(ctx, p.key)
	held := false
	lockErr := safefile.Update(waiting, filepath.Join(p.lockDir, p.key), true, func([]byte) ([]byte, error) {
		waited(true)
		held = true
		c, isNew, err = p.locked(ctx, looked, seen, usable, fetch)
		return nil, nil // there is no file but the lock
	})
	if !held {
		waited(false)
		if ctx.Err() != nil {
			return c, false, ctx.Err()
		}
		c, isNew, err = p.locked(ctx, looked, seen, usable, fetch)
	}
	if lockErr != nil {
		p.note(fmt.Sprintf("keyring: %v", lockErr))
	}
	if errors.Is(err, errAway) { // so nobody's fetch is of use to others, who must not wait for it
		c, err = fetch(ctx)
		isNew = true
	}
	return c, isNew, err
}

// errAway says that the keyring gave no answer to whoever had the lock.
var errAway = errors.New("the keyring is away")

// locked fetches, unless another process has done so since the entry was seen, if it could be looked at.
func (p place) locked(ctx context.Context, looked bool, seen aws.Credentials, usable func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, bool, error) {
	now, there, ringErr := p.read(ctx)
	switch {
	case ringErr != nil && ctx.Err() != nil:
		return aws.Credentials{}, false, ctx.Err()
	case ringErr != nil:
		p.odd(ringErr, without)
		return aws.Credentials{}, false, errAway
	case there && looked && now != seen && lasts(now): // it is as good as what this fetch would bring
		return now, true, nil
	case there && usable(now):
		return now, false, nil
	}
	c, err := fetch(ctx)
	if err != nil || !entry.Keepable(c) {
		return c, true, err
	}
	item := keyring.Item{Key: itemPrefix + p.key, Data: entry.Write(p.key, c), Label: p.label, Description: "temporary AWS credentials"}
	_, ringErr = use(ctx, p.Store, func() (struct{}, error) { return struct{}{}, p.ring.Set(item) })
	switch {
	case ringErr != nil:
		p.odd(ringErr, notKept)
	case p.swept.CompareAndSwap(false, true):
		p.sweep(ctx)
	}
	return c, true, nil
}

// read returns what is kept. An error is one of the keyring, not of an item, which is ignored if it is none.
func (p place) read(ctx context.Context) (c aws.Credentials, there bool, err error) {
	item, err := use(ctx, p.Store, func() (keyring.Item, error) { return p.ring.Get(itemPrefix + p.key) })
	switch {
	case errors.Is(err, keyring.ErrKeyNotFound):
		return c, false, nil
	case err != nil:
		return c, false, err
	}
	e, err := entry.Parse(item.Data, p.key, false)
	if err != nil {
		p.note(fmt.Sprintf("keyring: the item %s is ignored: %v", itemPrefix+p.key, err))
		return c, false, nil
	}
	return e.Credentials, true, nil
}

// sweep removes items that nobody has written for so long that their credentials have expired. It reads none,
// because a keyring may ask a person for each.
func (s *Store) sweep(ctx context.Context) {
	names, err := use(ctx, s, s.ring.Keys)
	if err != nil {
		return
	}
	for _, name := range names {
		key, found := strings.CutPrefix(name, itemPrefix)
		if !found || len(key) != 64 || strings.Trim(key, "0123456789abcdef") != "" {
			continue
		}
		_, err := use(ctx, s, func() (struct{}, error) {
			m, err := s.ring.GetMetadata(name)
			if err == nil && !m.ModificationTime.IsZero() && time.Since(m.ModificationTime) > sweepAge {
				err = s.ring.Remove(name)
			}
			return struct{}{}, err
		})
		if err != nil && !errors.Is(err, keyring.ErrKeyNotFound) { // most keyrings have no such metadata
			return
		}
	}
}
