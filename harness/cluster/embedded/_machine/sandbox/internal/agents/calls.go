package agents

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// calls are the requests that wait for their replies, and the processes that
// wait for their ends.
type calls struct {
	mu        sync.Mutex
	last      uint64
	closed    bool
	waiting   map[uint64]chan answer
	processes map[uint64]*Process
}

type answer struct {
	reply wire.Reply
	files []int
}

func newCalls() *calls {
	return &calls{waiting: map[uint64]chan answer{}, processes: map[uint64]*Process{}}
}

// Call sends a request and waits for the reply. The caller owns the descriptors
// it returns.
func (a *Agent) Call(ctx context.Context, request wire.Request, files ...int) (wire.Reply, []int, error) {
	return a.callFor(ctx, nil, request, files...)
}

// LongestCall bounds every call: an agent that has not answered by then is
// stuck. Tests set it.
var LongestCall = 30 * time.Second

// callFor does the same for a request that starts a process.
func (a *Agent) callFor(ctx context.Context, process *Process, request wire.Request, files ...int) (wire.Reply, []int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, LongestCall, fmt.Errorf("the pod's agent has not answered for %v", LongestCall))
	defer cancel()
	id, replied, err := a.calls.register(process)
	if err != nil {
		return wire.Reply{}, nil, err
	}
	request.ID = id
	if err := a.conn.Send(request, files...); err != nil {
		a.calls.forget(id)
		if isGone(err) {
			return wire.Reply{}, nil, sandbox.ErrGone
		}
		return wire.Reply{}, nil, err
	}
	select {
	case got := <-replied:
		return a.outcome(got)
	case <-a.gone:
		select {
		case got := <-replied: // the last thing it did
			return a.outcome(got)
		default:
			return wire.Reply{}, nil, sandbox.ErrGone
		}
	case <-ctx.Done():
		a.calls.forget(id)
		go a.abandon(process, replied)
		return wire.Reply{}, nil, context.Cause(ctx)
	}
}

func (a *Agent) outcome(got answer) (wire.Reply, []int, error) {
	if got.reply.Error == "" {
		return got.reply, got.files, nil
	}
	a.calls.forget(got.reply.ID)
	if got.reply.Code != 0 {
		return got.reply, nil, &sandbox.StartError{Code: got.reply.Code, Message: got.reply.Error}
	}
	return got.reply, nil, errors.New(got.reply.Error)
}

// abandon cleans up after a request whose caller went away: what it opened is
// closed and what it started killed.
func (a *Agent) abandon(process *Process, replied <-chan answer) {
	select {
	case got := <-replied:
		wire.CloseAll(got.files)
		if process != nil && got.reply.Error == "" {
			if err := process.Signal(unix.SIGKILL); err != nil && !errors.Is(err, sandbox.ErrGone) {
				fmt.Fprintln(os.Stderr, "sandbox: killing a process:", err)
			}
		}
	case <-a.gone:
	}
}

// isGone reports whether sending failed because the agent is gone.
func isGone(err error) bool {
	return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// register gives a request its number, and a process with it.
func (c *calls) register(process *Process) (uint64, <-chan answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, nil, sandbox.ErrGone
	}
	c.last++
	replied := make(chan answer, 1)
	c.waiting[c.last] = replied
	if process != nil {
		process.id = c.last
		c.processes[c.last] = process
	}
	return c.last, replied, nil
}

// forget drops a process that did not start.
func (c *calls) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.processes, id)
}

// take returns whom a message is for: who waits for the reply, or the process
// that ended.
func (c *calls) take(reply wire.Reply) (chan answer, *Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reply.Exit != nil {
		process := c.processes[reply.ID]
		delete(c.processes, reply.ID)
		return nil, process
	}
	waiting := c.waiting[reply.ID]
	delete(c.waiting, reply.ID)
	return waiting, nil
}

// close ends all that wait and returns the processes that were running.
func (c *calls) close() []*Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var left []*Process
	for _, process := range c.processes {
		left = append(left, process)
	}
	c.processes = map[uint64]*Process{}
	return left
}
