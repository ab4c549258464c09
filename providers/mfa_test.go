package providers_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/providers"
	"github.com/credchain/credchain/store"
)

const askedLater = "nobody is asked for one while the credentials in use are valid"

// slowForNobody is a store that keeps nothing, and in the background takes its time.
type slowForNobody struct {
	begun, release chan struct{}
}

func (s slowForNobody) Through(ctx context.Context, _ store.Key, _ func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
	if walk.InBackground(ctx) {
		close(s.begun)
		<-s.release
	}
	return fetch(ctx)
}

// TestWhoWaitsIsAsked: a caller who comes while another chain renews the MFA session in the background is asked, and
// not told that nobody is.
func TestWhoWaitsIsAsked(t *testing.T) {
	inWorld(t, mfaSTS+"-- answers --\n818181\n-- home/.aws/config --\n[default]\n"+mfaRole+longTermKeys, func(t *testing.T, w *world) {
		config, slow := w.config(), slowForNobody{make(chan struct{}), make(chan struct{})}
		config.Sessions, config.Store = new(providers.Sessions), slow
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := providers.Default(config).Retrieve(walk.Background(t.Context())); err == nil || !strings.Contains(err.Error(), askedLater) {
				t.Errorf("in the background: %v", err)
			}
		})
		<-slow.begun
		for range 3 {
			all.Go(func() {
				creds, err := providers.Default(config).Retrieve(t.Context())
				if err != nil || !creds.HasKeys() {
					t.Errorf("a caller who waits: %v", err)
				}
			})
		}
		synctest.Wait()
		require.Empty(t, w.cloud.questions)
		close(slow.release)
		all.Wait()
		require.Len(t, w.cloud.questions, 1)
	})
}

// TestBackgroundQueuesForNobody: a renewal in the background does not wait until a person has answered another
// question, only not to ask then.
func TestBackgroundQueuesForNobody(t *testing.T) {
	inWorld(t, mfaSTS+"-- answers --\n818181\n-- home/.aws/config --\n[default]\n"+mfaRole+mfaKeys, func(t *testing.T, w *world) {
		config := w.config()
		config.Sessions = new(providers.Sessions)
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := providers.Default(config).Retrieve(t.Context()); err != nil {
				t.Errorf("who is asked: %v", err)
			}
		})
		synctest.Wait() // the person looks for the device
		begun := time.Now()
		_, err := providers.Default(config).Retrieve(walk.Background(t.Context()))
		require.ErrorContains(t, err, askedLater)
		require.Zero(t, time.Since(begun))
		all.Wait()
		require.Len(t, w.cloud.questions, 1)
	})
}
