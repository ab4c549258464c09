package safefile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
	"unsafe"
)

const openNonblock, openNoFollow = 0, 0

func isLink(error) bool { return false }

const (
	lockfileFailImmediately = 1
	lockfileExclusiveLock   = 2

	errorSharingViolation syscall.Errno = 32
	errorLockViolation    syscall.Errno = 33
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// lockFile takes the lock, which belongs to the handle.
func lockFile(f *os.File) error {
	var at syscall.Overlapped
	ok, _, err := lockFileEx.Call(f.Fd(), lockfileExclusiveLock|lockfileFailImmediately, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	switch {
	case ok != 0:
		return nil
	case errors.Is(err, errorLockViolation), errors.Is(err, syscall.ERROR_IO_PENDING):
		return errHeld
	}
	return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
}

// release ends the lock. The lock file stays: others may have it open, and Windows does not remove such files.
func release(f *os.File) { f.Close() }

// mine has nothing to refuse: who may write a file is not in its owner.
func mine(fs.FileInfo) error { return nil }

// keepOwner has nothing to do: a new file has the permissions of its directory.
func keepOwner(_ *os.File, _ fs.FileInfo, mode fs.FileMode) (fs.FileMode, error) { return mode, nil }

// rename puts the new file in the old one's place, as soon as no reader has that open.
func rename(from, to string) error {
	for pause := time.Millisecond; ; pause *= 2 {
		err := os.Rename(from, to)
		busy := errors.Is(err, errorSharingViolation) || errors.Is(err, syscall.ERROR_ACCESS_DENIED)
		if !busy || pause > time.Second {
			return err
		}
		time.Sleep(pause)
	}
}

// syncDir has nothing to do: Windows has no such call.
func syncDir(string) {}
