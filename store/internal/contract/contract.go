// Package contract is test support: what every store has to keep to.
package contract

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/walk"
)

// Through is the method of a store, for a role.
type Through func(ctx context.Context, role string, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error)

// Canary is in every secret of [Source.Fetch].
const Canary = "Canary7"

// Source counts its fetches.
type Source struct {
	Life  time.Duration // 0: an hour
	Calls atomic.Int32
}

// Fetch brings credentials that differ each time.
func (s *Source) Fetch(context.Context) (aws.Credentials, error) {
	n := s.Calls.Add(1)
	life := s.Life
	if life == 0 {
		life = time.Hour
	}
	return aws.Credentials{AccessKeyID: fmt.Sprintf("ASIAEXAMPLE%05d", n), SecretAccessKey: Canary + "-secret", SessionToken: Canary + "-token",
		CanExpire: true, Expires: time.Now().Add(life).UTC().Truncate(time.Second), AccountID: "123456789012", Source: "sts.AssumeRole"}, nil
}

// Run checks a store. open returns an empty one; what it returns later shares nothing with it. idle returns when
// all that was begun waits for something; nil leaves out what needs it.
func Run(t *testing.T, open func(t *testing.T) Through, idle func()) {
	for _, tt := range []struct {
		name  string
		idle  bool
		check func(*testing.T, Through, func())
	}{
		{"kept", false, kept}, {"not good", false, notGood}, {"error", false, fails}, {"panic", false, panics},
		{"expired", false, expired}, {"ended context", false, ended}, {"together", false, together},
		{"waiter leaves", true, leaves}, {"first caller leaves", true, firstLeaves}, {"all leave", true, allLeave}, {"late comer", true, lateComer}, {"never good", true, neverGood},
		{"nobody to ask", true, nobodyToAsk},
	} {
		if tt.idle && idle == nil {
			continue
		}
		tt.check(t, open(t), idle)
		if t.Failed() {
			t.Fatalf("that was: %s", tt.name)
		}
	}
}

func anyOf(aws.Credentials) bool { return true }

func equal(t *testing.T, what string, got, want interface{}) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %v; want %v", what, got, want)
	}
}

// key is all of a result that may be printed.
func key(t *testing.T, through Through, role string, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) string {
	t.Helper()
	c, err := through(context.Background(), role, good, fetch)
	if err != nil {
		t.Errorf("Through: %v", err)
	}
	return c.AccessKeyID
}

func kept(t *testing.T, through Through, _ func()) {
	var s Source
	first, err := through(context.Background(), "a", anyOf, s.Fetch)
	equal(t, "error", err, nil)
	again, err := through(context.Background(), "a", nil, s.Fetch)
	equal(t, "error", err, nil)
	if first != again || first.SessionToken != Canary+"-token" {
		t.Error("what is kept is not what was fetched")
	}
	equal(t, "another role's", key(t, through, "b", anyOf, s.Fetch), "ASIAEXAMPLE00002")
	equal(t, "the first again", key(t, through, "a", anyOf, s.Fetch), "ASIAEXAMPLE00001")
	equal(t, "fetches", s.Calls.Load(), int32(2))
}

func notGood(t *testing.T, through Through, _ func()) {
	var s Source
	is := func(id string) func(aws.Credentials) bool {
		return func(c aws.Credentials) bool { return c.AccessKeyID == id }
	}
	key(t, through, "a", anyOf, s.Fetch)
	equal(t, "fetched anew", key(t, through, "a", is("none"), s.Fetch), "ASIAEXAMPLE00002")
	equal(t, "kept instead", key(t, through, "a", is("ASIAEXAMPLE00002"), s.Fetch), "ASIAEXAMPLE00002")
	equal(t, "fetches", s.Calls.Load(), int32(2))
}

func fails(t *testing.T, through Through, _ func()) {
	down := errors.New("down")
	_, err := through(context.Background(), "a", anyOf, func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "ASIAHALF"}, down
	})
	equal(t, "error", err == down, true)
	var s Source
	equal(t, "then", key(t, through, "a", anyOf, s.Fetch), "ASIAEXAMPLE00001")
}

func panics(t *testing.T, through Through, _ func()) {
	_, err := through(context.Background(), "a", anyOf, func(context.Context) (aws.Credentials, error) { panic(Canary) })
	if err == nil || !strings.Contains(err.Error(), "panic") || strings.Contains(err.Error(), Canary) {
		t.Errorf("error of a panic = %v", err)
	}
	var s Source
	equal(t, "then", key(t, through, "a", anyOf, s.Fetch), "ASIAEXAMPLE00001")
}

func expired(t *testing.T, through Through, _ func()) {
	s := Source{Life: -time.Hour}
	key(t, through, "a", anyOf, s.Fetch)
	equal(t, "then", key(t, through, "a", nil, s.Fetch), "ASIAEXAMPLE00002")
}

func ended(t *testing.T, through Through, _ func()) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var s Source
	_, err := through(ctx, "a", anyOf, s.Fetch)
	equal(t, "error", errors.Is(err, context.Canceled), true)
	equal(t, "fetches", s.Calls.Load(), int32(0))
}

