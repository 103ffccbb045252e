package namespaces

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/internal/cgroups"
	"rolecall.build/machine/sandbox/internal/listeners"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// Pod implements sandbox.Pod.
type Pod struct {
	runtime   *Runtime
	spec      sandbox.PodSpec
	agent     *agents.Agent
	cgroup    *cgroups.Pod
	listeners listeners.Open

	bringing sync.Mutex
	images   map[string]bool // that the agent has

	overLimit atomic.Bool // as OverLimit says; while containers run their cgroups may know more
	closing   sync.Once
	closed    error
}

// SetVolume implements sandbox.Pod.
func (p *Pod) SetVolume(name string, v sandbox.Volume) error { return p.agent.SetVolume(name, v) }

// ReadVolume implements sandbox.Pod.
func (p *Pod) ReadVolume(name, file string, limit int64) ([]byte, error) {
	return p.agent.ReadVolume(name, file, limit)
}

// Run implements sandbox.Pod.
func (p *Pod) Run(ctx context.Context, spec sandbox.ContainerSpec) (sandbox.Process, error) {
	process, err := p.run(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("running the container %s: %w", spec.Name, err)
	}
	return process, nil
}

func (p *Pod) run(ctx context.Context, spec sandbox.ContainerSpec) (*agents.Process, error) {
	if err := p.bringImage(ctx, spec.Image); err != nil {
		return nil, err
	}
	filter, err := p.runtime.filters.Of(spec.Capabilities)
	if err != nil {
		return nil, err
	}
	if p.agent.Ended() {
		return nil, sandbox.ErrGone
	}
	group, err := p.cgroup.NewContainer(spec.Name, cgroups.Limits{Memory: spec.Memory, CPU: spec.CPU})
	if err != nil {
		return nil, err
	}
	process, err := p.start(ctx, group, agents.Start{
		Request: agents.Run(spec, filter), TTY: spec.TTY, Stdin: spec.Stdin, Stdout: spec.Stdout, Stderr: spec.Stderr,
		OnEnd: func(exit wire.Exit) bool {
			defer group.Remove()
			p.noteMemory(group.OOMKills() > 0)
			return p.killedForMemory(group, exit)
		},
	})
	if err != nil {
		group.Remove()
	}
	return process, err
}

// Exec implements sandbox.Pod.
func (p *Pod) Exec(ctx context.Context, container string, spec sandbox.ExecSpec) (sandbox.Process, error) {
	group := p.cgroup.Find(container)
	process, err := p.start(ctx, group, agents.Start{
		Request: wire.Request{Exec: &wire.Exec{Container: container, Args: spec.Args, TTY: spec.TTY}},
		TTY:     spec.TTY, Stdin: spec.Stdin, Stdout: spec.Stdout, Stderr: spec.Stderr,
		OnEnd: func(exit wire.Exit) bool { return p.killedForMemory(group, exit) },
	})
	if err != nil {
		return nil, fmt.Errorf("executing in the container %s: %w", container, err)
	}
	return process, nil
}

// killedForMemory reports whether a process ended because the kernel killed it,
// or for a shell a child of it, for the cgroup's memory.
func (p *Pod) killedForMemory(group *cgroups.Container, exit wire.Exit) bool {
	killed := exit.Code == 128+int(unix.SIGKILL) && group.OOMKilled()
	p.noteMemory(killed || exit.OOMKilled)
	return killed
}

func (p *Pod) noteMemory(over bool) {
	if over {
		p.overLimit.Store(true)
	}
}

// start starts a process in a cgroup.
func (p *Pod) start(ctx context.Context, group *cgroups.Container, start agents.Start) (_ *agents.Process, err error) {
	if start.Cgroups, err = group.Procs(); err != nil {
		return nil, err
	}
	defer closeFiles(start.Cgroups)
	return p.agent.Start(ctx, start)
}

func closeFiles(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}

// Listen implements sandbox.Pod.
func (p *Pod) Listen(network, address string) (net.Listener, error) {
	return p.listeners.Listen(p.spec.Name, network, address, func(network, address string) (net.Listener, error) {
		file, err := p.listen(network, address)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return net.FileListener(file)
	})
}

// ListenPacket implements sandbox.Pod.
func (p *Pod) ListenPacket(network, address string) (net.PacketConn, error) {
	return p.listeners.ListenPacket(p.spec.Name, network, address, func(network, address string) (net.PacketConn, error) {
		file, err := p.listen(network, address)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return net.FilePacketConn(file)
	})
}

func (p *Pod) listen(network, address string) (*os.File, error) {
	return p.agent.File(context.Background(), wire.Request{Listen: &wire.Socket{Network: network, Address: address}})
}

// longestDial bounds a Dial whose context has no deadline.
const longestDial = 30 * time.Second

// Dial implements sandbox.Pod.
func (p *Pod) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	timeout := longestDial
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), time.Millisecond)
	}
	socket := wire.Socket{Network: network, Address: address, Timeout: max(timeout.Milliseconds(), 1)}
	file, err := p.agent.File(ctx, wire.Request{Dial: &socket})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FileConn(file)
}

// OverLimit implements sandbox.Pod.
func (p *Pod) OverLimit() bool { return p.overLimit.Load() }

// Done implements sandbox.Pod.
func (p *Pod) Done() <-chan struct{} { return p.agent.Done() }

// Close implements sandbox.Pod.
func (p *Pod) Close() error {
	p.closing.Do(func() {
		err := errors.Join(p.agent.Close(), p.listeners.Close())
		p.noteMemory(p.cgroup.OOMKills() > 0)
		if err := errors.Join(err, p.cgroup.Remove()); err != nil {
			p.closed = fmt.Errorf("closing the pod %s: %w", p.spec.Name, err)
		}
	})
	return p.closed
}
