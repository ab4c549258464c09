//go:build unix && !aix && (!solaris || illumos)

package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openNonblock makes open return at once even for a pipe that nobody writes to.
const openNonblock = syscall.O_NONBLOCK

// openNoFollow makes open fail for a symbolic link.
const openNoFollow = syscall.O_NOFOLLOW

// isLink reports whether that is what made an open fail; EMLINK is FreeBSD's word for it.
func isLink(err error) bool {
	return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK)
}

// lockFile takes the lock, which belongs to the open file: other goroutines of this process are kept out too.
// The one before may have removed the file while this one was opening it; a lock on a file without a name
// locks nobody out.
func lockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch err {
		case nil:
		case syscall.EINTR:
			continue
		case syscall.EWOULDBLOCK:
			return errHeld
		default:
			return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		mine, err := f.Stat()
		if err != nil {
			return err
		}
		if named, err := os.Lstat(f.Name()); err != nil || !os.SameFile(mine, named) {
			return errHeld
		}
		return nil
	}
}

// release removes the lock file, as long as nobody else may have locked it, and with it the lock.
func release(f *os.File) {
	os.Remove(f.Name())
	f.Close()
}

// mine refuses a file of another user than this one or root.
func mine(info fs.FileInfo) error {
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid != 0 && int(is.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to another user (user ID %d)", is.Uid)
	}
	return nil
}

// keepOwner gives the new file the owner and group of the old one, and returns the mode it may have.
func keepOwner(f *os.File, old fs.FileInfo, mode fs.FileMode) (fs.FileMode, error) {
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return mode, nil
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	is, ok := info.Sys().(*syscall.Stat_t)
	if !ok || is.Uid == was.Uid && is.Gid == was.Gid {
		return mode, nil
	}
	if f.Chown(int(was.Uid), int(was.Gid)) == nil {
		return mode, nil
	}
	if is.Uid != was.Uid {
		return 0, fmt.Errorf("it belongs to another user (user ID %d)", was.Uid)
	}
	return mode &^ 0o070, nil // this user may not give files to that group, and must not give them to another
}

// rename puts the new file in the old one's place.
func rename(from, to string) error {
	err := os.Rename(from, to)
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("it is mounted as a single file, which cannot be replaced: %w", err)
	}
	return err
}

// syncDir makes the rename survive a power cut. Where a directory cannot do that, the file is in its place
// nevertheless.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}
