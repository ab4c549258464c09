package awstest

import (
	"bytes"
	"context"
	"io/fs"
	"path/filepath"
)

// File returns what a file holds now, and whether it is there. It does not count as asked for.
func (m *Machine) File(name string) (content string, there bool) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	content, there = m.world.Files[m.absolute(name)]
	return content, there
}

// Written returns the files that were written by the code under test, in order. Paths in the home directory
// start with "~/". An update that changed nothing is not among them.
func (m *Machine) Written() []string { return m.copyOf(&m.written) }

// update is System.Update: one at a time for each file, and nothing is locked but the file while edit runs.
func (m *Machine) update(ctx context.Context, asked string, edit func([]byte) ([]byte, error)) error {
	name := filepath.ToSlash(asked)
	turn, err := m.mayUpdate(name, asked)
	if err != nil {
		return err
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil { // select takes either if both are ready
		return err
	}
	old := m.bytes(name)
	changed, err := edit(bytes.Clone(old))
	if err != nil || changed == nil || old != nil && bytes.Equal(changed, old) {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.world.Files[name] = string(changed)
	m.written = append(m.written, m.short(name))
	return nil
}

// mayUpdate returns the lock of a file that the test has named.
func (m *Machine) mayUpdate(name, asked string) (turn chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err, broken := m.world.Broken[name]; broken {
		return nil, &fs.PathError{Op: "open", Path: asked, Err: err}
	}
	if !matches(m.world.Writable, name) {
		return nil, m.stranger("the file %s is to be written and not in Writable", m.short(name))
	}
	if m.updating[name] == nil {
		m.updating[name] = make(chan struct{}, 1)
	}
	return m.updating[name], nil
}

// bytes returns nil for a file that is not there.
func (m *Machine) bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, there := m.world.Files[name]
	if !there {
		return nil
	}
	return []byte(content)
}
