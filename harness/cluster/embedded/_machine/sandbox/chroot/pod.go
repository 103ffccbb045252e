package chroot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/internal/listeners"

	"golang.org/x/sys/unix"
)

// Pod implements sandbox.Pod.
type Pod struct {
	runtime   *Runtime
	spec      sandbox.PodSpec
	listeners listeners.Open

	// mu is never held while anything is waited for: the watches take it.
	mu         sync.Mutex
	volumes    map[string]sandbox.Volume
	containers map[string]*container
	closing    bool
	overLimit  bool

	once   sync.Once
	gone   chan struct{}
	closed error
}

func (r *Runtime) newPod(spec sandbox.PodSpec) *Pod {
	return &Pod{
		runtime: r, spec: spec, gone: make(chan struct{}),
		volumes: map[string]sandbox.Volume{}, containers: map[string]*container{},
	}
}

// SetVolume implements sandbox.Pod. It notes the volume and brings the
// containers' copies up to date.
func (p *Pod) SetVolume(name string, v sandbox.Volume) error {
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return sandbox.ErrGone
	}
	p.volumes[name] = v
	agents := p.agentsWith(name)
	p.mu.Unlock()
	var failed error
	for _, agent := range agents {
		if err := agent.SetVolume(name, v); !errors.Is(err, sandbox.ErrGone) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// ReadVolume implements sandbox.Pod.
func (p *Pod) ReadVolume(name, file string, limit int64) ([]byte, error) {
	p.mu.Lock()
	agents := p.agentsWith(name)
	p.mu.Unlock()
	if len(agents) == 0 {
		return nil, fmt.Errorf("reading the volume %s: no container has it", name)
	}
	return agents[0].ReadVolume(name, file, limit)
}

// agentsWith are those of the containers that have a volume. The lock is held.
func (p *Pod) agentsWith(volume string) (all []*agents.Agent) {
	for _, c := range p.containers {
		if c.agent != nil && c.mounted(volume) {
			all = append(all, c.agent)
		}
	}
	return all
}

// Run implements sandbox.Pod.
func (p *Pod) Run(ctx context.Context, spec sandbox.ContainerSpec) (sandbox.Process, error) {
	spec.Files = p.withHostname(spec.Files)
	c, err := p.container(spec)
	if err != nil {
		return nil, fmt.Errorf("running the container %s: %w", spec.Name, err)
	}
	defer c.changing.Unlock()
	process, err := c.run(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("running the container %s: %w", spec.Name, err)
	}
	return process, nil
}

// Exec implements sandbox.Pod.
func (p *Pod) Exec(ctx context.Context, name string, spec sandbox.ExecSpec) (sandbox.Process, error) {
	p.mu.Lock()
	c := p.containers[name]
	p.mu.Unlock()
	if c == nil {
		return nil, fmt.Errorf("executing in the container %s: container not running", name)
	}
	process, err := c.exec(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("executing in the container %s: %w", name, err)
	}
	return process, nil
}

// withHostname adds the machine's name, which pods see for their own, to a
// pod's hosts file, so that a program that looks for its own address finds the
// pod's.
func (p *Pod) withHostname(files map[string][]byte) map[string][]byte {
	const hosts = "/etc/hosts"
	content, given := files[hosts]
	if !given || len(p.spec.Addresses) == 0 {
		return files
	}
	name, err := os.Hostname()
	if err != nil {
		return files
	}
	changed := maps.Clone(files)
	changed[hosts] = fmt.Appendf(slices.Clip(content), "%s\t%s\n", p.spec.Addresses[0], name)
	return changed
}

// Listen implements sandbox.Pod.
func (p *Pod) Listen(network, address string) (net.Listener, error) {
	return p.listeners.Listen(p.spec.Name, network, address, func(network, address string) (net.Listener, error) {
		return p.runtime.network.listen(p, network, address)
	})
}

// ListenPacket implements sandbox.Pod.
func (p *Pod) ListenPacket(network, address string) (net.PacketConn, error) {
	return p.listeners.ListenPacket(p.spec.Name, network, address, func(network, address string) (net.PacketConn, error) {
		return p.runtime.network.listenPacket(p, network, address)
	})
}

// longestDial bounds a Dial whose context has no deadline.
const longestDial = 30 * time.Second

// Dial implements sandbox.Pod. What listens there and is not the pod's refuses.
func (p *Pod) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if own := p.spec.Addresses; len(own) > 0 && host == own[0].String() || host == "localhost" {
		host = "127.0.0.1"
	}
	conn, err := (&net.Dialer{Timeout: longestDial}).DialContext(ctx, network, net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	if p.runtime.network.owner(conn.RemoteAddr(), conn.LocalAddr()) == p {
		return conn, nil
	}
	conn.Close()
	return nil, &net.OpError{Op: "dial", Net: network, Addr: conn.RemoteAddr(), Err: os.NewSyscallError("connect", unix.ECONNREFUSED)}
}

// OverLimit implements sandbox.Pod.
func (p *Pod) OverLimit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.overLimit
}

// Done implements sandbox.Pod.
func (p *Pod) Done() <-chan struct{} { return p.gone }

// Close implements sandbox.Pod.
func (p *Pod) Close() error {
	p.once.Do(func() {
		p.mu.Lock()
		p.closing = true
		containers := slices.Collect(maps.Values(p.containers))
		p.mu.Unlock()
		failures := make([]error, len(containers))
		var ends sync.WaitGroup
		for i, c := range containers {
			ends.Go(func() { failures[i] = c.remove() })
		}
		ends.Wait()
		close(p.gone)
		if err := errors.Join(append(failures, p.listeners.Close())...); err != nil {
			p.closed = fmt.Errorf("closing the pod %s: %w", p.spec.Name, err)
		}
	})
	return p.closed
}
