package credchain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// link is a scripted provider without the optional interfaces.
type link struct {
	creds aws.Credentials
	err   error
	takes time.Duration
	life  time.Duration // 0: the credentials do not expire
	panic any
	calls atomic.Int32
}

func (l *link) Retrieve(ctx context.Context) (aws.Credentials, error) {
	l.calls.Add(1)
	if l.panic != nil {
		panic(l.panic)
	}
	select {
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	case <-time.After(l.takes):
	}
	creds := l.creds
	if l.life > 0 && l.err == nil {
		creds.CanExpire, creds.Expires = true, time.Now().Add(l.life)
	}
	return creds, l.err
}

const secret = "canary/secret+access+key"

func keys(id string) aws.Credentials {
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
}

func skips() *link { return &link{err: fmt.Errorf("nothing here: %w", credchain.ErrNotConfigured)} }

func TestFirstConfiguredWins(t *testing.T) {
	t.Parallel()
	broken := errors.New("file is unreadable")
	tests := []struct {
		name      string
		links     []*link
		want      string
		wantErr   error
		wantCalls []int32
	}{
		{"only one", []*link{{creds: keys("A")}}, "A", nil, []int32{1}},
		{"first of two", []*link{{creds: keys("A")}, {creds: keys("B")}}, "A", nil, []int32{1, 0}},
		{"absent means next", []*link{skips(), skips(), {creds: keys("C")}}, "C", nil, []int32{1, 1, 1}},
		{"present means final", []*link{skips(), {err: broken}, {creds: keys("C")}}, "", broken, []int32{1, 1, 0}},
		{"nothing", []*link{skips(), skips()}, "", credchain.ErrNotConfigured, []int32{1, 1}},
		{"no links", nil, "", credchain.ErrNotConfigured, nil},
		{"empty credentials are no credentials", []*link{{}, {creds: keys("B")}}, "", nil, []int32{1, 0}},
		{"half a key is no credentials", []*link{{creds: aws.Credentials{AccessKeyID: "A"}}, {creds: keys("B")}}, "", nil, []int32{1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := credchain.New()
			for _, l := range tt.links {
				c.Providers = append(c.Providers, l)
			}
			got, err := c.Retrieve(t.Context())
			if tt.want != "" {
				require.NoError(t, err)
				require.Equal(t, keys(tt.want), got)
			} else {
				require.Error(t, err)
				require.Equal(t, aws.Credentials{}, got)
				if tt.wantErr != nil {
					require.ErrorIs(t, err, tt.wantErr)
				}
				require.Equal(t, tt.wantErr == credchain.ErrNotConfigured, errors.Is(err, credchain.ErrNotConfigured))
				var e *credchain.Error
				require.ErrorAs(t, err, &e)
			}
			for i, l := range tt.links {
				require.Equal(t, tt.wantCalls[i], l.calls.Load(), "calls of link %d", i)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	remedied := &remedy{errors.New("the SSO session expired"), "run aws sso login"}
	tests := []struct {
		name  string
		chain *credchain.Chain
		want  string
	}{
		{"failure", credchain.New(credchain.Named("one", skips()), credchain.Named("two", &link{err: remedied})),
			"credchain: two: the SSO session expired; run aws sso login"},
		{"nothing", credchain.New(credchain.Named("one", skips()), credchain.Named("two", skips())),
			"credchain: no credentials are configured; looked at one, two (nothing here); configure one of them"},
		{"no links", credchain.New(), "credchain: the chain has no providers: not configured"},
		{"unnamed", credchain.New(&link{err: errors.New("down")}), "credchain: credchain_test.link: down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.chain.Retrieve(t.Context())
			require.EqualError(t, err, tt.want)
			var e *credchain.Error
			require.ErrorAs(t, err, &e)
			if strings.Contains(tt.want, remedied.advice) {
				require.Equal(t, remedied.advice, e.Remedy())
			} else {
				require.Empty(t, e.Remedy())
			}
		})
	}
}

type remedy struct {
	error
	advice string
}

func (r *remedy) Remedy() string { return r.advice }

func TestNestedChains(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	inner := func(err error) *credchain.Chain { return credchain.New(skips(), &link{creds: keys("IN"), err: err}) }

	t.Run("an exhausted inner chain is absent", func(t *testing.T) {
		t.Parallel()
		got, err := credchain.New(credchain.New(skips()), &link{creds: keys("OUT")}).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "OUT", got.AccessKeyID)
	})
	t.Run("a failed inner chain is final", func(t *testing.T) {
		t.Parallel()
		_, err := credchain.New(inner(down), &link{creds: keys("OUT")}).Retrieve(t.Context())
		require.ErrorIs(t, err, down)
		require.NotErrorIs(t, err, credchain.ErrNotConfigured, "though a link of the inner chain was not configured")
	})
	t.Run("an inner chain wins", func(t *testing.T) {
		t.Parallel()
		got, err := credchain.New(inner(nil), &link{creds: keys("OUT")}).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "IN", got.AccessKeyID)
	})
}

func TestSingleFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &link{creds: keys("A"), takes: time.Second, life: time.Hour}
		c := credchain.New(skips(), l)
		leader, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 20 {
			ctx := t.Context()
			if i == 0 {
				ctx = leader
			}
			wg.Go(func() {
				_, err := c.Retrieve(ctx)
				switch {
				case i == 0 && !errors.Is(err, context.Canceled):
					t.Errorf("the caller that left got %v", err)
				case i == 0 && errors.Is(err, credchain.ErrNotConfigured):
					t.Error("leaving looks like nothing configured")
				case i > 0 && err != nil:
					t.Errorf("caller %d: %v", i, err)
				}
			})
			synctest.Wait() // caller 0 starts the walk
		}
		leave()
		wg.Wait()
		require.EqualValues(t, 1, l.calls.Load())
	})
}

