package walk_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/walk"
)

func TestOnce(t *testing.T) {
	t.Parallel()
	a, b := new(int), new(int)
	count := func(n *int) func() int { return func() int { *n++; return *n } }

	require.Equal(t, 1, walk.Once(t.Context(), a, count(a)))
	require.Equal(t, 2, walk.Once(t.Context(), a, count(a)), "outside a walk nothing is remembered")

	ctx := walk.Start(t.Context())
	require.Equal(t, 3, walk.Once(ctx, a, count(a)))
	require.Equal(t, 3, walk.Once(ctx, a, count(a)))
	require.Equal(t, 1, walk.Once(ctx, b, count(b)), "another key is another value")
	inner, cancel := context.WithCancel(walk.Start(ctx))
	defer cancel()
	require.Equal(t, 3, walk.Once(inner, a, count(a)), "a walk in a walk sees what the outer one read")
	require.Equal(t, 4, walk.Once(walk.Start(t.Context()), a, count(a)), "another walk reads anew")
}

func TestOnceInsideOnce(t *testing.T) {
	t.Parallel()
	ctx := walk.Start(t.Context())
	got := walk.Once(ctx, "outer", func() int { return 1 + walk.Once(ctx, "inner", func() int { return 1 }) })
	require.Equal(t, 2, got)
}

func TestStartKeepsTheContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, 7))
	w := walk.Start(ctx)
	require.Equal(t, 7, w.Value(key{}))
	cancel()
	require.ErrorIs(t, w.Err(), context.Canceled)
}

func TestBackground(t *testing.T) {
	t.Parallel()
	require.False(t, walk.InBackground(t.Context()))
	ctx := walk.Background(t.Context())
	require.True(t, walk.InBackground(ctx))
	inner, cancel := context.WithCancel(context.WithoutCancel(walk.Start(ctx)))
	defer cancel()
	require.True(t, walk.InBackground(inner), "what a link builds on the context of the walk keeps the mark")
	require.False(t, walk.InBackground(walk.Start(t.Context())))
}
