package sandbox

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// Process is a container's main process or one that Exec started.
type Process struct {
	// Terminal is the side of the TTY that the process does not have, nil without one. Reading it fails (EIO) once the process and all that
	// hold its terminal are gone. The caller closes it.
	Terminal *os.File

	pod    *Pod
	id     uint64
	cgroup *containerCgroup
	main   bool
	ended  chan struct{}
	once   sync.Once
	exit   Exit
	err    error
}

// Run starts a container. The error wraps a *StartError where spec or image are at fault. ctx bounds the start only.
func (p *Pod) Run(ctx context.Context, spec ContainerSpec) (*Process, error) {
	if p.rooms != nil {
		spec.Files = p.named(spec.Files)
		process, err := p.rooms.run(ctx, spec)
		if err != nil {
			return nil, fmt.Errorf("running the container %s: %w", spec.Name, err)
		}
		return process, nil
	}
	if err := p.bringImage(ctx, spec.Image); err != nil {
		return nil, fmt.Errorf("running the container %s: %w", spec.Name, err)
	}
	group, err := p.cgroup.container(spec)
	if p.ended() {
		err = ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("running the container %s: %w", spec.Name, err)
	}
	filter, err := p.runtime.filters.of(spec.Capabilities)
	if err != nil {
		return nil, fmt.Errorf("running the container %s: %w", spec.Name, err)
	}
	request := wire.Run{
		Name: spec.Name, Image: spec.Image, Args: spec.Args, Env: spec.Env, Dir: spec.Dir, User: spec.User, Group: spec.Group,
		Groups: spec.Groups, ReadOnlyRoot: spec.ReadOnlyRoot, NoNewPrivileges: spec.NoNewPrivileges, TTY: spec.TTY,
		Seccomp: filter, Capabilities: spec.Capabilities, Files: spec.Files, Memory: spec.Memory,
		Disk: spec.Disk,
	}
	if request.Dir == "" {
		request.Dir = "/"
	}
	for _, mount := range spec.Mounts {
		request.Mounts = append(request.Mounts, wire.Mount(mount))
	}
	process := &Process{pod: p, cgroup: group, main: true, ended: make(chan struct{})}
	err = process.start(ctx, wire.Request{Run: &request}, spec.TTY, spec.Stdin, spec.Stdout, spec.Stderr)
	if err != nil {
		group.remove()
		return nil, fmt.Errorf("running the container %s: %w", spec.Name, err)
	}
	return process, nil
}

// Exec starts a process in a container that runs. The error wraps a *StartError where spec or container are at fault. ctx bounds the start only:
// to end the process, signal it.
func (p *Pod) Exec(ctx context.Context, container string, spec ExecSpec) (*Process, error) {
	if p.rooms != nil {
		return p.rooms.exec(ctx, container, spec)
	}
	process := &Process{pod: p, cgroup: p.cgroup.find(container), ended: make(chan struct{})}
	request := wire.Request{Exec: &wire.Exec{Container: container, Args: spec.Args, TTY: spec.TTY}}
	if err := process.start(ctx, request, spec.TTY, spec.Stdin, spec.Stdout, spec.Stderr); err != nil {
		return nil, fmt.Errorf("executing in the container %s: %w", container, err)
	}
	return process, nil
}

// start makes the request, with the standard files unless there is a terminal and the cgroups to join.
func (p *Process) start(ctx context.Context, request wire.Request, tty bool, standard ...*os.File) error {
	var files []int
	if !tty {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		for _, file := range standard {
			if file == nil {
				file = null
			}
			descriptor := int(file.Fd()) // which makes it blocking, as programs expect
			files = append(files, descriptor)
			// A pipe is the node's user's: without this a container's user could not open /dev/stdin. For anything but such a pipe it fails, which does no harm.
			if about, err := file.Stat(); err == nil && about.Mode()&os.ModeNamedPipe != 0 {
				_ = unix.Fchmod(descriptor, 0o666)
			}
		}
	}
	procs, err := p.cgroup.procs()
	if err != nil {
		return err
	}
	defer closeFiles(procs)
	for _, file := range procs {
		files = append(files, int(file.Fd()))
	}
	_, received, err := p.pod.callFor(ctx, p, request, files...)
	if err != nil {
		return err
	}
	if tty && len(received) == 1 {
		p.Terminal = os.NewFile(uintptr(received[0]), "terminal")
		return nil
	}
	wire.CloseAll(received)
	return nil
}

func closeFiles(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}

// end notes how the process ended.
func (p *Process) end(exit wire.Exit) {
	p.once.Do(func() {
		p.exit = Exit{Code: exit.Code, Signal: syscall.Signal(exit.Signal), OOMKilled: exit.OOMKilled}
		if exit.Code == 128+int(unix.SIGKILL) && (p.cgroup.killed() || p.pod.overLimit.Load()) {
			p.exit.OOMKilled = true
		}
		if p.main {
			p.cgroup.remove()
		}
		close(p.ended)
	})
}

// lose ends a process whose pod is gone.
func (p *Process) lose() {
	p.once.Do(func() {
		p.err = ErrGone
		close(p.ended)
	})
}

// Wait returns how the process ended, or ErrGone if the pod was gone first. It may be called more than once.
func (p *Process) Wait() (Exit, error) {
	<-p.ended
	return p.exit, p.err
}

// Done is closed when Wait would return at once.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Signal sends a signal; a process that has ended already is no error. As everywhere, a container's main process gets only those that it
// handles, and SIGKILL and SIGSTOP.
func (p *Process) Signal(signal syscall.Signal) error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	request := wire.Request{Signal: &wire.Signal{Process: p.id, Number: int(signal)}}
	if _, _, err := p.pod.call(context.Background(), request); err != nil {
		return fmt.Errorf("sending a signal: %w", err)
	}
	return nil
}

// Resize sets the terminal's size.
func (p *Process) Resize(rows, cols uint16) error {
	if p.Terminal == nil {
		return fmt.Errorf("resizing: the process has no terminal")
	}
	conn, err := p.Terminal.SyscallConn()
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
