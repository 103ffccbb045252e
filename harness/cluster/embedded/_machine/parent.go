package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// readyFD is the descriptor on which the parent waits to hear that this process
// is ready.
const readyFD = 3

// parent is the program that started this one and waits for it to be ready.
type parent struct {
	ready *os.File // nil if nobody waits
}

// newParent must be called before anything is opened.
func newParent() parent {
	// What was inherited has no close-on-exec flag; what this program opened has.
	flags, err := unix.FcntlInt(readyFD, unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC != 0 {
		return parent{}
	}
	unix.CloseOnExec(readyFD)
	return parent{ready: os.NewFile(readyFD, "ready")}
}

// sayReady tells the parent, which may be gone by now, and in a line of its own what it should know of this machine.
func (p parent) sayReady(know string) {
	if p.ready != nil {
		_, _ = p.ready.WriteString("ready\n" + strings.ReplaceAll(know, "\n", " "))
		p.ready.Close()
	}
}

// gone returns a channel that is closed when the parent ends, or closes the
// pipe that it has given as standard input. Any other input says nothing.
func (p parent) gone() <-chan struct{} {
	gone := make(chan struct{})
	var stat unix.Stat_t
	if err := unix.Fstat(int(os.Stdin.Fd()), &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		return gone
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end too
		close(gone)
	}()
	return gone
}
