package sandbox

import (
	"context"
	"errors"
	"sync"

	"rolecall.build/machine/sandbox/internal/wire"
)

// calls are the requests that wait for their replies, and the processes that wait for their ends.
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

// call sends a request and waits for the reply. The caller owns the descriptors it returns.
func (p *Pod) call(ctx context.Context, request wire.Request, files ...int) (wire.Reply, []int, error) {
	return p.callFor(ctx, nil, request, files...)
}

// callFor does the same for a request that starts a process.
func (p *Pod) callFor(ctx context.Context, process *Process, request wire.Request, files ...int) (wire.Reply, []int, error) {
	id, replied, err := p.calls.register(process)
	if err != nil {
		return wire.Reply{}, nil, err
	}
	request.ID = id
	if err := p.conn.Send(request, files...); err != nil {
		p.calls.forget(id)
		if p.isGone(err) {
			return wire.Reply{}, nil, ErrGone
		}
		return wire.Reply{}, nil, err
	}
	select {
	case got := <-replied:
		return p.outcome(got)
	case <-p.gone:
		select {
		case got := <-replied: // the last thing it did
			return p.outcome(got)
		default:
			return wire.Reply{}, nil, ErrGone
		}
	case <-ctx.Done():
		p.calls.forget(id)
		go p.abandon(process, replied)
		return wire.Reply{}, nil, context.Cause(ctx)
	}
}

func (p *Pod) outcome(got answer) (wire.Reply, []int, error) {
	if got.reply.Error == "" {
		return got.reply, got.files, nil
	}
	p.calls.forget(got.reply.ID)
	if got.reply.Code != 0 {
		return got.reply, nil, &StartError{Code: got.reply.Code, Message: got.reply.Error}
	}
	return got.reply, nil, errors.New(got.reply.Error)
}

// register gives a request its number, and a process with it.
func (c *calls) register(process *Process) (uint64, <-chan answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, nil, ErrGone
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

// take returns whom a message is for: who waits for the reply, or the process that ended.
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
