package harness

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Starter copies a lab's starter into a submission and returns the files'
// paths. What the learner has written already stays.
func (c Course) Starter(lab Lab, submission string) ([]string, error) {
	return c.lay(lab, "starter", submission)
}

// Solution copies a lab's reference solution into a submission. The story has
// none of its own.
func (c Course) Solution(lab Lab, submission string) ([]string, error) {
	return c.lay(lab, "solution", submission)
}

// Solutions copies the reference solutions of all labs.
func (c Course) Solutions(submission string) error {
	for _, lab := range c.Labs {
		if _, err := c.Solution(lab, submission); err != nil {
			return err
		}
	}
	return nil
}

// Screen is the text of one check of the tour, around what was seen.
type Screen struct{ Before, After string }

// The file of the tour's texts, and where in one of its sections goes what was
// seen.
const (
	tourFile = "tour.md"
	seenHere = "<!-- seen -->"
)

// Screens are the texts of the tour, in the order of its checks: the sections of
// tour.md, each headed by what its check says.
func (c Course) Screens() (screens []Screen, err error) {
	text, err := fs.ReadFile(c.Files, tourFile)
	if err != nil {
		return nil, fmt.Errorf("reading the tour: %w", err)
	}
	parts := sections(string(text), "## ")[1:]
	if len(parts) != len(c.Tour.Checks) {
		return nil, fmt.Errorf("reading the tour: %s has %d sections for %d checks", tourFile, len(parts), len(c.Tour.Checks))
	}
	for i, check := range c.Tour.Checks {
		before, after, marked := strings.Cut(parts[i].text, seenHere)
		if parts[i].heading != check.Desc || !marked {
			return nil, fmt.Errorf("reading the tour: the section %q of %s is not headed %q, or has no line %s", parts[i].heading, tourFile, check.Desc, seenHere)
		}
		screens = append(screens, Screen{before, strings.TrimPrefix(after, "\n") + "\n"})
	}
	return screens, nil
}

// asked is what the labs ask for, by their folders in a submission.
func (c Course) asked() map[string]check.Asked {
	asked := map[string]check.Asked{}
	for _, lab := range c.Labs {
		a := check.Asked{Files: lab.Files, Again: fmt.Sprintf("make restart-%d", lab.Number)}
		if c.Files != nil {
			a.Starter, _ = fs.Sub(c.Files, path.Join(c.Dir(lab), "starter")) // an error only where the path is malformed
		}
		asked[lab.Folder()] = a
	}
	return asked
}

// lay copies one folder of a lab.
func (c Course) lay(lab Lab, folder, submission string) (placed []string, err error) {
	if lab.Number == 0 {
		return nil, nil
	}
	from := path.Join(c.Dir(lab), folder)
	entries, err := fs.ReadDir(c.Files, from)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", from, err)
	}
	to := filepath.Join(submission, lab.Folder())
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, next.Errorf("free some disk space", "making %s: %w", to, err)
	}
	for _, entry := range entries {
		file := filepath.Join(to, entry.Name())
		placed = append(placed, file)
		if _, err := os.Lstat(file); err == nil {
			continue
		}
		text, err := fs.ReadFile(c.Files, path.Join(from, entry.Name()))
		if err == nil {
			err = os.WriteFile(file, text, 0o644)
		}
		if err != nil {
			return nil, next.Errorf("free some disk space", "writing %s: %w", file, err)
		}
	}
	return placed, nil
}
