package providers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

var (
	errNotRegular = errors.New("not a regular file")

	// errUnsearchable says that nobody can tell whether a file is there, because a directory on its way may
	// not be searched: a container that runs as another user than its HOME belongs to.
	errUnsearchable = errors.New("a directory on its path may not be searched")
)

// openRegular opens a file that can be read to its end without waiting for anybody. The shared files and
// token files are such; a pipe whose writer never comes would hang the program at its start.
func openRegular(name string) (*regularFile, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|openNonblock, 0)
	switch {
	case errors.Is(err, errNotDir):
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case errors.Is(err, fs.ErrPermission):
		if _, statErr := os.Stat(name); errors.Is(statErr, fs.ErrPermission) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errUnsearchable}
		}
		return nil, err
	case err != nil:
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && name != os.DevNull {
		err = &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w but %s", errNotRegular, kindOf(info.Mode()))}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &regularFile{f, info.Size()}, nil
}

// regularFile is an open file whose size is known.
type regularFile struct {
	*os.File
	size int64
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}
