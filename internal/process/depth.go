package process

import (
	"errors"
	"os"
	"strconv"
	"strings"
)

// depthVariable counts how many of these programs run inside one another.
const depthVariable = "_CREDCHAIN_PROCESS_DEPTH"

// maxDepth is more than a chain of wrappers needs. A profile whose program asks for that very profile would start
// processes without end.
const maxDepth = 5

var errTooDeep = errors.New("it runs inside " + strconv.Itoa(maxDepth) +
	" others that ask for credentials: the credential_process of a profile must not ask for that profile")

// deeper returns the environment for a program, with its depth in it.
func deeper(environ []string) ([]string, error) {
	depth := 0
	kept := make([]string, 0, len(environ)+1)
	for _, entry := range environ {
		value, counts := strings.CutPrefix(entry, depthVariable+"=")
		if !counts {
			kept = append(kept, entry)
			continue
		}
		depth, _ = strconv.Atoi(value) // what is no number is not ours
	}
	if depth >= maxDepth {
		return nil, errTooDeep
	}
	return append(kept, depthVariable+"="+strconv.Itoa(depth+1)), nil
}

// environment is that of the calling process, a level deeper.
func environment() ([]string, error) { return deeper(os.Environ()) }
