package main

import (
	"errors"
	"os"
	"os/signal"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// process is a child that a request started.
type process struct {
	id        uint64 // the request's
	pid       int
	container *container // whose PID 1 it is; nil for an exec
	overLimit bool       // the watch killed it
}

// reap collects the children that end, orphans of ended execs among them, and reports those that a request started.
func (p *pod) reap() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	for range ended {
		for p.reapOne() {
		}
	}
}

// reapOne reports whether there may be more.
func (p *pod) reapOne() bool {
	var status unix.WaitStatus
	// Under the lock, so that launch has registered the child before it is looked up, and signal never meets a reused PID.
	p.mu.Lock()
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG|unix.WALL, nil)
	if errors.Is(err, unix.EINTR) {
		p.mu.Unlock()
		return true
	}
	if err != nil || pid <= 0 {
		p.mu.Unlock()
		return false
	}
	if !status.Exited() && !status.Signaled() { // it asked to be traced, and stopped
		p.mu.Unlock()
		return true
	}
	ended := p.processes[pid]
	delete(p.processes, pid)
	if ended != nil && ended.container != nil {
		p.remove(ended.container)
	}
	p.mu.Unlock()
	switch {
	case ended != nil && ended.container != nil && p.room != nil:
		go func() { // Other children have to be waited for meanwhile.
			p.vacate()
			p.report(ended, status)
		}()
	case ended != nil:
		p.report(ended, status)
	}
	return true
}

func (p *pod) report(ended *process, status unix.WaitStatus) {
	exit := wire.Exit{Code: status.ExitStatus()}
	if status.Signaled() {
		exit.Signal = int(status.Signal())
		exit.Code = 128 + exit.Signal
	}
	// A shell whose child was killed reports 137 itself.
	if exit.Code == 128+int(unix.SIGKILL) {
		exit.OOMKilled = ended.overLimit || ended.container != nil && ended.container.overLimit
	}
	if err := p.conn.Send(wire.Reply{ID: ended.id, Exit: &exit}); err != nil {
		go p.leave() // While it clears a room, children have to be waited for here.
	}
}

// signal sends one to a process that a request started; one that has ended is no error.
func (p *pod) signal(s wire.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, process := range p.processes {
		if process.id == s.Process {
			return unix.Kill(process.pid, unix.Signal(s.Number))
		}
	}
	return nil
}
