package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rolecall.build/machine/sandbox"
)

// streams connect a container's process with its log and with those who
// attach to it.
type streams struct {
	log      *logFile
	once     bool       // stdin is closed after its first client
	theirs   []*os.File // the process's ends, until it runs
	in       io.WriteCloser
	out, err *os.File
	terminal *os.File
	copied   sync.WaitGroup

	mu      sync.Mutex
	clients []*client
}

// client is one that attached.
type client struct{ stdout, stderr io.Writer }

// newStreams makes the pipes of a container's process. With a terminal there
// are none: the sandbox makes that.
func newStreams(c *corev1.Container, log string) (s *streams, err error) {
	s = &streams{once: c.StdinOnce, theirs: make([]*os.File, 3)}
	if s.log, err = newLogFile(log); err != nil || c.TTY {
		return s, err
	}
	pipe := func(wanted bool, read, write **os.File) {
		if wanted && err == nil {
			*read, *write, err = os.Pipe()
		}
	}
	var in *os.File
	pipe(c.Stdin, &s.theirs[0], &in)
	pipe(true, &s.out, &s.theirs[1])
	pipe(true, &s.err, &s.theirs[2])
	if in != nil {
		s.in = in
	}
	if err != nil {
		s.given()
		s.close()
		return nil, fmt.Errorf("making the container's pipes: %w", err)
	}
	return s, nil
}

// give puts the process's ends into its specification; given closes them here.
func (s *streams) give(spec *sandbox.ContainerSpec) {
	spec.Stdin, spec.Stdout, spec.Stderr = s.theirs[0], s.theirs[1], s.theirs[2]
}

func (s *streams) given() {
	for _, end := range s.theirs {
		if end != nil {
			end.Close()
		}
	}
}

// start copies what the process writes until it ends.
func (s *streams) start(terminal *os.File) {
	if terminal != nil {
		s.terminal, s.in = terminal, terminal
		s.copied.Go(func() { s.copy(terminal, stdoutName) })
		return
	}
	s.copied.Go(func() { s.copy(s.out, stdoutName) })
	s.copied.Go(func() { s.copy(s.err, stderrName) })
}

func (s *streams) copy(from io.Reader, stream string) {
	log := s.log.stream(stream)
	defer log.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		s.tell(stream, buffer[:n])
		_, _ = log.Write(buffer[:n]) // a full disk must not stop the container
		if err != nil {
			return
		}
	}
}

// tell writes to all clients, and forgets those that are gone.
func (s *streams) tell(stream string, data []byte) {
	s.mu.Lock()
	clients := slices.Clone(s.clients)
	s.mu.Unlock()
	for _, c := range clients {
		to := c.stdout
		if stream == stderrName {
			to = c.stderr
		}
		if to == nil {
			continue
		}
		if _, err := to.Write(data); err != nil {
			s.forget(c)
		}
	}
}

func (s *streams) forget(gone *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = slices.DeleteFunc(s.clients, func(c *client) bool { return c == gone })
}

// attach lets a client read and write along until the process ends or ctx is done.
func (s *streams) attach(ctx context.Context, r *run, stdin io.Reader, stdout, stderr io.Writer) {
	c := &client{stdout, stderr}
	s.mu.Lock()
	s.clients = append(s.clients, c)
	s.mu.Unlock()
	defer s.forget(c)
	if stdin != nil && s.in != nil {
		go func() {
			_, _ = io.Copy(s.in, stdin)
			if s.once && s.terminal == nil {
				s.in.Close()
			}
		}()
	}
	select {
	case <-r.ended:
	case <-ctx.Done():
	}
}

// lastOutput is how long the node reads on after a process ended; what still
// holds its pipes then is not the container's.
const lastOutput = 2 * time.Second

// finish reads what the process left and closes everything.
func (s *streams) finish() {
	done := make(chan struct{})
	go func() {
		s.copied.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(lastOutput):
	}
	s.close()
}

func (s *streams) close() {
	var closers []io.Closer
	for _, file := range []*os.File{s.out, s.err, s.terminal} {
		if file != nil {
			closers = append(closers, file)
		}
	}
	if s.in != nil {
		closers = append(closers, s.in)
	}
	if s.log != nil {
		closers = append(closers, s.log)
	}
	for _, closer := range closers {
		if err := closer.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			continue
		}
	}
}
