// Package gradebook shows how a class did: as a table for spreadsheets, and as
// a page whose cells open their evidence.
package gradebook

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2/maybe"

	"rolecall/harness"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

// Book is a class.
type Book struct {
	Title string        // of what was graded
	Labs  []harness.Lab // that were graded
	Rows  []Row
}

// sorted are the rows as they are shown: those that a person must look at
// first, the others as they came.
func (b *Book) sorted() []Row {
	return slices.SortedStableFunc(slices.Values(b.Rows), func(x, y Row) int { return y.urgency() - x.urgency() })
}

func (r Row) urgency() int {
	if r.outcome() == string(harness.NeedsReview) {
		return 1
	}
	return 0
}

// known is what else is known of a row with a student: the id and the submission.
func (r Row) known() string {
	var parts []string
	for _, part := range []string{r.ID, r.Name} {
		if part != "" && part != cmp.Or(r.Student, r.Name, r.ID) {
			parts = append(parts, report.OneLine(part, 200))
		}
	}
	return strings.Join(parts, ", ")
}

// Row is one submission, or a student without one. Names may hold anything.
type Row struct {
	Name    string // "" where nothing was handed in
	Student string // who handed it in, where that is known
	ID      string // the student's
	Folder  string // of its results, from the gradebook's
	Notes   []string
	Result  *harness.Result // nil where it is not graded yet
}

// NotYet is the outcome of a submission that is not graded yet.
const NotYet = "not graded yet"

// Write writes gradebook.csv, gradebook.html and files for import elsewhere into a
// directory, which it makes. Each appears whole or not at all.
func (b *Book) Write(dir string, imports []Import) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return next.Errorf("name a directory that can be made with OUT=dir", "writing the gradebook: %w", err)
	}
	page, err := b.HTML()
	if err != nil {
		return fmt.Errorf("writing the gradebook: %w", err)
	}
	err = maybe.WriteFile(filepath.Join(dir, "gradebook.csv"), b.CSV(), 0o644)
	if err == nil {
		err = maybe.WriteFile(filepath.Join(dir, "gradebook.html"), page, 0o644)
	}
	for _, i := range imports {
		if err == nil {
			err = maybe.WriteFile(filepath.Join(dir, i.File), table(i.lines(b)), 0o644)
		}
	}
	if err != nil {
		return next.Errorf("free some disk space", "writing the gradebook: %w", err)
	}
	return nil
}

// ExitStatus is the command's: 0 where every submission was judged, whatever
// the verdicts, 2 where one was not, and else 3 where a person must look at one.
func (b *Book) ExitStatus() (status int) {
	for _, row := range b.Rows {
		switch {
		case row.Name == "": // nothing to judge
		case row.Result == nil || row.Result.Outcome == harness.Error:
			return 2
		case row.Result.Outcome == harness.NeedsReview:
			status = 3
		}
	}
	return status
}

// Progress is how much of the class is graded, for a sentence.
func (b *Book) Progress() string {
	graded, all := 0, 0
	for _, row := range b.Rows {
		if row.Name != "" {
			all++
		}
		if row.Result != nil {
			graded++
		}
	}
	return fmt.Sprintf("%d of %d are graded", graded, all)
}

// maxPoints is what all labs are worth.
func (b *Book) maxPoints() (points int) {
	for _, lab := range b.Labs {
		points += lab.Points()
	}
	return points
}

func (r Row) outcome() string {
	if r.Name == "" {
		return string(harness.NotHandedIn)
	}
	if r.Result == nil {
		return NotYet
	}
	return string(r.Result.Outcome)
}

// points are the row's, or "" where they are no grade.
func (r Row) points() string {
	if r.Result == nil {
		return ""
	}
	return points(r.Result.Points, r.Result.Outcome)
}

func points(points int, outcome harness.Outcome) string {
	if !outcome.Graded() {
		return ""
	}
	return fmt.Sprint(points)
}

// labs are the results of a row by the lab's slug.
func (r Row) labs() map[string]harness.LabResult {
	all := map[string]harness.LabResult{}
	if r.Result != nil && r.Result.Review == nil {
		for _, lab := range r.Result.Labs {
			all[lab.Slug] = lab
		}
	}
	return all
}

// checks are the results of a row by id.
func (r Row) checks() map[string]harness.CheckResult {
	all := map[string]harness.CheckResult{}
	for _, lab := range r.labs() {
		for _, c := range lab.Checks {
			all[c.ID] = c
		}
	}
	return all
}
