package gradebook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Import is a file of the class's points that a platform imports.
type Import struct {
	Name string // in FORMATS=
	File string // beside the gradebook

	lines func(*Book) [][]string
}

// imports are those there are.
var imports = []Import{{"moodle", "moodle.csv", (*Book).moodle}, {"canvas", "canvas.csv", (*Book).canvas}}

// ImportNames are the names of all of them.
func ImportNames() (names []string) {
	for _, i := range imports {
		names = append(names, i.Name)
	}
	return names
}

// ParseImports takes the names of imports out of names with commas or blanks
// between them.
func ParseImports(words string) (chosen []Import, rest string) {
	var others []string
	for _, name := range strings.FieldsFunc(words, func(r rune) bool { return r == ',' || r == ' ' }) {
		if at := slices.IndexFunc(imports, func(i Import) bool { return i.Name == name }); at >= 0 {
			chosen = append(chosen, imports[at])
		} else {
			others = append(others, name)
		}
	}
	return chosen, strings.Join(others, ",")
}

// graded are the rows that a platform can import: with a grade, and with an id as
// Moodle and Canvas have them. It leaves alone who is left out.
func (b *Book) graded() (rows []Row) {
	for _, row := range b.Rows {
		if row.points() != "" && row.ID != "" && strings.Trim(row.ID, "0123456789") == "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// moodle is a grading worksheet: Moodle finds a student by the number of the
// participant.
func (b *Book) moodle() [][]string {
	lines := [][]string{{"Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)"}}
	for _, row := range b.graded() {
		lines = append(lines, []string{"Participant " + row.ID, cell(row.Student), row.points(), fmt.Sprint(b.maxPoints()), ""})
	}
	return lines
}

// canvas is a gradebook: Canvas finds a student by its own ID, and asks which
// assignment the last column is.
func (b *Book) canvas() [][]string {
	lines := [][]string{
		{"Student", "ID", "SIS User ID", "SIS Login ID", "Section", b.Title},
		{"    Points Possible", "", "", "", "", fmt.Sprint(b.maxPoints())},
	}
	for _, row := range b.graded() {
		lines = append(lines, []string{cell(cmp.Or(row.Student, row.Name)), row.ID, "", "", "", row.points()})
	}
	return lines
}
