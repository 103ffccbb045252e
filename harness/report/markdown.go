package report

import (
	"fmt"
	"regexp"
	"strings"

	"rolecall/harness"
)

var marks = map[harness.Outcome]string{harness.Pass: "✅ pass", harness.Fail: "❌ fail", harness.Error: "⚠️ error", harness.Skipped: "➖ skipped"}

// Markdown is the result as a page for people, fit for GitHub's step summary.
// Text that a learner had a hand in stands in code blocks only, where neither
// Markdown nor HTML is read.
func Markdown(r *harness.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# rolecall: %d of %d points\n\n", r.Points, r.MaxPoints)
	fmt.Fprintf(&b, "%s.\n", tally(r))
	if r.Outcome == harness.Error {
		fmt.Fprintf(&b, "\nAt least one check %s. Grade it again.\n", notYours)
	}
	for _, step := range r.Steps {
		fmt.Fprintf(&b, "\n## %s (%d of %d points)\n\n", title(step.Lab, step.Title), step.Points, step.MaxPoints)
		if step.Missing {
			fmt.Fprintf(&b, "Not handed in: the submission has no folder `lab-%d`.\n\n", step.Lab)
		}
		b.WriteString("| | check | points | what holds |\n|---|---|---|---|\n")
		for _, c := range step.Checks {
			fmt.Fprintf(&b, "| %s | `%s` | %d/%d | %s |\n", marks[c.Outcome], c.ID, c.Points, c.MaxPoints, c.Desc)
		}
		for _, c := range step.Checks {
			if c.Outcome == harness.Fail || c.Outcome == harness.Error {
				fmt.Fprintf(&b, "\n### %s `%s`\n\n%s", marks[c.Outcome], c.ID, fenced(Explain(c)))
			}
		}
	}
	return b.String()
}

var backticks = regexp.MustCompile("`+")

// fenced is a code block that its content cannot end: its fence is longer than
// any row of backticks inside.
func fenced(text string) string {
	fence := "```"
	for _, row := range backticks.FindAllString(text, -1) {
		if len(row) >= len(fence) {
			fence = row + "`"
		}
	}
	return fence + "text\n" + text + "\n" + fence + "\n"
}
