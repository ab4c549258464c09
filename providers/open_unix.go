//go:build unix

package providers

import "syscall"

// openNonblock makes open return at once even for a pipe that nobody writes to.
const openNonblock = syscall.O_NONBLOCK

// errNotDir comes from a path through a file, such as /dev/null/.aws/config.
const errNotDir = syscall.ENOTDIR
