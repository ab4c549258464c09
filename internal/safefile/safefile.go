// Package safefile replaces a file as a whole, or not at all, whoever else does the same at the time.
//
// Writers of one file take turns: each holds a lock of the kernel's on a file beside it, NAME.lock, which ends
// with the process that holds it. A reader needs no lock, because the new contents take the old file's place in
// one step. A writer that is killed leaves at most a lock file, which locks nobody out, and a temporary file,
// which the next writer removes.
//
// Replacing a file makes a new one: hard links to the old one keep the old contents, and what a file has beside
// its owner and its mode, such as an access control list, is that of a new file.
package safefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxSize is the largest file that is read or written.
const maxSize = 16 << 20

var errTooLarge = errors.New("it is larger than 16 MiB")

// newMode is the mode of a file that was not there: it may come to hold secrets.
const newMode fs.FileMode = 0o600

// Update replaces the contents of a file by what edit makes of them. edit is called with what the file holds,
// nil if it is not there, while no other Update of the file runs in this or any other process. If it returns
// nil, or what the file holds already, nothing is written. Its error is returned as it is.
//
// A private file ends up with no permissions for anybody but its owner, even if nothing is written, unless edit
// fails. Another one keeps its mode. The owner and the group stay; if this user may not give files to the group,
// the file gets the user's, and no permissions for it. A new file has mode 0600, and directories that are missing
// are made with 0700. If name is a symbolic link, the file it leads to is written, even if that is not there yet.
//
// A file that is no regular file, is larger than 16 MiB, may not be written to, or would change its owner is an
// error, and so is a directory that takes no new files: all this before edit is called, which may spend what is
// good once. A full disk is one too. All of them name the file, and leave it as it was. Update waits for other
// writers until ctx ends; once edit has returned, ctx no longer matters, because what edit brings may exist
// nowhere else.
func Update(ctx context.Context, name string, private bool, edit func(old []byte) ([]byte, error)) (err error) {
	target, err := resolve(name)
	if err != nil {
		return fmt.Errorf("%s cannot be updated: %w", name, err)
	}
	var editErr error
	err = update(ctx, target, private, func(old []byte) ([]byte, error) {
		var data []byte
		data, editErr = edit(old)
		return data, editErr
	})
	switch {
	case err == nil:
		return nil
	case editErr != nil:
		return editErr
	case name != target:
		return fmt.Errorf("%s, a link to %s, cannot be updated: %w", name, target, err)
	}
	return fmt.Errorf("%s cannot be updated: %w", name, err)
}

func update(ctx context.Context, name string, private bool, edit func([]byte) ([]byte, error)) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if info, err := os.Stat(name); err == nil { // before a lock file is made beside what is no file
		if err := regular(info); err != nil {
			return err
		}
	}
	unlock, err := lock(ctx, name+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	sweep(dir, name)
	old, info, err := read(name)
	if err != nil {
		return err
	}
	temp, err := create(dir, name, info, private)
	if err != nil {
		return err
	}
	defer func() {
		temp.Close()
		os.Remove(temp.Name()) // it has another name by now if all went well
	}()
	data, err := edit(old)
	switch {
	case err != nil:
		return err
	case data == nil, info != nil && bytes.Equal(data, old):
		return restrict(name, info, private)
	case len(data) > maxSize:
		return errTooLarge
	}
	return replace(dir, name, temp, data)
}

// restrict takes the permissions of others from a private file that stays as it is.
func restrict(name string, info fs.FileInfo, private bool) error {
	if info == nil || !private || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	err := os.Chmod(name, info.Mode().Perm()&0o700)
	if errors.Is(err, fs.ErrNotExist) { // edit has removed it
		return nil
	}
	return err
}

// resolve follows name through symbolic links to the file that is to be written.
func resolve(name string) (string, error) {
	for range 40 { // as many as Linux follows
		dir, base := filepath.Split(name) // Dir would take "link/../x" for "x"
		if dir == "" {
			dir = "."
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil { // else it is to be made, or fails later
			dir = real
		}
		name = filepath.Join(dir, base)
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return name, nil
		}
		if err != nil {
			return "", err
		}
		to, err := os.Readlink(name)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = dir + string(filepath.Separator) + to
		}
		name = to
	}
	return "", errors.New("there are too many symbolic links in a row")
}

// Read returns what a file holds, nil if it is not there. It refuses what Update refuses.
func Read(name string) ([]byte, error) {
	data, _, err := read(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	return data, nil
}

// ReadTrusted is Read for a file whose contents decide what is done: it refuses one that somebody else can have
// written. That is a file that others than its owner may write, or whose owner is neither the user of this process
// nor root. What root reads for a user, in that user's home, is refused as well: the user chose it, and not root.
// It is as OpenSSH has it. Windows has no such modes and owners: there it is Read.
func ReadTrusted(name string) ([]byte, error) {
	data, info, err := read(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if info != nil {
		if err := trusted(info); err != nil {
			return nil, fmt.Errorf("%s cannot be trusted: %w", name, err)
		}
	}
	return data, nil
}

// trusted refuses a file that somebody else can have written.
func trusted(info fs.FileInfo) error {
	switch {
	case runtime.GOOS == "windows":
		return nil
	case info.Mode().Perm()&0o022 != 0:
		return errors.New("others than its owner may write it")
	}
	return mine(info)
}

// read returns the contents of a file. All is nil if the file is not there.
func read(name string) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|openNonblock, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if err := regular(info); err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = errTooLarge
	}
	return data, info, err
}

// regular refuses what is no file.
func regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	}
	return nil
}

// create makes the file that is to take the place of the one whose info is old, nil if there is none.
func create(dir, name string, old fs.FileInfo, private bool) (*os.File, error) {
	mode := newMode
	if old != nil {
		mode = old.Mode().Perm()
		// A rename does not ask for this permission, but whoever took it away meant something.
		if mode&0o200 == 0 {
			return nil, fmt.Errorf("it is read-only (mode %04o)", mode)
		}
	}
	if private {
		mode &= 0o700
	}
	f, err := os.CreateTemp(dir, tempPrefix(name)+"*")
	if err != nil {
		return nil, err
	}
	if old != nil {
		mode, err = keepOwner(f, old, mode)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

// replace writes data to the new file and puts that in its place.
func replace(dir, name string, f *os.File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := rename(f.Name(), name); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// tempPrefix begins the names of the temporary files of name's writers.
func tempPrefix(name string) string { return "." + filepath.Base(name) + ".credchain-" }

// sweep removes what killed writers of name left: secrets may be in it. Under the lock no other writer is at
// work. What cannot be removed is no reason to give up.
func sweep(dir, name string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		if digits, ok := strings.CutPrefix(n, tempPrefix(name)); ok && strings.Trim(digits, "0123456789") == "" {
			os.Remove(filepath.Join(dir, n))
		}
	}
}
