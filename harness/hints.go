package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Hint is what a course says of a check to somebody who is stuck at it. What
// the learner's own evidence says is in the check's failure.
type Hint struct {
	Idea    string // what the check is about, in Markdown
	Similar string // a similar case, worked out, in Markdown
}

// What a course's texts are called: a lab's hints.md, with a section for each
// check and a similar case below it, and the end of its README.md.
const (
	hintsFile = "hints.md"
	similar   = "A similar case"
	textFile  = "README.md"
	meaning   = "What it means"
)

// Hints are a lab's hints by check id, none where the course has none.
func (c Course) Hints(lab Lab) (map[string]Hint, error) {
	text, err := c.text(lab, hintsFile)
	if err != nil || text == "" {
		return nil, err
	}
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("reading %s: %s", path.Join(c.Dir(lab), hintsFile), fmt.Sprintf(format, args...)))
	}
	hints := map[string]Hint{}
	for _, part := range sections(text, "## ")[1:] {
		id := part.heading
		if !slices.ContainsFunc(lab.Checks, func(check Check) bool { return check.ID == id }) {
			wrong("%s is no check of the lab's", id)
		}
		if _, twice := hints[id]; twice {
			wrong("%s is there twice", id)
		}
		within := sections(part.text, "### ")
		hint := Hint{Idea: within[0].text}
		if len(within) == 2 && within[1].heading == similar {
			hint.Similar = within[1].text
		}
		if hint.Idea == "" || hint.Similar == "" {
			wrong("%s needs the idea and, below ### %s, one that is worked out", id, similar)
		}
		hints[id] = hint
	}
	for _, check := range lab.Checks {
		if _, told := hints[check.ID]; !told {
			wrong("there is none for %s", check.ID)
		}
	}
	return hints, errors.Join(errs...)
}

// Meaning is what somebody who passed a lab has seen, in Markdown: the section
// "What it means" of its text; "" where there is none.
func (c Course) Meaning(lab Lab) (string, error) {
	text, err := c.text(lab, textFile)
	for _, part := range sections(text, "## ") {
		if part.heading == meaning {
			text, _, _ := strings.Cut(part.text, "\n\nNext: ") // the line that leads on
			return text, err
		}
	}
	return "", err
}

// text is a file of a lab's, "" where there is none.
func (c Course) text(lab Lab, name string) (string, error) {
	if c.Files == nil {
		return "", nil
	}
	text, err := fs.ReadFile(c.Files, path.Join(c.Dir(lab), name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading a lab's text: %w", err)
	}
	return string(text), nil
}

// complete returns what is missing of hints and meanings: a course has them for
// all of its labs or for none.
func (c Course) complete(labs []Lab) error {
	var errs []error
	var hints, meanings, neither []string // labs
	for _, lab := range labs {
		told, err := c.Hints(lab)
		means, failed := c.Meaning(lab)
		errs = append(errs, err, failed)
		if told != nil {
			hints = append(hints, lab.Slug)
		}
		if means != "" {
			meanings = append(meanings, lab.Slug)
		}
		if told == nil || means == "" {
			neither = append(neither, lab.Slug)
		}
	}
	if len(hints)+len(meanings) > 0 && len(neither) > 0 {
		errs = append(errs, fmt.Errorf("%s: other labs have hints (%s) and say what they mean (## %s in %s)", strings.Join(neither, ", "), hintsFile, meaning, textFile))
	}
	return errors.Join(errs...)
}

// section is a part of a Markdown text.
type section struct{ heading, text string }

// sections divides a Markdown text at its headings of one level, which begin
// with that mark. The first section is what comes before them. A line of code
// is no heading.
func sections(text, mark string) []section {
	all, code := []section{{}}, false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if heading, is := strings.CutPrefix(line, mark); is && !code {
			all = append(all, section{heading: strings.TrimSpace(heading)})
			continue
		}
		all[len(all)-1].text += line
	}
	for i := range all {
		all[i].text = strings.TrimSpace(all[i].text)
	}
	return all
}
