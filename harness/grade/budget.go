package grade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"

	"rolecall/harness/next"
	"rolecall/harness/process"
)

// Budget is what one grading process may take, with all that it starts.
type Budget struct {
	Time   time.Duration
	Memory int64 // bytes; not held where the system does not tell
}

const (
	look    = time.Second      // how often memory is looked at
	goodbye = 30 * time.Second // for a process that is asked to end
	maxLog  = 1 << 20          // bytes of a process's output that are kept
)

// run runs a process within the budget. Its output goes to a file. machine is the
// process of the cluster that it grades on, 0 if there is none here: what that
// takes counts too, and it ends with a grading process that did not end by
// itself. An error says that it crashed or was ended; an exit status that
// rolecall itself gives is none.
func (b Budget) run(ctx context.Context, cmd *exec.Cmd, machine func() int, logFile string) error {
	log, err := os.Create(logFile)
	if err != nil {
		return next.Errorf("free some disk space", "grading: %w", err)
	}
	defer log.Close()
	words := &limited{to: log, room: maxLog}
	cmd.Stdout, cmd.Stderr = words, words
	cmd.WaitDelay = time.Second // for what it left running with its output

	ctx, cancel := context.WithTimeout(ctx, b.Time)
	defer cancel()
	runtime.LockOSThread() // see process.Adopt
	defer runtime.UnlockOSThread()
	process.Adopt(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("grading: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	used, err := b.watch(ctx, cmd.Process, machine, ended)
	switch {
	case b.Memory > 0 && used > b.Memory:
		return next.Errorf("look at the submission, or allow more with MEMORY=", "grading: it took %d MiB of memory, and %d MiB are allowed", used>>20, b.Memory>>20)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return next.Errorf("look at the submission, or allow more with TIME=", "grading: it took longer than %s", b.Time)
	case byItself(err):
		return nil
	}
	return fmt.Errorf("grading: the process ended with %w; its output is in %s", err, logFile)
}

// byItself reports whether a process ended with an exit status of rolecall's own.
func byItself(err error) bool {
	var exit *exec.ExitError
	return err == nil || errors.As(err, &exit) && exit.ExitCode() >= 0 && exit.ExitCode() <= 3
}

// watch waits for a process's end. It asks it to end when ctx is over, and
// kills it when it does not, or when it takes too much memory. What the
// process leaves running is killed too, but for a machine that it has handed on.
func (b Budget) watch(ctx context.Context, p *os.Process, machine func() int, ended <-chan error) (used int64, err error) {
	var relatives []process.Relative // all that were ever seen: who has lost its parent is no longer found through it
	defer func() {
		if pid := machine(); byItself(err) && pid > 0 {
			handedOn, _ := process.Family(pid)
			relatives = slices.DeleteFunc(relatives, func(r process.Relative) bool { return slices.Contains(handedOn, r) })
		}
		process.Kill(relatives)
	}()
	find := func() (memory int64) {
		family, memory := process.Family(p.Pid, machine()) // an earlier process may have started it
		for _, r := range family {
			if !slices.Contains(relatives, r) {
				relatives = append(relatives, r)
			}
		}
		return memory
	}
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	over := ctx.Done()
	var patience <-chan time.Time
	for {
		select {
		case err := <-ended:
			return used, err
		case <-ticks.C:
			if used = find(); b.Memory > 0 && used > b.Memory {
				process.Kill(relatives)
				return used, <-ended
			}
		case <-over:
			over, patience = nil, time.After(goodbye)
			_ = p.Signal(syscall.SIGTERM) // it may have ended
		case <-patience:
			find()
			process.Kill(relatives)
		}
	}
}

// limited keeps the first bytes of what is written.
type limited struct {
	to   io.Writer
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.to.Write(p[:min(len(p), l.room)])
	l.room -= n
	if err != nil {
		return n, err
	}
	return len(p), nil
}
