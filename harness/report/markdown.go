package report

import (
	"fmt"
	"regexp"
	"strings"

	"rolecall/harness"
)

// markdown is the result as a page for people, fit for GitHub's step summary.
// Text that a learner had a hand in is in code blocks only, where neither
// Markdown nor HTML is read.
func markdown(r *harness.Result) string {
	var b strings.Builder
	if r.Review != nil {
		fmt.Fprintf(&b, "# rolecall: %s\n\n%s.\n\n%s", looks[r.Outcome].mark, sentence(r), fenced(strings.Join(Asides(r), "\n")))
		return b.String() // no check was made
	}
	fmt.Fprintf(&b, "# rolecall: %d of %d points\n\n", r.Points, r.MaxPoints)
	fmt.Fprintf(&b, "%s.\n", sentence(r))
	if r.Outcome == harness.Error {
		fmt.Fprintf(&b, "\nAt least one check %s. Grade it again.\n", notYours)
	}
	if asides := Asides(r); len(asides) > 0 {
		fmt.Fprintf(&b, "\n%s", fenced(strings.Join(asides, "\n")))
	}
	for _, lab := range r.Labs {
		fmt.Fprintf(&b, "\n## %s (%d of %d points)\n\n", lab.Heading(), lab.Points, lab.MaxPoints)
		if lab.Missing {
			fmt.Fprintf(&b, "Not handed in: the submission has no folder `%s`.\n\n", lab.Folder())
		}
		b.WriteString("| | check | points | what holds |\n|---|---|---|---|\n")
		for _, c := range lab.Checks {
			fmt.Fprintf(&b, "| %s | `%s` | %d/%d | %s |\n", looks[c.Outcome].mark, c.ID, c.Points, c.MaxPoints, c.Desc)
		}
		for _, c := range lab.Checks {
			if c.Outcome == harness.Fail || c.Outcome == harness.Error {
				fmt.Fprintf(&b, "\n### %s `%s`\n\n%s", looks[c.Outcome].mark, c.ID, fenced(Explain(c)))
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
