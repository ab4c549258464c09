//go:build unix

// Command launch runs commands in turn, round after round, and prints for each run the command's index, wall
// time in nanoseconds, peak resident set as the system counts it, and exit status.
//
// It is a program of its own because a child's peak begins at its parent's size: Linux carries it over from
// the address space that vfork lends. So the parent has to be smaller than anything that it measures.
package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage: launch ROUNDS COMMAND... (each command one argument, its words separated by spaces)
func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		fail(err)
	}
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}}
	for round := -1; round < rounds; round++ { // round -1 fills the page cache
		for i, command := range os.Args[2:] {
			words := strings.Fields(command)
			start := time.Now()
			pid, err := syscall.ForkExec(words[0], words, attr)
			if err != nil {
				fail(err)
			}
			var status syscall.WaitStatus
			var usage syscall.Rusage
			for {
				if _, err = syscall.Wait4(pid, &status, 0, &usage); err != syscall.EINTR {
					break
				}
			}
			wall := time.Since(start)
			if err != nil {
				fail(err)
			}
			if round >= 0 {
				os.Stdout.WriteString(strconv.Itoa(i) + " " + strconv.FormatInt(wall.Nanoseconds(), 10) + " " +
					strconv.FormatInt(int64(usage.Maxrss), 10) + " " + strconv.Itoa(status.ExitStatus()) + "\n")
			}
		}
	}
}

func fail(err error) {
	os.Stderr.WriteString(err.Error() + "\n")
	os.Exit(1)
}
