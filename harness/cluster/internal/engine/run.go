package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"rolecall/harness/process"
)

// CommandError says which command of the engine failed and what it said.
type CommandError struct {
	Args   []string // the command line
	Stderr string   // the end of what it wrote there
	Err    error    // why it ended
}

func (e *CommandError) Error() string {
	msg := fmt.Sprintf("running %q: %v", strings.Join(e.Args, " "), e.Err)
	if e.Stderr != "" {
		msg += ": " + e.Stderr
	}
	return msg
}

func (e *CommandError) Unwrap() error { return e.Err }

// Output runs the engine's command and returns what it printed, without the
// last line end. A cancelled context kills it with all its children.
func (e *Engine) Output(ctx context.Context, args ...string) (string, error) {
	return e.OutputFrom(ctx, nil, args...)
}

// OutputFrom is Output with a standard input.
func (e *Engine) OutputFrom(ctx context.Context, in io.Reader, args ...string) (string, error) {
	var out bytes.Buffer
	err := e.Run(ctx, in, &out, args...)
	return strings.TrimRight(out.String(), "\r\n"), err
}

// Run runs the engine's command with in as its standard input and out as its
// standard output; each may be nil. A cancelled context kills it with all its
// children; containers that it started go on, and are the caller's to remove.
func (e *Engine) Run(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, e.Command, args...)
	cmd.Stdin, cmd.Stdout = in, out
	stderr := &tail{limit: 2000}
	cmd.Stderr = stderr
	process.KillTree(cmd)
	cmd.WaitDelay = 2 * time.Second // for a grandchild that keeps a pipe open

	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return &CommandError{Args: cmd.Args, Stderr: stderr.String(), Err: err}
}

// Installed reports whether the engine's command could be started at all.
func (e *CommandError) Installed() bool {
	return !errors.Is(e.Err, exec.ErrNotFound)
}

// tail keeps the last bytes written to it.
type tail struct {
	b     []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if cut := len(t.b) - t.limit; cut > 0 {
		t.b = append(t.b[:0], t.b[cut:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.b)) }
