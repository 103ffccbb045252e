package gradebook

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"rolecall/harness"
	"rolecall/harness/next"
)

// Verify compares the gradebook.csv in a directory with the results of the
// class: each graded row is of one of them and says what it says.
func Verify(dir string, labs []harness.Lab, results []*harness.Result) error {
	text, err := os.ReadFile(filepath.Join(dir, "gradebook.csv"))
	if err != nil {
		return fmt.Errorf("reading the gradebook: %w", err)
	}
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return fmt.Errorf("reading the gradebook: %w", err)
	}
	b := &Book{Labs: labs}
	if len(lines) == 0 || !slices.Equal(lines[0], b.heading()) {
		return next.Errorf("name the LABS= that were graded", "comparing gradebook.csv with the results: its columns are of other labs")
	}
	var known [][]string
	for _, r := range results {
		known = append(known, b.verdicts(Row{Name: r.Submission, Result: r}))
	}
	for n, line := range lines[1:] {
		differs := fmt.Errorf("comparing gradebook.csv with the results: line %d is not what they say; it was changed after grading", n+2)
		verdicts := line[2:]                                                    // student and id come from names and from a roster
		blank := slices.Equal(verdicts[1:], b.verdicts(Row{Name: line[2]})[1:]) // not graded yet, or nothing there
		at := slices.IndexFunc(known, func(k []string) bool { return slices.Equal(k, verdicts) })
		switch {
		case at >= 0:
			known = slices.Delete(known, at, at+1)
		case !blank:
			return differs
		case slices.ContainsFunc(known, func(k []string) bool { return k[0] == line[2] }):
			return differs // it hides one
		}
	}
	return nil
}
