package check

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rolecall/harness/next"
)

// ProgramTime is how long a learner's program may run.
const ProgramTime = 20 * time.Second

// sendTime bounds the sending of a program to its pod: one in Go has several
// MiB, and how long that takes is none of the program's doing.
const sendTime = 30 * time.Second

// Program is a learner's program, ready to be put into a pod.
type Program struct {
	Name   string // as in the submission
	bytes  []byte
	script bool // for the image's sh
}

// Program finds a program of the submission, dir/stem.sh or dir/stem.go, and
// compiles the latter.
func (e *Env) Program(ctx context.Context, dir, stem string) (*Program, error) {
	names := File{Name: stem, Form: ProgramFile}.Names()
	var paths, found []string
	for _, name := range names {
		paths = append(paths, path.Join(dir, name))
		if e.Submission.Has(path.Join(dir, name)) {
			found = append(found, path.Join(dir, name))
		}
	}
	want := "a program, " + strings.Join(paths, " or ")
	switch len(found) {
	case 0:
		return nil, e.Submission.Missing(want, dir, names...)
	case 1:
	default:
		return nil, &Failure{Want: want, Position: Position{File: found[0]}, Got: "both, so neither is judged", Hint: "Keep the one that you want to hand in and move the other one away.", Slip: true}
	}
	name := found[0]
	text, err := e.Submission.Text(name)
	if err != nil {
		return nil, err
	}
	if path.Ext(name) == ".sh" {
		return &Program{Name: name, bytes: text, script: true}, nil
	}
	compiled, err := e.Compiler.Compile(ctx, name, text)
	if failure, learners := AsFailure(err); learners {
		for _, other := range e.Submission.files(dir) {
			if other != path.Base(name) && path.Ext(other) == ".go" {
				failure.Hint, failure.Slip = fmt.Sprintf("%s is not compiled: put everything into %s.", other, path.Base(name)), true
				break
			}
		}
	}
	return &Program{Name: name, bytes: compiled}, err
}

// Script is a program of ours for the image's sh, under a name for messages.
func Script(name, text string) *Program {
	return &Program{Name: name, bytes: []byte(text), script: true}
}

// Run is how one run of a program went.
type Run struct {
	Program    *Program
	Stdout     string
	Stderr     string // with the program's name in the submission for its path in the pod
	ExitStatus int

	TimedOut      bool // it was killed after ProgramTime
	OutputTooLong bool // it was killed for writing more than MaxOutput
	OutOfMemory   bool // the node killed it
	LeftProcesses bool // it ended, and what it had started was still running
	ShellKilled   bool // the shell that ran it was killed from inside
}

// The wrapper stores a program under this name in a directory that it can
// write to.
const storedAs = ".program"

// Exit statuses of the wrapper that are not the program's own, which ends with
// ownStatus at most.
const (
	ownStatus  = 250
	killed     = 251 // the program was ended by SIGKILL
	leftBehind = 252 // it ended, and what it had started was running
	notStored  = 253 // there is nowhere to put it
)

// running are functions of sh. running looks for processes beside its own shell
// and process 1. It does so without a fork, which may be impossible then. What
// has ended and was not reaped does not count. Where there is no /proc, nothing
// is seen. settled waits a moment for what is about to end; where there are many
// processes, ended ones among them, something else goes on. One that forks and
// ends again and again is seen by the number of the newest process
// (proc_loadavg(5)), which changes.
const running = `
running() {
	for o in /proc/[0-9]*; do
		case $o in /proc/1|/proc/$$) continue ;; esac
		{ read -r o <$o/stat; } 2>/dev/null || continue
		case $o in *') Z '*|*') X '*) ;; *) return 0 ;; esac
	done
	return 1
}
newest() { { read -r newest </proc/loadavg; } 2>/dev/null; newest=${newest##* }; }
settled() {
	i=0
	while [ $i -lt 300 ]; do
		i=$((i+1))
		set -- /proc/[0-9]*
		[ $# -le 64 ] || return 1
		newest; last=$newest
		running && continue
		newest; [ "$newest" = "$last" ] && return 0
	done
	return 1
}
`

