package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/tools/remotecommand"
)

const (
	// longest is how long a program may go on at all.
	longest = 10 * time.Minute
	// delivery is what a bound allows for the way of a signal to the program, or of
	// a line from it: through the API server and the node.
	delivery = time.Second
)

// errEnded is why the call that ran a program was cut off.
var errEnded = errors.New("the program was killed")

// Line is a line of a program's standard output, without white space around it.
type Line struct {
	Text string
	At   time.Time // when it came
}

// Running is a program that goes on until it is asked to end. It runs until
// Stop, and to the end of its lab at most. How it ends is seen from outside, and
// what it started is ended with it, as in a container whose first process it is.
type Running struct {
	Program *Program

	e       *Env
	caller  *Caller
	ask     *io.PipeWriter          // a line in it asks the program to end, and its end kills it
	cut     context.CancelCauseFunc // ends the call that runs it
	content *sending

	mu      sync.Mutex
	begun   bool
	output  []byte // of standard output
	lines   []Line // those of output that are complete
	over    bool
	run     *Run  // once it is over
	err     error // of ours, once it is over
	changed chan struct{}
}

// lasting takes a program from standard input ($1 bytes) and runs it in a session
// of its own, so that it cannot signal the shell by its process group; $2 is its
// interpreter, if any. An empty line says that it begins: the program is not
// running yet, so nobody else can have said so. After that a line on standard
// input asks it to end, by the signal that a kubelet sends to a container's first
// process, and the end of standard input kills all. Whatever the program leaves
// running is killed. The exit status is the program's own, as for wrapper.
const lasting = `
trap 'kill -9 -1 2>/dev/null' EXIT
d=/tmp; [ -w "$d" ] || d=/dev/shm
p="$d/` + storedAs + `"
{ head -c "$1" > "$p" && chmod 755 "$p"; } || exit 253
exec 3<&0
echo
setsid $2 "$p" </dev/null 3<&- &
program=$!
{ if read -r asked; then kill -TERM $program; else kill -9 -1; fi; } <&3 >/dev/null 2>&1 &
exec 3<&-
wait $program 2>/dev/null
s=$?
rm -f "$p"
case $s in 137) s=251 ;; 251|252|253|254|255) s=250 ;; esac
exit $s
`

// StartIn starts a program in a caller and returns when it has begun. It goes on
// until Stop; the caller is then as it was, for another program.
func (e *Env) StartIn(ctx context.Context, c *Caller, p *Program) (*Running, error) {
	if err := e.await(ctx, c); err != nil {
		return nil, err
	}
	life, cut := context.WithCancelCause(context.WithoutCancel(ctx)) // it may outlive the check
	r := newRunning(e, c, p, cut)
	asked, ask := io.Pipe()
	r.ask, r.content = ask, send(p.bytes, longest, r.kill)
	e.mu.Lock()
	e.programs = append(e.programs, r)
	e.mu.Unlock()
	go r.follow(life, io.MultiReader(r.content, asked))

	begun, err := r.until(ctx, sendTime+delivery, func() bool { return r.begun })
	switch {
	case err != nil:
		r.kill()
		return nil, err
	case !begun:
		r.kill()
		return nil, fmt.Errorf("starting a program in pod %s: it had not begun after %s", c.Name, sendTime)
	}
	return r, nil
}

func newRunning(e *Env, c *Caller, p *Program, cut context.CancelCauseFunc) *Running {
	return &Running{Program: p, e: e, caller: c, cut: cut, changed: make(chan struct{})}
}

// follow runs the program to its end.
func (r *Running) follow(ctx context.Context, stdin io.Reader) {
	interpreter := ""
	if r.Program.script {
		interpreter = "sh"
	}
	stderr := &capped{stop: r.cut}
	status, err := r.e.stream(ctx, r.caller.Namespace, r.caller.Name, callerName,
		remotecommand.StreamOptions{Stdin: stdin, Stdout: r, Stderr: stderr},
		"sh", "-c", lasting, "sh", strconv.Itoa(len(r.Program.bytes)), interpreter)
	r.content.stop()
	r.ask.Close()
	r.update(func() {
		r.over = true
		r.run = &Run{Program: r.Program, Stdout: string(r.output), Stderr: r.Program.renamed(string(stderr.bytes())), ExitStatus: status}
		switch {
		case errors.Is(err, errOutputTooLong):
			r.run.OutputTooLong = true
		case errors.Is(err, errEnded):
			r.run.TimedOut = true
		case err != nil:
			r.err = err
		case !r.begun:
			r.err = fmt.Errorf("starting a program in pod %s: exit status %d (%s)", r.caller.Name, status, Printable(r.run.Stderr, 200))
		case status == killed:
			r.run.ExitStatus, r.run.OutOfMemory = sigkilled, true
		case status > ownStatus, status == sigkilled:
			r.run.ShellKilled = true
		}
	})
}