func TestWinnerIsSticky(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := skips()
		second := &link{creds: keys("B"), life: time.Hour}
		c := credchain.New(first, second)
		retrieve := func() (string, error) {
			creds, err := c.Retrieve(t.Context())
			return creds.AccessKeyID, err
		}
		got, err := retrieve()
		require.NoError(t, err)
		require.Equal(t, "B", got)

		first.err, first.creds = nil, keys("A") // somebody exports a key
		time.Sleep(2 * time.Hour)
		got, err = retrieve()
		require.NoError(t, err)
		require.Equal(t, "B", got, "a renewal must not change the identity")
		require.EqualValues(t, 1, first.calls.Load())

		second.err = fmt.Errorf("gone: %w", credchain.ErrNotConfigured)
		time.Sleep(2 * time.Hour)
		_, err = retrieve()
		require.ErrorContains(t, err, "gone", "a winner that vanishes is an error, not a new choice")
		require.NotErrorIs(t, err, credchain.ErrNotConfigured, "nobody knows what else is configured")
		require.EqualValues(t, 1, first.calls.Load())

		c.Invalidate()
		got, err = retrieve()
		require.NoError(t, err)
		require.Equal(t, "A", got)
	})
}

func TestPanicIsAnErrorWithoutItsValue(t *testing.T) {
	t.Parallel()
	for _, ctx := range []context.Context{context.Background(), t.Context()} {
		_, err := credchain.New(&link{panic: secret}, &link{creds: keys("B")}).Retrieve(ctx)
		require.ErrorContains(t, err, "panicked")
		require.NotContains(t, err.Error(), secret)
		require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	}
}

func TestZeroChain(t *testing.T) {
	t.Parallel()
	var c credchain.Chain
	_, err := c.Retrieve(t.Context())
	require.ErrorIs(t, err, credchain.ErrNotConfigured)
	require.Empty(t, c.Explain(t.Context()).Attempts)
}
