package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/credchain/credchain/internal/safefile"
)

// errTooLong is wrapped by the error of readInput if there is more than the limit.
var errTooLong = errors.New("it is longer")

// readInput reads to the end, at most limit bytes, or until ctx ends: the reader stays then.
func readInput(ctx context.Context, in io.Reader, limit int) ([]byte, error) {
	type input struct {
		text []byte
		err  error
	}
	got := make(chan input, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
		got <- input{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case i := <-got:
		if i.err == nil && len(i.text) > limit {
			i.err = fmt.Errorf("%w than %d bytes", errTooLong, limit)
		}
		return i.text, i.err
	}
}

// readFile reads a regular file of at most limit bytes. Nothing else may be read: a pipe may never end.
func readFile(name string, limit int) ([]byte, error) {
	text, err := safefile.Read(name)
	switch {
	case err != nil:
		return nil, err
	case text == nil:
		return nil, fmt.Errorf("%s cannot be read: %w", name, fs.ErrNotExist)
	case len(text) > limit:
		return nil, fmt.Errorf("%s cannot be read: it is longer than %d bytes", name, limit)
	}
	return text, nil
}
