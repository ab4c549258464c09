package store_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/store/internal/contract"
)

func roleKey(role string) store.Key {
	return store.Key{Operation: "AssumeRole", Caller: "profile dev", Service: "eu-central-1", RoleARN: "arn:aws:iam::123456789012:role/" + role}
}

func through(s store.Store) contract.Through {
	return func(ctx context.Context, role string, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
		return s.Through(ctx, roleKey(role), good, fetch)
	}
}

func good(aws.Credentials) bool { return true }

func TestContract(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) contract.Through{
		"memory":   func(*testing.T) contract.Through { return through(&store.Memory{}) },
		"file":     func(t *testing.T) contract.Through { return through(&store.FileStore{Dir: t.TempDir() + "/new"}) },
		"file CLI": func(t *testing.T) contract.Through { return through(&store.FileStore{Dir: t.TempDir(), CLI: true}) },
		// Each caller is as good as a process of its own.
		"files": func(t *testing.T) contract.Through {
			dir := t.TempDir()
			return func(ctx context.Context, role string, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
				return (&store.FileStore{Dir: dir}).Through(ctx, roleKey(role), good, fetch)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				idle := synctest.Wait
				if name == "files" {
					idle = nil // the callers poll
				}
				contract.Run(t, open, idle)
			})
		})
	}
}
