// Package corpus holds submissions whose verdicts are known: the wrong and
// right ones that a course keeps beside each lab, and a class of them, with
// broken and hostile ones, for tests of grading.
package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"

	"rolecall/harness"
)

// The folders of a lab's cases.
const (
	Wrong = "wrong"
	Right = "right"
)

// Token in a case's files stands for a token that is valid and bound to no pod.
const Token = "@@TOKEN@@"

// Case is a submission whose verdict is known: the solutions with some files
// changed.
type Case struct {
	Name    string // of the file, without .txtar
	File    string // in the course's folder
	Lab     harness.Lab
	Mistake string // or, of a right one, what differs
	Fails   string // the check that fails, and no other; empty for a right one
	Message        // of that check
	Removes []string
	Files   []txtar.File

	on map[string]Message // where a provider's clusters have words of their own
}

// Message is what a learner is told of a failure, and where it is in the
// submission, if the line is known.
type Message struct{ Wanted, Found, Hint, At string }

// MessageOf is what a learner is told of a check.
func MessageOf(c harness.CheckResult) Message {
	m := Message{Wanted: c.Want, Found: c.Got, Hint: c.Hint}
	if c.Position.Line > 0 {
		m.At = c.Position.String()
	}
	return m
}

// Cases reads the wrong or the right submissions of a lab from a course's
// folder.
func Cases(folder fs.FS, course harness.Course, lab harness.Lab, verdict string) ([]Case, error) {
	files, err := fs.Glob(folder, path.Join(course.Dir(lab), verdict, "*.txtar"))
	if err != nil {
		return nil, fmt.Errorf("listing %s submissions: %w", verdict, err)
	}
	var cases []Case
	for _, file := range files {
		text, err := fs.ReadFile(folder, file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		archive := txtar.Parse(text)
		c := Case{Name: strings.TrimSuffix(path.Base(file), ".txtar"), File: file, Lab: lab, Files: archive.Files}
		if err := c.read(string(archive.Comment)); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if wrong := verdict == Wrong; wrong != (c.Fails != "") {
			return nil, fmt.Errorf("reading %s: a wrong submission names the check that fails, a right one names none", file)
		}
		if verdict == Right && !c.differs(course) {
			return nil, fmt.Errorf("reading %s: it passes as the solution does, because no lab asks for the files that it has", file)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// differs reports whether the case changes a file that some lab asks for.
func (c Case) differs(course harness.Course) bool {
	changed := slices.Clone(c.Removes)
	for _, file := range c.Files {
		changed = append(changed, file.Name)
	}
	for _, lab := range course.Labs {
		for _, file := range lab.Files {
			for _, name := range file.Names() {
				if slices.Contains(changed, path.Join(lab.Folder(), name)) {
					return true
				}
			}
		}
	}
	return false
}

// MessageOn is what a learner is told on a provider's clusters.
func (c Case) MessageOn(provider string) Message {
	if m, differs := c.on[provider]; differs {
		return m
	}
	return c.Message
}

// NeedsToken reports whether the case must be written with a token.
func (c Case) NeedsToken() bool {
	for _, file := range c.Files {
		if bytes.Contains(file.Data, []byte(Token)) {
			return true
		}
	}
	return false
}

// Write writes the case as a submission into an empty directory.
func (c Case) Write(course harness.Course, dir, token string) error {
	if err := course.Solutions(dir); err != nil {
		return err
	}
	var errs []error
	for _, name := range c.Removes {
		errs = append(errs, os.Remove(filepath.Join(dir, filepath.FromSlash(name))))
	}
	for _, file := range c.Files {
		to := filepath.Join(dir, filepath.FromSlash(file.Name))
		errs = append(errs,
			os.MkdirAll(filepath.Dir(to), 0o755),
			os.WriteFile(to, bytes.ReplaceAll(file.Data, []byte(Token), []byte(token)), 0o644))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("writing %s: %w", c.File, err)
	}
	return nil
}
