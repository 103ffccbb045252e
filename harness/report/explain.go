package report

import (
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

// notYours stands before every error of ours, in every format.
const notYours = "could not be checked; this is no fault of the submission and costs no points"

// Explain says of one check what a person needs in order to go on, in lines
// that are safe to show and bounded: of a failure what was wanted and found, a
// hint and the evidence; of the rest why there is no verdict.
func Explain(c harness.CheckResult) string {
	switch c.Outcome {
	case harness.Fail:
		lines := []string{"wanted: " + c.Want, "found: " + c.Got, "hint: " + c.Hint}
		return check.Printable(strings.Join(append(lines, shown(c)...), "\n"), maxExplanation)
	case harness.Error:
		return check.Printable(notYours+"\nwhy: "+c.Error, maxExplanation)
	case harness.Skipped:
		return check.Printable("skipped: "+c.Error, maxExplanation)
	}
	return check.Printable(strings.Join(shown(c), "\n"), maxExplanation)
}

// shown is the evidence beside a verdict, the first pieces of it.
func shown(c harness.CheckResult) (lines []string) {
	for _, e := range c.Evidence[:min(maxShown, len(c.Evidence))] {
		lines = append(lines, "evidence: "+evidence(e))
	}
	return lines
}

// OneLine makes a text safe to stand inside a line.
func OneLine(text string, limit int) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(check.Printable(text, limit))
}

// tally is a run in one sentence.
func tally(r *harness.Result) string {
	var t Terminal
	var b strings.Builder
	t.w = &b
	t.Summary(r)
	_, sentence, _ := strings.Cut(strings.TrimSpace(b.String()), " ")
	return sentence
}
