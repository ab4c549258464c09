// Package walk lets the links of one walk share what they read, so that seven links that ask about one
// profile read its file once and all see the same bytes.
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
