package agents

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"rolecall.build/machine/sandbox/internal/wire"
)

// spawner is a small process that starts the agents which have namespaces. The
// kernel copies the page tables of whoever starts a process in a user namespace
// of its own, and then the pages that either writes to: a machine with hundreds
// of MiB would stand still for some 20 ms for each pod. It is the same program
// as the agent, and the agents are this process's children, not its own.
type spawner struct {
	mu   sync.Mutex
	conn *wire.Conn // nil: it has not been started
}

// spawn starts an agent with its end of a socket.
func (p *Program) spawn(socket *os.File, attributes *syscall.SysProcAttr) (*os.Process, error) {
	p.spawner.mu.Lock()
	defer p.spawner.mu.Unlock()
	for {
		running := p.spawner.conn != nil
		if !running {
			conn, err := p.startSpawner()
			if err != nil {
				return nil, fmt.Errorf("starting the spawner: %w", err)
			}
			p.spawner.conn = conn
		}
		var reply wire.Spawned
		err := p.spawner.conn.Send(wire.Spawn{Attributes: *attributes}, int(socket.Fd()))
		if err == nil {
			_, err = p.spawner.conn.Receive(&reply)
		}
		switch {
		case err == nil && reply.Errno == 0:
			return os.FindProcess(reply.PID)
		case err == nil:
			return nil, &fs.PathError{Op: "fork/exec", Path: wire.AgentPath, Err: reply.Errno}
		}
		p.spawner.end()
		if !running {
			return nil, fmt.Errorf("asking the spawner: %w", err)
		}
	}
}

func (p *Program) startSpawner() (*wire.Conn, error) {
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	process, err := p.exec(wire.SpawnerName, theirs, &syscall.SysProcAttr{Setsid: true})
	if err != nil {
		conn.Close()
		return nil, err
	}
	go func() { _, _ = process.Wait() }() // why it ended does not matter: it is started again
	return conn, nil
}

func (s *spawner) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// end closes the socket, with which the spawner ends. The lock is held.
func (s *spawner) end() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}
