package agents

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"rolecall.build/machine/sandbox/internal/memfd"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// Program is the agent's program, in memory.
type Program struct {
	file    *os.File
	spawner spawner
}

// Load reads the program.
func Load(path string) (*Program, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the sandbox agent: %w", err)
	}
	defer file.Close()
	loaded, _, err := memfd.Copy("sandbox", file)
	if err != nil {
		return nil, fmt.Errorf("reading the sandbox agent: %w", err)
	}
	return &Program{file: loaded}, nil
}

// Close lets go of the program. No further agent can be started.
func (p *Program) Close() error {
	p.spawner.close()
	return p.file.Close()
}

// Start starts an agent. When its socket is closed it has the time given to end
// by itself; 0: the kernel ends with it all that it started, so it is killed at
// once.
func (p *Program) Start(attributes *syscall.SysProcAttr, grace time.Duration) (*Agent, error) {
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	var process *os.Process
	if attributes.Cloneflags == 0 {
		process, err = p.exec(wire.AgentName, theirs, attributes)
	} else {
		process, err = p.spawn(theirs, attributes)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	a := &Agent{process: process, conn: conn, grace: grace, calls: newCalls(), gone: make(chan struct{})}
	go a.receive()
	go a.await()
	return a, nil
}

// exec starts the program under a name, with its end of a socket.
func (p *Program) exec(name string, socket *os.File, attributes *syscall.SysProcAttr) (*os.Process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	// By descriptor: the agent's user cannot enter the folder of the node's user.
	return os.StartProcess(wire.AgentPath, []string{name}, &os.ProcAttr{
		Dir: "/", Env: []string{}, Files: []*os.File{null, null, os.Stderr, socket, p.file}, Sys: attributes,
	})
}

// socketPair returns this side's end, and the other's, which the caller closes.
func socketPair() (conn *wire.Conn, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	theirs = os.NewFile(uintptr(pair[1]), "agent")
	if conn, err = wire.NewConn(os.NewFile(uintptr(pair[0]), "node")); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}
