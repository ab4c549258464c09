package store

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/store/internal/flight"
)

// defaultMax is the number of entries of a Memory that sets none.
const defaultMax = 1000

// Memory is a [Store] for the goroutines of one process. The zero value is empty and ready. It must not be copied.
type Memory struct {
	// Max is the most entries that are kept; what has not been used for longest goes first. 0 means 1000. It must
	// not be changed once the Memory is in use.
	Max int

	flights flight.Group[aws.Credentials]

	mu      sync.Mutex
	entries map[string]*list.Element
	order   list.List // of remembered, the last used first
}

type remembered struct {
	key   string
	creds aws.Credentials
}

// Through is as [Store] says. Credentials that do not expire are kept as well.
func (m *Memory) Through(ctx context.Context, key Key, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
	k := key.String()
	return m.flights.Do(ctx, k, flight.Work[aws.Credentials]{
		Have: func() (aws.Credentials, bool) { return m.kept(k, good) },
		Good: content(good),
		Do: func(ctx context.Context) (aws.Credentials, bool, error) {
			c, err := fetch(ctx)
			if err == nil {
				m.keep(k, c)
			}
			return c, true, err
		},
	})
}

// DeleteFunc drops what is kept and del reports true for. A fetch under way still answers those who wait for it, and
// is kept. del must not use m.
func (m *Memory) DeleteFunc(del func(aws.Credentials) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, e := range m.entries {
		if del(e.Value.(remembered).creds) {
			m.order.Remove(e)
			delete(m.entries, key)
		}
	}
}

func (m *Memory) kept(key string, good func(aws.Credentials) bool) (aws.Credentials, bool) {
	m.mu.Lock()
	e := m.entries[key]
	if e == nil {
		m.mu.Unlock()
		return aws.Credentials{}, false
	}
	m.order.MoveToFront(e)
	c := e.Value.(remembered).creds
	m.mu.Unlock()
	return c, usable(c, time.Now(), good) // good is not ours: it may take long, or use the Memory
}

func (m *Memory) keep(key string, c aws.Credentials) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[key]; e != nil {
		e.Value = remembered{key, c}
		m.order.MoveToFront(e)
		return
	}
	if m.entries == nil {
		m.entries = map[string]*list.Element{}
	}
	m.entries[key] = m.order.PushFront(remembered{key, c})
	most := m.Max
	if most <= 0 {
		most = defaultMax
	}
	for len(m.entries) > most {
		last := m.order.Back()
		delete(m.entries, m.order.Remove(last).(remembered).key)
	}
}

// content is what is asked about the answer of a fetch for somebody else.
func content(good func(aws.Credentials) bool) func(aws.Credentials) bool {
	return func(c aws.Credentials) bool { return usable(c, time.Now(), good) }
}
