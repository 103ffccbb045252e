// Package children keeps the processes that requests started: it starts them,
// waits for them and says how they ended.
package children

import (
	"errors"
	"os"
	"os/signal"
	"sync"

	"rolecall.build/machine/sandbox/agent/internal/forkexec"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// Table is the children that run. Its lock is held while one is waited for, so
// that no PID of a child becomes another process's under whoever holds it.
type Table struct {
	sync.Mutex
	byPID map[int]*Process
}

// Process is a child that a request started.
type Process struct {
	// Request is the number of the request.
	Request uint64
	// PID is set by Launch.
	PID int
	// OverLimit says that it was killed for its memory. The table's lock guards
	// it.
	OverLimit bool
	// Started and Ended are called with the table's lock held: when there is a
	// PID, and when it is gone. nil: nothing.
	Started, Ended func()
	// Report is called, without the lock, with how it ended.
	Report func(exit wire.Exit)
}

// New makes an empty table.
func New() *Table { return &Table{byPID: map[int]*Process{}} }

// ByPID finds a child. The lock has to be held. nil: none.
func (t *Table) ByPID(pid int) *Process { return t.byPID[pid] }

// Launch forks a child by calling fork, notes it, and waits until it executes
// its command. An error of the child's is a *forkexec.StartError.
func (t *Table) Launch(started *Process, child *forkexec.Child, fork func() (pid, outcome int, err error)) error {
	t.Lock()
	pid, outcome, err := fork()
	if err == nil {
		started.PID = pid
		t.byPID[pid] = started
		call(started.Started)
	}
	t.Unlock()
	if err != nil {
		return err
	}
	if err := child.Result(pid, outcome); err != nil {
		t.Lock()
		call(started.Ended)
		t.Unlock()
		return err
	}
	return nil
}

// Signal sends a signal to what a request started; a process that has ended is
// no error.
func (t *Table) Signal(s wire.Signal) error {
	t.Lock()
	defer t.Unlock()
	for pid, process := range t.byPID {
		if process.Request == s.Process {
			return unix.Kill(pid, unix.Signal(s.Number))
		}
	}
	return nil
}

// Reap waits for all children, for ever: orphans of ended ones among them.
func (t *Table) Reap() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	for range ended {
		for t.reapOne() {
		}
	}
}

// reapOne reports whether there may be more.
func (t *Table) reapOne() bool {
	var status unix.WaitStatus
	t.Lock()
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG|unix.WALL, nil)
	if err != nil || pid <= 0 {
		t.Unlock()
		return errors.Is(err, unix.EINTR)
	}
	if !status.Exited() && !status.Signaled() { // it asked to be traced, and stopped
		t.Unlock()
		return true
	}
	ended := t.byPID[pid]
	delete(t.byPID, pid)
	if ended != nil {
		call(ended.Ended)
	}
	t.Unlock()
	if ended != nil {
		ended.Report(exitOf(pid, status))
	}
	return true
}

func exitOf(pid int, status unix.WaitStatus) wire.Exit {
	if status.Signaled() {
		return wire.Exit{PID: pid, Code: 128 + int(status.Signal()), Signal: int(status.Signal())}
	}
	return wire.Exit{PID: pid, Code: status.ExitStatus()}
}

func call(f func()) {
	if f != nil {
		f()
	}
}
