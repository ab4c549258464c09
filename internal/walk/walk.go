// Package walk is what a chain tells its links through the context of a walk: what the links before them have
// read, so that seven links that ask about one profile read its file once and all see the same bytes; and
// whether anybody waits for the walk.
package walk

import (
	"context"
	"sync"
)

// memo is both the context of a walk and its memory: one allocation does for both.
type memo struct {
	context.Context
	mu    sync.Mutex
	cells map[any]*cell
}

// cell has a lock of its own, so that f may itself call Once.
type cell struct {
	once  sync.Once
	value any
}

type memoKey struct{}

func (m *memo) Value(key any) any {
	if _, ok := key.(memoKey); ok {
		return m
	}
	return m.Context.Value(key)
}

// Start returns a context for one walk. A walk inside another, as of a chain that is a link of a chain,
// shares the outer one's memory.
func Start(ctx context.Context) context.Context {
	if _, ok := ctx.Value(memoKey{}).(*memo); ok {
		return ctx
	}
	return &memo{Context: ctx}
}

// Started reports whether ctx is that of a walk: whoever is asked with it is a link.
func Started(ctx context.Context) bool {
	_, ok := ctx.Value(memoKey{}).(*memo)
	return ok
}

// Once returns what f returns, and for the rest of the walk the same value for the same key. Outside a walk
// it is a plain call of f. The key must be comparable and is best a pointer that nobody else has.
func Once[V any](ctx context.Context, key any, f func() V) V {
	m, ok := ctx.Value(memoKey{}).(*memo)
	if !ok {
		return f()
	}
	m.mu.Lock()
	c := m.cells[key]
	if c == nil {
		if m.cells == nil {
			m.cells = make(map[any]*cell)
		}
		c = new(cell)
		m.cells[key] = c
	}
	m.mu.Unlock()
	c.once.Do(func() { c.value = f() })
	return c.value.(V)
}

type backgroundKey struct{}

// Background marks ctx as that of an early renewal for which nobody waits. A link must not ask a person then:
// a prompt that comes up out of nothing is answered by nobody, or by the wrong hands. It fails instead, and is
// asked again without the mark when callers do wait. The end of a caller is forgotten, see WithEnd.
func Background(ctx context.Context) context.Context {
	return context.WithValue(context.WithValue(ctx, backgroundKey{}, true), endKey{}, nil)
}

// InBackground reports whether ctx has the mark of Background.
func InBackground(ctx context.Context) bool {
	return ctx.Value(backgroundKey{}) != nil
}
