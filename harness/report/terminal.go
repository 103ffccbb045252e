// Package report shows results: on a terminal while a run goes on, and in
// files afterwards. Every format is a view of one harness.Result.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/progress"
	"rolecall/harness/wrap"
)

// Terminal is an Observer that prints one line a check as it ends, and after
// each lab what its failures were. Without colour it is plain and always the
// same for the same verdicts.
type Terminal struct {
	Submission string // the folder that the learner's files are in, as places in them begin

	w       io.Writer
	colour  bool
	columns int               // of the terminal; 0 where lines are not broken
	display *progress.Display // nil where nothing may move
	task    *progress.Task
	width   int // of the longest id in the lab
}

// NewTerminal returns a Terminal. Colour and a moving display are for a real
// terminal only.
func NewTerminal(w io.Writer, terminal bool) *Terminal {
	t := &Terminal{w: w, colour: terminal, columns: wrap.Columns(w)}
	if terminal {
		t.display = progress.New(w, true)
	}
	return t
}

// print prints whole lines.
func (t *Terminal) print(format string, args ...any) {
	_, _ = io.WriteString(t.w, wrap.Text(fmt.Sprintf(format, args...), t.columns))
}

// sign is an outcome's, in its colour.
func (t *Terminal) sign(o harness.Outcome) string {
	if !t.colour {
		return Sign(o)
	}
	return "\x1b[" + looks[o].colour + "m" + Sign(o) + "\x1b[0m"
}

// LabBegins prints the lab's heading.
func (t *Terminal) LabBegins(lab harness.Lab) {
	t.width = 0
	for _, c := range lab.Checks {
		t.width = max(t.width, len(c.ID))
	}
	t.print("\n%s\n\n", lab.Heading())
}

// CheckBegins shows, on a terminal, what is being checked.
func (t *Terminal) CheckBegins(c harness.Check) {
	t.task = t.display.Begin(c.ID, 0)
}

// Stop clears away what moves, where a run was interrupted in mid-check.
func (t *Terminal) Stop() { t.task.Drop() }

// CheckEnds prints the check's line.
func (t *Terminal) CheckEnds(c harness.CheckResult) {
	t.task.Drop()
	text := c.Desc
	if c.Outcome == harness.Skipped {
		text = OneLine(c.Error, maxLine)
	}
	points := ""
	if c.MaxPoints > 0 && c.Outcome != harness.Error {
		points = fmt.Sprintf("  %d/%d", c.Points, c.MaxPoints)
	}
	t.print("  %s %-*s  %s%s\n", t.sign(c.Outcome), t.width, c.ID, text, points)
}

// LabEnds tells of each failure and error what a person needs to go on.
func (t *Terminal) LabEnds(lab harness.LabResult) {
	told := ""
	for _, c := range lab.Checks {
		switch c.Outcome {
		case harness.Fail:
			t.print("\n%s %s\n", t.sign(c.Outcome), c.ID)
		case harness.Error:
			if c.Error == told { // one cause may keep several checks from being made
				continue
			}
			told = c.Error
			t.print("\n%s %s could not be checked; this does not count against you\n", t.sign(c.Outcome), c.ID)
		default:
			continue
		}
		for _, f := range fields(c, t.Submission) {
			t.field(f)
		}
	}
	if lab.Cleanup != "" {
		t.print("\n%s %s\n", t.sign(harness.Error), notClean)
		t.field(field{"why", lab.Cleanup})
	}
}

func (t *Terminal) field(f field) {
	const indent = "\n             "
	text := check.Printable(f.text, maxExplanation)
	t.print("    %-8s %s\n", f.name, strings.ReplaceAll(text, "\n", indent))
}

// Summary ends a run's report: what there is to be noted, and the sum.
func (t *Terminal) Summary(r *harness.Result) {
	if r.Review != nil {
		t.field(field{"why", r.Review.Reason})
		t.field(field{"next", r.Review.Next})
	}
	for _, note := range r.Notes {
		t.print("\nnote: %s\n", OneLine(note, maxLine))
	}
	took := ""
	if t.colour {
		took = fmt.Sprintf(" in %.1f s", (time.Duration(r.DurationMs) * time.Millisecond).Seconds())
	}
	t.print("\n%s %s%s\n", t.sign(r.Outcome), sentence(r), took)
}
