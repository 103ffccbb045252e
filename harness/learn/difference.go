package learn

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/diff"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Compared is one file of a lab's, the learner's beside the reference.
type Compared struct {
	File  string // of the reference, as lab-N/name
	Yours string // the learner's, in the submission; "" where there is none
	// Lines are the difference in the unified form, "" where there is none. They
	// may hold anything.
	Lines string
	// Other reports that the two are written in different languages, so that lines
	// say nothing.
	Other bool
}

// MayCompare reports whether the learner may see the difference to a lab's
// reference solution: after passing it, or when asking for the second time.
func (p *Progress) MayCompare(of harness.Lab) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.read()
	if err != nil {
		return false, err
	}
	lab := known.lab(p.course.Word(of))
	if lab.Passed != nil || lab.Compared {
		return true, nil
	}
	lab.Compared = true
	return false, p.write(known)
}

// Difference compares the learner's files of a lab with the reference solution.
func (p *Progress) Difference(lab harness.Lab) ([]Compared, error) {
	files, err := check.OpenSubmission(p.submission, nil)
	if err != nil {
		return nil, err
	}
	defer files.Close()
	if !files.Has(lab.Folder()) {
		return nil, next.Errorf("make "+p.course.Word(lab), "comparing %s: there is no folder %s yet", lab.Heading(), filepath.Join(p.submission, lab.Folder()))
	}
	references, err := fs.Glob(p.course.Files, path.Join(p.course.Dir(lab), "solution", "*"))
	if err != nil {
		return nil, fmt.Errorf("reading the reference solution: %w", err)
	}
	var all []Compared
	for _, reference := range references {
		text, err := fs.ReadFile(p.course.Files, reference)
		if err != nil {
			return nil, fmt.Errorf("reading the reference solution: %w", err)
		}
		one, err := compare(files, lab, path.Base(reference), text)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// compare compares one file of the reference with the learner's of its name, or
// of another that the lab takes for it.
func compare(files *check.Submission, lab harness.Lab, name string, reference []byte) (Compared, error) {
	c := Compared{File: path.Join(lab.Folder(), name)}
	names := []string{name}
	for _, asked := range lab.Files {
		if slices.Contains(asked.Names(), name) {
			names = append(names, asked.Names()...)
		}
	}
	for _, name := range names {
		if file := path.Join(lab.Folder(), name); files.Has(file) {
			c.Yours = file
			break
		}
	}
	if c.Yours == "" {
		return c, nil
	}
	text, err := files.Text(c.Yours)
	var failure *check.Failure
	switch {
	case errors.As(err, &failure):
		return c, fmt.Errorf("comparing %s: found %s", c.Yours, failure.Got)
	case err != nil:
		return c, err
	case c.Yours != c.File:
		c.Other = true
		return c, nil
	}
	lines := diff.Diff("yours", ended(text), "reference", ended(reference))
	if _, after, found := bytes.Cut(lines, []byte("\n")); found { // its first line is the command that it was not
		c.Lines = string(after)
	}
	return c, nil
}

// ended is a text whose last line has an end, as every line has in the other.
func ended(text []byte) []byte {
	return append(bytes.TrimRight(text, "\n"), '\n')
}
