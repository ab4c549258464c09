package awstest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/awstest"
)

func TestScript(t *testing.T) {
	t.Parallel()
	failure := errors.New("down")
	creds := awstest.LongTerm("app")
	p := awstest.Script(
		awstest.NotConfigured("no variable"),
		awstest.Result{Err: failure},
		awstest.Result{Panic: "oops"},
		awstest.Result{Credentials: creds},
	)
	var _ credchain.Provider = p
	require.Zero(t, p.Calls())

	_, err := p.Retrieve(t.Context())
	require.ErrorIs(t, err, credchain.ErrNotConfigured)
	require.ErrorContains(t, err, "no variable")
	_, err = p.Retrieve(t.Context())
	require.ErrorIs(t, err, failure)
	require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	require.PanicsWithValue(t, "oops", func() { _, _ = p.Retrieve(t.Context()) })
	for range 3 {
		got, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, creds, got)
	}
	require.Equal(t, 6, p.Calls())

	_, err = awstest.Script().Retrieve(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, credchain.ErrNotConfigured)
}

func TestScriptTakesTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := awstest.Script(awstest.Result{Delay: time.Minute, Credentials: awstest.LongTerm("app")})
		start := time.Now()
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := p.Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, got)
		require.Equal(t, time.Minute+time.Second, time.Since(start))
		require.Equal(t, 2, p.Calls())

		_, err = awstest.Script(awstest.Result{Credentials: awstest.LongTerm("app")}).Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded) // without a delay as well
	})
}
