package safefile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// The pauses between two looks at a lock that another writer holds. Most hold it for a few milliseconds, some
// for a network call.
const (
	firstPause = 2 * time.Millisecond
	mostPause  = 20 * time.Millisecond
)

// errHeld says that another writer holds the lock.
var errHeld = errors.New("another process holds the lock")

// lock takes the lock of a file of that name, and waits for it until ctx ends.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		f, err := tryLock(name)
		if err == nil {
			return func() { release(f) }, nil
		}
		if !errors.Is(err, errHeld) {
			return nil, err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause)) // not all waiters at once
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		if ctx.Err() != nil { // even if both were ready
			return nil, fmt.Errorf("%w on %s: %w", errHeld, name, context.Cause(ctx))
		}
	}
}

// tryLock opens the lock file and locks it. Where a link leads is no business of a lock.
func tryLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|openNonblock|openNoFollow, newMode)
	if err != nil {
		if isLink(err) {
			err = fmt.Errorf("the lock file %s is a symbolic link", name)
		}
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
