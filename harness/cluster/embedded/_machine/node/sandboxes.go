package node

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"rolecall.build/machine/sandbox"
)

// sandboxes starts pods' sandboxes: the real one, or a test's.
type sandboxes interface {
	start(ctx context.Context, spec sandbox.PodSpec) (sandboxPod, error)
	servers() bool // whether what runs in a pod can listen for TCP connections
}

// sandboxPod is what the node does with a sandbox.Pod.
type sandboxPod interface {
	Listen(network, address string) (net.Listener, error)
	ListenPacket(network, address string) (net.PacketConn, error)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	SetVolume(name string, v sandbox.Volume) error
	ReadVolume(name, file string, limit int64) ([]byte, error)
	run(ctx context.Context, spec sandbox.ContainerSpec) (process, error)
	exec(ctx context.Context, container string, spec sandbox.ExecSpec) (process, error)
	Done() <-chan struct{}
	Close() error
}

// process is what the node does with a sandbox.Process.
type process interface {
	Wait() (sandbox.Exit, error)
	Done() <-chan struct{}
	Signal(signal syscall.Signal) error
	Resize(rows, cols uint16) error
	terminal() *os.File
}

// realSandboxes is the sandbox package as the node sees it. odd is
// Config.Odd.
type realSandboxes struct {
	sandbox.Runtime
	odd func(what string)
}

func (r realSandboxes) servers() bool { return r.Support().Servers }

func (r realSandboxes) start(ctx context.Context, spec sandbox.PodSpec) (sandboxPod, error) {
	p, err := r.Start(ctx, spec)
	if err != nil {
		if ctx.Err() == nil {
			r.odd("a pod's sandbox could not be started: " + err.Error())
		}
		return nil, err
	}
	started := &realPod{Pod: p, odd: r.odd}
	go func() {
		if <-p.Done(); !started.closing.Load() {
			r.odd("a pod's sandbox ended by itself")
		}
	}()
	return started, nil
}

type realPod struct {
	sandbox.Pod
	odd     func(what string)
	closing atomic.Bool
}

// Close says what it found to be odd.
func (p *realPod) Close() error {
	p.closing.Store(true)
	err := p.Pod.Close()
	if err != nil {
		p.odd("a pod's sandbox could not be removed: " + err.Error())
	}
	if p.OverLimit() {
		p.odd("a pod used more memory than it may")
	}
	return err
}

func (p *realPod) run(ctx context.Context, spec sandbox.ContainerSpec) (process, error) {
	started, err := p.Run(ctx, spec)
	if err != nil {
		return nil, err
	}
	return realProcess{started}, nil
}

func (p *realPod) exec(ctx context.Context, container string, spec sandbox.ExecSpec) (process, error) {
	started, err := p.Exec(ctx, container, spec)
	if err != nil {
		return nil, err
	}
	return realProcess{started}, nil
}

type realProcess struct{ sandbox.Process }

func (p realProcess) terminal() *os.File { return p.Terminal() }
