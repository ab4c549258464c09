package process

import (
	"os"
	"syscall"
	"unsafe"
)

// attributes: the kernel ends the program when the process that wants its output dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}

//lint:ignore U1000 the BSDs have something in it
type ended struct{}

// await waits until the program has ended and does not reap it: as long as it is not, no other group can
// get its number.
func (g *group) await() {
	const pid, exited, noWait = 1, 4, 0x01000000 // P_PID, WEXITED, WNOWAIT
	var info [128]byte                           // a siginfo_t
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pid, uintptr(g.number), uintptr(unsafe.Pointer(&info)), exited|noWait, 0, 0)
		if errno != syscall.EINTR {
			return // reap knows the error as well
		}
	}
}

func (g *group) reap() (*os.ProcessState, error) { return g.leader.Wait() }