func together(t *testing.T, through Through, _ func()) {
	var s Source
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { equal(t, "key", key(t, through, "a", anyOf, s.Fetch), "ASIAEXAMPLE00001") })
	}
	all.Wait()
	equal(t, "fetches", s.Calls.Load(), int32(1))
}

// slow is a source that brings nothing before it is let go.
type slow struct {
	Source
	begun, release chan struct{}
	ended          atomic.Int32 // contexts that ended first
}

func newSlow() *slow { return &slow{begun: make(chan struct{}, 1000), release: make(chan struct{})} }

func (s *slow) fetch(ctx context.Context) (aws.Credentials, error) {
	s.begun <- struct{}{}
	select {
	case <-s.release:
		return s.Fetch(ctx)
	case <-ctx.Done():
		s.ended.Add(1)
		return aws.Credentials{}, ctx.Err()
	}
}

func leaves(t *testing.T, through Through, idle func()) {
	s := newSlow()
	var all sync.WaitGroup
	all.Go(func() { equal(t, "the first's", key(t, through, "a", anyOf, s.fetch), "ASIAEXAMPLE00001") })
	<-s.begun
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan error, 1)
	go func() {
		_, err := through(ctx, "a", anyOf, s.fetch)
		out <- err
	}()
	idle()
	cancel()
	equal(t, "the waiter's error", errors.Is(<-out, context.Canceled), true)
	close(s.release)
	all.Wait()
	equal(t, "fetches", s.Calls.Load(), int32(1))
}

func firstLeaves(t *testing.T, through Through, idle func()) {
	s := newSlow()
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan error, 1)
	go func() {
		_, err := through(ctx, "a", anyOf, s.fetch)
		out <- err
	}()
	<-s.begun
	var all sync.WaitGroup
	all.Go(func() { equal(t, "the waiter's", key(t, through, "a", anyOf, s.fetch), "ASIAEXAMPLE00001") })
	idle()
	cancel()
	equal(t, "the first's error", errors.Is(<-out, context.Canceled), true)
	idle()
	close(s.release)
	all.Wait()
	equal(t, "fetches", s.Calls.Load(), int32(1))
	equal(t, "fetches ended early", s.ended.Load(), int32(0))
}

func allLeave(t *testing.T, through Through, idle func()) {
	s := newSlow()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { _, _ = through(ctx, "a", anyOf, s.fetch) })
	}
	<-s.begun
	idle()
	cancel()
	all.Wait()
	idle()
	equal(t, "fetches ended early", s.ended.Load(), int32(1))
	close(s.release)
	equal(t, "then", key(t, through, "a", anyOf, s.fetch), "ASIAEXAMPLE00001")
}

// lateComer comes when all have left, and the fetch has yet to notice. Its end is not the late comer's.
func lateComer(t *testing.T, through Through, idle func()) {
	var s Source
	begun, notice := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		_, _ = through(ctx, "a", anyOf, func(ctx context.Context) (aws.Credentials, error) {
			close(begun)
			<-ctx.Done()
			<-notice
			return aws.Credentials{}, ctx.Err()
		})
	})
	<-begun
	cancel()
	all.Wait()
	all.Go(func() { equal(t, "the late comer's", key(t, through, "a", anyOf, s.Fetch), "ASIAEXAMPLE00001") })
	idle()
	close(notice)
	all.Wait()
}

func neverGood(t *testing.T, through Through, idle func()) {
	s := newSlow()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { key(t, through, "a", func(aws.Credentials) bool { return false }, s.fetch) })
	}
	<-s.begun
	idle()
	close(s.release)
	all.Wait()
	if n := s.Calls.Load(); n > 2 {
		t.Errorf("fetches for 50 whom nothing satisfies = %d; want 2 at most", n)
	}
}

// nobodyToAsk has callers who wait join a fetch of the background, which fails because nobody is to be asked then.
// They are asked themselves, once; who else is in the background has the error.
func nobodyToAsk(t *testing.T, through Through, idle func()) {
	var s Source
	begun, refuse := make(chan struct{}), make(chan struct{})
	askLater := errors.New("nobody is asked")
	background := walk.Background(context.Background())
	fetch := func(ctx context.Context) (aws.Credentials, error) {
		if !walk.InBackground(ctx) {
			return s.Fetch(ctx)
		}
		close(begun)
		<-refuse
		return aws.Credentials{}, askLater
	}
	refused := func() {
		_, err := through(background, "a", anyOf, fetch)
		equal(t, "the error in the background", err, askLater)
	}
	var all sync.WaitGroup
	all.Go(refused)
	<-begun
	all.Go(refused)
	for range 10 {
		all.Go(func() { equal(t, "who waits has", key(t, through, "a", anyOf, fetch), "ASIAEXAMPLE00001") })
	}
	idle()
	close(refuse)
	all.Wait()
	equal(t, "fetches", s.Calls.Load(), int32(1))
}
