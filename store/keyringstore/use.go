package keyringstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/credchain/credchain/store/internal/patience"
)

// errLate is in the error of whoever did not wait any longer for the keyring.
var errLate = errors.New("the keyring did not answer")

func late(limit time.Duration) error {
	return fmt.Errorf("%w within %v", errLate, limit.Round(time.Millisecond))
}

// use does one thing with the keyring, for a limited time: what it asks hangs at times, and cannot be told to end.
func use[T any](ctx context.Context, s *Store, do func() (T, error)) (v T, err error) {
	limit := patience.Share(ctx, ringLimit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late(limit))
	defer cancel()
	if err := s.take(ctx); err != nil {
		return v, err
	}
	type answer struct {
		value T
		err   error
	}
	out := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("the keyring library panicked")}
		defer func() {
			_ = recover()
			s.give()
			out <- a
		}()
		a.value, a.err = do()
	}()
	select {
	case a := <-out:
		return a.value, a.err
	case <-ctx.Done():
		return v, context.Cause(ctx)
	}
}

// take waits for the turn to use the keyring. An operation that hangs is not waited for: the keyring is away then.
func (s *Store) take(ctx context.Context) error {
	for {
		timer := time.NewTimer(s.left())
		select {
		case s.turn <- struct{}{}:
			timer.Stop()
			s.mu.Lock()
			s.begun = time.Now()
			s.mu.Unlock()
			return nil
		case <-timer.C:
			if s.left() <= 0 { // else it was the time of an operation that has ended
				return late(ringLimit)
			}
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// left is how long the operation under way may still take before it counts as one that hangs.
func (s *Store) left() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun.IsZero() {
		return ringLimit
	}
	return ringLimit - time.Since(s.begun)
}

// give ends an operation.
func (s *Store) give() {
	s.mu.Lock()
	told := s.told
	s.begun, s.told = time.Time{}, false
	s.mu.Unlock()
	<-s.turn
	if told {
		s.note("keyring: the keyring answers again")
	}
}

// odd notes what is wrong with the keyring. That it hangs is noted once.
func (s *Store) odd(err error, so string) {
	if errors.Is(err, errLate) {
		s.mu.Lock()
		told := s.told
		s.told = !s.begun.IsZero()
		s.mu.Unlock()
		if told {
			return
		}
	}
	s.note(fmt.Sprintf("keyring: %v: %s", err, so))
}
