// Package gradebook shows how a class did: as a table for spreadsheets, and as
// a page whose cells open their evidence.
package gradebook

import (
	"fmt"
	"os"
	"path/filepath"

	"rolecall/harness"
	"rolecall/harness/report"
)

// Book is a class.
type Book struct {
	Steps []harness.Step // what was checked
	Rows  []Row          // in the order of the page
}

// Row is one submission. Its name may hold anything.
type Row struct {
	Name   string
	Folder string // of its results, from the gradebook's
	Result *harness.Result
}

// Write writes gradebook.csv and gradebook.html into a directory, which it
// makes. Each appears whole or not at all.
func (b *Book) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing the gradebook: %w; name a directory that can be made with OUT=dir", err)
	}
	table, err := b.CSV()
	if err != nil {
		return fmt.Errorf("writing the gradebook: %w", err)
	}
	page, err := b.HTML()
	if err != nil {
		return fmt.Errorf("writing the gradebook: %w", err)
	}
	if err := report.Replace(filepath.Join(dir, "gradebook.csv"), table); err != nil {
		return err
	}
	return report.Replace(filepath.Join(dir, "gradebook.html"), page)
}

// ExitStatus is the command's: 0 where every submission was judged, whatever
// the verdicts, and 2 where one was not.
func (b *Book) ExitStatus() int {
	for _, row := range b.Rows {
		if row.Result.Outcome == harness.Error {
			return 2
		}
	}
	return 0
}

// checks are the results of a row by id.
func (r Row) checks() map[string]harness.CheckResult {
	all := map[string]harness.CheckResult{}
	for _, step := range r.Result.Steps {
		for _, c := range step.Checks {
			all[c.ID] = c
		}
	}
	return all
}
