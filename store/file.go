package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/safefile"
	"github.com/credchain/credchain/store/internal/entry"
	"github.com/credchain/credchain/store/internal/flight"
	"github.com/credchain/credchain/store/internal/patience"
)

const (
	filePrefix = "credchain-" // of the names of files that are ours alone; 64 hexadecimal digits follow
	fileSuffix = ".json"

	sweepOnce = 100       // fetches: expired files are looked for after the first, and then after so many
	sweepAge  = time.Hour // after the expiry: a clock that was wrong for a while must not cost sessions
)

// FileStore is a [Store] in a directory, for the processes of a user. Each entry is a file of its own, in the AWS
// CLI's format, that only its owner may read. It is read without a lock. Who has to fetch holds the file's lock
// meanwhile. The lock of a process that dies is free at once. One that is held is waited for, for half of the time
// that the caller has and for two minutes in all; then it counts as stuck, and is no longer waited for until
// somebody gets it again. Credentials that are not temporary are not kept.
//
// What is in the directory but is no entry for the key asked for, is damaged, or was written by a release of a
// later format, is no obstacle: it is as if it were not there until an entry takes its place. So is a file that
// somebody else can have written: one that others than its owner may write, or whose owner is neither the user of
// this process nor root (as OpenSSH has it; Windows has no such modes and owners). Files of entries that have
// expired are removed now and then. A FileStore must not be copied, and its fields not be changed once it is in use.
type FileStore struct {
	// Dir is the directory. It is made if it is not there. "" is an error.
	Dir string

	// CLI takes the AWS CLI's names for the entries that the CLI has as well: roles assumed without tags, a
	// source identity or managed policies. If Dir is its directory, ~/.aws/cli/cache, role sessions are shared
	// with it. Its names say neither who asks, nor where: two profiles that assume one role share a session,
	// whatever their source profiles are. A role for which the providers open an MFA session first is no role
	// that wants a code to them, but one to the AWS CLI: of such a role each keeps a session of its own.
	CLI bool

	// Note is told what was odd, in a line without secrets, by any goroutine. Nil is nobody.
	Note func(line string)

	flights flight.Group[aws.Credentials]
	locks   patience.Patience
	fetched atomic.Uint64
}

var (
	errNoDir = errors.New("store: FileStore.Dir is empty")
	errLeave = errors.New("what is in the file is none of ours") // tells safefile to change nothing, not even the mode
)

// Through is as [Store] says.
func (s *FileStore) Through(ctx context.Context, key Key, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (aws.Credentials, error) {
	if s.Dir == "" {
		return aws.Credentials{}, errNoDir
	}
	f := s.place(key)
	return s.flights.Do(ctx, f.path, flight.Work[aws.Credentials]{
		Have: func() (aws.Credentials, bool) { return f.have(good) },
		Good: content(good),
		Do: func(ctx context.Context) (aws.Credentials, bool, error) {
			return f.fetch(ctx, good, fetch)
		},
	})
}

// place is where an entry is kept.
type place struct {
	*FileStore
	path, key string
	shared    bool // with the AWS CLI
}

func (s *FileStore) place(key Key) place {
	if name, ok := key.cliKey(); ok && s.CLI {
		return place{s, filepath.Join(s.Dir, name+fileSuffix), name, true}
	}
	name := key.String()
	return place{s, filepath.Join(s.Dir, filePrefix+name+fileSuffix), name, false}
}

// parse returns the credentials in a file, whether they have expired or not. No file has none.
func (f place) parse(data []byte) (c aws.Credentials, ok bool, err error) {
	if data == nil {
		return c, false, nil
	}
	e, err := entry.Parse(data, f.key, f.shared)
	return e.Credentials, err == nil, err
}

// have returns what is kept, if it will do.
func (f place) have(good func(aws.Credentials) bool) (aws.Credentials, bool) {
	data, err := safefile.ReadTrusted(f.path)
	if err != nil { // fetch tells
		return aws.Credentials{}, false
	}
	c, ok, _ := f.parse(data)
	return c, ok && usable(c, time.Now(), good)
}

// fetch fetches while it holds the lock, unless another process has done so when it gets it.
func (f place) fetch(ctx context.Context, good func(aws.Credentials) bool, fetch func(context.Context) (aws.Credentials, error)) (c aws.Credentials, isNew bool, err error) {
	seen, unseen := safefile.ReadTrusted(f.path)
	if unseen != nil {
		f.note("%v", unseen)
	} else if _, _, odd := f.parse(seen); odd != nil {
		f.note("%s is ignored: %v", f.path, odd)
	}
	waiting, waited := f.locks.Wait(ctx, f.path)
	settled, fetched := false, false
	storeErr := safefile.Update(waiting, f.path, true, func([]byte) ([]byte, error) {
		waited(true)
		settled = true
		data, untrusted := safefile.ReadTrusted(f.path)
		// What another process brought meanwhile is as good as what this one would. Where nothing could be seen
		// before, nothing is known to be new.
		isNew = unseen == nil && !bytes.Equal(data, seen)
		judge := good
		if isNew {
			judge = nil
		}
		if now, ok, _ := f.parse(data); ok && usable(now, time.Now(), judge) {
			c = now
			return nil, nil
		}
		c, err = fetch(ctx)
		fetched, isNew = true, true
		switch {
		case err == nil && entry.Keepable(c):
			return entry.Write(f.key, c), nil
		case untrusted != nil:
			return nil, errLeave
		}
		return nil, nil
	})
	if !settled {
		waited(false)
	}
	switch {
	case storeErr == nil, errors.Is(storeErr, errLeave):
	case ctx.Err() != nil && !settled:
		return aws.Credentials{}, false, ctx.Err()
	default:
		f.note("%v", storeErr)
	}
	if !settled {
		c, err = fetch(ctx)
		isNew = true
	}
	if fetched && storeErr == nil && (f.fetched.Add(1)-1)%sweepOnce == 0 {
		f.sweep(ctx)
	}
	return c, isNew, err
}

// sweep removes the files of entries that expired some time ago. Only those with names of ours are looked at.
func (s *FileStore) sweep(ctx context.Context) {
	d, err := os.Open(s.Dir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		key, found := strings.CutPrefix(name, filePrefix)
		key, found2 := strings.CutSuffix(key, fileSuffix)
		if !found || !found2 || len(key) != 64 || strings.Trim(key, "0123456789abcdef") != "" {
			continue
		}
		path := filepath.Join(s.Dir, name)
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		ended := func(data []byte) bool {
			e, err := entry.Parse(data, key, false)
			return err == nil && time.Since(e.Credentials.Expires) > sweepAge
		}
		if data, err := safefile.ReadTrusted(path); err != nil || !ended(data) {
			continue
		}
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Millisecond) // whoever holds the lock needs the file
		err := safefile.Update(soon, path, true, func(old []byte) ([]byte, error) {
			if !ended(old) {
				return nil, errLeave
			}
			return nil, os.Remove(path)
		})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errLeave) {
			s.note("%v", err)
		}
	}
}

func (s *FileStore) note(format string, args ...any) {
	if s.Note != nil {
		s.Note(fmt.Sprintf(format, args...))
	}
}