// wrapper takes a program from standard input ($1 bytes) and runs it; $2 is
// its interpreter, if any. Nothing in it is secret: how the program ended is
// the exit status of the call, which the kubelet reports. The program cannot
// trace the wrapper, since it may not read the image's shell; it can only end
// it by a signal, which the status shows. With $3, all that the program leaves
// running after a moment of grace is killed, and whoever calls ends what takes
// too long: timeout(1), which does it otherwise after $4 seconds, lingers under
// a name that a program can take, too. That does no harm where nothing is seen.
const wrapper = running + `
d=/tmp; [ -w "$d" ] || d=/dev/shm
p="$d/` + storedAs + `"
{ head -c "$1" > "$p" && chmod 755 "$p"; } || exit 253
limit="timeout -s KILL $4"; [ -z "$3" ] || [ ! -e /proc/1 ] || limit=
$limit $2 "$p" </dev/null
s=$?
rm -f "$p"
case $s in 137) s=251 ;; 251|252|253|254|255) s=250 ;; esac
if [ -n "$3" ]; then
	[ $s = 251 ] || settled || s=252
	kill -9 -1 2>/dev/null
fi
exit $s
`

// survivors ends whatever is still running, and says with leftBehind that
// something was.
const survivors = running + `
settled; s=$?
kill -9 -1 2>/dev/null
[ $s = 0 ] || exit 252
`

// RunIn runs a program in a caller. Nothing of it is left there when it
// returns.
func (e *Env) RunIn(ctx context.Context, c *Caller, p *Program) (*Run, error) {
	if err := e.await(ctx, c); err != nil {
		return nil, err
	}
	run, err := e.run(ctx, c.Namespace, c.Name, callerName, p, "kill")
	if err != nil {
		return nil, err
	}
	if run.Ended() != nil || run.ExitStatus > signalled { // the wrapper may not have come to its end
		left, err := e.clear(ctx, c)
		if err != nil {
			return nil, err
		}
		run.LeftProcesses = run.LeftProcesses || run.Ended() == nil && left
	}
	e.ran(run)
	return run, nil
}

// clear ends what is left of a program in a caller, and reports whether there was
// anything, as far as can be told. The error is ctx's own.
func (e *Env) clear(ctx context.Context, c *Caller) (left bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _, status, err := e.Exec(bounded, c.Namespace, c.Name, callerName, nil, "sh", "-c", survivors)
	return err != nil || status != 0, ctx.Err()
}

// RunInPod runs a program in a pod of the learner's, and leaves the pod's own
// processes alone. Where nothing can be run in it, that is a *Failure, unless a
// pod of ours runs nothing either.
func (e *Env) RunInPod(ctx context.Context, pod *corev1.Pod, container string, p *Program) (*Run, error) {
	run, err := e.run(ctx, pod.Namespace, pod.Name, container, p, "")
	if _, learners := AsFailure(err); learners {
		return nil, err
	}
	if err != nil {
		return nil, e.notRun(ctx, pod, container, err, "sh")
	}
	e.ran(run)
	return run, nil
}

// ran keeps what a run left behind.
func (e *Env) ran(run *Run) {
	e.Saw(run.Evidence())
	if failure, learners := AsFailure(run.Ended()); learners {
		e.odd("a program did not end by itself: " + failure.Got)
	}
}

