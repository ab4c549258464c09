//go:build !unix

package providers

import "io/fs"

const openNonblock = 0

// errNotDir is no error of its own here.
var errNotDir = fs.ErrNotExist
