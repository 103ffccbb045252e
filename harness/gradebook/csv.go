package gradebook

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"unicode/utf8"

	"rolecall/harness/report"
)

// CSV is the class as a table: a row a submission, with its points, the points
// of each lab, and the outcome of each check. Those that need review come first.
// Points of a submission that was not judged are left out, so that nobody takes
// them for a grade. It has no times: the same verdicts give the same bytes.
func (b *Book) CSV() []byte {
	lines := [][]string{b.heading()}
	for _, row := range b.sorted() {
		lines = append(lines, b.line(row))
	}
	return table(lines)
}

func (b *Book) heading() []string {
	heading := []string{"student", "id", "submission", "outcome", "points", "max_points"}
	for _, lab := range b.Labs {
		if lab.Number > 0 {
			heading = append(heading, lab.Folder())
		}
	}
	for _, lab := range b.Labs {
		for _, c := range lab.Checks {
			heading = append(heading, c.ID)
		}
	}
	return heading
}

func (b *Book) line(row Row) []string {
	line := []string{cell(row.Student), cell(row.ID)}
	line = append(line, b.verdicts(row)...)
	return line
}

// verdicts are a line but for its student.
func (b *Book) verdicts(row Row) []string {
	line := []string{cell(row.Name), row.outcome(), row.points(), fmt.Sprint(b.maxPoints())}
	labs, checks := row.labs(), row.checks()
	for _, lab := range b.Labs {
		if lab.Number > 0 {
			line = append(line, points(labs[lab.Slug].Points, labs[lab.Slug].Outcome))
		}
	}
	for _, lab := range b.Labs {
		for _, c := range lab.Checks {
			line = append(line, string(checks[c.ID].Outcome))
		}
	}
	return line
}

// table is lines as CSV. Writing to memory does not fail.
func table(lines [][]string) []byte {
	var out bytes.Buffer
	_ = csv.NewWriter(&out).WriteAll(lines)
	return out.Bytes()
}

// cell is a name in a table.
func cell(name string) string { return inert(report.OneLine(name, 200)) }

// inert keeps a spreadsheet from taking a text for a formula, as OWASP advises;
// blanks before it and the wide forms of the signs do not save it.
func inert(text string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, " "))
	if strings.ContainsRune("=+-@\t\r＝＋－＠", first) {
		return "'" + text
	}
	return text
}
