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
func (b *Book) CSV() ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	header := []string{"submission", "outcome", "points", "max_points"}
	for _, lab := range b.Labs {
		if lab.Number > 0 {
			header = append(header, lab.Folder())
		}
	}
	for _, lab := range b.Labs {
		for _, c := range lab.Checks {
			header = append(header, c.ID)
		}
	}
	_ = w.Write(header) // Error reports it
	for _, row := range b.sorted() {
		_ = w.Write(b.line(row))
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

func (b *Book) line(row Row) []string {
	line := []string{inert(report.OneLine(row.Name, 200)), row.outcome(), row.points(), fmt.Sprint(b.maxPoints())}
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

// inert keeps a spreadsheet from taking a text for a formula, as OWASP advises;
// blanks before it and the wide forms of the signs do not save it.
func inert(text string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, " "))
	if strings.ContainsRune("=+-@\t\r＝＋－＠", first) {
		return "'" + text
	}
	return text
}
