package command

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/process"
)

// guardCommand is this program as the guard of a watcher: see watched.guard.
const guardCommand = "guard"

// done is what a watcher says to its guard in the end.
const done = "done"

// cleansUp bounds what a guard does.
const cleansUp = time.Minute

// temporaries is the variable that names the folder for temporary files.
const temporaries = "TMPDIR"

// guard starts a process that outlives this one if this one is killed, and then
// puts the terminal back and deletes what was made ready in the cluster. It also
// makes the folder for temporary files that this process uses from here on, and
// deletes it at the end, however that comes. stop ends it.
func (w *watched) guard() (stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	words := []string{guardCommand, "--cluster", w.cluster.Provider(), "--context", w.context, "--kubeconfig", w.kubeconfig}
	if owned, ours := w.cluster.(cluster.Owned); ours {
		words = append(words, "--name", owned.Name())
	}
	cmd := exec.Command(program, words...)
	process.Apart(cmd)
	cmd.Env = append(os.Environ(), "ROLECALL_HOME="+w.home)
	if terminal, ok := w.stdin.(*os.File); ok && term.IsTerminal(int(terminal.Fd())) {
		cmd.Stderr = terminal // which can be written to as well
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a guard: %w", err)
	}
	tell, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	var folder string
	if err == nil {
		folder, err = bufio.NewReader(said).ReadString('\n')
	}
	if err != nil {
		return nil, fmt.Errorf("starting a guard: %w", err)
	}
	w.temporary = os.TempDir()
	if err := os.Setenv(temporaries, strings.TrimSuffix(folder, "\n")); err != nil {
		return nil, fmt.Errorf("starting a guard: %w", err)
	}
	return func() {
		_ = os.Setenv(temporaries, w.temporary)
		_, _ = io.WriteString(tell, done)
		_ = tell.Close()
		_ = cmd.Wait()
	}, nil
}

// guardian is the guard's side.
func (f *front) guardian() *cobra.Command {
	cmd := &cobra.Command{
		Use:    guardCommand,
		Short:  "clean up after a watcher that is killed; watch starts it",
		Hidden: true,
		Args:   noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signal.Ignore(os.Interrupt)
			restore := f.remember()
			folder, err := os.MkdirTemp("", "rolecall-watch-")
			if err != nil {
				return fmt.Errorf("making a folder for temporary files: %w", err)
			}
			defer os.RemoveAll(folder)
			fmt.Fprintln(f.stdout, folder)   // and how the terminal was set is known
			said, err := io.ReadAll(f.stdin) // until the watcher ends
			if err == nil && string(said) == done {
				return nil
			}
			restore()
			_ = os.RemoveAll(folder) // the cluster may take longer
			ctx, cancel := context.WithTimeout(cmd.Context(), cleansUp)
			defer cancel()
			on, err := cluster.Choose(ctx, f.clusters(), f.want, func(string) {})
			if err != nil {
				return err
			}
			if owned, ours := on.(cluster.Owned); ours && !owned.Running(ctx) {
				return nil
			}
			session, err := harness.Open(ctx, f.course, on, harness.Options{Home: f.home})
			if err != nil {
				return err
			}
			err = session.Sweep(ctx)
			_ = session.Close(ctx)
			return err
		},
	}
	f.clusterFlags(cmd)
	return cmd
}

// leavesScreen ends what a watcher asks of a terminal: the alternate screen, a
// hidden cursor, bracketed paste and reports of the mouse.
const leavesScreen = "\x1b[?1049l\x1b[?25h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[>4m\x1b[=0;1u\r"

// remember notes how the terminal is set, and returns what sets it like that
// again. It does nothing where there is none.
func (f *front) remember() (restore func()) {
	terminal, ok := f.stderr.(*os.File)
	if !ok {
		return func() {}
	}
	state, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		return func() {}
	}
	return func() {
		_ = term.Restore(int(terminal.Fd()), state)
		_, _ = io.WriteString(terminal, leavesScreen)
	}
}