func (e *Env) run(ctx context.Context, namespace, pod, container string, p *Program, kill string) (*Run, error) {
	within := ProgramTime
	if kill == "" { // the wrapper ends it in time
		within += 10 * time.Second
	}
	interpreter := ""
	if p.script {
		interpreter = "sh"
	}
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	sending := send(p.bytes, within, cancel)
	defer sending.stop()
	stdout, stderr, status, err := e.Exec(bounded, namespace, pod, container, sending,
		"sh", "-c", wrapper, "sh", strconv.Itoa(len(p.bytes)), interpreter, kill, strconv.Itoa(int(ProgramTime.Seconds())))

	ran, sent := sending.done()
	run := &Run{Program: p, Stdout: string(stdout), Stderr: p.renamed(string(stderr)), ExitStatus: status}
	switch {
	case errors.Is(err, errOutputTooLong):
		run.OutputTooLong = true
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bounded.Err() != nil && !sent:
		return nil, next.Errorf("make status", "sending a program to pod %s: not done after %s", pod, sendTime)
	case bounded.Err() != nil:
		run.TimedOut = true
	case err != nil:
		return nil, err
	case status == notStored:
		return nil, &Failure{
			Want: fmt.Sprintf("a directory in pod %s that %s can be written to", pod, p.Name),
			Got:  "neither /tmp nor /dev/shm can be written to: " + Printable(strings.TrimSpace(run.Stderr), 200),
			Hint: "Leave /tmp writable in the pod, or mount an emptyDir there.",
		}
	case ran >= ProgramTime: // whatever the status: the streams were open until then
		run.TimedOut = true
	case status == killed:
		run.ExitStatus, run.OutOfMemory = sigkilled, true
	case status == leftBehind:
		run.ExitStatus, run.LeftProcesses = -1, true
	case status > ownStatus, status == sigkilled:
		run.ShellKilled = true
	}
	return run, nil
}

// A shell's status of what was ended by a signal is more than signalled.
const (
	signalled = 128
	sigkilled = signalled + 9
)

// renamed is a text of the shell's with the program's own name for the path
// that the wrapper stored it at.
func (p *Program) renamed(text string) string {
	name := p.base()
	return strings.NewReplacer("/tmp/"+storedAs, name, "/dev/shm/"+storedAs, name).Replace(text)
}

// base is the program's name without its folder.
func (p *Program) base() string { return path.Base(p.Name) }

// Evidence is what the program left behind, safe to show.
func (r *Run) Evidence() Evidence {
	return Evidence{Output: &Output{
		Stdout: Printable(r.Stdout, 2000), Stderr: Printable(r.Stderr, 2000),
		ExitStatus: r.ExitStatus, TimedOut: r.TimedOut,
	}}
}

// Ended fails a program that did not end by itself, or left something running.
func (r *Run) Ended() error {
	fail := func(got, hint string) error {
		return &Failure{Want: fmt.Sprintf("%s ends by itself within %g s", r.Program.Name, ProgramTime.Seconds()), Got: got, Hint: hint, Position: r.Program.Position()}
	}
	switch {
	case r.TimedOut:
		return fail("it was still running and was killed", "Look for a loop that never ends, or a request without a time limit (curl --max-time 10).")
	case r.OutputTooLong:
		return fail(fmt.Sprintf("it wrote more than %d MiB and was killed", MaxOutput>>20), "Print only what is asked for, once.")
	case r.OutOfMemory:
		return fail("it was killed, most likely for exceeding its 256 MiB memory limit", "Keep no more than the answer in memory, and start no more processes than you need.")
	case r.LeftProcesses:
		return fail("it ended and left processes running", "Wait for what the program starts, or start nothing in the background.")
	case r.ShellKilled:
		return fail("it killed the shell that ran it", "End with exit, and kill only what the program started.")
	}
	return nil
}

// FirstLine is the first line of standard output, without white space around it.
func (r *Run) FirstLine() string {
	line, _, _ := strings.Cut(r.Stdout, "\n")
	return strings.TrimSpace(line)
}

// Describe is what a program reported, for the Got of a failure.
func (r *Run) Describe() string {
	reported := fmt.Sprintf("exit status %d", r.ExitStatus)
	if line := r.FirstLine(); line != "" {
		reported += ", first line " + quote(line)
	} else {
		reported += ", nothing on the first line of stdout"
	}
	if message := r.Message(); message != "" {
		reported += ", on stderr " + message
	}
	return reported
}

// stamp is the date and time with which Go's log begins a line.
var stamp = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `)

// Message is the first line of standard error, quoted and the same at each run.
func (r *Run) Message() string {
	line, _, _ := strings.Cut(strings.TrimSpace(r.Stderr), "\n")
	if line = stamp.ReplaceAllString(line, ""); line == "" {
		return ""
	}
	return quote(line)
}
