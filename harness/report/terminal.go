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
)

// Terminal is an Observer that prints one line a check as it ends, and after
// each step what its failures were. Without colour it is plain and always the
// same for the same verdicts.
type Terminal struct {
	w       io.Writer
	colour  bool
	display *progress.Display // nil where nothing may move
	task    *progress.Task
	width   int // of the longest id in the step
}

// NewTerminal returns a Terminal. Colour and a moving display are for a real
// terminal only.
func NewTerminal(w io.Writer, terminal bool) *Terminal {
	t := &Terminal{w: w, colour: terminal}
	if terminal {
		t.display = progress.New(w, true)
	}
	return t
}

var signs = map[harness.Outcome]string{harness.Pass: "✓", harness.Fail: "✗", harness.Error: "!", harness.Skipped: "-"}
var colours = map[harness.Outcome]string{harness.Pass: "32", harness.Fail: "31", harness.Error: "35", harness.Skipped: "90"}

func (t *Terminal) paint(o harness.Outcome, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + colours[o] + "m" + text + "\x1b[0m"
}

// StepBegins prints the step's title.
func (t *Terminal) StepBegins(s harness.Step) {
	t.width = 0
	for _, c := range s.Checks {
		t.width = max(t.width, len(c.ID))
	}
	fmt.Fprintf(t.w, "\n%s\n\n", title(s.Lab, s.Title))
}

func title(lab int, text string) string {
	if lab == 0 {
		return text
	}
	return fmt.Sprintf("Lab %d: %s", lab, text)
}

// CheckBegins shows, on a terminal, what is being checked.
func (t *Terminal) CheckBegins(c harness.Check) {
	t.task = t.display.Begin(c.ID, 0)
}

// CheckEnds prints the check's line.
func (t *Terminal) CheckEnds(r harness.CheckResult) {
	t.task.Drop()
	text := r.Desc
	if r.Outcome == harness.Skipped {
		text = r.Error
	}
	points := ""
	if r.MaxPoints > 0 && r.Outcome != harness.Error {
		points = fmt.Sprintf("  %d/%d", r.Points, r.MaxPoints)
	}
	fmt.Fprintf(t.w, "  %s %-*s  %s%s\n", t.paint(r.Outcome, signs[r.Outcome]), t.width, r.ID, text, points)
}

// StepEnds tells of each failure and error what a person needs to go on.
func (t *Terminal) StepEnds(s harness.StepResult) {
	told := ""
	for _, c := range s.Checks {
		switch c.Outcome {
		case harness.Fail:
			t.failure(c)
		case harness.Error:
			if c.Error == told { // one cause may keep several checks from being made
				continue
			}
			told = c.Error
			fmt.Fprintf(t.w, "\n%s %s could not be checked; this is no fault of yours\n", t.paint(c.Outcome, "!"), c.ID)
			t.field("why", c.Error)
		}
	}
}

func (t *Terminal) failure(c harness.CheckResult) {
	fmt.Fprintf(t.w, "\n%s %s\n", t.paint(c.Outcome, "✗"), c.ID)
	t.field("wanted", c.Want)
	t.field("found", c.Got)
	t.field("hint", c.Hint)
	for _, e := range c.Evidence {
		t.field("evidence", evidence(e))
	}
}

// evidence is one piece of evidence in a few lines.
func evidence(e check.Evidence) string {
	switch {
	case e.Request != nil:
		text := "the API server saw " + e.Request.String()
		if e.Request.Reason != "" {
			text += "\n" + check.Printable(e.Request.Reason, 300)
		}
		return text
	case e.Output != nil:
		text := fmt.Sprintf("the program ended with exit status %d", e.Output.ExitStatus)
		if e.Output.TimedOut {
			text = "the program was killed when its time was over"
		}
		for _, stream := range []struct{ name, text string }{{"stdout", e.Output.Stdout}, {"stderr", e.Output.Stderr}} {
			if said := strings.TrimSpace(stream.text); said != "" {
				text += "\n" + stream.name + ": " + short(said)
			}
		}
		return text
	}
	return e.Object
}

// short keeps the first lines of a program's output.
func short(text string) string {
	const lines, bytes = 16, 800
	parts := strings.Split(check.Printable(text, bytes), "\n")
	if len(parts) > lines {
		parts = append(parts[:lines], "…")
	}
	return strings.Join(parts, "\n        ")
}

func (t *Terminal) field(name, text string) {
	const indent = "\n             "
	fmt.Fprintf(t.w, "    %-8s %s\n", name, strings.ReplaceAll(text, "\n", indent))
}

// Summary ends a run's report: the sum, and what to do next.
func (t *Terminal) Summary(r *harness.Result) {
	count := map[harness.Outcome]int{}
	total := 0
	for _, s := range r.Steps {
		for _, c := range s.Checks {
			count[c.Outcome]++
			total++
		}
	}
	fmt.Fprintf(t.w, "\n%s %d of %d checks passed, %d of %d points", t.paint(r.Outcome, signs[r.Outcome]), count[harness.Pass], total, r.Points, r.MaxPoints)
	for _, o := range []harness.Outcome{harness.Fail, harness.Error, harness.Skipped} {
		if count[o] > 0 {
			fmt.Fprintf(t.w, ", %d %s", count[o], map[harness.Outcome]string{harness.Fail: "failed", harness.Error: "could not be checked", harness.Skipped: "skipped"}[o])
		}
	}
	if t.colour {
		fmt.Fprintf(t.w, " in %s", (time.Duration(r.DurationMs) * time.Millisecond).Round(100*time.Millisecond))
	}
	fmt.Fprintln(t.w)
}
