package process_test

import "syscall"

// alive reports whether a process is there and has not ended.
func alive(pid int) bool {
	const queryLimited, stillActive = 0x1000, 259
	h, err := syscall.OpenProcess(queryLimited, false, uint32(pid))
	if err != nil {
		return false
	}
	defer syscall.CloseHandle(h)
	var code uint32
	return syscall.GetExitCodeProcess(h, &code) == nil && code == stillActive
}

func ownSession() *syscall.SysProcAttr { return nil }

func onlyHere(string, []string) int { return 97 }
