package grade

import (
	"fmt"
	"sync"
	"time"

	"rolecall/harness"
	"rolecall/harness/progress"
	"rolecall/harness/report"
)

// tally is how far grading a folder is.
type tally struct {
	all  *All
	task *progress.Task

	mu      sync.Mutex
	results []*harness.Result
	total   int
	done    int
	before  int // graded by an earlier run
	began   time.Time
}

// end notes a submission's result; nil where it was interrupted.
func (r *tally) end(i int, s Submission, result *harness.Result) {
	if result == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[i] = result
	r.done++
	points := fmt.Sprintf("%d/%d", result.Points, result.MaxPoints)
	if !result.Outcome.Graded() {
		points = "-"
	}
	r.all.Display.Print(r.all.Lines, fmt.Sprintf("%*d/%d  %-12s  %7s  %s", len(fmt.Sprint(r.total)), r.done, r.total, result.Outcome, points, report.OneLine(s.Name, 100)))
	r.task.Update(fmt.Sprintf("%d of %d, about %s left", r.done, r.total, r.remaining(time.Now())))
}

// remaining estimates the time left at the current rate.
func (r *tally) remaining(now time.Time) time.Duration {
	each := now.Sub(r.began) / time.Duration(r.done-r.before)
	return (each * time.Duration(r.total-r.done)).Round(time.Second)
}
