package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
)

// ProgramTime is how long a learner's program may run.
const ProgramTime = 20 * time.Second

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
		return nil, &Failure{Want: want, Got: "both, so neither is judged", Hint: "Keep the one that you want to hand in and move the other one away."}
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
				failure.Hint = fmt.Sprintf("%s is not compiled: put everything into %s.", other, path.Base(name))
				break
			}
		}
	}
	return &Program{Name: name, bytes: compiled}, err
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

// wrapper takes a program from standard input ($1 bytes), runs it ($3 is its
// interpreter, if any) and marks the end of both streams with a word that was
// not there before, so that a truncated stream is never taken for a short one.
// $4 is set where all that the program leaves running may be killed; then the
// status is -1 if anything was running after a moment of grace. It looks for
// processes without a fork, which may be impossible then; what has ended and
// was not reaped does not count, nor does timeout's own watcher, which lingers.
const wrapper = `
running() {
	for o in /proc/[0-9]*; do
		case $o in /proc/1|/proc/$$) continue ;; esac
		{ read -r o <$o/stat; } 2>/dev/null || continue
		case $o in *') Z '*|*') X '*|*' (timeout) '*) ;; *) return 0 ;; esac
	done
	return 1
}
d=/tmp; [ -w "$d" ] || d=/dev/shm
p="$d/` + storedAs + `"
{ head -c "$1" > "$p" && chmod 755 "$p"; } || exit 97
timeout -s KILL "$5" $3 "$p" </dev/null
s=$?
if [ -n "$4" ]; then
	i=0
	while [ $i -lt 300 ] && running; do i=$((i+1)); done
	[ "$s" = 137 ] || ! running || s=-1
	kill -9 -1 2>/dev/null
fi
rm -f "$p"
printf '%s %d\n' "$2" "$s" >&2
printf '%s %d\n' "$2" "$s"
`

// sigkilled is a shell's status of a program that was ended by SIGKILL.
const sigkilled = 128 + 9

// notStored is the wrapper's exit status where it could not store the program.
const notStored = 97

// RunIn runs a program in one of a caller's containers.
func (e *Env) RunIn(ctx context.Context, c *Caller, container string, p *Program) (*Run, error) {
	if err := e.await(ctx, c, container); err != nil {
		return nil, err
	}
	run, err := e.run(ctx, c.Namespace, c.Name, container, p, "kill")
	if err == nil && run.Ended() != nil {
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, _, _, _ = e.Exec(bounded, c.Namespace, c.Name, container, nil, "kill", "-9", "-1") // it kills its own exec too, so no result says anything
	}
	return run, err
}

// RunInPod runs a program in a pod of the learner's, and leaves the pod's own
// processes alone.
func (e *Env) RunInPod(ctx context.Context, pod, container string, p *Program) (*Run, error) {
	return e.run(ctx, e.Namespaces.Home(), pod, container, p, "")
}

func (e *Env) run(ctx context.Context, namespace, pod, container string, p *Program, kill string) (*Run, error) {
	bounded, cancel := context.WithTimeout(ctx, ProgramTime+10*time.Second)
	defer cancel()
	end := string(uuid.NewUUID())
	interpreter := ""
	if p.script {
		interpreter = "sh"
	}
	began := time.Now()
	stdout, stderr, status, err := e.execUntil(bounded, end, namespace, pod, container, p.bytes,
		"sh", "-c", wrapper, "sh", strconv.Itoa(len(p.bytes)), end, interpreter, kill, strconv.Itoa(int(ProgramTime.Seconds())))

	out, exit, complete := cutEnd(stdout, end)
	errs, _, _ := cutEnd(stderr, end)
	run := &Run{Program: p, Stdout: string(out), Stderr: p.renamed(string(errs)), ExitStatus: exit}
	switch {
	case complete:
		run.TimedOut = exit == sigkilled && time.Since(began) >= ProgramTime
		run.OutOfMemory = exit == sigkilled && !run.TimedOut
		run.LeftProcesses = exit < 0
	case errors.Is(err, errOutputTooLong):
		run.OutputTooLong = true
	case ctx.Err() != nil:
		return nil, ctx.Err()
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
	case status != 0:
		run.ShellKilled = true
	default:
		return nil, fmt.Errorf("running %s in pod %s: its output broke off", p.Name, pod)
	}
	e.Saw(run.Evidence())
	return run, nil
}

// renamed is a text of the shell's with the program's own name for the path
// that the wrapper stored it at.
func (p *Program) renamed(text string) string {
	name := path.Base(p.Name)
	return strings.NewReplacer("/tmp/"+storedAs, name, "/dev/shm/"+storedAs, name).Replace(text)
}

// Evidence is what the program left behind, safe to show.
func (r *Run) Evidence() Evidence {
	return Evidence{Output: &Output{
		Stdout: Printable(r.Stdout, 2000), Stderr: Printable(r.Stderr, 2000),
		ExitStatus: r.ExitStatus, TimedOut: r.TimedOut,
	}}
}

// cutEnd splits a stream at the wrapper's last word.
func cutEnd(stream []byte, end string) (before []byte, status int, found bool) {
	at := bytes.LastIndex(stream, []byte(end+" "))
	if at < 0 {
		return stream, 0, false
	}
	status, err := strconv.Atoi(string(bytes.TrimSpace(stream[at+len(end)+1:])))
	return stream[:at], status, err == nil
}

// Ended fails a program that did not end by itself, or left something running.
func (r *Run) Ended() error {
	fail := func(got, hint string) error {
		return &Failure{Want: fmt.Sprintf("%s ends by itself within %s", r.Program.Name, ProgramTime), Got: got, Hint: hint}
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
