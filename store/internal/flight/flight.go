// Package flight does a thing once for all who want it at the same time.
package flight

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/credchain/credchain/internal/walk"
)

// Group has at most one call for a key under way. The zero Group is ready. It must not be copied.
type Group[T any] struct {
	mu    sync.Mutex
	calls map[string]*call[T]
}

// Work is what a call does, and what its callers expect of the answer.
type Work[T any] struct {
	// Have returns the value if it is at hand.
	Have func() (T, bool)

	// Good reports whether what another caller found will do for this one. It is not asked about what is new:
	// callers whom nothing satisfies must not queue up to fetch, one after the other.
	Good func(T) bool

	// Do brings the value, and says whether it is new or was lying somewhere.
	Do func(context.Context) (value T, isNew bool, err error)
}

type call[T any] struct {
	cancel     context.CancelFunc
	done       chan struct{}
	waiters    int  // when the last one leaves, nobody needs the answer
	left       bool // that has happened
	background bool // no person could be asked

	value T // the outcome: this,
	isNew bool
	err   error // or why there is none
}

var errAborted = errors.New("the fetch was aborted") // by runtime.Goexit

// Do returns the value that w.Have has, or what w.Do brings, in a goroutine of its own, for this caller or for
// another one. The context of w.Do has the values of ctx and ends when nobody waits any more. If that is why it
// failed, and somebody came later, it is tried again; and so it is for a caller who waits, if w.Do failed in the
// background, where no person is asked (see walk.Background). A panic of w.Do is an error. If ctx ends first, so does
// Do, with its error.
func (g *Group[T]) Do(ctx context.Context, key string, w Work[T]) (T, error) {
	var none T
	for {
		if v, ok := w.Have(); ok {
			return v, nil
		}
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		c, mine := g.join(ctx, key, w)
		select {
		case <-c.done:
		case <-ctx.Done():
		}
		switch ended, left := g.leave(c); {
		case !ended:
			return none, ctx.Err()
		case c.err != nil && (left || c.background && !walk.InBackground(ctx)):
			// It failed with nobody to wait for it, or to be asked, and now there is somebody: once more.
		case c.err != nil, mine, c.isNew, w.Good(c.value):
			return c.value, c.err
		}
	}
}

// join takes part in the call that is under way, or starts one.
func (g *Group[T]) join(ctx context.Context, key string, w Work[T]) (c *call[T], mine bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.calls[key]; c != nil {
		c.waiters++
		return c, false
	}
	c = &call[T]{done: make(chan struct{}), waiters: 1, background: walk.InBackground(ctx), err: errAborted}
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(walk.WithEnd(ctx)))
	if g.calls == nil {
		g.calls = map[string]*call[T]{}
	}
	g.calls[key] = c
	go g.run(ctx, key, c, w)
	return c, true
}

func (g *Group[T]) run(ctx context.Context, key string, c *call[T], w Work[T]) {
	defer func() { // even if w.Do never returns
		if v := recover(); v != nil {
			c.err = fmt.Errorf("the fetch panicked with a value of type %T", v)
		}
		c.cancel()
		g.mu.Lock()
		delete(g.calls, key)
		close(c.done)
		g.mu.Unlock()
	}()
	if v, ok := w.Have(); ok { // brought by a call that ended since the caller looked
		c.value, c.err = v, nil
		return
	}
	c.value, c.isNew, c.err = w.Do(ctx)
}

// leave takes a caller from c, and reports whether c has ended, and whether there was a time when nobody waited.
func (g *Group[T]) leave(c *call[T]) (ended, left bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.waiters--
	select {
	case <-c.done:
		return true, c.left
	default:
	}
	if c.waiters == 0 {
		c.left = true
		c.cancel()
	}
	return false, c.left
}
