package agents

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// Process implements sandbox.Process.
type Process struct {
	agent    *Agent
	id       uint64
	terminal *os.File
	onEnd    func(exit wire.Exit) (outOfMemory bool)
	ended    chan struct{}
	once     sync.Once
	exit     sandbox.Exit
	err      error
}

// Start is how a process starts.
type Start struct {
	// Request is Run or Exec.
	Request wire.Request
	TTY     bool
	// Stdin, Stdout and Stderr are as in sandbox.ContainerSpec.
	Stdin, Stdout, Stderr *os.File
	// Cgroups are the files that the process joins cgroups with.
	Cgroups []*os.File
	// OnEnd is told how the process ended, before anybody else, and says whether
	// its memory limit ended it. nil: the agent knows.
	OnEnd func(exit wire.Exit) (outOfMemory bool)
}

// Run is the request for a container.
func Run(spec sandbox.ContainerSpec, filter []byte) wire.Request {
	request := wire.Run{
		Name: spec.Name, Image: spec.Image, Args: spec.Args, Env: spec.Env, Dir: spec.Dir, User: spec.User, Group: spec.Group,
		Groups: spec.Groups, ReadOnlyRoot: spec.ReadOnlyRoot, NoNewPrivileges: spec.NoNewPrivileges, TTY: spec.TTY,
		Seccomp: filter, Capabilities: spec.Capabilities, Files: spec.Files, Memory: spec.Memory, Disk: spec.Disk,
	}
	if request.Dir == "" {
		request.Dir = "/"
	}
	for _, mount := range spec.Mounts {
		request.Mounts = append(request.Mounts, wire.Mount(mount))
	}
	return wire.Request{Run: &request}
}

// Start starts a process.
func (a *Agent) Start(ctx context.Context, start Start) (*Process, error) {
	p := &Process{agent: a, onEnd: start.OnEnd, ended: make(chan struct{})}
	var files []int
	if !start.TTY {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		defer null.Close()
		files = standard(null, start.Stdin, start.Stdout, start.Stderr)
	}
	for _, file := range start.Cgroups {
		files = append(files, int(file.Fd()))
	}
	_, received, err := a.callFor(ctx, p, start.Request, files...)
	if err != nil {
		return nil, err
	}
	if start.TTY && len(received) == 1 {
		p.terminal = os.NewFile(uintptr(received[0]), "terminal")
		return p, nil
	}
	wire.CloseAll(received)
	return p, nil
}

// standard are the descriptors of the standard files, null in the place of
// those that are nil.
func standard(null *os.File, given ...*os.File) (files []int) {
	for _, file := range given {
		if file == nil {
			file = null
		}
		descriptor := int(file.Fd()) // which makes it blocking, as programs expect
		files = append(files, descriptor)
		// A pipe is the node's user's: without this a container's user could not open
		// /dev/stdin. For anything but such a pipe it fails, which does no harm.
		if about, err := file.Stat(); err == nil && about.Mode()&os.ModeNamedPipe != 0 {
			_ = unix.Fchmod(descriptor, 0o666)
		}
	}
	return files
}

// end notes how the process ended.
func (p *Process) end(exit wire.Exit) {
	p.once.Do(func() {
		outOfMemory := p.onEnd != nil && p.onEnd(exit)
		p.exit = sandbox.Exit{Code: exit.Code, Signal: syscall.Signal(exit.Signal), OOMKilled: exit.OOMKilled || outOfMemory}
		close(p.ended)
	})
}

// lose ends a process whose agent is gone.
func (p *Process) lose() {
	p.once.Do(func() {
		p.err = sandbox.ErrGone
		close(p.ended)
	})
}

// Terminal implements sandbox.Process.
func (p *Process) Terminal() *os.File { return p.terminal }

// Wait implements sandbox.Process.
func (p *Process) Wait() (sandbox.Exit, error) {
	<-p.ended
	return p.exit, p.err
}

// Done implements sandbox.Process.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Ended reports whether the process is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Signal implements sandbox.Process.
func (p *Process) Signal(signal syscall.Signal) error {
	if p.Ended() {
		return nil
	}
	request := wire.Request{Signal: &wire.Signal{Process: p.id, Number: int(signal)}}
	if _, _, err := p.agent.Call(context.Background(), request); err != nil {
		return fmt.Errorf("sending a signal: %w", err)
	}
	return nil
}

// Resize implements sandbox.Process.
func (p *Process) Resize(rows, cols uint16) error {
	if p.terminal == nil {
		return fmt.Errorf("resizing: the process has no terminal")
	}
	conn, err := p.terminal.SyscallConn()
	if err != nil {
		return fmt.Errorf("resizing: %w", err)
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	if err != nil {
		return fmt.Errorf("resizing: %w", err)
	}
	if failed != nil {
		return fmt.Errorf("resizing: %w", failed)
	}
	return nil
}
