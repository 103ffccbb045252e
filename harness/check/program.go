package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
)

// ProgramTime is how long a learner's program may run.
const ProgramTime = 20 * time.Second

// Program is a learner's program, ready to be put into a pod.
type Program struct {
	Name  string // as in the submission
	bytes []byte
	shell bool
}

// Program finds dir/stem.sh or dir/stem.go and compiles the latter.
func (e *Env) Program(ctx context.Context, dir, stem string) (*Program, error) {
	sh, goFile := dir+"/"+stem+".sh", dir+"/"+stem+".go"
	hasShell, hasGo := e.Submission.Has(sh), e.Submission.Has(goFile)
	want := fmt.Sprintf("a program, %s or %s", sh, goFile)
	switch {
	case hasShell && hasGo:
		return nil, &Failure{Want: want, Got: "both, so it is not gradable", Hint: "Keep the one that you want to hand in and move the other away."}
	case hasShell:
		text, err := e.Submission.Text(sh)
		return &Program{Name: sh, bytes: text, shell: true}, err
	case hasGo:
		text, err := e.Submission.Text(goFile)
		if err != nil {
			return nil, err
		}
		compiled, err := e.Compiler.Compile(ctx, goFile, text)
		return &Program{Name: goFile, bytes: compiled}, err
	}
	return nil, &Failure{Want: want, Got: "neither", Hint: fmt.Sprintf("Write one of the two; a starter is in labs/lab-%s-*/starter.", labNumber(sh))}
}

// Run is how one run of a program went.
type Run struct {
	Program    string
	Stdout     string
	Stderr     string
	ExitStatus int
	TimedOut   bool // it was killed after ProgramTime
	TooMuch    bool // it was killed for writing more than MaxOutput
	Killed     bool // the node killed it before, for the memory it took
	Left       bool // it ended, and what it had started was still running
	Gone       bool // the shell that ran it was killed from inside
}

// wrapper takes a program from standard input ($1 bytes), runs it ($3 is its
// interpreter, if any) and marks the end of both streams with a word that was
// not there before, so that a truncated stream is never taken for a short one.
// $4 is set where all that the program leaves running may be killed; then the
// status is -1 if anything was running after a moment of grace. It is looked
// for without a fork, which may be impossible then; what has ended and was not
// reaped does not count, nor does timeout's own watcher, which lingers.
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
p="$d/.program"
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

// sigkilled is a shell's word for a program that was ended by SIGKILL.
const sigkilled = 128 + 9

// noPlace is the wrapper's exit status where it could not store the program.
const noPlace = 97

// RunIn runs a program in one of a caller's containers.
func (e *Env) RunIn(ctx context.Context, c *Caller, container string, p *Program) (*Run, error) {
	if err := e.await(ctx, c, container); err != nil {
		return nil, err
	}
	run, err := e.run(ctx, c.Namespace, c.Name, container, p, "kill")
	if err == nil && (run.Ended() != nil) {
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, _, _, _ = e.Exec(bounded, c.Namespace, c.Name, container, nil, "kill", "-9", "-1") // its end is what is wanted
	}
	return run, err
}

// RunInPod runs a program in a pod of the learner's, and leaves the pod's own
// processes alone.
func (e *Env) RunInPod(ctx context.Context, pod, container string, p *Program) (*Run, error) {
	return e.run(ctx, e.Namespaces.Home, pod, container, p, "")
}

func (e *Env) run(ctx context.Context, namespace, pod, container string, p *Program, kill string) (*Run, error) {
	bounded, cancel := context.WithTimeout(ctx, ProgramTime+10*time.Second)
	defer cancel()
	end := string(uuid.NewUUID())
	interpreter := ""
	if p.shell {
		interpreter = "sh"
	}
	began := time.Now()
	stdout, stderr, status, err := e.execUntil(bounded, end, namespace, pod, container, p.bytes,
		"sh", "-c", wrapper, "sh", strconv.Itoa(len(p.bytes)), end, interpreter, kill, strconv.Itoa(int(ProgramTime.Seconds())))

	run := &Run{Program: p.Name}
	out, exit, complete := cutEnd(stdout, end)
	errs, _, _ := cutEnd(stderr, end)
	run.Stdout, run.Stderr, run.ExitStatus = string(out), string(errs), exit
	switch {
	case complete:
		run.TimedOut = exit == sigkilled && time.Since(began) >= ProgramTime
		run.Killed = exit == sigkilled && !run.TimedOut
		run.Left = exit < 0
	case errors.Is(err, errTooMuch):
		run.TooMuch = true
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bounded.Err() != nil:
		run.TimedOut = true
	case err != nil:
		return nil, err
	case status == noPlace:
		return nil, &Failure{
			Want: fmt.Sprintf("a place for %s in pod %s", p.Name, pod),
			Got:  "neither /tmp nor /dev/shm can be written to: " + Printable(strings.TrimSpace(run.Stderr), 200),
			Hint: "Leave /tmp writable in the pod, or mount an emptyDir there.",
		}
	case status != 0:
		run.Gone = true
	default:
		return nil, fmt.Errorf("running %s in pod %s: its output broke off; try again", p.Name, pod)
	}
	e.Saw(run.Evidence())
	return run, nil
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

// Ended fails a program that had to be ended.
func (r *Run) Ended() error {
	want := fmt.Sprintf("%s ends by itself within %s", r.Program, ProgramTime)
	switch {
	case r.TimedOut:
		return &Failure{Want: want, Got: "it was still running and was killed", Hint: "Look for a loop that never ends, or a request without a time limit (curl --max-time 10)."}
	case r.TooMuch:
		return &Failure{Want: want, Got: fmt.Sprintf("it wrote more than %d bytes and was killed", MaxOutput), Hint: "Print what is asked for, once."}
	case r.Killed:
		return &Failure{Want: want, Got: "it was killed by the node, as happens to what takes more than 256 MiB of memory", Hint: "Keep no more than the answer in memory, and start no more processes than you need."}
	case r.Left:
		return &Failure{Want: want, Got: "it ended and left processes running behind it", Hint: "Wait for what the program starts, or start nothing in the background."}
	case r.Gone:
		return &Failure{Want: want, Got: "it killed the shell that ran it", Hint: "End with exit; kill nothing but what the program started."}
	}
	return nil
}

// FirstLine is the first line of standard output, without white space around it.
func (r *Run) FirstLine() string {
	line, _, _ := strings.Cut(r.Stdout, "\n")
	return strings.TrimSpace(line)
}

// Told is what a program reported, for the Got of a failure.
func (r *Run) Told() string {
	told := fmt.Sprintf("exit status %d", r.ExitStatus)
	if line := r.FirstLine(); line != "" {
		told += ", first line " + quote(line)
	} else {
		told += ", nothing on the first line of stdout"
	}
	if message := strings.TrimSpace(r.Stderr); message != "" {
		told += ", on stderr " + quote(message)
	}
	return told
}
