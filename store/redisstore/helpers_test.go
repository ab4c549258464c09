package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/contract"
	"github.com/credchain/credchain/store/redisstore"
)

var (
	first  = redisstore.SealingKey{ID: "2026-01", Secret: bytes.Repeat([]byte("1"), 32)}
	second = redisstore.SealingKey{ID: "2026-02", Secret: bytes.Repeat([]byte("2"), 32)}
)

// notes are the lines that a store noted.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.lines...)
}

func roleKey(role string) store.Key {
	return store.Key{Operation: "AssumeRole", Caller: "profile dev", Service: "eu-central-1", RoleARN: "arn:aws:iam::123456789012:role/" + role}
}

// name is that of a role's hash.
func name(role string) string { return "credchain:{" + roleKey(role).String() + "}:entry" }

func through(s store.Store) contract.Through {
	return func(ctx context.Context, role string, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
		return s.Through(ctx, roleKey(role), good, fetch)
	}
}

func good(aws.Credentials) bool { return true }

// client is a connection that ends with the test. Nobody waits for a place in its pool: what the client waits with is
// shared by all tests, and must not belong to the bubble of one.
func client(t *testing.T, address string) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1, DisableIdentity: true, PoolSize: 1000})
	t.Cleanup(func() { c.Close() })
	return c
}

func newStore(t *testing.T, c redis.UniversalClient, n *notes, keys ...redisstore.SealingKey) *redisstore.Store {
	if keys == nil {
		keys = []redisstore.SealingKey{first}
	}
	s, err := redisstore.New(redisstore.Config{Client: c, Keys: keys, Note: func(line string) {
		if n != nil {
			n.add(line)
		}
	}})
	require.NoError(t, err)
	return s
}

func id(t *testing.T, s store.Store, fetch func(context.Context) (aws.Credentials, error)) string {
	t.Helper()
	c, err := s.Through(t.Context(), roleKey("a"), good, fetch)
	require.NoError(t, err)
	return c.AccessKeyID
}

func nth(n int) string { return fmt.Sprintf("ASIAEXAMPLE%05d", n) }
