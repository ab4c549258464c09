//go:build unix && !linux

package process

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// ended is how the program ended. The standard library knows no way here to wait without reaping. So if the group
// is empty, its number is free before the kill: another group would have to get it within that second.
type ended struct {
	state *os.ProcessState
	err   error
}

func (g *group) await() { g.state, g.err = g.leader.Wait() }

func (g *group) reap() (*os.ProcessState, error) { return g.state, g.err }
