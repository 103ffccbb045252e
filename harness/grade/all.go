package grade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"rolecall/harness"
	"rolecall/harness/gradebook"
	"rolecall/harness/intake"
	"rolecall/harness/progress"
	"rolecall/harness/report"
)

// All grades a folder of submissions, each in a process of its own.
type All struct {
	Settings
	Out     string
	Count   int    // of workers
	Budget  Budget // of each process
	Display *progress.Display
	Lines   io.Writer // one for each submission as it is graded

	command func(worker int, s Submission, out string) *exec.Cmd
	clear   func(ctx context.Context, worker int) error
}

// leaves bounds what a worker does after an interruption: deleting its cluster.
const leaves = 2 * time.Minute

// Grade grades what is not graded yet, and writes the gradebook. A submission
// is graded if its result is whole, of this submission and by these checks,
// and no error of ours.
func (a *All) Grade(ctx context.Context, workers Workers, submissions []Submission) (*gradebook.Book, error) {
	if err := workers.prepare(ctx, a.Count); err != nil {
		return nil, err
	}
	a.command, a.clear = workers.command, workers.clear
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

	book := &gradebook.Book{Labs: a.Labs}
	for i, s := range submissions {
		book.Rows = append(book.Rows, gradebook.Row{Name: s.Name, Folder: "submissions/" + s.Folder, Result: run.results[i]})
	}
	return book, errors.Join(err, book.Write(a.Out))
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

// graded is the result of an earlier run, if it still holds.
func (a *All) graded(s Submission) *harness.Result {
	result, err := report.Read(filepath.Join(a.out(s), report.ResultsFile))
	if err != nil || result.Outcome == harness.Error || result.Version != a.Version || !a.sameLabs(result) {
		return nil
	}
	digest, err := intake.New(a.Course, a.Labs).Digest(s.Path)
	if _, refused := intake.AsRefusal(err); err != nil && !refused || digest != result.Digest {
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
	if err == nil {
		err = a.Budget.run(ctx, a.command(worker, s, out), filepath.Join(out, "log.txt"))
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
	unjudged := a.unjudged(s, err)
	if err := report.WriteAs(out, unjudged, a.Formats); err != nil {
		return a.unjudged(s, err)
	}
	return unjudged
}

func (a *All) unjudged(s Submission, why error) *harness.Result {
	digest, _ := intake.New(a.Course, a.Labs).Digest(s.Path) // a refusal has one too
	r := &harness.Result{StartedAt: time.Now().UTC(), Submission: s.Name, Digest: digest, Version: a.Version, Labs: Unjudged(a.Labs, why)}
	r.Sum()
	return r
}
