package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Bounds of what one check may say in a format for people. A learner decides
// what a program prints; nobody reads more than this of it.
const (
	maxExplanation = 6000 // bytes
	maxShown       = 6    // pieces of evidence
	maxLine        = 500  // bytes, where a format has room for a line
)

const (
	// notYours begins every error of ours, in every format.
	notYours = "could not be checked; this does not count against the submission and costs no points"
	// notClean begins what is said of a lab whose clean-up failed.
	notClean = "what this lab created could not all be deleted; this changes no verdict"
)

// field is one thing said of a check, with its name.
type field struct{ name, text string }

// fields are what a person needs in order to go on from a check, and the evidence
// of one that was judged. Their texts may hold anything.
func fields(c harness.CheckResult, submission string) []field {
	all := told(c, submission)
	if c.Outcome == harness.Fail || c.Outcome == harness.Pass {
		all = append(all, shown(c.Evidence)...)
	}
	return all
}

// told is what is said of a check beside its evidence: of a failure what was
// wanted and found, the place in that submission's folder, and a hint; of the rest
// why there is no verdict.
func told(c harness.CheckResult, submission string) (all []field) {
	switch c.Outcome {
	case harness.Fail:
		all = []field{{"wanted", c.Want}, {"found", c.Got}}
		if c.Position.Line > 0 {
			all = append(all, field{"at", placed(c.Position, submission).String()})
		}
		if c.Hint != "" { // it may wait until somebody asks for it
			all = append(all, field{"hint", c.Hint})
		}
	case harness.Error:
		all = []field{{"why", c.Error}}
	case harness.Skipped:
		all = []field{{"skipped", c.Error}}
	}
	if c.Next != "" {
		all = append(all, field{"next", c.Next})
	}
	return all
}

// placed is a position as it is seen from where the submission's folder is named
// like that.
func placed(at check.Position, submission string) check.Position {
	at.File = filepath.Join(submission, filepath.FromSlash(at.File))
	return at
}

// shown is the evidence beside a verdict, the first pieces of it. What a manifest
// grants in full is for the page, and for whoever asks for it.
func shown(all []check.Evidence) (fields []field) {
	all = slices.DeleteFunc(slices.Clone(all), func(e check.Evidence) bool { return e.Access != nil || e.Effect != nil })
	for _, e := range all[:min(maxShown, len(all))] {
		fields = append(fields, field{"evidence", evidence(e)})
	}
	if more := len(all) - maxShown; more > 0 {
		fields = append(fields, field{"evidence", fmt.Sprintf("and %d more in results.json", more)})
	}
	return fields
}

// Explain is all that a person needs to know of one check, in lines that are
// safe to show and bounded.
func Explain(c harness.CheckResult) string {
	var lines []string
	if c.Outcome == harness.Error {
		lines = append(lines, notYours)
	}
	for _, f := range fields(c, "") { // no text can pass for another field
		lines = append(lines, f.name+": "+strings.ReplaceAll(f.text, "\n", "\n  "))
	}
	return check.Printable(strings.Join(lines, "\n"), maxExplanation)
}

// Asides are what is to be said of a run beside its verdicts, in lines that are
// safe to show: why it was not graded, how the submission was taken, and labs
// that left something behind.
func Asides(r *harness.Result) (lines []string) {
	if r.Review != nil {
		lines = append(lines, "why: "+OneLine(r.Review.Reason, maxLine), "next: "+OneLine(r.Review.Next, maxLine))
	}
	for _, note := range r.Notes {
		lines = append(lines, "note: "+OneLine(note, maxLine))
	}
	for _, lab := range r.Labs {
		if lab.Cleanup != "" {
			lines = append(lines, OneLine(lab.Heading()+": "+notClean+" ("+lab.Cleanup+")", maxLine))
		}
	}
	return lines
}

// OneLine makes a text safe to be part of a line.
func OneLine(text string, limit int) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(check.Printable(text, limit))
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
		for _, stream := range []field{{"stdout", e.Output.Stdout}, {"stderr", e.Output.Stderr}} {
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
