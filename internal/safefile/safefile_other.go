//go:build !windows && (!unix || aix || (solaris && !illumos))

package safefile

import (
	"errors"
	"io/fs"
	"os"
)

const openNonblock, openNoFollow = 0, 0

func isLink(error) bool { return false }

func lockFile(f *os.File) error {
	return &fs.PathError{Op: "lock", Path: f.Name(), Err: errors.ErrUnsupported}
}

func release(f *os.File) { f.Close() }

func mine(fs.FileInfo) error { return nil }

func keepOwner(_ *os.File, _ fs.FileInfo, mode fs.FileMode) (fs.FileMode, error) { return mode, nil }

func rename(from, to string) error { return os.Rename(from, to) }

func syncDir(string) {}