// update changes what is known and wakes whoever waits for it.
func (r *Running) update(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

// Write takes the program's standard output.
func (r *Running) Write(p []byte) (n int, err error) {
	r.update(func() {
		if !r.begun { // the wrapper's line
			i := bytes.IndexByte(p, '\n')
			if i < 0 {
				n = len(p)
				return
			}
			r.begun, n = true, i+1
			p = p[i+1:]
		}
		if room := MaxOutput - len(r.output); len(p) > room {
			p, err = p[:room], io.ErrShortWrite
			r.cut(errOutputTooLong)
		}
		n += len(p)
		line := bytes.LastIndexByte(r.output, '\n') + 1
		r.output = append(r.output, p...)
		for {
			i := bytes.IndexByte(r.output[line:], '\n')
			if i < 0 {
				break
			}
			r.lines = append(r.lines, Line{strings.TrimSpace(string(r.output[line : line+i])), time.Now()})
			line += i + 1
		}
	})
	return n, err
}

// until waits until a condition of r holds, and reports whether it did within the
// bound. It does not wait longer once the program is over. An error is ours.
func (r *Running) until(ctx context.Context, within time.Duration, holds func() bool) (bool, error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		r.mu.Lock()
		done, over, err, changed := holds(), r.over, r.err, r.changed
		r.mu.Unlock()
		switch {
		case err != nil:
			return false, err
		case done || over:
			return done, nil
		}
		select {
		case <-changed:
		case <-limit.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// Lines are the lines that the program has written so far, the last one only if it
// is complete.
func (r *Running) Lines() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

// Await waits until the program's lines are as they should be, and reports whether
// they were within the bound, to which it adds a second for the way of a line. It
// does not wait longer once the program has ended. An error is ours.
func (r *Running) Await(ctx context.Context, within time.Duration, done func([]Line) bool) (bool, error) {
	return r.until(ctx, within+delivery, func() bool { return done(r.lines) })
}

// GoesOn fails a program that has ended though nobody asked it to.
func (r *Running) GoesOn() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return r.err
	case !r.over:
		return nil
	}
	failure := &Failure{
		Want: r.Program.base() + " goes on until it gets SIGTERM", Got: "it ended by itself: " + r.run.Describe(),
		Hint: "Look for what ends it: a command or a request that failed, or the end of a loop.", Position: r.Program.Position(),
	}
	if why, learners := AsFailure(r.run.Ended()); learners {
		failure.Got, failure.Hint = why.Got, why.Hint
	} else if trouble := r.run.Trouble(); trouble != nil {
		failure.Hint, failure.Position = trouble.Hint, trouble.Position
	}
	return failure
}

// Stop asks the program to end, by SIGTERM, and returns how it ended. What has not
// ended within the bound and a second for the way of the signal is killed, and the
// Run says that it timed out. To a program that has ended nothing is done.
func (r *Running) Stop(ctx context.Context, within time.Duration) (*Run, error) {
	if !r.isOver() {
		go r.ask.Write([]byte("\n")) // it returns when the call that runs the program is over
	}
	_, err := r.until(ctx, within+delivery, func() bool { return r.over })
	r.kill()
	if err == nil {
		_, err = r.until(ctx, farewell+delivery, func() bool { return r.over })
	}
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	run := r.run
	r.mu.Unlock()
	if run == nil {
		return nil, fmt.Errorf("ending a program in pod %s: it had not ended %s after it was killed", r.caller.Name, farewell)
	}
	if run.Ended() != nil || run.ExitStatus > signalled { // what ran it may not have come to its end
		if _, err := r.e.clear(ctx, r.caller); err != nil {
			return nil, err
		}
	}
	r.e.ran(run)
	return run, nil
}

func (r *Running) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

// kill ends the program, if it is not over.
func (r *Running) kill() { r.cut(errEnded) }

// killAll ends the programs that go on.
func (e *Env) killAll() {
	e.mu.Lock()
	programs := e.programs
	e.programs = nil
	e.mu.Unlock()
	for _, r := range programs {
		r.kill()
	}
}

// sigtermed is a shell's status of what was ended by SIGTERM.
const sigtermed = signalled + 15

// Stopped fails a program that Stop had to kill, or that did not end with exit
// status 0.
func (r *Run) Stopped(within time.Duration) error {
	fail := func(got, script, compiled string) error {
		failure := &Failure{Want: fmt.Sprintf("SIGTERM ends %s within %g s, with exit status 0", r.Program.base(), within.Seconds()), Got: got, Hint: compiled, Position: r.Program.Position()}
		if r.Program.script {
			failure.Hint = script
		}
		return failure
	}
	ended, learners := AsFailure(r.Ended())
	switch {
	case r.TimedOut:
		return fail("it went on and was killed",
			"A shell runs a trap only when the command that it waits for has ended: let what takes long run in the background, and wait for it with wait.",
			"Something goes on after the signal: stop waiting in main when the signal comes, and return.")
	case learners:
		return fail(ended.Got, ended.Hint, ended.Hint)
	case r.ExitStatus == sigtermed:
		return fail(fmt.Sprintf("exit status %d: it was ended by the signal and did nothing about it", sigtermed),
			"Set a trap for TERM, in which the script exits with 0.",
			"Have the signal reported to the program (package os/signal), and return from main when it comes.")
	case r.ExitStatus != 0:
		const hint = "The program noticed the signal: end with 0 then, for being stopped is no failure."
		return fail(r.exit(), hint, hint)
	}
	return nil
}

// exit is how the program ended, and what it complained about.
func (r *Run) exit() string {
	text := fmt.Sprintf("exit status %d", r.ExitStatus)
	if message := r.Message(); message != "" {
		text += ", on stderr " + message
	}
	return text
}
