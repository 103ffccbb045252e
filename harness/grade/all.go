package grade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"rolecall/harness"
	"rolecall/harness/evidence"
	"rolecall/harness/gradebook"
	"rolecall/harness/intake"
	"rolecall/harness/next"
	"rolecall/harness/progress"
	"rolecall/harness/report"
)

// All grades a folder of submissions, each in a process of its own.
type All struct {
	Settings
	Out     string
	Missing []Student          // who handed in nothing
	Imports []gradebook.Import // beside the gradebook
	Regrade string             // what this names is graded again; "" for none
	Count   int                // of workers
	Budget  Budget             // of each process
	Display *progress.Display
	Lines   io.Writer // one for each submission as it is graded

	command func(worker int, s Submission, out string) *exec.Cmd
	clear   func(ctx context.Context, worker int) error
	machine func(worker int) (pid int) // of its cluster, 0 if that is no process of this machine
}

// leaves bounds what a worker does after an interruption: deleting its cluster.
const leaves = 2 * time.Minute

// Grade grades what is not graded yet, and writes the gradebook. A submission
// is graded if its result is whole, as it was signed, of this submission and by
// these checks, and no error of ours.
func (a *All) Grade(ctx context.Context, workers Workers, submissions []Submission) (*gradebook.Book, error) {
	if a.Regrade != "" && !slices.ContainsFunc(submissions, func(s Submission) bool { return s.goesBy(a.Regrade) }) {
		return nil, next.Errorf("name a submission, a student or an id with REGRADE=name", "grading again: there is no submission of %s", report.OneLine(a.Regrade, 100))
	}
	if err := workers.prepare(ctx, a.Count); err != nil {
		return nil, err
	}
	a.command, a.clear, a.machine = workers.command, workers.clear, workers.machine
	return a.grade(ctx, submissions)
}

func (a *All) grade(ctx context.Context, submissions []Submission) (*gradebook.Book, error) {
	run := &tally{all: a, results: make([]*harness.Result, len(submissions)), total: len(submissions)}
	var open []int
	for i, s := range submissions {
		if run.results[i] = a.graded(s); run.results[i] == nil {
			open = append(open, i)
		}
	}
	run.done = len(submissions) - len(open)
	if run.done > 0 {
		fmt.Fprintf(a.Lines, "graded before: %d of %d\n", run.done, len(submissions))
	}
	err := a.work(ctx, run, submissions, open)

	book := &gradebook.Book{Title: a.Course.Name, Labs: a.Labs}
	for i, s := range submissions {
		book.Rows = append(book.Rows, gradebook.Row{Name: s.Name, Student: s.Student, ID: s.ID, Folder: "submissions/" + s.Folder, Notes: s.Notes, Result: run.results[i]})
	}
	for _, student := range a.Missing {
		book.Rows = append(book.Rows, gradebook.Row{Student: student.Name, ID: student.IDs[0]})
	}
	return book, errors.Join(err, book.Write(a.Out, a.Imports))
}

// work grades those that are open, and deletes what each worker left.
func (a *All) work(ctx context.Context, run *tally, submissions []Submission, open []int) error {
	if len(open) == 0 {
		fmt.Fprintln(a.Lines, "nothing new to grade")
	} else {
		run.began, run.before = time.Now(), run.done
		run.task = a.Display.Begin(fmt.Sprintf("grading %d submissions, %d at a time", len(open), a.Count), 0)
		defer run.task.Drop() // the gradebook says what came of it
	}
	todo := make(chan int, len(open))
	for _, i := range open {
		todo <- i
	}
	close(todo)
	var workers errgroup.Group
	for w := range a.Count {
		workers.Go(func() error {
			for i := range todo {
				if ctx.Err() != nil {
					break
				}
				run.end(i, submissions[i], a.one(ctx, w, submissions[i]))
			}
			clearing, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaves)
			defer cancel()
			return a.clear(clearing, w)
		})
	}
	return workers.Wait()
}

// graded is the result of an earlier run, if it still holds. Formats that were
// not asked for then are written from it.
func (a *All) graded(s Submission) *harness.Result {
	result, err := report.Read(filepath.Join(a.out(s), report.ResultsFile))
	if err != nil || result.Outcome == harness.Error || result.Version != a.Version || !a.sameLabs(result) || a.Regrade != "" && s.goesBy(a.Regrade) {
		return nil
	}
	verified, err := evidence.Verify(a.out(s), a.Key, a.Labs)
	if err != nil {
		fmt.Fprintf(a.Lines, "grading %s again: %s\n", report.OneLine(s.Name, 100), report.OneLine(err.Error(), 300))
		return nil
	}
	result = &verified.Result
	digest, err := intake.New(a.Course, a.Labs).Digest(s.Path)
	if _, refused := intake.AsRefusal(err); err != nil && !refused || digest != result.Digest {
		return nil
	}
	if err := report.Complete(a.out(s), result, a.Formats); err != nil {
		fmt.Fprintf(a.Lines, "grading %s again: %s\n", report.OneLine(s.Name, 100), report.OneLine(err.Error(), 300))
		return nil
	}
	return result
}

// sameLabs reports whether a result is of the labs that are graded now.
func (a *All) sameLabs(r *harness.Result) bool {
	if len(r.Labs) != len(a.Labs) {
		return false
	}
	for i, lab := range a.Labs {
		if r.Labs[i].Slug != lab.Slug {
			return false
		}
	}
	return true
}

func (a *All) out(s Submission) string { return filepath.Join(a.Out, "submissions", s.Folder) }

// one grades one submission. Whatever becomes of its process, there is a
// result, and it is of this run; nil where it was interrupted.
func (a *All) one(ctx context.Context, worker int, s Submission) *harness.Result {
	out := a.out(s)
	err := os.RemoveAll(out)
	if err == nil {
		err = os.MkdirAll(out, 0o755)
	}
	if err == nil && s.Unclear != nil {
		return a.unjudged(s, s.Unclear)
	}
	if err == nil {
		err = a.Budget.run(ctx, a.command(worker, s, out), func() int { return a.machine(worker) }, filepath.Join(out, "log.txt"))
	}
	if ctx.Err() != nil {
		return nil
	}
	result, readErr := report.Read(filepath.Join(out, report.ResultsFile))
	switch {
	case err == nil && readErr == nil:
		return result
	case err == nil:
		err = fmt.Errorf("grading: the process ended without a result; its output is in %s", filepath.Join(out, "log.txt"))
	}
	return a.unjudged(s, err)
}

// unjudged writes a result of a submission that no process has judged, signed as
// theirs are.
func (a *All) unjudged(s Submission, why error) *harness.Result {
	digest, _ := intake.New(a.Course, a.Labs).Digest(s.Path) // a refusal has one too
	r := &harness.Result{StartedAt: time.Now().UTC(), Submission: s.Name, Digest: digest, Version: a.Version}
	if refusal, refused := intake.AsRefusal(why); refused {
		r.Labs, r.Review = Unread(a.Labs, refusal)
	} else {
		r.Labs = Unjudged(a.Labs, why)
	}
	r.Sum()
	bundle, err := evidence.Create(filepath.Join(a.out(s), "evidence"))
	if err == nil {
		err = a.write(a.out(s), r, bundle)
	}
	if err != nil {
		r.Labs, r.Review = Unjudged(a.Labs, errors.Join(why, err)), nil
		r.Sum()
	}
	return r
}
