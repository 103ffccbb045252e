package grade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"rolecall/harness"
	"rolecall/harness/gradebook"
	"rolecall/harness/intake"
	"rolecall/harness/progress"
	"rolecall/harness/report"
)

// All grades a folder of submissions, each in a process of ours.
type All struct {
	Course
	Out     string
	Workers int
	Budget  Budget // of each process
	// Command is a process that grades one submission into out. It may use the
	// clusters and places of its worker, and no others.
	Command func(worker int, s Submission, out string) *exec.Cmd
	// Clear removes what a worker's processes left, also those that were killed.
	Clear   func(ctx context.Context, worker int) error
	Display *progress.Display
	Lines   io.Writer // one for each submission as it is graded
}

// Grade grades what is not graded yet, and writes the gradebook. A submission
// is graded if its result is whole, of this submission and by these checks,
// and no error of ours.
func (a *All) Grade(ctx context.Context, submissions []Submission) (*gradebook.Book, error) {
	todo := make(chan int)
	run := &running{all: a, results: make([]*harness.Result, len(submissions)), total: len(submissions)}
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
	run.began, run.before = time.Now(), run.done
	run.task = a.Display.Begin(fmt.Sprintf("grading %d submissions, %d at a time", len(open), a.Workers), 0)

	var workers sync.WaitGroup
	left := make([]error, a.Workers)
	for w := range a.Workers {
		workers.Go(func() {
			for i := range todo {
				run.end(i, submissions[i], a.one(ctx, w, submissions[i]))
			}
			clearing, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaves)
			defer cancel()
			left[w] = a.Clear(clearing, w)
		})
	}
	for _, i := range open {
		if ctx.Err() != nil {
			break
		}
		select {
		case todo <- i:
		case <-ctx.Done():
		}
	}
	close(todo)
	workers.Wait()
	run.task.End(ctx.Err())

	book := &gradebook.Book{Steps: a.Steps()}
	for i, s := range submissions {
		if run.results[i] == nil {
			run.results[i] = a.unjudged(s, errors.New("grading was interrupted; type the same command again"))
		}
		book.Rows = append(book.Rows, gradebook.Row{Name: s.Name, Folder: "submissions/" + s.Folder, Result: run.results[i]})
	}
	return book, errors.Join(append(left, book.Write(a.Out))...)
}

// graded is the result of an earlier run, if it still holds.
func (a *All) graded(s Submission) *harness.Result {
	result, err := report.Read(filepath.Join(a.out(s), "results.json"))
	if err != nil || result.Outcome == harness.Error || result.Version != a.Version {
		return nil
	}
	digest, err := intake.Digest(s.Path)
	if _, refused := intake.AsRefusal(err); err != nil && !refused || digest != result.Digest {
		return nil
	}
	return result
}

func (a *All) out(s Submission) string { return filepath.Join(a.Out, "submissions", s.Folder) }

// one grades one submission. Whatever becomes of its process, there is a
// result, and it is of this run.
func (a *All) one(ctx context.Context, worker int, s Submission) *harness.Result {
	out := a.out(s)
	err := os.RemoveAll(out)
	if err == nil {
		err = os.MkdirAll(out, 0o755)
	}
	if err == nil {
		err = a.Budget.run(ctx, a.Command(worker, s, out), filepath.Join(out, "log.txt"))
	}
	if ctx.Err() != nil {
		return nil
	}
	result, readErr := report.Read(filepath.Join(out, "results.json"))
	switch {
	case err == nil && readErr == nil:
		return result
	case err == nil:
		err = fmt.Errorf("grading: the process ended without a result; its words are in %s", filepath.Join(out, "log.txt"))
	}
	unjudged := a.unjudged(s, err)
	if err := report.WriteAs(out, unjudged, a.Formats); err != nil {
		return a.unjudged(s, err)
	}
	return unjudged
}

func (a *All) unjudged(s Submission, why error) *harness.Result {
	digest, _ := intake.Digest(s.Path) // a refusal has one too
	r := &harness.Result{StartedAt: time.Now().UTC(), Submission: s.Name, Digest: digest, Version: a.Version, Steps: Unjudged(a.Steps(), why)}
	r.Sum()
	return r
}
