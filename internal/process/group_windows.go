package process

import (
	"os"
	"syscall"
	"unsafe"
)

func attributes() *syscall.SysProcAttr { return nil }

// group is a job object, which holds the program and whatever it starts. The program is put into it right after it
// was started: a process it could start before that is not in it.
type group struct {
	leader *os.Process
	job    syscall.Handle // 0 if there is none: then only the program itself is killed
	state  *os.ProcessState
	err    error
}

var (
	kernel32                 = syscall.NewLazyDLL("kernel32.dll")
	createJobObject          = kernel32.NewProc("CreateJobObjectW")
	setInformationJobObject  = kernel32.NewProc("SetInformationJobObject")
	assignProcessToJobObject = kernel32.NewProc("AssignProcessToJobObject")
	terminateJobObject       = kernel32.NewProc("TerminateJobObject")
)

// jobLimits is a JOBOBJECT_EXTENDED_LIMIT_INFORMATION.
type jobLimits struct {
	processTime, jobTime                                       int64
	flags                                                      uint32
	minWorkingSet, maxWorkingSet                               uintptr
	activeProcesses                                            uint32
	affinity                                                   uintptr
	priority, scheduling                                       uint32
	io                                                         [6]uint64
	processMemory, jobMemory, peakProcessMemory, peakJobMemory uintptr
}

func newGroup(leader *os.Process) *group {
	const (
		extendedLimits = 9      // JobObjectExtendedLimitInformation
		killOnClose    = 0x2000 // JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE: also when this process dies
		access         = 0x0101 // PROCESS_TERMINATE, PROCESS_SET_QUOTA
	)
	g := &group{leader: leader}
	job, _, _ := createJobObject.Call(0, 0)
	if job == 0 {
		return g
	}
	limits := jobLimits{flags: killOnClose}
	handle, err := syscall.OpenProcess(access, false, uint32(leader.Pid))
	if err == nil {
		defer syscall.CloseHandle(handle)
		_, _, _ = setInformationJobObject.Call(job, extendedLimits, uintptr(unsafe.Pointer(&limits)), unsafe.Sizeof(limits))
		if ok, _, _ := assignProcessToJobObject.Call(job, uintptr(handle)); ok != 0 {
			g.job = syscall.Handle(job)
			return g
		}
	}
	syscall.CloseHandle(syscall.Handle(job))
	return g
}

func (g *group) await() { g.state, g.err = g.leader.Wait() }

// kill is called once.
func (g *group) kill() {
	if g.job == 0 {
		_ = g.leader.Kill()
		return
	}
	_, _, _ = terminateJobObject.Call(uintptr(g.job), 1)
	syscall.CloseHandle(g.job)
}

func (g *group) reap() (*os.ProcessState, error) { return g.state, g.err }

func signal(*os.ProcessState) string { return "" }
