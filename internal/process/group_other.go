//go:build !unix && !windows

package process

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

// group is the program alone: these systems have no groups.
type group struct {
	leader *os.Process
	state  *os.ProcessState
	err    error
}

func newGroup(leader *os.Process) *group { return &group{leader: leader} }

func (g *group) await() { g.state, g.err = g.leader.Wait() }

func (g *group) kill() { _ = g.leader.Kill() }

func (g *group) reap() (*os.ProcessState, error) { return g.state, g.err }

func signal(*os.ProcessState) string { return "" }
