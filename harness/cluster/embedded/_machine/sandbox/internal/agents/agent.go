// Package agents starts agents, the processes that hold pods or containers, and
// talks to them.
package agents

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/wire"
)

// Agent is one that runs. Its methods may be called concurrently.
type Agent struct {
	process *os.Process
	conn    *wire.Conn
	calls   *calls
	grace   time.Duration
	gone    chan struct{}
}

// receive hands the agent's messages on until the socket closes.
func (a *Agent) receive() {
	for {
		var reply wire.Reply
		files, err := a.conn.Receive(&reply)
		if err != nil {
			// Nothing can be told to the agent any more; without its socket it ends by
			// itself, unless it is stuck.
			if err := a.end(); err != nil {
				fmt.Fprintln(os.Stderr, "sandbox: killing an agent:", err)
			}
			return
		}
		waiting, process := a.calls.take(reply)
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

// await waits for the agent's end, with which everything that it holds has
// ended.
func (a *Agent) await() {
	if _, err := a.process.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: waiting for an agent:", err)
	}
	a.conn.Close()
	for _, process := range a.calls.close() {
		process.lose()
	}
	close(a.gone)
}

// PID is the agent's.
func (a *Agent) PID() int { return a.process.Pid }

// Kill kills the agent as somebody else might.
func (a *Agent) Kill() error { return a.process.Kill() }

// Done is closed when the agent is gone.
func (a *Agent) Done() <-chan struct{} { return a.gone }

// Ended reports whether the agent is gone.
func (a *Agent) Ended() bool {
	select {
	case <-a.gone:
		return true
	default:
		return false
	}
}

// Close ends the agent, with all that it holds, and waits for it.
func (a *Agent) Close() error {
	if err := a.end(); err != nil {
		return err
	}
	<-a.gone
	return nil
}

// end closes the socket and kills an agent that has not ended in time.
func (a *Agent) end() error {
	if a.grace > 0 {
		a.conn.Close()
		select {
		case <-a.gone:
		case <-time.After(a.grace):
		}
	}
	if err := a.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// SetVolume makes a volume or replaces its files.
func (a *Agent) SetVolume(name string, v sandbox.Volume) error {
	request := wire.Volume{Name: name, Empty: v.Files == nil, SizeLimit: v.SizeLimit, Mode: v.Mode, Group: v.Group}
	if v.Files != nil {
		request.Files = map[string]wire.File{}
		for path, file := range v.Files {
			request.Files[path] = wire.File(file)
		}
	}
	_, _, err := a.Call(context.Background(), wire.Request{Volume: &request})
	return err
}

// ReadVolume returns the last limit bytes of a file in a volume.
func (a *Agent) ReadVolume(name, path string, limit int64) ([]byte, error) {
	reply, _, err := a.Call(context.Background(), wire.Request{Read: &wire.Read{Volume: name, Path: path, Limit: limit}})
	return reply.Data, err
}

// File makes a request whose reply is one descriptor.
func (a *Agent) File(ctx context.Context, request wire.Request, files ...int) (*os.File, error) {
	_, received, err := a.Call(ctx, request, files...)
	if err != nil {
		return nil, err
	}
	if len(received) != 1 {
		wire.CloseAll(received)
		return nil, fmt.Errorf("got %d descriptors, not one", len(received))
	}
	return os.NewFile(uintptr(received[0]), "descriptor"), nil
}
