package refresh

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends at a time, and sets no timer before somebody waits for that: the environment is read
// without, and a timer would be a fifth of it. The context in it must be one that never ends.
type deadline struct {
	context.Context
	end time.Time

	mu      sync.Mutex
	waited  context.Context // the same with a timer, once somebody waits
	cancel  context.CancelFunc
	stopped bool
}

func (d *deadline) Deadline() (time.Time, bool) { return d.end, true }

func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waited == nil {
		d.waited, d.cancel = context.WithDeadline(d.Context, d.end)
		if d.stopped {
			d.cancel()
		}
	}
	return d.waited.Done()
}

func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.waited != nil:
		return d.waited.Err()
	case d.stopped:
		return context.Canceled
	case !time.Now().Before(d.end):
		return context.DeadlineExceeded
	}
	return nil
}

// Value looks into the context with the timer, if there is one, because contexts derived from d look there for
// whom they end with.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	ctx := d.waited
	d.mu.Unlock()
	if ctx == nil {
		ctx = d.Context
	}
	return ctx.Value(key)
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	if d.cancel != nil {
		d.cancel()
	}
}
