package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall/harness"
)

// command is rolecall running as a process of its own.
type command struct {
	*exec.Cmd
	lines *bufio.Scanner
	said  *strings.Builder // standard error
}

// rolecall is the command with words and flags, the first of which is its name,
// on a cluster. Flags that args repeat count.
func (b testbed) rolecall(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := fix.binary()
	require.NoError(t, err)
	on := []string{args[0], "--name", b.Name(), "--home", fix.options.Home, "--cluster", b.Provider()}
	return exec.Command(binary, append(on, args[1:]...)...)
}

// start starts the command.
func (b testbed) start(t *testing.T, args ...string) *command {
	t.Helper()
	c := &command{Cmd: b.rolecall(t, args...), said: &strings.Builder{}}
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	c.Stderr = c.said
	require.NoError(t, c.Start())
	c.lines = bufio.NewScanner(out)
	t.Cleanup(func() { _ = c.Process.Kill() })
	return c
}

// until reads lines up to the first one with a text.
func (c *command) until(t testing.TB, text string) {
	t.Helper()
	for c.lines.Scan() {
		if strings.Contains(c.lines.Text(), text) {
			return
		}
	}
	require.Fail(t, "ended early", "no line with %q; %s", text, c.said)
}

// hangs is how long no command takes: one that does is asked where it is.
const hangs = 5 * time.Minute

// status waits for the end and returns the exit status, -1 after a signal.
func (c *command) status() int {
	ask := time.AfterFunc(hangs, func() { _ = c.Process.Signal(syscall.SIGQUIT) })
	defer func() {
		if !ask.Stop() {
			fmt.Fprintf(os.Stderr, "%v did not end within %s: %s\n", c.Args, hangs, c.said)
		}
	}()
	for c.lines.Scan() { //nolint:revive // drains
	}
	_ = c.Wait()
	return c.ProcessState.ExitCode()
}

// read reads a directory's results.json.
func read(t *testing.T, dir string) (result harness.Result) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &result))
	return result
}
