package gradebook

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"unicode/utf8"

	"rolecall/harness"
	"rolecall/harness/report"
)

// CSV is the class as a table: a row a submission, with its points, the points
// of each lab, and the outcome of each check. Points of a submission that
// could not be judged are left out, so that nobody takes them for a grade. It
// has no times: the same verdicts give the same bytes.
func (b *Book) CSV() ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	header := []string{"submission", "outcome", "points", "max_points"}
	for _, step := range b.Steps {
		if step.Lab > 0 {
			header = append(header, fmt.Sprintf("lab-%d", step.Lab))
		}
	}
	for _, step := range b.Steps {
		for _, c := range step.Checks {
			header = append(header, c.ID)
		}
	}
	_ = w.Write(header) // Error tells
	for _, row := range b.Rows {
		_ = w.Write(b.line(row))
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

func (b *Book) line(row Row) []string {
	r := row.Result
	line := []string{inert(report.OneLine(row.Name, 200)), string(r.Outcome), points(r.Points, r.Outcome), fmt.Sprint(r.MaxPoints)}
	labs := map[int]harness.StepResult{}
	for _, step := range r.Steps {
		labs[step.Lab] = step
	}
	for _, step := range b.Steps {
		if step.Lab > 0 {
			line = append(line, points(labs[step.Lab].Points, labs[step.Lab].Outcome))
		}
	}
	checks := row.checks()
	for _, step := range b.Steps {
		for _, c := range step.Checks {
			line = append(line, string(checks[c.ID].Outcome))
		}
	}
	return line
}

func points(points int, outcome harness.Outcome) string {
	if outcome == harness.Error {
		return ""
	}
	return fmt.Sprint(points)
}

// inert keeps a spreadsheet from taking a text for a formula, as OWASP advises;
// blanks before it and the wide forms of the signs do not save it.
func inert(text string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, " "))
	if strings.ContainsRune("=+-@\t\r＝＋－＠", first) {
		return "'" + text
	}
	return text
}
