package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	"golang.org/x/sys/unix"
	utilexec "k8s.io/utils/exec"

	"rolecall.build/machine/sandbox"
)

// exec runs a command in a container for an API client. The exit code is in
// the error. When ctx is done the client is gone, and the command is killed.
func (n *node) exec(ctx context.Context, namespace, name, containerName string, command []string, client api.AttachIO) error {
	c, err := n.entered(namespace, name, containerName)
	if err != nil {
		return err
	}
	c.pod.mu.Lock()
	pod := c.pod.sandbox
	c.pod.mu.Unlock()
	if pod == nil {
		return fmt.Errorf("container not found (%q)", containerName)
	}
	e := &execution{client: client}
	spec, err := e.spec(command)
	if err != nil {
		return err
	}
	started, err := pod.exec(ctx, containerName, spec)
	e.given(spec)
	if err != nil {
		e.close()
		var cannot *sandbox.StartError
		if errors.As(err, &cannot) {
			return errors.New("failed to exec in container: " + cannotExec(newID(), cannot))
		}
		return err
	}
	return e.wait(ctx, started)
}

// cannotExec is containerd's message for a command that cannot be started.
func cannotExec(id string, why *sandbox.StartError) string {
	return fmt.Sprintf("failed to start exec %q: OCI runtime exec failed: exec failed: unable to start container process: %s", id, why.Message)
}

// entered is a container that runs.
func (n *node) entered(namespace, name, containerName string) (*container, error) {
	p := n.provider.find(namespace, name)
	if p == nil {
		return nil, fmt.Errorf("pod %q not found", namespace+"/"+name)
	}
	c := p.container(containerName)
	if c == nil || c.currentRun() == nil {
		return nil, fmt.Errorf("container not found (%q)", containerName)
	}
	return c, nil
}

// execution connects one command with its client.
type execution struct {
	client       api.AttachIO
	in, out, err *os.File
	terminal     *os.File
	copied       sync.WaitGroup
}

// pipeSize lets a program of many megabytes come in with few switches.
const pipeSize = 1 << 20

func (e *execution) spec(command []string) (spec sandbox.ExecSpec, err error) {
	spec = sandbox.ExecSpec{Args: command, TTY: e.client.TTY()}
	if spec.TTY {
		return spec, nil
	}
	pipe := func(wanted bool, read, write **os.File) {
		if !wanted || err != nil {
			return
		}
		*read, *write, err = os.Pipe()
	}
	pipe(e.client.Stdin() != nil, &spec.Stdin, &e.in)
	pipe(e.client.Stdout() != nil, &e.out, &spec.Stdout)
	pipe(e.client.Stderr() != nil, &e.err, &spec.Stderr)
	if err != nil {
		e.given(spec)
		e.close()
		return spec, fmt.Errorf("making the command's pipes: %w", err)
	}
	if e.in != nil {
		enlarge(e.in)
	}
	return spec, nil
}

// enlarge is best effort: where the machine allows no such pipe, a usual one will do.
func enlarge(pipe *os.File) {
	connection, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = connection.Control(func(descriptor uintptr) {
		_, _ = unix.FcntlInt(descriptor, unix.F_SETPIPE_SZ, pipeSize)
	})
}

// given closes the command's ends here.
func (*execution) given(spec sandbox.ExecSpec) {
	for _, end := range []*os.File{spec.Stdin, spec.Stdout, spec.Stderr} {
		if end != nil {
			end.Close()
		}
	}
}

func (e *execution) close() {
	for _, end := range []*os.File{e.in, e.out, e.err, e.terminal} {
		if end != nil {
			end.Close()
		}
	}
}

// wait copies until the command has ended and all it wrote has been sent.
func (e *execution) wait(ctx context.Context, started process) error {
	defer e.close()
	if e.terminal = started.terminal(); e.terminal != nil {
		if e.client.Stdin() != nil {
			go func() { _, _ = io.Copy(e.terminal, e.client.Stdin()) }()
		}
		e.copied.Go(func() { _, _ = io.Copy(e.client.Stdout(), e.terminal) })
		go resize(ctx, e.client.Resize(), started)
	}
	if e.in != nil {
		go func() {
			_, _ = io.Copy(e.in, e.client.Stdin())
			e.in.Close()
		}()
	}
	if e.out != nil {
		e.copied.Go(func() { e.send(e.client.Stdout(), e.out) })
	}
	if e.err != nil {
		e.copied.Go(func() { e.send(e.client.Stderr(), e.err) })
	}
	sent := make(chan struct{})
	go func() {
		<-started.Done()
		e.copied.Wait()
		close(sent)
	}()
	select {
	case <-sent:
	case <-ctx.Done():
		_ = started.Signal(syscall.SIGKILL)
		return ctx.Err()
	}
	exit, err := started.Wait()
	if err != nil {
		return err
	}
	if exit.Code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", exit.Code), Code: exit.Code}
	}
	return nil
}

// send ends the pipe when its client is gone, so that the command hears of it.
func (*execution) send(to io.Writer, from *os.File) {
	if _, err := io.Copy(to, from); err != nil {
		from.Close()
	}
}

// resize follows the client's window until the first size that is none: the
// virtual kubelet sends those without end once the client has gone.
func resize(ctx context.Context, sizes <-chan api.TermSize, of process) {
	for {
		select {
		case size := <-sizes:
			if size.Width == 0 || size.Height == 0 {
				return
			}
			_ = of.Resize(size.Height, size.Width)
		case <-of.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}
