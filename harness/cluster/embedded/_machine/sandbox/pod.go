package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// Pod is a pod that runs. Its methods may be called concurrently.
type Pod struct {
	runtime *Runtime
	spec    PodSpec
	agent   *os.Process
	conn    *wire.Conn
	calls   *calls
	cgroup  *podCgroup
	gone    chan struct{}
	rooms   *rooms // nil where the pod has namespaces; otherwise the fields for an agent have no use

	orderly   bool        // its agent has to kill what it started: the kernel does not
	overLimit atomic.Bool // a watch of this side killed one of its processes for the memory it used

	bringing sync.Mutex
	images   map[string]bool // that the agent has

	mu   sync.Mutex
	open []interface{ Close() error } // listeners

	closing sync.Once
	closed  error
}

// receive hands the agent's messages on until the socket closes.
func (p *Pod) receive() {
	for {
		var reply wire.Reply
		files, err := p.conn.Receive(&reply)
		if err != nil {
			// Nothing can be told to the agent any more; without its socket it ends by itself, unless it is stuck.
			if err := p.endAgent(); err != nil {
				fmt.Fprintln(os.Stderr, "sandbox: killing an agent:", err)
			}
			return
		}
		waiting, process := p.calls.take(reply)
		switch {
		case waiting != nil:
			waiting <- answer{reply, files}
		case process != nil:
			process.end(*reply.Exit)
		default:
			wire.CloseAll(files)
		}
	}
}

// orderlyEnd is what an agent gets to end what it started.
const orderlyEnd = 8 * time.Second

// endAgent kills the agent, at once if the kernel ends its pod with it.
func (p *Pod) endAgent() error {
	if p.orderly {
		p.conn.Close()
		select {
		case <-p.gone:
		case <-time.After(orderlyEnd):
		}
	}
	if err := p.agent.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// await waits for the agent's end, with which everything in the pod has ended.
func (p *Pod) await() {
	if _, err := p.agent.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: waiting for an agent:", err)
	}
	p.conn.Close()
	for _, process := range p.calls.close() {
		process.lose()
	}
	close(p.gone)
}

// abandon cleans up after a request whose caller went away: what it opened is closed and what it started killed.
func (p *Pod) abandon(process *Process, replied <-chan answer) {
	select {
	case got := <-replied:
		wire.CloseAll(got.files)
		if process != nil && got.reply.Error == "" {
			if err := process.Signal(unix.SIGKILL); err != nil && !errors.Is(err, ErrGone) {
				fmt.Fprintln(os.Stderr, "sandbox: killing a process:", err)
			}
		}
	case <-p.gone:
	}
}

// isGone reports whether sending failed because the agent is gone.
func (p *Pod) isGone(err error) bool {
	return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// SetVolume makes a volume. For one that exists it replaces all files at once, as the kubelet does: whoever reads through a path in the volume
// sees the old ones or the new ones, and whoever has resolved a link in it finds the old ones until the next time.
func (p *Pod) SetVolume(name string, v Volume) error {
	if p.rooms != nil {
		return p.rooms.setVolume(name, v)
	}
	request := wire.Volume{Name: name, Empty: v.Files == nil, SizeLimit: v.SizeLimit, Mode: v.Mode, Group: v.Group}
	if v.Files != nil {
		request.Files = map[string]wire.File{}
		for path, file := range v.Files {
			request.Files[path] = wire.File(file)
		}
	}
	_, _, err := p.call(context.Background(), wire.Request{Volume: &request})
	return err
}

// ReadVolume returns the last limit bytes of a file in a volume.
func (p *Pod) ReadVolume(name, path string, limit int64) ([]byte, error) {
	if p.rooms != nil {
		return p.rooms.readVolume(name, path, limit)
	}
	reply, _, err := p.call(context.Background(), wire.Request{Read: &wire.Read{Volume: name, Path: path, Limit: limit}})
	return reply.Data, err
}

// Listen listens in the pod's network, such as ("tcp", "10.96.0.1:443"). Close closes the listener.
func (p *Pod) Listen(network, address string) (net.Listener, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, fmt.Errorf("listening in the pod %s: %w", p.spec.Name, net.UnknownNetworkError(network))
	}
	listener, err := p.listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listening in the pod %s: %w", p.spec.Name, err)
	}
	p.remember(listener)
	return listener, nil
}

// ListenPacket does the same for "udp".
func (p *Pod) ListenPacket(network, address string) (net.PacketConn, error) {
	if !strings.HasPrefix(network, "udp") {
		return nil, fmt.Errorf("listening in the pod %s: %w", p.spec.Name, net.UnknownNetworkError(network))
	}
	packets, err := p.listenPacket(network, address)
	if err != nil {
		return nil, fmt.Errorf("listening in the pod %s: %w", p.spec.Name, err)
	}
	p.remember(packets)
	return packets, nil
}

func (p *Pod) listen(network, address string) (net.Listener, error) {
	if p.rooms != nil {
		return p.runtime.network.listen(p, network, address)
	}
	file, err := p.socket(context.Background(), wire.Request{Listen: &wire.Socket{Network: network, Address: address}})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FileListener(file)
}

func (p *Pod) listenPacket(network, address string) (net.PacketConn, error) {
	if p.rooms != nil {
		return p.runtime.network.listenPacket(p, network, address)
	}
	file, err := p.socket(context.Background(), wire.Request{Listen: &wire.Socket{Network: network, Address: address}})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FilePacketConn(file)
}

// longestDial bounds a Dial whose context has no deadline.
const longestDial = 30 * time.Second

// Dial connects from inside the pod's network, for probes and port-forward. The caller closes the connection.
func (p *Pod) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	timeout := longestDial
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), time.Millisecond)
	}
	if p.rooms != nil {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return p.runtime.dialShared(ctx, p, network, address)
	}
	socket := wire.Socket{Network: network, Address: address, Timeout: max(timeout.Milliseconds(), 1)}
	file, err := p.socket(ctx, wire.Request{Dial: &socket})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FileConn(file)
}

// socket makes a request whose reply is a socket.
func (p *Pod) socket(ctx context.Context, request wire.Request) (*os.File, error) {
	_, files, err := p.call(ctx, request)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		wire.CloseAll(files)
		return nil, fmt.Errorf("got %d descriptors, not one", len(files))
	}
	return os.NewFile(uintptr(files[0]), "socket"), nil
}

func (p *Pod) remember(listener interface{ Close() error }) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, listener)
}

// ended reports whether the agent is gone.
func (p *Pod) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// Done is closed when the pod is gone, for whatever reason.
func (p *Pod) Done() <-chan struct{} { return p.gone }

// Close kills everything in the pod, waits until it is gone and removes what is left of it. It may be called more than once.
func (p *Pod) Close() error {
	p.closing.Do(func() {
		if err := p.endAll(); err != nil {
			p.closed = fmt.Errorf("closing the pod %s: %w", p.spec.Name, err)
		}
		<-p.gone
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, listener := range p.open {
			if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				p.closed = errors.Join(p.closed, err)
			}
		}
		if err := p.cgroup.remove(); err != nil {
			p.closed = errors.Join(p.closed, err)
		}
	})
	return p.closed
}

func (p *Pod) endAll() error {
	if p.rooms != nil {
		return p.rooms.close()
	}
	return p.endAgent()
}
