//go:build unix

package process

import (
	"os"
	"syscall"
)

// group is the process group of a program that leads it.
type group struct {
	leader *os.Process
	number int
	//lint:ignore U1000 the BSDs have something in it
	ended
}

func newGroup(leader *os.Process) *group { return &group{leader: leader, number: leader.Pid} }

// kill ends every process of the group. What cannot be killed, since it is somebody else's or has ended, is let be.
func (g *group) kill() { _ = syscall.Kill(-g.number, syscall.SIGKILL) }

// signal says what ended a program, "" if it was no signal.
func signal(state *os.ProcessState) string {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal().String()
	}
	return ""
}
